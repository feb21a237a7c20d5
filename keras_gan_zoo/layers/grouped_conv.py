"""Grouped convolutions at the speed of plain ones."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D(groups=...)` for channels-last maps: same weights, same mathematics.

    Keras compiles grouped convolutions with XLA, which on a CPU takes seconds to compile and made
    the gradient of a small network fifty times slower. TensorFlow's own kernel knows groups, in
    gradients of first and second order.

    Args:
        filters, kernel_size, groups: as `keras.layers.Conv2D`.
        **kwargs: as `keras.layers.Conv2D`.

    Raises:
        ValueError: `data_format="channels_first"`.

    Source: Krizhevsky et al., "ImageNet Classification with Deep CNNs", 2012; Xie et al.,
    "Aggregated Residual Transformations", 2017 (ResNeXt).
    """

    def __init__(self, filters: int, kernel_size: Any, groups: int = 1, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, groups=groups, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(
                "GroupedConv2D takes channels-last maps. "
                f"Received: data_format={self.data_format!r}"
            )

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return tf.nn.conv2d(
            inputs,
            tf.convert_to_tensor(kernel),
            strides=list(self.strides),
            padding=self.padding.upper(),
            dilations=list(self.dilation_rate),
        )

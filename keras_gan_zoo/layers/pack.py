"""Several examples judged as one."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gan_zoo.layers.groups import whole_groups


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class Pack(keras.layers.Layer):
    """Joins every `size` consecutive examples along the last axis.

    `(b, ..., c)` -> `(b / size, ..., size * c)`: images become one image of more channels, points
    one longer vector. Put it first in a discriminator, which then gives one logit for each pack.
    Gradient penalties still see each example's own gradient, that of its pack's logit: R1 is a
    mean over examples and m times weaker than over packs.

    In inference a last pack that lacks examples is filled with the batch's first ones: (b + m - 1)
    // m packs. In training it is an error.

    Args:
        size: examples in a pack, at least 1; 1 changes nothing.

    Raises:
        ValueError: size < 1; in training, a batch of known size that is not a multiple of it. A
            batch of unknown size stops the step with an `InvalidArgumentError`.

    Example:

    >>> Pack(2)(ops.zeros((6, 28, 28, 1))).shape
    TensorShape([3, 28, 28, 2])

    Source: Lin et al., "PacGAN: The power of two samples in generative adversarial networks",
    NeurIPS 2018, section 3.
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if int(size) < 1:
            raise ValueError(f"size must be at least 1. Received: size={size}")
        self.size = int(size)

    def call(self, x: Any, training: bool = False) -> Any:
        if self.size == 1:
            return x
        inner = tuple(x.shape[1:])
        x = whole_groups(
            x,
            self.size,
            training,
            f"A batch must be a multiple of the {self.size} examples in a pack. "
            "Received: a batch of {batch}",
        )
        x = ops.reshape(x, (-1, self.size, *inner))
        # the examples' axis goes in front of the channels
        x = ops.moveaxis(x, 1, -2)
        return ops.reshape(x, (-1, *inner[:-1], self.size * inner[-1]))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch = input_shape[0]
        packs = None if batch is None else -(-batch // self.size)
        return (packs, *input_shape[1:-1], self.size * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}

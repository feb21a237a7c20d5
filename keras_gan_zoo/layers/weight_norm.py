"""Weight normalisation: a layer's weights as directions and lengths."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class WeightNormalization(keras.layers.Wrapper):
    """A Dense or Conv2D layer whose kernel is w = g v / |v|, one length g for each output unit.

    The norm runs over all axes of v but the last. `keras.layers.Dense` and `Conv2D` (no groups)
    keep their own name for v, `kernel`; their bias stays.

    Args:
        layer: `keras.layers.Dense` or `keras.layers.Conv2D`.
        train_scale: whether g is trained; otherwise it stays what `initialise_weight_norm` made it.

    Raises:
        TypeError: another kind of layer.

    Example:

    >>> layer = WeightNormalization(keras.layers.Dense(3))
    >>> y = layer(ops.eye(4))
    >>> [round(float(n), 5) for n in ops.norm(y, axis=0)]
    [1.0, 1.0, 1.0]

    Source: Salimans & Kingma, "Weight Normalization", NeurIPS 2016, section 2.
    """

    def __init__(self, layer: keras.layers.Layer, train_scale: bool = True, **kwargs: Any) -> None:
        if type(layer) not in (keras.layers.Dense, keras.layers.Conv2D):
            raise TypeError(
                "WeightNormalization wraps keras.layers.Dense or Conv2D. "
                f"Received: {type(layer).__name__}"
            )
        super().__init__(layer, **kwargs)
        self.train_scale = bool(train_scale)

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.scale = self.add_weight(
            shape=(self.layer.kernel.shape[-1],),
            initializer="ones",
            trainable=self.train_scale,
            name="scale",
        )

    def kernel(self) -> Any:
        """w, of the shape of v, float32."""
        v = ops.cast(self.layer.kernel, "float32")
        squares = ops.sum(ops.square(v), axis=tuple(range(len(v.shape) - 1)))
        return v * (ops.cast(self.scale, "float32") * ops.rsqrt(squares + 1e-12))

    def call(self, x: Any) -> Any:
        return self._activate(self._linear(x))

    def _linear(self, x: Any) -> Any:
        kernel = ops.cast(self.kernel(), x.dtype)
        if isinstance(self.layer, keras.layers.Dense):
            y = ops.matmul(x, kernel)
        else:
            y = self.layer.convolution_op(x, kernel)
        return y if self.layer.bias is None else y + ops.cast(self.layer.bias, y.dtype)

    def _activate(self, y: Any) -> Any:
        return y if self.layer.activation is None else self.layer.activation(y)

    def initialise(self, x: Any) -> Any:
        """Set g and the bias so that on the batch x every unit has mean 0 and variance 1.

        Returns:
            The layer's output on x from then on.

        Raises:
            ValueError: a layer without bias.
        """
        if self.layer.bias is None:
            raise ValueError("Data-dependent initialisation needs a bias. Received: use_bias=False")
        y = self._linear(ops.cast(x, "float32"))
        axes = tuple(range(len(y.shape) - 1))
        mean, deviation = ops.mean(y, axis=axes), ops.std(y, axis=axes) + 1e-8
        self.scale.assign(self.scale / deviation)
        self.layer.bias.assign((self.layer.bias - mean) / deviation)
        return self(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "train_scale": self.train_scale}


def initialise_weight_norm(network: keras.Model, batch: Any) -> None:
    """Data-dependent initialisation of the weight-normalised layers of a chain of layers.

    Each gets, in turn, the batch as the layers before it hand it on in training, and makes its
    units' mean 0 and variance 1 on it.

    Args:
        network: a functional model without branches.
        batch: inputs, a few hundred images.

    Raises:
        ValueError: a network with branches.

    Source: Salimans & Kingma, "Weight Normalization", NeurIPS 2016, section 3.
    """
    x = batch
    for before, layer in zip(network.layers[:-1], network.layers[1:], strict=True):
        if layer.input is not before.output:
            raise ValueError(
                f"The network must be a chain of layers. Received: {layer.name!r} does not follow "
                f"{before.name!r}"
            )
        if isinstance(layer, WeightNormalization):
            x = layer.initialise(x)
        else:
            x = layer(x, training=True) if layer._call_has_training_arg else layer(x)

"""Virtual batch normalisation: statistics of a fixed reference batch, not of the minibatch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class ReferenceBatch(keras.layers.Layer):
    """Puts a fixed batch in front of the minibatch: `(b, ...)` -> `(size + b, ...)`.

    The batch is drawn once, from N(0, 1) (a generator's z), or set with `layer.reference.assign`
    (images for a discriminator), and is saved with the weights. It goes through the network with
    every minibatch; `VirtualBatchNormalization` layers take their statistics from it, and
    `DropReference` removes it at the end. See `networks.with_virtual_batch_norm`.

    Args:
        size: examples in the reference batch, at least 2.
        seed: int, of the draw.

    Raises:
        ValueError: size < 2.
    """

    def __init__(self, size: int = 64, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if int(size) < 2:
            raise ValueError(f"size must be at least 2. Received: size={size}")
        self.size = int(size)
        self.initializer = keras.initializers.RandomNormal(0.0, 1.0, seed=seed)

    def build(self, input_shape: Any) -> None:
        self.reference = self.add_weight(
            shape=(self.size, *input_shape[1:]),
            initializer=self.initializer,
            dtype="float32",
            trainable=False,
            name="reference",
        )
        self.built = True

    def call(self, x: Any) -> Any:
        return ops.concatenate([ops.cast(self.reference, x.dtype), x], axis=0)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch = input_shape[0]
        return (None if batch is None else batch + self.size, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "seed": self.initializer.seed}


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class DropReference(keras.layers.Layer):
    """Removes the first `size` examples: `(size + b, ...)` -> `(b, ...)`."""

    def __init__(self, size: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = int(size)

    def call(self, x: Any) -> Any:
        return x[self.size :]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch = input_shape[0]
        return (None if batch is None else batch - self.size, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class VirtualBatchNormalization(keras.layers.Layer):
    """Normalises each example by the statistics of the reference batch and of itself.

    The first `size` examples of the input are the reference batch, see `ReferenceBatch`: they are
    normalised by their own mean and variance over all axes but the last. Every other example x is
    normalised by the mean and variance of the reference batch with x added to it, so that its
    output does not depend on the rest of the minibatch; training and sampling are the same.

    Args:
        size: examples in the reference batch, at least 2.
        epsilon: added to the variance.
        gamma_initializer: of the scale.
        center, scale: whether a shift beta is added, whether a factor gamma is applied.

    Raises:
        ValueError: size < 2.

    Source: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 3.5. The
    weight 1 / (size + 1) of the example itself is not in the text: it is that of one more member.
    """

    def __init__(
        self,
        size: int = 64,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "ones",
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if int(size) < 2:
            raise ValueError(f"size must be at least 2. Received: size={size}")
        self.size = int(size)
        self.epsilon = float(epsilon)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.center, self.scale = bool(center), bool(scale)

    def build(self, input_shape: Any) -> None:
        shape, start = (input_shape[-1],), self.gamma_initializer
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(shape=shape, initializer=start, name="gamma")
        if self.center:
            self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")
        self.built = True

    def call(self, x: Any, training: bool = False, mask: Any = None) -> Any:
        values = ops.cast(x, "float32")
        inner = tuple(range(1, len(x.shape) - 1))  # height and width
        reference, others = values[: self.size], values[self.size :]
        mean = ops.mean(reference, axis=(0, *inner), keepdims=True)
        variance = ops.mean(ops.square(reference - mean), axis=(0, *inner), keepdims=True)
        # one more member among size + 1, about the reference's mean: no difference of large squares
        share = 1.0 / (self.size + 1)
        centred = others - mean
        shift, square = centred, ops.square(centred)
        if inner:
            shift = ops.mean(shift, axis=inner, keepdims=True)
            square = ops.mean(square, axis=inner, keepdims=True)
        own_variance = (1.0 - share) * variance + share * square - ops.square(share * shift)
        reference = (reference - mean) * ops.rsqrt(variance + self.epsilon)
        others = (centred - share * shift) * ops.rsqrt(own_variance + self.epsilon)
        y = ops.concatenate([reference, others], axis=0)
        y = y if self.gamma is None else y * ops.cast(self.gamma, "float32")
        y = y if self.beta is None else y + ops.cast(self.beta, "float32")
        return ops.cast(y, x.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.gamma_initializer)
        own = {"size": self.size, "epsilon": self.epsilon, "gamma_initializer": initializer}
        own |= {"center": self.center, "scale": self.scale}
        return {**super().get_config(), **own}

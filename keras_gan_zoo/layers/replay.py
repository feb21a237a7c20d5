"""Experience replay of generated images."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class ReplayBuffer(keras.layers.Layer):
    """Remembers generated images and shows the discriminator some of them again.

    A discriminator that sees the latest fakes only forgets the mistakes of earlier generators. Of
    each minibatch of b fakes the first b - b // 2 pass through; the others take the places of
    random entries of the buffer and are replaced by b // 2 images drawn from what the buffer held
    before. While the buffer is filling up, new images take its free places; while it is empty,
    the whole minibatch passes through.

    The buffer is saved with the weights. Under `tf.distribute` every replica has its own.

    Args:
        capacity: number of images, at least half a minibatch. At least 1.

    Raises:
        ValueError: capacity < 1; a minibatch of more than 2 * capacity images.

    Example:

    >>> from keras_gan_zoo.training import latents
    >>> buffer = ReplayBuffer(capacity=64)
    >>> rng = latents.StepRandom(0, tf.constant(0, tf.int64))
    >>> buffer.mix(tf.zeros((8, 28, 28, 1)), rng).shape
    TensorShape([8, 28, 28, 1])

    Source: Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
    Training", CVPR 2017, section 2.3.
    """

    def __init__(self, capacity: int = 512, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if int(capacity) < 1:
            raise ValueError(f"capacity must be at least 1. Received: capacity={capacity}")
        self.capacity = int(capacity)

    def build(self, input_shape: Any) -> None:
        """Make the buffer for minibatches of shape `(b, h, w, c)`."""

        def state(shape: Any, dtype: str, name: str) -> Any:
            return self.add_weight(
                shape=shape,
                initializer="zeros",
                dtype=dtype,
                trainable=False,
                autocast=False,
                aggregation="none",  # a buffer of its own on every replica
                name=name,
            )

        self.images = state((self.capacity, *input_shape[1:]), "float32", "images")
        self.count = state((), "int32", "count")
        self.built = True

    def mix(self, fakes: Any, rng: Any) -> Any:
        """Half fresh, half remembered fakes; then remembers the half that was held back.

        Args:
            fakes: generated images `(b, h, w, c)`.
            rng: random numbers with `uniform(shape)` in [0, 1), such as `StepRandom`.

        Returns:
            `(b, h, w, c)` in the dtype of `fakes`. Remembered images carry no gradient.
        """
        if not self.built:
            self.build(tuple(fakes.shape))
        if fakes.shape[0] is not None and fakes.shape[0] // 2 > self.capacity:
            raise ValueError(
                "Half a minibatch must fit into the buffer. Received: a minibatch of "
                f"{fakes.shape[0]} images, capacity={self.capacity}"
            )
        fakes = ops.convert_to_tensor(fakes)
        half = tf.shape(fakes)[0] // 2
        fresh, held_back = tf.split(fakes, [tf.shape(fakes)[0] - half, half])
        images, count = ops.convert_to_tensor(self.images), ops.convert_to_tensor(self.count)
        filled = tf.cast(tf.minimum(count, self.capacity), tf.float32)
        drawn = tf.cast(rng.uniform([half]) * filled, tf.int32)
        old = tf.cast(tf.gather(images, drawn), fakes.dtype)
        old = tf.where(count > 0, old, held_back)

        free = (count + tf.range(half)) % self.capacity
        random = tf.argsort(rng.uniform([self.capacity]))[:half]  # no place twice
        places = tf.where(count < self.capacity, free, random)
        new = tf.cast(tf.stop_gradient(held_back), tf.float32)
        self.images.assign(tf.tensor_scatter_nd_update(images, places[:, tf.newaxis], new))
        self.count.assign(tf.minimum(count + half, self.capacity))
        mixed = tf.concat([fresh, old], axis=0)
        mixed.set_shape(fakes.shape)
        return mixed

    def call(self, fakes: Any) -> Any:
        """The fakes as they are: only `mix` has an effect."""
        return fakes

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity}

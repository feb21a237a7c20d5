"""Gaussian noise on what a network sees in training: of a constant level, or a falling one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_gan_zoo.losses.replicas import of_replica


def normal(shape: Sequence[int] | Any, seed: Any) -> Any:
    """float32 N(0, 1) by Box and Muller's transform, at most 5.2 in size.

    On CPUs TensorFlow's own normal numbers take more than twice as long, and where the networks are
    small z is a good part of a step: their logarithms, sines and cosines are not vectorised,
    and each takes 32 random bits, whose drawing costs most of the rest. Here 32 bits make a pair:
    2^18 radii, 2^14 angles. One number of three million would lie beyond.

    Args:
        shape: ints or an int32 tensor.
        seed: two int32 numbers, as `tf.random.stateless_uniform` takes them.
    """
    shape = tf.convert_to_tensor(shape, tf.int32)
    number = tf.reduce_prod(shape)
    bits = tf.random.stateless_uniform([(number + 1) // 2], seed, None, None, tf.uint32)
    high, low = tf.bitwise.right_shift(bits, 14), tf.bitwise.bitwise_and(bits, 2**14 - 1)
    # the middles of equal parts of (0, 1)
    u, v = tf.cast(tf.cast(high, tf.int32), tf.float32), tf.cast(tf.cast(low, tf.int32), tf.float32)
    radius = tf.sqrt(-2.0 * tf.math.log((u + 0.5) * 2.0**-18))
    angle = (v + 0.5) * (2.0 * math.pi * 2.0**-14)
    pairs = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], 0)
    return tf.reshape(pairs[:number], shape)


def _next_seed(generator: keras.random.SeedGenerator) -> Any:
    """Two int32 numbers, others on every replica (a SeedGenerator gives all the same)."""
    return of_replica(tf.cast(generator.next(), tf.int32))


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class GaussianNoise(keras.layers.GaussianNoise):
    """`keras.layers.GaussianNoise`, its numbers drawn in half the time and on every replica others.

    Args:
        stddev: standard deviation, on the scale of the input, in [0, 1].
        seed: int, makes the noise repeatable.

    Example:

    >>> GaussianNoise(0.5)(ops.zeros((4, 10)), training=True).shape
    TensorShape([4, 10])
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        noise = normal(tf.shape(inputs), _next_seed(self.seed_generator))
        return inputs + ops.cast(self.stddev * noise, inputs.dtype)


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class InstanceNoise(keras.layers.Layer):
    """Adds N(0, std^2) to the discriminator's input, in training only: shape in = shape out.

    Real and generated images get noise drawn independently, so that two distributions on disjoint
    low-dimensional sets overlap and their divergence has a useful gradient. The level falls
    linearly from `std` to `final_std` over `anneal_steps` updates of the network, counted by
    `after_update`, which `GAN` calls after each optimizer step on the network that holds the layer.
    Put it first in a discriminator.

    Args:
        std: initial standard deviation, on the scale of the images (in [-1, 1]), >= 0.
        anneal_steps: optimizer steps until the level is `final_std`, at least 1; None never falls.
        final_std: level at the end, >= 0.
        seed: int, makes the noise repeatable.

    Raises:
        ValueError: a negative level, anneal_steps < 1.

    Example:

    >>> noisy = InstanceNoise(0.1, anneal_steps=1000)(ops.zeros((4, 8, 8, 1)), training=True)
    >>> noisy.shape
    TensorShape([4, 8, 8, 1])

    Source: Arjovsky & Bottou, "Towards Principled Methods for Training Generative Adversarial
    Networks", ICLR 2017, section 3; Sonderby et al., "Amortised MAP Inference for Image
    Super-resolution", ICLR 2017 ("instance noise").
    """

    def __init__(
        self,
        std: float = 0.1,
        anneal_steps: int | None = None,
        final_std: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (std >= 0 and final_std >= 0):
            raise ValueError(
                "std and final_std must not be negative. "
                f"Received: std={std}, final_std={final_std}"
            )
        if anneal_steps is not None and int(anneal_steps) < 1:
            raise ValueError(
                f"anneal_steps must be at least 1 or None. Received: anneal_steps={anneal_steps}"
            )
        self.std = float(std)
        self.anneal_steps = None if anneal_steps is None else int(anneal_steps)
        self.final_std = float(final_std)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        self.updates = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            aggregation="only_first_replica",
            name="updates",
        )
        self.built = True

    def level(self) -> Any:
        """The present standard deviation, a float32 scalar."""
        if self.anneal_steps is None:
            return ops.convert_to_tensor(self.std, "float32")
        progress = ops.minimum(ops.cast(self.updates, "float32") / self.anneal_steps, 1.0)
        return self.std + (self.final_std - self.std) * progress

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        noise = normal(tf.shape(inputs), _next_seed(self.seed_generator))
        return inputs + ops.cast(self.level() * noise, inputs.dtype)

    def after_update(self) -> None:
        """Count one optimizer step."""
        self.updates.assign(self.updates + 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "std": self.std,
            "anneal_steps": self.anneal_steps,
            "final_std": self.final_std,
            "seed": self.seed,
        }

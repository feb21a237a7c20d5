"""Random numbers of a training step: reproducible, and different on every replica.

Every draw is a pure function of (seed, stream, step, replica, number of the draw within the step).
There is no hidden generator state: a model that is restored at step s continues with the noise
that an uninterrupted run would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gan_zoo.layers.noise import normal
from keras_gan_zoo.losses.replicas import of_replica


class StepRandom:
    """The random numbers of one training or test step.

    Args:
        seed: the model's seed.
        step: int64 scalar tensor: number of the step.
        stream: keeps training and evaluation apart.

    Example:

    >>> rng = StepRandom(0, tf.constant(7, tf.int64))
    >>> rng.normal((2, 3)).shape
    TensorShape([2, 3])
    """

    def __init__(self, seed: int, step: Any, stream: int = 0) -> None:
        self._seed = tf.random.experimental.stateless_fold_in([seed % 2**31, stream], step)
        self._draws = 0

    def _next_seed(self) -> Any:
        draw, self._draws = self._draws, self._draws + 1
        return of_replica(tf.random.experimental.stateless_fold_in(self._seed, draw))

    def normal(self, shape: Sequence[int] | Any) -> Any:
        """float32 N(0, 1) of the given shape."""
        return normal(shape, self._next_seed())

    def normal_rows(self, n: Any, width: int) -> Any:
        """float32 N(0, 1) `(n, width)`: this replica's part of the global batch's rows.

        The global batch has the rows that one device alone would draw: what is measured with
        them does not depend on the number of replicas.
        """
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return self.normal([n, width])
        sizes = context.all_gather(tf.reshape(n, [1]), axis=0)
        start = tf.reduce_sum(sizes[: context.replica_id_in_sync_group])
        draw, self._draws = self._draws, self._draws + 1
        seed = tf.random.experimental.stateless_fold_in(self._seed, draw)
        rows = normal([tf.reduce_sum(sizes), width], seed)
        return rows[start : start + n]

    def uniform(self, shape: Sequence[int] | Any) -> Any:
        """float32 U[0, 1) of the given shape."""
        return tf.random.stateless_uniform(shape, self._next_seed())

    def integers(self, shape: Sequence[int] | Any, high: int) -> Any:
        """int32 uniform in 0 .. high - 1."""
        return tf.random.stateless_uniform(
            shape, self._next_seed(), minval=0, maxval=high, dtype=tf.int32
        )


def latents(n: Any, latent_dim: int, seed: Any) -> Any:
    """z ~ N(0, I) of shape `(n, latent_dim)`, float32: the same seed gives the same vectors.

    Row i depends on (seed, i) only for a given `latent_dim`: the first rows of a larger draw equal
    a smaller one. The Philox generator is named, so every device draws the same numbers.

    Args:
        n: number of vectors; an int or an int32 scalar tensor.
        latent_dim: width.
        seed: an int in [0, 2**31) or an int scalar tensor.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.constant(0, tf.int64)])
    return tf.random.stateless_normal(tf.stack([n, latent_dim]), key, alg="philox")


def labels(n: Any, num_classes: int, seed: Any) -> Any:
    """int32 labels `(n,)`, uniform over the classes, a function of the seed."""
    key = tf.stack([tf.cast(seed, tf.int64), tf.constant(1, tf.int64)])
    return tf.random.stateless_uniform(
        tf.stack([n]), key, 0, num_classes, dtype=tf.int32, alg="philox"
    )


def draw_seed() -> int:
    """A seed in [0, 2**31) from NumPy's generator, as `keras.utils.set_random_seed` left it."""
    return int(np.random.randint(0, 2**31 - 1))

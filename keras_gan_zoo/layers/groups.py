"""Batches for layers that take several examples together."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def whole_groups(x: Any, size: int, training: bool, message: str) -> Any:
    """x `(b, ...)` with a multiple of `size` examples.

    In inference a batch that lacks some is filled with its first ones: `(ceil(b / size) * size,
    ...)`; in training it is an error.

    Args:
        x: examples along the first axis.
        size: examples of a group.
        training: whether a wrong size is an error.
        message: of that error; "{batch}" in it becomes the size that came, where it is known.

    Raises:
        ValueError: in training, a batch of known size that is not a multiple. A batch of unknown
            size stops the step with an `InvalidArgumentError`.
    """
    batch = x.shape[0]
    if isinstance(x, keras.KerasTensor) and (batch is None or not training):
        return x
    if not training and (batch is None or batch % size):
        number = tf.shape(x)[0]
        groups = (number + size - 1) // size
        return tf.gather(x, tf.range(groups * size) % number)
    if batch is not None and batch % size:
        raise ValueError(message.format(batch=batch))
    if batch is None:
        rest = tf.shape(x)[0] % size
        check = tf.debugging.assert_equal(rest, 0, message.format(batch="another size"))
        with tf.control_dependencies([check] if check is not None else []):
            return tf.identity(x)
    return x

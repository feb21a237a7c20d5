"""Means over the whole batch, where every replica of a `tf.distribute` strategy has a part of it.

A loss that is a mean over examples needs none of this: the gradients are averaged. One that is not
linear in a mean does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops


def mean_over_replicas(values: Sequence[Any]) -> list[Any]:
    """The mean of each value over the replicas; gradients pass through."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return list(values)
    return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, list(values)))


def mean_over_batch(values: Any, axis: Any = None) -> Any:
    """`ops.mean`, then over the replicas: each counts alike, whatever the size of its part."""
    return mean_over_replicas([ops.mean(values, axis=axis)])[0]

"""Replicas of a `tf.distribute` strategy, each with a part of the batch: means over the whole of
it, seeds that differ.

A loss that is a mean over examples needs none of this: the gradients are averaged. One that is not
linear in a mean does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops


def of_replica(seed: Any) -> Any:
    """`seed`, two int32 numbers, made another one on every replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)


def mean_over_replicas(values: Sequence[Any]) -> list[Any]:
    """The mean of each value over the replicas; gradients pass through."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return list(values)
    return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, list(values)))


def mean_over_batch(values: Any, axis: Any = None) -> Any:
    """`ops.mean` over all replicas' parts, each of the weight of its size; one may be empty."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return ops.mean(values, axis=axis)
    total = ops.sum(values, axis=axis)
    count = ops.cast(tf.size(values) / tf.size(total), total.dtype)
    total, count = context.all_reduce(tf.distribute.ReduceOp.SUM, [total, count])
    return total / count

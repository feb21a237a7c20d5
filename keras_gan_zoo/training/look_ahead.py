"""Optimizer steps as functions of tensors: nothing is assigned, everything is differentiable.

Keras optimizers write into variables, which no gradient passes. `advance` computes the same step
(the same rule, moments and hyper-parameters) from tensors to tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops


def check(optimizer: Any) -> None:
    """Whether `advance` knows the optimizer's rule.

    Raises:
        ValueError: anything but `SGD` (momentum, Nesterov) and `Adam` without amsgrad, and options
            that are not a function of the last gradient (weight decay, loss scaling, accumulation).
    """
    plain = type(optimizer) in (keras.optimizers.SGD, keras.optimizers.Adam)
    options = ("weight_decay", "use_ema", "gradient_accumulation_steps", "loss_scale_factor")
    options = (*options, "amsgrad")
    used = [n for n in options if getattr(optimizer, n, None)]
    if not plain or used:
        came = type(optimizer).__name__ + (f" with {', '.join(used)}" if used else "")
        raise ValueError(
            "Looking ahead needs an optimizer whose step can be differentiated: SGD (with or "
            "without momentum) or Adam, without weight decay, averaging, accumulation, loss "
            f"scaling or amsgrad. Received: {came}"
        )


def start(optimizer: Any) -> tuple[list[Any], list[Any]]:
    """The optimizer's variables and its present moments as tensors `(n,)`.

    Returns:
        The values of the variables, one tensor each, and the moments, one flat tensor a kind: all
        variables' moments in a row, so that a step is a dozen operations however many there are.
    """
    if isinstance(optimizer, keras.optimizers.SGD):
        kinds = [optimizer.momentums] if optimizer.momentum else []
    else:
        kinds = [optimizer._momentums, optimizer._velocities]
    weights = [tf.convert_to_tensor(v.value) for v in optimizer._trainable_variables]
    return weights, [_flat([tf.convert_to_tensor(v.value) for v in kind]) for kind in kinds]


def advance(
    optimizer: Any, weights: Sequence[Any], gradients: Sequence[Any], moments: list[Any], step: int
) -> tuple[list[Any], list[Any]]:
    """One step of the optimizer's rule.

    Args:
        optimizer: as `check` lets through, built.
        weights, gradients: tensors, one for each of the optimizer's variables.
        moments: from `start` or the step before.
        step: steps looked ahead already: 0, 1, ... (Adam counts them in its bias correction).

    Returns:
        The new weights and moments. The learning rate is the optimizer's present one.
    """
    gradient = _flat(optimizer._clip_gradients(list(gradients)))
    rate = ops.cast(optimizer.learning_rate, gradient.dtype)
    if isinstance(optimizer, keras.optimizers.SGD):
        move = -rate * gradient
        if optimizer.momentum:
            moments = [optimizer.momentum * moments[0] + move]
            move = optimizer.momentum * moments[0] + move if optimizer.nesterov else moments[0]
    else:
        count = ops.cast(optimizer.iterations, gradient.dtype) + (step + 1.0)
        beta_1, beta_2 = optimizer.beta_1, optimizer.beta_2
        m, v = moments
        m = m + (1.0 - beta_1) * (gradient - m)
        v = v + (1.0 - beta_2) * (tf.square(gradient) - v)
        moments = [m, v]
        rate = rate * tf.sqrt(1.0 - beta_2**count) / (1.0 - beta_1**count)
        move = -rate * m / (_root(v) + optimizer.epsilon)
    moves = tf.split(move, [w.shape.num_elements() for w in weights])
    return [w + tf.reshape(d, w.shape) for w, d in zip(weights, moves, strict=True)], moments


def _flat(tensors: Sequence[Any]) -> Any:
    return tf.concat([tf.reshape(t, [-1]) for t in tensors], 0)


@tf.custom_gradient
def _root(x: Any) -> Any:
    """sqrt(x) for x >= 0, with derivative 0 at 0: a weight that never had a gradient has v = 0."""
    root = tf.sqrt(x)
    return root, lambda upstream: tf.math.divide_no_nan(0.5 * upstream, root)

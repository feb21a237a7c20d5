"""What `GAN.fit` watches by itself: the order of the data and the finiteness of the terms."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gan_zoo import datasets


class NonFiniteLossError(ArithmeticError):
    """A term of the objective became NaN or infinite; training stopped before the next step."""


class TrainingGuard(keras.callbacks.Callback):
    """Numbers the epochs of the zoo's pipelines; raises when a term is not finite.

    Args:
        dataset: the trainer's pipeline; its order in an epoch is that of (seed, `model.epoch`).

    Raises:
        NonFiniteLossError: in the step in which a term is NaN or infinite, before any callback
            that saves the model has run.
    """

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        self._dataset = dataset if isinstance(dataset, tf.data.Dataset) else None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        if self._dataset is not None:
            datasets.set_epoch(self._dataset, int(self.model.epoch.numpy()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.epoch.assign(self.model.epoch + 1)
        if self._dataset is not None:  # the trainer opens an iterator more than it uses
            datasets.set_epoch(self._dataset, int(self.model.epoch.numpy()))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        bad = {n: float(np.reshape(v, ())) for n, v in (logs or {}).items()}
        bad = {n: v for n, v in bad.items() if not math.isfinite(v)}
        if not bad:
            return
        step, several = int(self.model.step.numpy()), self.model.steps_per_execution
        where = f"step {step}" if several == 1 else f"one of steps {step - several + 1} to {step}"
        terms = ", ".join(f"{n} = {v}" for n, v in bad.items())
        raise NonFiniteLossError(
            f"{terms} at {where} (epoch {self._epoch + 1}): training stopped. The weights are "
            "spoilt; checkpoints of earlier epochs are not. Look for NaN in the data, lower the "
            "learning rates, or use a float32 or bfloat16 policy."
        )

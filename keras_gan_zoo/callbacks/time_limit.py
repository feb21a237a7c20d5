"""Stop training after a given time."""

from __future__ import annotations

import time
from typing import Any

import keras


class TimeLimit(keras.callbacks.Callback):
    """Ends training, after the current batch, once `seconds` have passed since it began.

    With a `Resume` the next `fit` begins the epoch that was cut short again, from the weights that
    it had reached: work is not lost, but epochs should be shorter than the limit.

    Args:
        seconds: wall-clock budget, measured from `on_train_begin`.

    Raises:
        ValueError: seconds <= 0.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        if seconds <= 0:
            raise ValueError(f"seconds must be positive. Received: seconds={seconds}")
        self.seconds = float(seconds)

    def on_train_begin(self, logs: Any = None) -> None:
        self._begin = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() - self._begin > self.seconds:
            self.model.stop_training = True

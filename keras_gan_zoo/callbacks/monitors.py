"""Callbacks that measure the generator while it trains."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_gan_zoo import metrics as zoo_metrics
from keras_gan_zoo.datasets.pipeline import scale_to_float
from keras_gan_zoo.metrics import evaluation
from keras_gan_zoo.training import checks


class CollapseWarning(UserWarning):
    """The generator's samples have become much more alike than the data."""


class GenerativeMetrics(keras.callbacks.Callback):
    """Measures the generator every few epochs and puts the figures into the logs.

    For figures that are too dear for every epoch; what is cheap enough goes into
    `compile(metrics=...)` with `validation_data=`. Place it before `EarlyStopping`,
    `ModelCheckpoint` or a logger that is to see its figures; between two measurements the last
    ones are repeated, so that these callbacks see them in every epoch.

    Args:
        dataset: held-out images, as for `zoo.metrics.evaluate`.
        metrics: names of `zoo.metrics.FIGURES`.
        every_epochs: cadence; the first measurement is after the first epoch.
        n: generated images; None: as many as real ones.
        seed: of the latent vectors: the same at each measurement.
        extractor, train: as for `zoo.metrics.evaluate`.
        prefix: in front of the names in the logs.

    Attributes:
        records: epoch -> list of `Record`.

    Raises:
        TypeError, ValueError: data that breaks the contract, before the first step.

    Example:

    ```python
    measure = zoo.callbacks.GenerativeMetrics(test, ["fid", "prdc"], every_epochs=5)
    stop = keras.callbacks.EarlyStopping("fid", mode="min", patience=15)
    gan.fit(dataset, epochs=100, callbacks=[measure, stop])
    ```
    """

    def __init__(
        self,
        dataset: Any,
        metrics: Sequence[str] = ("fid", "prdc"),
        every_epochs: int = 1,
        n: int | None = None,
        seed: int = 0,
        extractor: Any = None,
        train: Any = None,
        prefix: str = "",
    ) -> None:
        super().__init__()
        if every_epochs < 1:
            raise ValueError(f"every_epochs must be at least 1. Received: {every_epochs}")
        self.dataset, self.metrics, self.every_epochs = dataset, tuple(metrics), every_epochs
        self.prefix = prefix
        self._options = {"n": n, "seed": seed, "extractor": extractor, "train": train}
        self.records: dict[int, list[zoo_metrics.Record]] = {}
        self._last: dict[str, float] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        for what, images in (("real", self.dataset), ("training", self._options["train"])):
            if images is not None:
                evaluation.adapt(self.model, images, f"{what} images")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not self._last or epoch % self.every_epochs == 0:
            found = zoo_metrics.evaluate(self.model, self.dataset, self.metrics, **self._options)
            self.records[epoch] = found
            self._last = {f"{self.prefix}{r.name}": r.value for r in found}
        if logs is not None:
            logs.update(self._last)


class CollapseMonitor(keras.callbacks.Callback):
    """Warns, or stops training, when the generator's samples become alike.

    After every `every` steps or epochs it compares how far samples lie from each other with how
    far real images do:

        diversity = mean |G(z_i) - G(z_j)| / mean |x_i - x_j|,   i != j

    about 1 where the generator is as varied as the data, near 0 where it gives one image for every
    z. Distances are Euclidean, between pixels or coordinates.

    Args:
        real: real images `(n, h, w, c)`, float in [-1, 1] or uint8, or points `(n, d)`; or a
            dataset of batches of them; the first `n` are used.
        threshold: the diversity below which the generator counts as collapsed, in (0, 1).
        patience: so many measurements in a row must be below it.
        action: `"warn"` (a `CollapseWarning`, once for each collapse) or `"stop"` (training too).
        every_epochs: cadence in epochs; used unless `every_steps` is given.
        every_steps: cadence in training steps, for long epochs.
        n: samples of each measurement.
        seed: of the latent vectors, the same at each measurement.

    Attributes:
        history: `(step, diversity)` of each measurement.
        collapsed: whether a collapse was seen.

    Raises:
        ValueError: an argument out of range, fewer than two real images, images outside [-1, 1],
            or all the same.

    Example:

    ```python
    monitor = zoo.callbacks.CollapseMonitor(dataset, threshold=0.5, action="stop")
    gan.fit(dataset, epochs=50, callbacks=[monitor])
    ```

    The symptom: Goodfellow, "NIPS 2016 Tutorial: Generative Adversarial Networks", section 5.1.1.
    """

    def __init__(
        self,
        real: Any,
        threshold: float = 0.5,
        patience: int = 1,
        action: str = "warn",
        every_epochs: int = 1,
        every_steps: int | None = None,
        n: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be in (0, 1). Received: threshold={threshold}")
        if action not in ("warn", "stop"):
            raise ValueError(f"action must be 'warn' or 'stop'. Received: action={action!r}")
        counts = {"patience": patience, "every_epochs": every_epochs, "n": n - 1}
        if every_steps is not None:
            counts["every_steps"] = every_steps
        for name, value in counts.items():
            if value < 1:
                least = 2 if name == "n" else 1
                raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")
        self.threshold, self.patience, self.action = threshold, patience, action
        self.every_epochs, self.every_steps, self.n, self.seed = every_epochs, every_steps, n, seed
        self._spread = mean_distance(_first(real, n))
        if not self._spread > 0:
            raise ValueError("The real images are all the same: there is nothing to compare with.")
        self.history: list[tuple[int, float]] = []
        self.collapsed = False
        self._below = 0
        self._checked = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._below, self._checked = 0, int(self.model.step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.every_steps is not None:
            step = int(self.model.step)
            if step // self.every_steps > self._checked // self.every_steps:
                self._checked = step
                self._check(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.every_steps is None and (epoch + 1) % self.every_epochs == 0:
            self._check(logs)
        if logs is not None and self.history:
            logs["diversity"] = self.history[-1][1]

    def _check(self, logs: Any) -> None:
        samples = self.model.sample(self.n, seed=self.seed)
        diversity = mean_distance(samples) / self._spread
        step = int(self.model.step)
        self.history.append((step, diversity))
        self._below = self._below + 1 if diversity < self.threshold else 0
        if self._below == self.patience:
            self.collapsed = True
            warnings.warn(
                f"The generator has collapsed at step {step}: its samples are {diversity:.2f} "
                f"times as far from each other as real images are (threshold {self.threshold:g}). "
                "Try instance noise, an R1 penalty, or one of the models `unrolled`, `pacgan`.",
                CollapseWarning,
                stacklevel=2,
            )
            if self.action == "stop":
                self.model.stop_training = True


def mean_distance(rows: np.ndarray) -> float:
    """Mean Euclidean distance between different rows of `(n, ...)`, in float64."""
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    rows = rows - rows.mean(axis=0)
    norms = np.square(rows).sum(axis=1)
    squares = np.maximum(norms[:, None] + norms - 2.0 * rows @ rows.T, 0.0)
    np.fill_diagonal(squares, 0.0)
    return float(np.sqrt(squares).sum() / (len(rows) * (len(rows) - 1)))


def _first(real: Any, n: int) -> np.ndarray:
    """The first n images of an array or of a dataset's batches."""
    if hasattr(real, "element_spec"):
        found: list[np.ndarray] = []
        for element in real:
            images = element[0] if isinstance(element, (tuple, list)) else element
            found.append(np.asarray(images))
            if sum(map(len, found)) >= n:
                break
        real = np.concatenate(found) if found else np.zeros((0, 1))
    real = np.asarray(real)[:n]
    if len(real) < 2:
        raise ValueError(f"CollapseMonitor needs at least 2 real images. Received: {len(real)}")
    if real.dtype == np.uint8 and real.ndim == 4:
        real = np.asarray(scale_to_float(real))
    checks.check_batch(real, real.shape[1:], None, "dataset of real images")
    return real

"""Checkpoints that survive a kill at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

_NAME = re.compile(r"epoch-\d{6}(-step-\d{10})?")  # with a step: in the middle of the next epoch
_STATE, _META = "state.weights.h5", "meta.json"


class Resume(keras.callbacks.Callback):
    """Saves the whole state of training after each epoch, and continues from it.

    `fit` with this callback starts where the newest readable checkpoint in `folder` ended: both
    networks, the EMA twin, both optimizers' moments and learning rates, the step count, the noise,
    and the order of the data (for the zoo's pipelines; with `steps_per_epoch` an interrupted run's
    first epoch begins a new pass over them) are those of the uninterrupted run. On a CPU with
    `tf.config.experimental.enable_op_determinism()` the result is the same bit for bit.

    A checkpoint is written under a temporary name, synced to disk, then renamed: a kill in the
    middle of an epoch or of a save costs at most that epoch. An epoch that another callback ends
    early (`TimeLimit`) is saved, but does not count: the next `fit` begins it again, with the
    weights that it had reached (where the dataset's length is known).

    Args:
        folder: one folder for each run.
        every_epochs: cadence; the last epoch of a `fit` is always saved.
        keep: how many checkpoints to keep.

    Attributes:
        epochs: how many epochs are complete.
        history: the logs of all epochs so far, those of earlier processes included, each with the
            `seconds` that it took. An epoch that was cut short in this process is the last row.

    Raises:
        ValueError: every_epochs < 1 or keep < 1; a checkpoint of a model with other networks, or
            with optimizers, a loss or penalties of other classes (their settings may change).

    Example:

    ```python
    gan.fit(dataset, epochs=50, callbacks=[zoo.callbacks.Resume("runs/mine/checkpoints")])
    ```
    """

    def __init__(self, folder: str | Path, every_epochs: int = 1, keep: int = 2) -> None:
        super().__init__()
        if every_epochs < 1 or keep < 1:
            raise ValueError(
                "every_epochs and keep must be at least 1. "
                f"Received: every_epochs={every_epochs}, keep={keep}"
            )
        self.folder, self.every_epochs, self.keep = Path(folder), every_epochs, keep
        self.history: list[dict[str, float]] = []
        self._epoch = self._saved = 0
        self._carried = 0.0  # seconds of an epoch that was cut short

    @property
    def epochs(self) -> int:
        return self._epoch

    def restore(self, model: Any) -> int | None:
        """Load the newest readable checkpoint into `model`; returns its epoch.

        `fit` calls this before the first epoch. Without a checkpoint the result is None. A damaged
        checkpoint is passed over with a warning that names it.
        """
        for folder in reversed(self._checkpoints()):
            meta = _read(folder)
            if isinstance(meta, str):
                warnings.warn(f"Passing over the checkpoint {folder}: {meta}.", stacklevel=2)
                continue
            game, was = _game(model), meta.get("game")
            if was is not None and was != game:
                changed = [f"{k}: {was[k]}, now {game[k]}" for k in game if was.get(k) != game[k]]
                raise ValueError(
                    f"The checkpoint {folder} is of another game than this model's: "
                    f"{'; '.join(changed)}. Create the model as it was when the run began, or use "
                    "another folder."
                )
            try:
                model.load_weights(folder / _STATE)
            except Exception as error:
                raise ValueError(
                    f"The checkpoint {folder} is of another model than this one: {error} "
                    "Create the model as it was when the run began, or use another folder."
                ) from error
            self.history = meta["history"]
            self._epoch = self._saved = int(meta["epoch"])
            self._carried = float(meta.get("cut_seconds", 0.0))
            return self._epoch
        return None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begin, self._steps = time.monotonic(), 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._steps = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = round(self._carried + time.monotonic() - self._begin, 3)
        self._carried = 0.0
        row = {k: float(v) for k, v in (logs or {}).items()}
        if self.model.stop_training and self._steps < ((self.params or {}).get("steps") or 0):
            # cut short: kept as the state in which this epoch begins
            self._epoch = epoch
            self.model.epoch.assign(self.model.epoch - 1)
            self._save(f"-step-{int(self.model.step.numpy()):010d}", cut_seconds=seconds)
            self.model.epoch.assign(self.model.epoch + 1)
            self.history.append({**row, "seconds": seconds})
            return
        self._epoch = epoch + 1
        self.history.append({**row, "seconds": seconds})
        if self._epoch % self.every_epochs == 0:
            self._save()

    def on_train_end(self, logs: Any = None) -> None:
        if self._saved != self._epoch:
            self._save()

    def _checkpoints(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if _NAME.fullmatch(p.name))

    def _save(self, cut: str = "", **more: Any) -> None:
        self._saved = self._epoch
        if not _is_chief(self.model.distribute_strategy):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".writing-*"):
            shutil.rmtree(left, ignore_errors=True)
        writing = self.folder / f".writing-{self._epoch:06d}"
        writing.mkdir()
        self.model.save_weights(writing / _STATE)
        meta = {
            "epoch": self._epoch,
            "step": int(self.model.step.numpy()),
            "bytes": (writing / _STATE).stat().st_size,
            "sha256": _sha256(writing / _STATE),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "history": self.history,
            "game": _game(self.model),
            **more,
        }
        (writing / _META).write_text(json.dumps(meta))
        for path in (writing / _STATE, writing / _META, writing):
            _sync(path)
        # a name of its own for an epoch that was cut: the last whole one stays until that is safe
        final = self.folder / f"epoch-{self._epoch:06d}{cut}"
        if final.exists():  # the same step
            shutil.rmtree(final)
        writing.rename(final)
        _sync(self.folder)
        for old in self._checkpoints()[: -self.keep]:
            shutil.rmtree(old, ignore_errors=True)


def _game(model: Any) -> dict[str, Any]:
    """Classes of what the saved state is of, besides the networks."""

    def kind(x: Any) -> str:
        return type(getattr(x, "inner_optimizer", x)).__name__

    return {
        "g_optimizer": kind(model.g_optimizer),
        "d_optimizer": kind(model.d_optimizer),
        "loss": kind(model.loss_object),
        "penalties": [kind(p) for p in (*model.penalties, *model.constraints)],
    }


def _read(folder: Path) -> dict[str, Any] | str:
    """The checkpoint's record, or what is wrong with it."""
    try:
        meta = json.loads((folder / _META).read_text())
        size = (folder / _STATE).stat().st_size
    except (OSError, ValueError) as error:
        return str(error)
    if size != meta["bytes"]:
        return f"{_STATE} has {size} bytes, {meta['bytes']} were written"
    if _sha256(folder / _STATE) != meta["sha256"]:
        return f"the sha256 of {_STATE} is not the one that was written"
    return meta


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_chief(strategy: Any) -> bool:
    resolver = getattr(strategy, "cluster_resolver", None)
    return resolver is None or not resolver.task_id

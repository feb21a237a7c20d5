"""Pictures of what the generator makes, epoch by epoch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_gan_zoo import latent, pictures


def _writer(folder: str | Path) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "SampleGrid(tensorboard=...) needs the package tensorboard: pip install tensorboard. "
            f"Received: tensorboard={str(folder)!r}"
        )
    return tf.summary.create_file_writer(str(folder))


class SampleGrid(keras.callbacks.Callback):
    """Writes `samples-<epoch>.png`, a grid from the same latent vectors every time.

    Args:
        folder: where to write; made if missing.
        n: number of images.
        every_epochs: cadence; the last epoch is always drawn.
        seed: chooses the latent vectors.
        tensorboard: a folder for TensorBoard, which shows the same grids as images; None: none.

    Example:

    ```python
    gan.fit(dataset, epochs=10, callbacks=[zoo.callbacks.SampleGrid("runs/mine")])
    ```
    """

    _stem = "samples"

    def __init__(
        self,
        folder: str | Path,
        n: int = 64,
        every_epochs: int = 1,
        seed: int = 0,
        tensorboard: str | Path | None = None,
    ) -> None:
        super().__init__()
        self._writer = None if tensorboard is None else _writer(tensorboard)
        if n < 1 or every_epochs < 1:
            raise ValueError(
                "n and every_epochs must be at least 1. "
                f"Received: n={n}, every_epochs={every_epochs}"
            )
        self.folder, self.n, self.every_epochs, self.seed = Path(folder), n, every_epochs, seed

    def on_train_begin(self, logs: Any = None) -> None:
        self._drawn: int | None = None
        self._epoch: int | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1
        if self._epoch % self.every_epochs == 0:
            self._draw()

    def on_train_end(self, logs: Any = None) -> None:
        if self._epoch is not None and self._drawn != self._epoch:
            self._draw()

    def _draw(self) -> None:
        self._drawn = self._epoch
        path = self.folder / f"{self._stem}-{self._epoch:04d}.png"
        self._save(path)
        if self._writer is not None:
            picture = tf.io.decode_png(path.read_bytes(), channels=3)
            with self._writer.as_default():
                tf.summary.image(self._stem, picture[None], step=self._epoch)
            self._writer.flush()

    def _save(self, path: Path) -> None:
        pictures.save_samples(self.model.sample(self.n, seed=self.seed), path)


class LatentWalk(SampleGrid):
    """Writes `walk-<epoch>.png`: each row a spherical walk between two latent vectors.

    Args:
        folder: where to write.
        rows, steps: walks and images in each.
        every_epochs: cadence; the last epoch is always drawn.
        seed: chooses the ends of the walks.
        tensorboard: as for `SampleGrid`.

    Raises:
        ValueError: when training begins, a model of points.
    """

    _stem = "walk"

    def __init__(
        self,
        folder: str | Path,
        rows: int = 8,
        steps: int = 10,
        every_epochs: int = 1,
        seed: int = 0,
        tensorboard: str | Path | None = None,
    ) -> None:
        super().__init__(folder, rows * steps, every_epochs, seed, tensorboard)
        self.rows, self.steps = rows, steps

    def on_train_begin(self, logs: Any = None) -> None:
        if len(self.model.image_shape) != 3:
            raise ValueError(
                "LatentWalk draws images; this model makes points of shape "
                f"{self.model.image_shape}. SampleGrid draws those."
            )
        super().on_train_begin(logs)

    def _save(self, path: Path) -> None:
        images = latent.walk(self.model, self.rows, self.steps, self.seed)
        pictures.save_grid(images, path, columns=self.steps)

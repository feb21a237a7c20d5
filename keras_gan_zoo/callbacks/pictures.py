"""Pictures of what the generator makes, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from keras_gan_zoo import latent, pictures


class SampleGrid(keras.callbacks.Callback):
    """Writes `samples-<epoch>.png`, a grid from the same latent vectors every time.

    Args:
        folder: where to write; made if missing.
        n: number of images.
        every_epochs: cadence; the last epoch is always drawn.
        seed: chooses the latent vectors.

    Example:

    ```python
    gan.fit(dataset, epochs=10, callbacks=[zoo.callbacks.SampleGrid("runs/mine")])
    ```
    """

    _stem = "samples"

    def __init__(
        self, folder: str | Path, n: int = 64, every_epochs: int = 1, seed: int = 0
    ) -> None:
        super().__init__()
        if n < 1 or every_epochs < 1:
            raise ValueError(
                "n and every_epochs must be at least 1. "
                f"Received: n={n}, every_epochs={every_epochs}"
            )
        self.folder, self.n, self.every_epochs, self.seed = Path(folder), n, every_epochs, seed
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
        self._save(self.folder / f"{self._stem}-{self._epoch:04d}.png")

    def _save(self, path: Path) -> None:
        images = self.model.sample(self.n, seed=self.seed)
        if images.ndim == 4:
            pictures.save_grid(images, path)
        else:
            pictures.save_points(images, path)


class LatentWalk(SampleGrid):
    """Writes `walk-<epoch>.png`: each row a spherical walk between two latent vectors.

    Args:
        folder: where to write.
        rows, steps: walks and images in each.
        every_epochs: cadence; the last epoch is always drawn.
        seed: chooses the ends of the walks.
    """

    _stem = "walk"

    def __init__(
        self,
        folder: str | Path,
        rows: int = 8,
        steps: int = 10,
        every_epochs: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(folder, rows * steps, every_epochs, seed)
        self.rows, self.steps = rows, steps

    def _save(self, path: Path) -> None:
        images = latent.walk(self.model, self.rows, self.steps, self.seed)
        pictures.save_grid(images, path, columns=self.steps)

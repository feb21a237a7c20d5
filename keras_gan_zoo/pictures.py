"""Images as PNG files: grids, strips, training curves. NumPy and Pillow; matplotlib for curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def to_uint8(images: Any) -> np.ndarray:
    """Images in [-1, 1] -> uint8 0..255, rounded to nearest; values outside are clipped.

    Example:

    >>> to_uint8(np.array([-1.0, 0.0, 1.0])).tolist()
    [0, 128, 255]
    """
    return np.clip(np.rint((np.asarray(images, np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def grid(images: Any, columns: int | None = None, padding: int = 2) -> np.ndarray:
    """Images `(n, h, w, c)` in [-1, 1] -> one uint8 picture `(H, W, 3)`, row by row.

    Args:
        images: float images; c is 1 or 3.
        columns: tiles a row; None makes it as square as possible.
        padding: white pixels between tiles.

    Raises:
        ValueError: not a batch of images.
    """
    tiles = to_uint8(images)
    if tiles.ndim != 4 or tiles.shape[-1] not in (1, 3) or not len(tiles):
        raise ValueError(f"Images must be (n, h, w, 1 or 3), n > 0. Received: {tiles.shape}")
    n, h, w, _ = tiles.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = -(-n // columns)
    canvas = np.full(
        (rows * (h + padding) + padding, columns * (w + padding) + padding, 3), 255, np.uint8
    )
    for i, tile in enumerate(tiles):
        y = padding + (i // columns) * (h + padding)
        x = padding + (i % columns) * (w + padding)
        canvas[y : y + h, x : x + w] = tile
    return canvas


def save_png(picture: np.ndarray, path: str | Path, scale: int = 1) -> Path:
    """Write a uint8 picture, `scale` screen pixels for each of its own."""
    from PIL import Image

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.squeeze(np.asarray(picture, np.uint8))
    image = Image.fromarray(picture)
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    image.save(path)
    return path


def save_grid(images: Any, path: str | Path, columns: int | None = None) -> Path:
    """`grid` and `save_png`, small images enlarged to be seen."""
    side = np.shape(images)[1]
    return save_png(grid(images, columns), path, scale=max(1, 84 // side))


def save_samples(samples: Any, path: str | Path, columns: int | None = None) -> Path:
    """What a generator made, as one picture: `save_grid` for images, `save_points` for points."""
    if np.ndim(samples) == 4:
        return save_grid(samples, path, columns)
    return save_points(samples, path)


def save_points(points: Any, path: str | Path, reference: Any = None) -> Path:
    """Scatter plot of 2-D samples, over `reference` points in grey.

    Raises:
        ValueError: not points of a plane.
    """
    if np.ndim(points) != 2 or np.shape(points)[1] != 2:
        raise ValueError(f"Points must be (n, 2) to be drawn. Received: {np.shape(points)}")
    figure = new_figure(5, 5)
    axes = figure.add_subplot()
    if reference is not None:
        axes.scatter(*np.asarray(reference).T, s=4, c="0.8", label="data")
    axes.scatter(*np.asarray(points).T, s=4, c="tab:red", label="samples")
    axes.set_aspect("equal")
    axes.legend(loc="upper right")
    return save_figure(figure, path)


def save_curves(history: Sequence[Mapping[str, float]], path: str | Path) -> Path:
    """Losses (and penalties) above, mean logits `d_real`, `d_fake` and metrics below, by epoch.

    Args:
        history: one dict of logs for each epoch.
        path: PNG to write.
    """
    names = sorted({n for logs in history for n in logs})
    scores = [n for n in names if n.removeprefix("val_") in ("d_real", "d_fake")]
    loss_names = [n for n in names if n not in scores and n not in ("epoch", "seconds")]
    figure = new_figure(8, 7)
    upper, lower = figure.subplots(2, 1, sharex=True)
    epochs = np.arange(1, len(history) + 1)
    for axes, chosen, label in (
        (upper, loss_names, "losses and penalties"),
        (lower, scores, "mean discriminator logit"),
    ):
        for name in chosen:
            values = [logs.get(name, np.nan) for logs in history]
            style = "--" if name.startswith("val_") else "-"
            axes.plot(epochs, values, style, marker=".", label=name)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if chosen:
            axes.legend()
    lower.set_xlabel("epoch")
    return save_figure(figure, path)


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure of that size in inches, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | Path) -> Path:
    """Write a figure as PNG; makes the folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path

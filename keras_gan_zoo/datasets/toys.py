"""Two-dimensional toy distributions: their modes are known, so mode collapse can be counted.

`num_examples` points are drawn once, by a NumPy generator seeded with `(seed, split)`; "train" and
"test" are different draws of the same distribution. The datasets yield float32 points `(batch, 2)`,
not limited to [-1, 1].
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gan_zoo.datasets import pipeline
from keras_gan_zoo.datasets.splits import check_split_name, parse_split, slice_bounds

_SPLITS = ("train", "test")
_START, _STOP = 1.5 * math.pi, 4.5 * math.pi  # the angles where the swiss roll begins and ends


def _check_positive(name: str, value: float) -> float:
    if not (isinstance(value, int | float | np.number) and math.isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={value!r}")
    return float(value)


def _dataset(
    name: str,
    sample: Callable[[np.random.Generator, int], np.ndarray],
    means: np.ndarray,
    std: float,
    num_examples: int,
    batch_size: int,
    seed: int,
    split: str,
    shuffle: bool | None,
    drop_remainder: bool | None,
) -> tf.data.Dataset:
    num_examples = pipeline.check_integer("num_examples", num_examples, 1)
    seed = pipeline.check_seed(seed)
    pieces = []
    for base, start, stop in parse_split(split):
        check_split_name(base, _SPLITS, name)
        first, last = slice_bounds(start, stop, num_examples, split)
        points = sample(np.random.default_rng([seed, _SPLITS.index(base)]), num_examples)
        pieces.append(points[first:last].astype(np.float32))
    points = np.concatenate(pieces)
    dataset = pipeline.in_memory(
        points,
        None,
        batch_size=batch_size,
        seed=seed,
        shuffle=split.startswith("train") if shuffle is None else shuffle,
        drop_remainder=drop_remainder,
    )
    return pipeline.describe(
        dataset,
        name=name,
        num_examples=len(points),
        num_classes=None,
        split=split,
        means=means.astype(np.float32),
        std=std,
    )


def _mixture(name: str, means: np.ndarray, std: float, *arguments: Any) -> tf.data.Dataset:
    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        modes = rng.integers(len(means), size=n)
        return means[modes] + std * rng.standard_normal((n, 2))

    return _dataset(name, sample, means, std, *arguments)


def ring(
    modes: int = 8,
    radius: float = 1.0,
    std: float = 0.01,
    num_examples: int = 100_000,
    batch_size: int = 128,
    seed: int = 0,
    split: str = "train",
    *,
    shuffle: bool | None = None,
    drop_remainder: bool | None = None,
) -> tf.data.Dataset:
    """Equally likely Gaussians, evenly spaced on a circle (mode k at the angle 2 pi k / modes).

    Args:
        modes: number of Gaussians.
        radius: of the circle around the origin.
        std: standard deviation of each Gaussian, along both axes.
        num_examples: points of a split.
        batch_size: points of a batch.
        seed: of the draw and, with the epoch, of the order.
        split: "train", "test" or a slice of them.
        shuffle: `None`: only splits that start with "train".
        drop_remainder: `None`: the same as `shuffle`.

    Returns:
        A dataset of float32 points `(batch, 2)` with the attributes `means`, float32 `(modes, 2)`,
        and `std`.

    Raises:
        ValueError: for arguments out of range.

    Example:

    >>> dataset = ring(modes=8)
    >>> dataset.means.shape
    (8, 2)

    Source: the eight Gaussians of Metz et al., "Unrolled Generative Adversarial Networks" (2017),
    usual form.
    """
    modes = pipeline.check_integer("modes", modes, 1)
    radius, std = _check_positive("radius", radius), _check_positive("std", std)
    angles = 2.0 * np.pi * np.arange(modes) / modes
    means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _mixture(
        "ring", means, std, num_examples, batch_size, seed, split, shuffle, drop_remainder
    )


def grid(
    side: int = 5,
    spacing: float = 2.0,
    std: float = 0.05,
    num_examples: int = 100_000,
    batch_size: int = 128,
    seed: int = 0,
    split: str = "train",
    *,
    shuffle: bool | None = None,
    drop_remainder: bool | None = None,
) -> tf.data.Dataset:
    """Equally likely Gaussians on a square grid around the origin: by default {-4, -2, 0, 2, 4}^2.

    Args:
        side: Gaussians along each axis; `side ** 2` in all.
        spacing: distance between neighbours.
        std: standard deviation of each Gaussian, along both axes.
        num_examples, batch_size, seed, split, shuffle, drop_remainder: see `ring`.

    Returns:
        A dataset of float32 points `(batch, 2)` with the attributes `means`, float32 `(side ** 2,
        2)`, and `std`.

    Raises:
        ValueError: for arguments out of range.

    Example:

    >>> grid().means.min(), grid().means.max()
    (-4.0, 4.0)
    """
    side = pipeline.check_integer("side", side, 1)
    spacing, std = _check_positive("spacing", spacing), _check_positive("std", std)
    axis = spacing * (np.arange(side) - (side - 1) / 2)
    means = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return _mixture(
        "grid", means, std, num_examples, batch_size, seed, split, shuffle, drop_remainder
    )


def swiss_roll(
    radius: float = 1.0,
    std: float = 0.02,
    points: int = 100,
    num_examples: int = 100_000,
    batch_size: int = 128,
    seed: int = 0,
    split: str = "train",
    *,
    shuffle: bool | None = None,
    drop_remainder: bool | None = None,
) -> tf.data.Dataset:
    """A spiral of one and a half turns with Gaussian noise: a curve, so there are no modes to
    count.

    The noise-free curve is `radius * t / (4.5 pi) * (cos t, sin t)` with t uniform in [1.5 pi, 4.5
    pi].

    Args:
        radius: distance of the outer end from the origin.
        std: standard deviation of the noise, along both axes.
        points: number of `means`.
        num_examples, batch_size, seed, split, shuffle, drop_remainder: see `ring`.

    Returns:
        A dataset of float32 points `(batch, 2)` with the attributes `means`, float32 `(points, 2)`:
        points of the noise-free curve, evenly spaced in t, so that each stands for the same share
        of the data; and `std`.

    Raises:
        ValueError: for arguments out of range.

    Example:

    >>> swiss_roll(points=200).means.shape
    (200, 2)
    """
    points = pipeline.check_integer("points", points, 1)
    radius, std = _check_positive("radius", radius), _check_positive("std", std)

    def curve(t: np.ndarray) -> np.ndarray:
        return radius * (t / _STOP)[:, np.newaxis] * np.stack([np.cos(t), np.sin(t)], axis=1)

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        return curve(rng.uniform(_START, _STOP, n)) + std * rng.standard_normal((n, 2))

    middles = _START + (_STOP - _START) * (np.arange(points) + 0.5) / points
    return _dataset(
        "swiss_roll",
        sample,
        curve(middles),
        std,
        num_examples,
        batch_size,
        seed,
        split,
        shuffle,
        drop_remainder,
    )

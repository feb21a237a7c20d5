"""Sliced Wasserstein distance: between features, and between patches of a Laplacian pyramid."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import _checks

_PATCH = 7
_COARSEST = 16
_ENTRIES = 1 << 23  # projected values held at once
_IMAGES = 512  # images filtered at once
_TAPS = np.float32([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


def sliced_wasserstein(real: Any, fake: Any, *, projections: int = 128, seed: int = 0) -> float:
    r"""Return the sliced Wasserstein-1 distance between two sets of features.

        SW_1 = mean over unit vectors u of W_1({u.x_i}, {u.y_j})

    with random u, uniform on the sphere (Rabin et al. 2012). In one dimension W_1 is the area
    between the quantile functions: the mean of |sorted x - sorted y| for sets of equal size, and
    computed exactly, without interpolation, for others.

    A shift of all rows by v gives |v| E|u_1|, with E|u_1| = Gamma(w/2) / (sqrt(pi) Gamma((w+1)/2))
    for width w.

    Args:
        real, fake: `(n, width)` with the same width, n >= 1; flatten images to take their pixels.
        projections: number of unit vectors.
        seed: of the unit vectors.

    Raises:
        ValueError: another rank, widths that differ, no row, NaN or infinite features.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> functional.sliced_wasserstein([[0.0], [1.0]], [[3.0], [2.0]])
    2.0
    """
    real = _checks.features("real", real)
    fake = _checks.features("fake", fake)
    _checks.same_width(real=real, fake=fake)
    projections = whole_number("projections", projections, at_least=1)
    return _sliced(real, fake, projections, np.random.default_rng(seed))


def _sliced(
    real: np.ndarray, fake: np.ndarray, projections: int, rng: np.random.Generator
) -> float:
    dtype = np.result_type(real, fake)
    directions = rng.normal(size=(projections, real.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions.astype(dtype)
    step = max(1, _ENTRIES // max(len(real), len(fake)))
    total = 0.0
    for start in range(0, projections, step):
        part = directions[start : start + step]
        a, b = (np.sort(part @ x.T, axis=1) for x in (real, fake))
        total += _between_quantiles(a, b)
    return total / projections


def _between_quantiles(a: np.ndarray, b: np.ndarray) -> float:
    """Return W_1 of the rows of `a` and `b`, each sorted, summed over rows."""
    n, m = a.shape[1], b.shape[1]
    if n == m:
        return float(np.abs(a - b).mean(axis=1).sum(dtype=np.float64))
    # Both quantile functions are constant between consecutive multiples of 1/n and 1/m.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    lengths = np.diff(ends, prepend=0) / (n * m)
    gaps = np.abs(a[:, (ends - 1) // m] - b[:, (ends - 1) // n])
    return float((gaps @ lengths).sum())


def laplacian_pyramid(images: Any, levels: int) -> list[np.ndarray]:
    """Return the Laplacian pyramid of images, finest level first (Burt and Adelson 1983).

    Level l is what blurring and halving loses of the l-th picture, `x_l - up(x_{l+1})` with
    `x_{l+1} = down(x_l)`; the last is the smallest picture itself. So `x_l = up(x_{l+1}) + level`
    restores the images. The filter is the binomial (1, 4, 6, 4, 1)/16 along both axes, mirrored at
    the border; an odd side is halved to the larger half.

    Args:
        images: `(n, height, width, channels)`.
        levels: number of levels >= 1; every level but the last must have sides of at least 3.

    Returns:
        float32 arrays `(n, height_l, width_l, channels)`.

    Raises:
        ValueError: another rank, too many levels, NaN or infinite values.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> fine, coarse = functional.laplacian_pyramid(np.ones((1, 28, 28, 1)), 2)
    >>> fine.shape, coarse.shape, float(abs(fine).max()), float(coarse.max())
    ((1, 28, 28, 1), (1, 14, 14, 1), 0.0, 1.0)
    """
    levels = whole_number("levels", levels, at_least=1)
    images = _checks.array("images", images)
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"`images` must have shape (n, height, width, channels). Received: {images.shape}"
        )
    pyramid = [images.astype(np.float32)]
    for _ in range(levels - 1):
        fine = pyramid[-1]
        if min(fine.shape[1:3]) < 3:
            raise ValueError(
                f"A level of {fine.shape[1]}x{fine.shape[2]} cannot be halved. Received: levels="
                f"{levels} for images of {images.shape[1]}x{images.shape[2]}"
            )
        coarse = _blur(_blur(fine, 1)[:, ::2], 2)[:, :, ::2]
        spread = np.zeros_like(fine)
        spread[:, ::2, ::2] = coarse
        pyramid[-1] = fine - 4.0 * _blur(_blur(spread, 1), 2)
        pyramid.append(coarse)
    return pyramid


def _blur(images: np.ndarray, axis: int) -> np.ndarray:
    pad = [(0, 0)] * 4
    pad[axis] = (2, 2)
    padded = np.moveaxis(np.pad(images, pad, mode="reflect"), axis, 0)
    size = images.shape[axis]
    return np.moveaxis(sum(w * padded[i : i + size] for i, w in enumerate(_TAPS)), 0, axis)


def laplacian_swd(
    real_images: Any,
    fake_images: Any,
    *,
    patches_per_image: int = 32,
    projections: int = 128,
    seed: int = 0,
) -> dict[int, float]:
    """Return the sliced Wasserstein distance at each level of a Laplacian pyramid.

    From each level, random 7x7 patches of every image are taken, each channel is given mean 0 and
    deviation 1 over all patches of its set, and the sets of patches are compared by
    `sliced_wasserstein` (Karras et al. 2018, "Progressive Growing of GANs", section 5). Fine levels
    see sharpness and noise, coarse ones structure; as each set is normalised for itself, none sees
    brightness or contrast.

    Levels are halved until the smaller side is at most 16: 16 | 32, 16 | 64, 32, 16, and for 28x28:
    28, 14. The paper takes 128 patches of each of 16,384 images, 512 projections, and prints a
    thousand times the value; a smaller sample has a higher floor. Compare equal settings only.

    Args:
        real_images, fake_images: `(n, height, width, channels)` in [-1, 1], both sides at least 7;
            the numbers of images may differ.
        patches_per_image: of each level.
        projections: number of unit vectors.
        seed: of the patches' places, the same for both sets, and of the unit vectors.

    Returns:
        Smaller side of the level -> distance, finest first.

    Raises:
        ValueError: another rank or range, shapes that differ, images that are too small, NaN.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> images = np.random.default_rng(0).uniform(-1, 1, size=(8, 28, 28, 1))
    >>> functional.laplacian_swd(images, images)
    {28: 0.0, 14: 0.0}
    """
    real = _checks.images("real_images", real_images, at_least=1)
    fake = _checks.images("fake_images", fake_images, at_least=1)
    _checks.same_images(real_images=real, fake_images=fake)
    patches = whole_number("patches_per_image", patches_per_image, at_least=1)
    projections = whole_number("projections", projections, at_least=1)
    side = min(real.shape[1:3])
    if side < _PATCH:
        raise ValueError(
            f"Images must be at least {_PATCH} pixels high and wide. Received: shape {real.shape}"
        )
    sides = [side]
    while sides[-1] > _COARSEST:
        sides.append((sides[-1] + 1) // 2)
    real_levels = _patches(real, len(sides), patches, seed)
    fake_levels = _patches(fake, len(sides), patches, seed)
    rng = np.random.default_rng(seed)
    return {side: _sliced(next(real_levels), next(fake_levels), projections, rng) for side in sides}


def _patches(images: np.ndarray, levels: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the normalised patches of each level, float32 `(n * count, 49 * channels)`."""
    rng = np.random.default_rng([seed, 1])
    found: list[list[np.ndarray]] = [[] for _ in range(levels)]
    for start in range(0, len(images), _IMAGES):
        pyramid = laplacian_pyramid(images[start : start + _IMAGES], levels)
        for level, patches in zip(pyramid, found, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(level, (_PATCH, _PATCH), (1, 2))
            places = (len(level), count)
            y = rng.integers(windows.shape[1], size=places)
            x = rng.integers(windows.shape[2], size=places)
            patches.append(windows[np.arange(len(level))[:, None], y, x])
    for patches in found:
        joined = np.concatenate(patches)
        patches.clear()
        axes = (0, 1, 3, 4)  # image, patch, | channel, | row, column
        joined -= joined.mean(axis=axes, keepdims=True, dtype=np.float64)
        deviation = joined.std(axis=axes, keepdims=True, dtype=np.float64)
        joined /= np.where(deviation > 0.0, deviation, 1.0)
        yield joined.reshape(-1, joined.shape[2] * _PATCH**2)

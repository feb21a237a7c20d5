"""Multi-scale structural similarity, and the diversity it measures."""

from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import _checks

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for values in [0, 1]
_VALUES = 1 << 22  # values of one set that are compared at once


def ms_ssim(a: Any, b: Any) -> np.ndarray:
    r"""Return the multi-scale structural similarity of each pair of images.

        MS-SSIM = l_M^{w_M} prod_{s=1..M} cs_s^{w_s}

    with the luminance term l of the coarsest and the contrast and structure term cs of every scale,
    averaged over an 11x11 Gaussian window of deviation 1.5 (Wang, Simoncelli and Bovik 2003;
    weights .0448, .2856, .3001, .2363, .1333, each scale half the one before). Channels are
    averaged; a negative cs counts as 0. Images are moved to [0, 1] first: SSIM is not invariant to
    a shift.

    All five scales need sides of at least 176 pixels. Smaller images get as many scales as leave
    room for the window, the weights divided by their sum: 2 scales for 28x28 and 32x32, 3 for
    64x64, 4 for 128x128. Below 11 pixels there is one scale, and the window shrinks to the largest
    odd size that fits, its deviation in proportion.

    Args:
        a, b: `(n, height, width, channels)` in [-1, 1].

    Returns:
        float64 `(n,)` in [0, 1]; 1 for equal images.

    Raises:
        ValueError: another rank or range, shapes or numbers of images that differ, NaN.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> images = np.random.default_rng(0).uniform(-1, 1, size=(2, 28, 28, 1))
    >>> functional.ms_ssim(images, images).round(6)
    array([1., 1.])
    """
    a, b = _checks.images("a", a), _checks.images("b", b)
    if a.shape != b.shape:
        raise ValueError(f"`a` and `b` must pair up. Received: shapes {a.shape}, {b.shape}")
    return _ms_ssim(a, b)


def _ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    side = min(a.shape[1:3])
    scales = sum(side >> scale >= _WINDOW for scale in range(len(_WEIGHTS))) or 1
    weights = np.array(_WEIGHTS[:scales]) / sum(_WEIGHTS[:scales])
    window = min(_WINDOW, side - (side + 1) % 2)
    step = max(1, _VALUES // a[0].size)
    found = np.empty(len(a))
    for start in range(0, len(a), step):
        part = slice(start, start + step)
        x, y = ((images[part].astype(np.float64) + 1.0) / 2.0 for images in (a, b))
        product = 1.0
        for scale, weight in enumerate(weights):
            luminance, structure = _terms(x, y, window)
            last = scale == scales - 1
            term = (luminance * structure if last else structure).mean(axis=(1, 2))
            product = product * np.maximum(term, 0.0) ** weight
            if not last:
                x, y = _halved(x), _halved(y)
        found[part] = product.mean(axis=-1)
    return found


def _terms(x: np.ndarray, y: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return l and cs at every place where the window fits."""
    offsets = np.arange(window) - (window - 1) / 2
    taps = np.exp(-0.5 * (offsets / (_SIGMA * window / _WINDOW)) ** 2)
    taps /= taps.sum()

    def mean(images: np.ndarray) -> np.ndarray:
        for axis in (1, 2):
            size = images.shape[axis] - window + 1
            moved = np.moveaxis(images, axis, 0)
            moved = sum(tap * moved[i : i + size] for i, tap in enumerate(taps))
            images = np.moveaxis(moved, 0, axis)
        return images

    mx, my = mean(x), mean(y)
    luminance = (2.0 * mx * my + _C1) / (mx**2 + my**2 + _C1)
    covariance = mean(x * y) - mx * my
    variances = mean(x * x + y * y) - mx**2 - my**2
    return luminance, (2.0 * covariance + _C2) / (variances + _C2)


def _halved(images: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; the last row or column of an odd side counts twice."""
    odd = [(0, size % 2 if axis in (1, 2) else 0) for axis, size in enumerate(images.shape)]
    images = np.pad(images, odd, mode="edge")
    return 0.25 * (
        images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]
    )


def ms_ssim_diversity(images: Any, pairs: int = 1000, seed: int = 0) -> float:
    """Return the mean MS-SSIM of random pairs of different images: the lower, the more diverse.

    Odena, Olah and Shlens (2017, "Conditional Image Synthesis with Auxiliary Classifier GANs",
    section 4.2) take it within a class: call it on one class at a time, and compare with the same
    on real images. Noise is as diverse as anything, so the figure says nothing of quality.

    Args:
        images: `(n, height, width, channels)` in [-1, 1], n >= 2.
        pairs: pairs drawn; each is two different images, a pair may come twice.
        seed: of the draw.

    Returns:
        The mean, in [0, 1]; 1 if all images are the same.

    Raises:
        ValueError: another rank or range, fewer than 2 images, NaN.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> round(functional.ms_ssim_diversity(np.zeros((5, 28, 28, 1)), pairs=10), 6)
    1.0
    """
    images = _checks.images("images", images, at_least=2)
    pairs = whole_number("pairs", pairs, at_least=1)
    rng = np.random.default_rng(seed)
    first = rng.integers(len(images), size=pairs)
    second = (first + rng.integers(1, len(images), size=pairs)) % len(images)
    step = max(1, _VALUES // images[0].size)
    values = [
        _ms_ssim(images[first[i : i + step]], images[second[i : i + step]])
        for i in range(0, pairs, step)
    ]
    return float(np.concatenate(values).mean())

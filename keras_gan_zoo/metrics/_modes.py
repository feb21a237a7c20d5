"""Mode coverage: of known mixtures, and through a classifier."""

import math
from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import number, whole_number
from keras_gan_zoo.metrics import _checks


def mode_coverage(
    samples: Any, centres: Any, sigma: Any, *, threshold: float = 3.0, weights: Any = None
) -> dict[str, float]:
    r"""Return how well samples cover the modes of a known mixture of isotropic Gaussians.

    - `modes`: how many have at least one high-quality sample;
    - `high_quality`: share of the samples within `threshold` standard deviations of their mode;
    - `reverse_kl`: KL(q || w), q the distribution of *all* samples over modes, w the mixture's.

    A sample belongs to the mode that is nearest in standard deviations. This is the protocol of
    VEEGAN (Srivastava et al. 2017, section 5.1) and PacGAN (Lin et al. 2018, section 4.1): 2,500
    samples, threshold 3, uniform w. Of a perfect sampler in two dimensions 98.889 % of the samples
    are of high quality, and `reverse_kl` is about (modes - 1) / 2n; collapse onto one of K equal
    modes gives log K.

    Args:
        samples: `(n, width)`, n >= 1.
        centres: `(modes, width)`.
        sigma: standard deviation along each axis, a number or one for each mode.
        threshold: radius of a mode, in standard deviations.
        weights: None: equally likely modes; or `(modes,)` non-negative numbers (probabilities or
            counts, they are divided by their sum).

    Returns:
        `{"modes": int, "high_quality": float, "reverse_kl": float}`; `reverse_kl` is `inf` if a
        sample falls to a mode of weight 0.

    Raises:
        ValueError: shapes that do not fit, NaN, `sigma` or `threshold` not positive.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> found = functional.mode_coverage([[0.1], [-0.2], [9.0]], [[0.0], [10.0]], 0.1)
    >>> found["modes"], round(found["high_quality"], 3), round(found["reverse_kl"], 4)
    (1, 0.667, 0.0566)
    """
    samples = _checks.features("samples", samples, at_least=1)
    centres = _checks.features("centres", centres, at_least=1)
    _checks.same_width(samples=samples, centres=centres)
    threshold = number("threshold", threshold, above=0)
    sigma = _checks.array("sigma", sigma)
    if sigma.shape not in ((), (len(centres),)) or not np.all(sigma > 0):
        raise ValueError(
            "`sigma` must be positive, a number or one for each of the "
            f"{len(centres)} modes. Received: {sigma!r}"
        )
    centres, sigma = centres.astype(np.float64), np.broadcast_to(sigma, len(centres))
    nearest, distances = np.zeros(len(samples), np.int64), np.full(len(samples), np.inf)
    for mode, centre in enumerate(centres):
        away = np.linalg.norm(samples - centre, axis=1) / float(sigma[mode])
        closer = away < distances
        nearest[closer], distances[closer] = mode, away[closer]
    return mode_coverage_from_labels(
        nearest, len(centres), weights=weights, high_quality=distances <= threshold
    )


def mode_coverage_from_labels(
    labels: Any,
    n_modes: int,
    *,
    weights: Any = None,
    min_count: int = 1,
    high_quality: Any = None,
) -> dict[str, float]:
    """Return how well samples cover modes that a classifier assigns them to.

    For stacked MNIST the classifier reads one digit from each channel, 1000 modes from 26,000
    samples (Metz et al. 2017, "Unrolled GANs", section 3.3.1; Srivastava et al. 2017).

    Args:
        labels: `(n,)` integers in [0, n_modes), n >= 1: each sample's mode.
        n_modes: number of modes.
        weights: see `mode_coverage`.
        min_count: samples that a mode needs to count as covered.
        high_quality: None: all samples count; or `(n,)` booleans: only these count towards
            covered modes (`reverse_kl` is over all samples either way).

    Returns:
        `{"modes": int, "high_quality": float, "reverse_kl": float}`, as `mode_coverage`.

    Raises:
        ValueError: labels out of range, none at all, shapes that do not fit.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> found = functional.mode_coverage_from_labels([3] * 100, 8)
    >>> found["modes"], round(found["reverse_kl"], 3)  # log 8
    (1, 2.079)
    """
    n_modes = whole_number("n_modes", n_modes, at_least=1)
    min_count = whole_number("min_count", min_count, at_least=1)
    labels = np.asarray(labels)
    good = labels.ndim == 1 and labels.size > 0 and labels.dtype.kind in "iu"
    if not good or labels.min() < 0 or labels.max() >= n_modes:
        raise ValueError(
            f"`labels` must be integers in [0, {n_modes}), shape (n,). Received: {labels.dtype} of "
            f"shape {labels.shape}"
            + (f", from {labels.min()} to {labels.max()}" if labels.size else "")
        )
    kept = np.ones(len(labels), bool) if high_quality is None else np.asarray(high_quality)
    if kept.shape != labels.shape or kept.dtype != bool:
        raise ValueError(
            f"`high_quality` must be booleans of shape {labels.shape}. Received: {kept.dtype} of "
            f"shape {kept.shape}"
        )
    covered = np.bincount(labels[kept], minlength=n_modes) >= min_count
    return {
        "modes": int(covered.sum()),
        "high_quality": float(kept.mean()),
        "reverse_kl": _kl(np.bincount(labels, minlength=n_modes), _weights(weights, n_modes)),
    }


def _weights(weights: Any, n_modes: int) -> np.ndarray:
    if weights is None:
        return np.full(n_modes, 1.0 / n_modes)
    weights = _checks.array("weights", weights).astype(np.float64)
    if weights.shape != (n_modes,) or weights.min() < 0 or not weights.sum() > 0:
        raise ValueError(
            f"`weights` must be {n_modes} non-negative numbers, not all 0. Received: {weights!r}"
        )
    return weights / weights.sum()


def _kl(counts: np.ndarray, weights: np.ndarray) -> float:
    some = counts > 0
    q, w = counts[some] / counts.sum(), weights[some]
    return float(np.sum(q * np.log(q / w))) if np.all(w > 0) else math.inf

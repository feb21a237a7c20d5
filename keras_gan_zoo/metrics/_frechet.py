"""Mean and covariance of features in one pass, and the Frechet distance between Gaussians."""

from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import _checks

_ROWS = 4096  # rows centred at once


class Moments:
    """Mean and unbiased covariance of features that come in batches.

    Holds `width ** 2 + width` float64 numbers, however many rows it has seen. Each batch is
    centred on its own mean before the product, and batches are joined by

        C = C1 + C2 + n1 n2 / (n1 + n2) (m1 - m2)(m1 - m2)^T

    (Chan, Golub and LeVeque 1983), so a mean far from zero costs no digits.

    Args:
        width: columns of the features.

    Raises:
        ValueError: `width` is not a positive integer.

    Attributes:
        count: rows seen.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> moments = functional.Moments(2)
    >>> moments.update(np.array([[0.0, 0.0], [2.0, 2.0]]))
    >>> moments.update(np.array([[1.0, 4.0]]))
    >>> mean, covariance = moments.result()
    >>> mean.tolist(), covariance.tolist()
    ([1.0, 2.0], [[1.0, 1.0], [1.0, 4.0]])
    """

    def __init__(self, width: int) -> None:
        self.width = whole_number("width", width, at_least=1)
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        self.count = 0
        self._mean = np.zeros(self.width)
        self._scatter = np.zeros((self.width, self.width))

    def update(self, batch: Any) -> None:
        """Add the rows of `batch`, `(n, width)`; n = 0 is allowed.

        Raises:
            ValueError: another shape, NaN or infinite features.
        """
        batch = _checks.features("batch", batch, at_least=0)
        if batch.shape[1] != self.width:
            raise ValueError(
                f"`batch` must have {self.width} columns. Received: shape {batch.shape}"
            )
        for start in range(0, len(batch), _ROWS):
            rows = batch[start : start + _ROWS].astype(np.float64)
            mean = rows.mean(axis=0)
            rows -= mean
            self._join(len(rows), mean, rows.T @ rows)

    def merge(self, other: "Moments") -> None:
        """Add the rows that `other` has seen: for features that several replicas collected.

        Raises:
            ValueError: `other` has another width.
        """
        if other.width != self.width:
            raise ValueError(
                f"Moments of the same width can be merged. Received: {self.width}, {other.width}"
            )
        self._join(other.count, other._mean, other._scatter)

    def _join(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        if not count:
            return
        total = self.count + count
        shift = mean - self._mean
        self._scatter += scatter + (self.count * count / total) * np.outer(shift, shift)
        self._mean = self._mean + (count / total) * shift
        self.count = total

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean `(width,)` and the unbiased covariance `(width, width)`, float64.

        Raises:
            ValueError: fewer than 2 rows seen.
        """
        if self.count < 2:
            raise ValueError(f"A covariance needs at least 2 rows. Received: {self.count}")
        return self._mean.copy(), self._scatter / (self.count - 1)


def moments(features: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean `(width,)` and the unbiased covariance `(width, width)` in float64.

    Args:
        features: `(n, width)`, n >= 2.

    Raises:
        ValueError: another rank, fewer than 2 rows, NaN or infinite features.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> mean, covariance = functional.moments([[0.0, 1.0], [2.0, 1.0]])
    >>> mean.tolist(), covariance.tolist()
    ([1.0, 1.0], [[2.0, 0.0], [0.0, 0.0]])
    """
    features = _checks.features("features", features, at_least=2)
    seen = Moments(features.shape[1])
    seen.update(features)
    return seen.result()


def frechet_distance(real: Any, fake: Any) -> float:
    """Return the Frechet distance between Gaussians fitted to two sets of features.

    With the features of an Inception network this is the FID (Heusel et al. 2017, "GANs Trained by
    a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", equation 6). See
    `frechet_distance_from_moments` for the formula.

    The estimate is biased upwards, by about c/n: compare only figures from as many rows. With fewer
    rows than columns the covariances are singular; the distance is still defined and still
    computed, and its bias is large.

    Args:
        real, fake: `(n, width)` with the same width, n >= 2.

    Raises:
        ValueError: another rank, widths that differ, fewer than 2 rows, NaN or infinite features.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(functional.frechet_distance(x, x + [2.0, 0.0, 0.0]), 6)  # the squared shift
    4.0
    """
    real = _checks.features("real", real, at_least=2)
    fake = _checks.features("fake", fake, at_least=2)
    _checks.same_width(real=real, fake=fake)
    return frechet_distance_from_moments(*moments(real), *moments(fake))


def frechet_distance_from_moments(mu1: Any, cov1: Any, mu2: Any, cov2: Any) -> float:
    r"""Return the squared Frechet (2-Wasserstein) distance between two Gaussians.

        d^2 = |mu1 - mu2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^1/2

    (Dowson and Landau 1982). With C = L L^T for any factors L1, L2 the last trace is the sum of the
    singular values of L1^T L2; the factors come from eigendecompositions, so singular covariances
    need no jitter and no square root of a non-symmetric matrix is taken.

    Args:
        mu1, mu2: means `(width,)`.
        cov1, cov2: symmetric, positive semi-definite covariances `(width, width)`.

    Returns:
        The squared distance, >= 0: what rounding leaves below zero is returned as 0.

    Raises:
        ValueError: shapes that do not fit, NaN or infinite entries, a covariance that is not
            symmetric or has a clearly negative eigenvalue.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> zero = np.zeros(2)
    >>> four, nine = 4.0 * np.eye(2), 9.0 * np.eye(2)
    >>> functional.frechet_distance_from_moments(zero, four, zero, nine)  # 2 (3 - 2)^2
    2.0
    """
    mu1, cov1 = _gaussian("1", mu1, cov1)
    mu2, cov2 = _gaussian("2", mu2, cov2)
    if mu1.shape != mu2.shape:
        raise ValueError(
            f"The features must have the same width. Received: mu1 {mu1.shape}, mu2 {mu2.shape}"
        )
    overlap = np.linalg.svd(_factor("cov1", cov1).T @ _factor("cov2", cov2), compute_uv=False)
    shift = mu1 - mu2
    distance = shift @ shift + np.trace(cov1) + np.trace(cov2) - 2.0 * overlap.sum()
    return max(0.0, float(distance))


def _gaussian(which: str, mu: Any, cov: Any) -> tuple[np.ndarray, np.ndarray]:
    mu = _checks.array(f"mu{which}", mu).astype(np.float64)
    cov = _checks.array(f"cov{which}", cov).astype(np.float64)
    if mu.ndim != 1 or mu.size == 0 or cov.shape != (mu.size, mu.size):
        raise ValueError(
            f"`mu{which}` must have shape (width,) and `cov{which}` (width, width). Received: "
            f"{mu.shape}, {cov.shape}"
        )
    largest = np.abs(cov).max()
    if np.abs(cov - cov.T).max() > 1e-5 * largest:
        raise ValueError(
            f"`cov{which}` must be symmetric. Received: entries that differ from the transposed "
            f"ones by up to {np.abs(cov - cov.T).max():g}"
        )
    return mu, 0.5 * (cov + cov.T)


def _factor(name: str, cov: np.ndarray) -> np.ndarray:
    """Return L with L L^T = cov."""
    values, vectors = np.linalg.eigh(cov)
    if values[0] < -1e-5 * max(values[-1], 0.0) - 1e-300:
        raise ValueError(
            f"`{name}` must be positive semi-definite. Received: eigenvalues from {values[0]:g} to "
            f"{values[-1]:g}"
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))

"""Kernel distance: the unbiased squared maximum mean discrepancy with a polynomial kernel."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gan_zoo.losses._checks import number, whole_number
from keras_gan_zoo.metrics import _checks

_TILE = 2048  # rows and columns of the kernel matrix held at once


def kernel_distance(
    real: Any, fake: Any, *, degree: int = 3, gamma: float | None = None, coef: float = 1.0
) -> float:
    r"""Return the unbiased estimate of the squared MMD between two sets of features.

        MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)
        k(x, y) = (gamma x.y + coef)^degree

    over all pairs (Gretton et al. 2012, equation 3). The cubic kernel with gamma = 1 / width and
    features of an Inception network is the KID (Binkowski et al. 2018, "Demystifying MMD GANs").
    It is 0 on average for two sets from one distribution, and can be negative; unlike the Frechet
    distance it does not depend on the number of rows.

    float32 features are multiplied in float32 and summed in float64; float64 and integers
    throughout in float64. Works in tiles of 2048 x 2048: beside a copy of the inputs it needs about
    100 MiB in float32, whatever the number of rows.

    Args:
        real, fake: `(n, width)` with the same width, n >= 2; the numbers of rows may differ.
        degree: positive integer.
        gamma: None: 1 / width.
        coef: >= 0.

    Raises:
        ValueError: another rank, widths that differ, fewer than 2 rows, NaN or infinite features, a
            kernel's parameter out of range.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> functional.kernel_distance([[0.0], [0.0]], [[1.0], [1.0]])  # 1 + 8 - 2
    7.0
    """
    real, fake = _pair(real, fake, at_least=2)
    return _distance(real, fake, degree, gamma, coef)


def kernel_distance_blocks(
    real: Any,
    fake: Any,
    block_size: int = 1000,
    n_blocks: int | None = None,
    seed: int = 0,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
) -> tuple[float, float]:
    """Return the kernel distance averaged over disjoint blocks of rows, and its standard error.

    Rows are shuffled and cut into blocks; `kernel_distance` of each pair of blocks is unbiased, and
    the blocks share no row, so the standard deviation of their values over sqrt(n_blocks) is an
    honest standard error (Zaremba, Gretton and Blaschko 2013, "B-test"). The usual 100 subsets of
    1000 drawn from the same 10,000 rows overlap: their spread is the error of *one* block, and
    divided by sqrt(100) it would be too small.

    Args:
        real, fake: `(n, width)` with the same width.
        block_size: rows of a block, >= 2.
        n_blocks: >= 2; None: as many as the smaller set has room for.
        seed: of the shuffle.
        degree, gamma, coef: see `kernel_distance`.

    Returns:
        `(mean, standard_error)`.

    Raises:
        ValueError: as `kernel_distance`; fewer rows than `n_blocks * block_size`.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> x, y = np.random.default_rng(0).normal(size=(2, 1000, 4))
    >>> mean, error = functional.kernel_distance_blocks(x, y, block_size=100)
    >>> abs(mean) < 4 * error
    True
    """
    block_size = whole_number("block_size", block_size, at_least=2)
    real, fake = _pair(real, fake, at_least=2 * block_size)
    room = min(len(real), len(fake)) // block_size
    n_blocks = room if n_blocks is None else whole_number("n_blocks", n_blocks, at_least=2)
    if n_blocks > room:
        raise ValueError(
            f"{n_blocks} disjoint blocks of {block_size} need {n_blocks * block_size} rows of each "
            f"set. Received: real {real.shape}, fake {fake.shape}"
        )
    rng = np.random.default_rng(seed)
    rows = n_blocks * block_size
    pairs = zip(
        rng.permutation(len(real))[:rows].reshape(n_blocks, -1),
        rng.permutation(len(fake))[:rows].reshape(n_blocks, -1),
        strict=True,
    )
    values = [_distance(real[i], fake[j], degree, gamma, coef) for i, j in pairs]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(n_blocks))


def _pair(real: Any, fake: Any, at_least: int) -> tuple[np.ndarray, np.ndarray]:
    real = _checks.features("real", real, at_least=at_least)
    fake = _checks.features("fake", fake, at_least=at_least)
    _checks.same_width(real=real, fake=fake)
    dtype = np.result_type(real, fake)
    return real.astype(dtype, copy=False), fake.astype(dtype, copy=False)


def _distance(
    real: np.ndarray, fake: np.ndarray, degree: int, gamma: float | None, coef: float
) -> float:
    degree = whole_number("degree", degree, at_least=1)
    gamma = 1.0 / real.shape[1] if gamma is None else number("gamma", gamma, above=0)
    coef = number("coef", coef, at_least=0)
    n, m = len(real), len(fake)
    with tf.device("CPU:0"):
        within_real = _sum_within(real, degree, gamma, coef) / (n * (n - 1))
        within_fake = _sum_within(fake, degree, gamma, coef) / (m * (m - 1))
        between = _sum_between(real, fake, degree, gamma, coef) / (n * m)
    return float(within_real + within_fake - 2.0 * between)


def _tiles(x: np.ndarray) -> list[tf.Tensor]:
    return [tf.constant(x[start : start + _TILE]) for start in range(0, len(x), _TILE)]


def _sum_between(x: np.ndarray, y: np.ndarray, degree: int, gamma: float, coef: float) -> float:
    columns = _tiles(y)
    total = 0.0
    for start in range(0, len(x), _TILE):
        rows = tf.constant(x[start : start + _TILE] * x.dtype.type(gamma))
        total += sum(_sum(_kernel(rows, tile, degree, coef)) for tile in columns)
    return total


def _sum_within(x: np.ndarray, degree: int, gamma: float, coef: float) -> float:
    """The sum over all pairs of different rows: the tiles on and above the diagonal suffice."""
    tiles = _tiles(x)
    total = 0.0
    for i, tile in enumerate(tiles):
        rows = tile * gamma
        kernel = _kernel(rows, tile, degree, coef)
        np.fill_diagonal(kernel, 0.0)
        total += _sum(kernel)
        total += 2.0 * sum(_sum(_kernel(rows, other, degree, coef)) for other in tiles[i + 1 :])
    return total


def _kernel(rows: tf.Tensor, columns: tf.Tensor, degree: int, coef: float) -> np.ndarray:
    base = np.asarray(tf.matmul(rows, columns, transpose_b=True)) + rows.dtype.as_numpy_dtype(coef)
    power = base.copy() if degree > 1 else base
    for _ in range(degree - 1):
        power *= base
    return power


def _sum(kernel: np.ndarray) -> float:
    # Along rows NumPy adds pairwise, in the array's own type; the rows' sums are added in float64.
    return float(kernel.sum(axis=1).sum(dtype=np.float64))

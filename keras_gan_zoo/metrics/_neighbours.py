"""Exact nearest neighbours in blocks, and the four metrics that rest on them.

All squared distances are first taken in float32, a block of rows at a time, from

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y

on centred features: one fast matrix product, but with an error of up to `slack (|x|^2 + |y|^2)`,
which for near neighbours can exceed the distance itself. The few pairs that this error leaves
undecided are taken again, from x - y in float64. What comes out is exact, and no distance depends
on the block it was computed in. If very many pairs are undecided (clusters tighter than float32 can
tell apart, as a collapsed generator makes them), a float64 product narrows them down in between.
"""

import concurrent.futures
import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import _checks

_ENTRIES = 1 << 21  # distances held at once
_UNIT = 2.0**-24  # half a unit in the last place of float32
_FLOOR = 1e-34  # TensorFlow flushes what is below float32's normal range to zero
_DENSE = 0.05  # share of undecided pairs of a block from which a float64 product is cheaper


class _Distances:
    """Squared distances from the rows of `x` to those of `y`, in units of `scale ** 2`.

    Attributes:
        scale: divides the centred features, so that float32 neither overflows nor underflows.
        x_norms, y_norms: float64 squared norms of the centred, scaled, rounded rows.
        slack: the float32 estimate of a squared distance errs by at most
            `slack * (x_norm + y_norm) + _FLOOR`.
        rows: rows of a block.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self._x, self._y = x, y
        # A median of some rows: outliers, in `y` for instance, must not move it far from `x`.
        self._centre = np.median(x[:: -(-len(x) // 256)], axis=0).astype(np.float64)
        self.scale = max(self._reach(x), self._reach(y)) or 1.0
        self._x32, self.x_norms = self._single(x)
        y32, self.y_norms = (self._x32, self.x_norms) if y is x else self._single(y)
        # The width for the product; the rest for rounding features, norms, sums and thresholds.
        self.slack = (x.shape[1] + 16) * _UNIT
        self.rows = min(len(x), max(1, _ENTRIES // len(y)))
        with tf.device("CPU:0"):
            self._columns = tf.constant(np.ascontiguousarray(y32.T))

    def _chunks(self, x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        step = max(1, _ENTRIES // x.shape[1])
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            yield part, x[part] - self._centre

    def _reach(self, x: np.ndarray) -> float:
        above, below = x.max(axis=0) - self._centre, self._centre - x.min(axis=0)
        return float(np.maximum(above, below).max())

    def _single(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        single, norms = np.empty(x.shape, np.float32), np.empty(len(x))
        for part, rows in self._chunks(x):
            single[part] = rows / self.scale
            norms[part] = _row_squares(single[part].astype(np.float64))
        return single, norms

    def products(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield `(start, stop, -2 x.y)`, float32 `(stop - start, len(y))` and read-only.

        The next product is computed while the caller works on this one.
        """
        step = self.rows
        if step == len(self._x):  # one block: not worth a thread
            yield 0, len(self._x), self._product(slice(None))
            return
        with concurrent.futures.ThreadPoolExecutor(1) as worker:
            following = worker.submit(self._product, slice(0, step))
            for start in range(0, len(self._x), step):
                products = following.result()
                following = worker.submit(self._product, slice(start + step, start + 2 * step))
                yield start, start + len(products), products

    def _product(self, rows: slice) -> np.ndarray:
        with tf.device("CPU:0"):
            return np.asarray(tf.matmul(tf.constant(-2.0 * self._x32[rows]), self._columns))

    def double(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return squared distances of rows `start` to `stop` to all, and their errors, in float64.

        In the features' units, from a matrix product.
        """
        x = self._x[start:stop] - self._centre
        norms, squares = np.empty((2, len(x), len(self._y)))
        for part, y in self._chunks(self._y):
            np.add(_row_squares(x)[:, None], _row_squares(y), out=norms[:, part])
            np.matmul(-2.0 * x, y.T, out=squares[:, part])
        squares += norms
        norms *= (x.shape[1] + 16) * 2.0**-53
        return squares, norms

    def exact(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the squared distances of pairs in the features' units, from differences."""
        squares = np.empty(len(rows))
        step = max(1, _ENTRIES // 2 // self._x.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            pairs = self._x[rows[part]], self._y[columns[part]]
            squares[part] = _row_squares(np.subtract(*pairs, dtype=np.float64))
        return squares

    def first_copies(self, n: int) -> np.ndarray:
        """Return which rows of `y` have fewer than `n` equal ones before them."""
        seen, first = Counter(), np.empty(len(self._y), bool)
        for i, row in enumerate(self._y):
            digest = hashlib.blake2b(row + 0.0).digest()  # without the sign of -0
            first[i] = seen[digest] < n
            seen[digest] += 1
        return first


def _row_squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows)


def _kth_bound(block: np.ndarray, k: int) -> np.ndarray:
    """Return a bound from above on the k-th smallest entry of each row, close to it.

    The k-th smallest of the minima of disjoint groups is one: k entries are no larger.
    """
    width = block.shape[1]
    size = min(32, max(1, width // (32 * k)))
    groups = width // size
    minima = block[:, : size * groups].reshape(len(block), size, groups).min(axis=1)
    minima = np.concatenate([minima, block[:, size * groups :]], axis=1)
    return np.partition(minima, k - 1, axis=1)[:, k - 1]


def _nearest(
    x: np.ndarray, y: np.ndarray, k: int, *, others: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return squared distances and indices of the k nearest rows of `y`, nearest first.

    Args:
        others: `x` is `y`, and no row is its own neighbour.
    """
    distances = _Distances(x, y)
    slack = distances.slack
    high = np.float32((1.0 + slack) * distances.y_norms + _FLOOR)
    low = np.float32((1.0 - slack) * distances.y_norms - _FLOOR)
    squares, indices = np.empty((len(x), k)), np.empty((len(x), k), np.int64)
    buffer = np.empty((distances.rows, len(y)), np.float32)
    first_copies = None
    for start, stop, products in distances.products():
        diagonal = np.arange(stop - start)
        block = np.add(products, high, out=buffer[: len(products)])
        if others:
            block[diagonal, diagonal + start] = np.inf
        limit = _kth_bound(block, k) + np.float32(2.0 * slack * distances.x_norms[start:stop])
        np.add(products, low, out=block)
        if others:
            block[diagonal, diagonal + start] = np.inf
        possible = block <= limit[:, None]
        if np.count_nonzero(possible) > _DENSE * possible.size:
            if first_copies is None:  # of equal rows only the first can be among the k nearest
                first_copies = distances.first_copies(k + 1 if others else k)
            possible = _possible(*distances.double(start, stop), k, start if others else None)
            possible &= first_copies
        rows, columns = np.divmod(np.flatnonzero(possible), len(y))
        found = distances.exact(rows + start, columns)
        order = np.lexsort((columns, found, rows))
        first = np.searchsorted(rows, diagonal)  # lexsort keeps each row's place
        chosen = order[first[:, None] + np.arange(k)]
        squares[start:stop], indices[start:stop] = found[chosen], columns[chosen]
    return squares, indices


def _possible(squares: np.ndarray, errors: np.ndarray, k: int, diagonal: int | None) -> np.ndarray:
    """Return which entries may be among the k smallest of their row, given their errors.

    Args:
        diagonal: None, or the column of the first row's own entry, which never is.
    """
    if diagonal is not None:
        own = np.arange(len(squares))
        squares[own, diagonal + own] = np.inf
    return squares - errors <= _kth_bound(squares + errors, k)[:, None]


def _closer(
    distances: _Distances,
    start: int,
    products: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    radii: np.ndarray,
) -> np.ndarray:
    """Return which pairs, `rows` counted from `start`, have a squared distance below `radii`."""
    norms = distances.x_norms[start + rows] + distances.y_norms[columns]
    highest = products[rows, columns] + norms + (distances.slack * norms + _FLOOR)
    closer = highest * distances.scale**2 < radii
    undecided = np.flatnonzero(~closer & (radii > 0.0))
    if len(undecided) > _DENSE * products.size:
        squares, errors = distances.double(start, start + len(products))
        difference = squares[rows[undecided], columns[undecided]] - radii[undecided]
        errors = errors[rows[undecided], columns[undecided]]
        closer[undecided] = difference < -errors
        undecided = undecided[np.abs(difference) <= errors]
    squares = distances.exact(start + rows[undecided], columns[undecided])
    closer[undecided] = squares < radii[undecided]
    return closer


def nearest_neighbours(queries: Any, references: Any, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return Euclidean distances to, and indices of, the k nearest references of each query.

    Exact: no approximate index, no cancellation however near the neighbours are. Works in
    blocks of about 2 million distances: beside float32 copies of the inputs it needs some 60 MiB.

    Args:
        queries: `(n, width)`.
        references: `(m, width)`, m >= k. A query that is one of them finds itself, at distance 0.
        k: neighbours of each query.

    Returns:
        `(distances, indices)`, float64 and int64 `(n, k)`, nearest first; of equally near
        references the one with the lower index.

    Raises:
        ValueError: another rank, widths that differ, no query, fewer references than `k`, NaN or
            infinite features.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> distances, indices = functional.nearest_neighbours([[0.0]], [[5.0], [-1.0], [2.0]], k=2)
    >>> distances.tolist(), indices.tolist()
    ([[1.0, 2.0]], [[1, 2]])
    """
    k = whole_number("k", k, at_least=1)
    queries = _checks.features("queries", queries)
    references = _checks.features("references", references, at_least=k)
    _checks.same_width(queries=queries, references=references)
    squares, indices = _nearest(queries, references, k)
    return np.sqrt(squares), indices


def precision_recall_density_coverage(real: Any, fake: Any, k: int = 5) -> dict[str, float]:
    r"""Return improved precision and recall, density and coverage.

    Each sample has a ball around it that just reaches the k-th nearest *other* sample of its own
    set. With B_k the open ball, N real and M fake samples:

        precision = 1/M sum_j [ fake_j in some B_k(real_i) ]
        recall    = 1/N sum_i [ real_i in some B_k(fake_j) ]
        density   = 1/(k M) sum_j #{ i : fake_j in B_k(real_i) }
        coverage  = 1/N sum_i [ some fake_j in B_k(real_i) ]

    (Kynkaanniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
    Models", equations 1 and 2; Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for
    Generative Models", equations 3 and 4.) The balls are open and leave their centre out of the
    count, as in Naeem et al.'s package `prdc`; Kynkaanniemi et al. take closed balls and k = 3.

    Of a set with itself all four are exactly 1 (if no two of its distances are equal). Precision,
    recall and coverage lie in [0, 1]; density can exceed 1. The expected coverage of a perfect
    generator is 1 - (N-1)...(N-k) / ((M+N-1)...(M+N-k)), for N = M and k = 5 about 0.97.

    Distances are exact, see `nearest_neighbours`. Works in blocks of about 2 million distances:
    beside float32 copies of the inputs it needs some 60 MiB, however many rows there are.

    Args:
        real, fake: `(n, width)` with the same width and n > k; the numbers of rows may differ.
        k: which neighbour sets the radius.

    Returns:
        `{"precision": ..., "recall": ..., "density": ..., "coverage": ...}`.

    Raises:
        ValueError: another rank, widths that differ, `k` or fewer rows, NaN or infinite features.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> functional.precision_recall_density_coverage(x, x)
    {'precision': 1.0, 'recall': 1.0, 'density': 1.0, 'coverage': 1.0}
    """
    k = whole_number("k", k, at_least=1)
    real = _checks.features("real", real, at_least=k + 1)
    fake = _checks.features("fake", fake, at_least=k + 1)
    _checks.same_width(real=real, fake=fake)
    real_radii = _nearest(real, real, k, others=True)[0][:, -1]
    fake_radii = _nearest(fake, fake, k, others=True)[0][:, -1]

    distances = _Distances(real, fake)
    slack, area = distances.slack, distances.scale**2
    low = np.float32((1.0 - slack) * distances.y_norms - _FLOOR)
    low_beyond = np.float32((1.0 - slack) * distances.y_norms - _FLOOR - fake_radii / area)
    precise, recalled = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    pairs = 0
    buffer = np.empty((distances.rows, len(fake)), np.float32)
    for start, stop, products in distances.products():
        least = (1.0 - slack) * distances.x_norms[start:stop]
        block = np.add(products, low, out=buffer[: len(products)])
        limit = np.float32(real_radii[start:stop] / area - least)
        rows, columns = np.divmod(np.flatnonzero(block < limit[:, None]), len(fake))
        inside = _closer(distances, start, products, rows, columns, real_radii[start + rows])
        covered[start + rows[inside]] = True
        precise[columns[inside]] = True
        pairs += int(np.count_nonzero(inside))

        np.add(products, low_beyond, out=block)
        rows, columns = np.divmod(np.flatnonzero(block < np.float32(-least)[:, None]), len(fake))
        inside = _closer(distances, start, products, rows, columns, fake_radii[columns])
        recalled[start + rows[inside]] = True
    return {
        "precision": float(precise.mean()),
        "recall": float(recalled.mean()),
        "density": pairs / (k * len(fake)),
        "coverage": float(covered.mean()),
    }

"""Confidence intervals by resampling rows."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import number, whole_number


def bootstrap(
    statistic: Callable[..., Any],
    *arrays: Any,
    n: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    fraction: float | None = None,
) -> Any:
    r"""Return a confidence interval of a statistic, from resampled rows.

    Rows of each array are resampled independently of the other arrays, `n` times. The interval is
    the percentile interval of the resampled values, moved so that their mean meets the value on
    all rows:

        value + s (quantiles of resampled values - their mean)

    For means and other smooth, unbiased statistics this is the usual percentile interval (Efron and
    Tibshirani 1993, chapter 13). The move matters for metrics whose bias depends on the number of
    different rows: resampling raises the Frechet distance and the kernel distance and lowers
    coverage, often by more than the interval's width. The interval is one of sampling error; the
    metric's own bias it does not show.

    With replacement (`fraction` None, s = 1) a resample holds each row 0, 1, 2, ... times, and
    duplicates are at distance 0 from each other. Nearest-neighbour metrics (precision, recall,
    density, coverage, memorisation) then mean something else: give them `fraction=0.5`, which draws
    that share of the rows without replacement. The spread of such subsamples is turned into that of
    the whole set by s = sqrt(fraction / (1 - fraction)) (delete-d jackknife; Shao and Wu 1989), 1
    for one half.

    Args:
        statistic: called with the resampled arrays; returns a number or a dict of numbers.
        *arrays: arrays with one row a sample, or tuples of arrays whose rows belong together
            (features and labels), which the statistic gets as a tuple.
        n: number of resamples, >= 2.
        confidence: in (0, 1).
        seed: of the resampling.
        fraction: None: with replacement, as many rows as there are; in (0, 1): without replacement.

    Returns:
        `(low, high)`, or a dict of them if the statistic returns a dict.

    Raises:
        ValueError: no array, fewer than 2 rows, arrays of a tuple that differ in length, an
            argument out of range.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> x = np.random.default_rng(0).normal(size=400)
    >>> low, high = functional.bootstrap(np.mean, x)
    >>> bool(low < x.mean() < high), round(high - low, 1)  # 2 * 1.96 / sqrt(400)
    (True, 0.2)
    """
    n = whole_number("n", n, at_least=2)
    confidence = number("confidence", confidence, above=0, below=1)
    scale = 1.0
    if fraction is not None:
        fraction = number("fraction", fraction, above=0, below=1)
        scale = math.sqrt(fraction / (1.0 - fraction))
    if not arrays:
        raise ValueError("Give at least one array to resample. Received: none")
    groups = [_group(i, a) for i, a in enumerate(arrays)]
    rng = np.random.default_rng(seed)

    def resampled() -> Any:
        return statistic(*(_draw(group, single, fraction, rng) for group, single in groups))

    value = statistic(*(group[0] if single else group for group, single in groups))
    values = [resampled() for _ in range(n)]
    if isinstance(value, dict):
        return {
            key: _interval(value[key], [v[key] for v in values], confidence, scale) for key in value
        }
    return _interval(value, values, confidence, scale)


def _group(index: int, item: Any) -> tuple[tuple[np.ndarray, ...], bool]:
    single = not isinstance(item, tuple)
    group = tuple(np.asarray(a) for a in ((item,) if single else item))
    lengths = {a.shape[0] if a.ndim else 0 for a in group}
    if len(lengths) != 1 or min(lengths) < 2:
        raise ValueError(
            f"Array {index} must have at least 2 rows, and all arrays of a tuple the same number. "
            f"Received: shapes {', '.join(str(a.shape) for a in group)}"
        )
    return group, single


def _draw(
    group: tuple[np.ndarray, ...], single: bool, fraction: float | None, rng: np.random.Generator
) -> Any:
    rows = len(group[0])
    if fraction is None:
        chosen = rng.integers(rows, size=rows)
    else:
        chosen = rng.permutation(rows)[: max(1, round(fraction * rows))]
    drawn = tuple(a[chosen] for a in group)
    return drawn[0] if single else drawn


def _interval(
    value: Any, resampled: list[Any], confidence: float, scale: float
) -> tuple[float, float]:
    spread = np.asarray(resampled, dtype=np.float64)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(spread, [tail, 1.0 - tail]) - spread.mean()
    return float(value + scale * low), float(value + scale * high)

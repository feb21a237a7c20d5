"""What every metric asks of its arrays."""

from typing import Any

import numpy as np

_SINGLE = ("float16", "bfloat16", "float32")  # computed in float32


def array(name: str, values: Any) -> np.ndarray:
    """Return `values` as a finite float32 or float64 NumPy array.

    Half precision becomes float32, integers become float64.

    Raises:
        ValueError: `values` are not numbers, or not all of them are finite.
    """
    try:
        values = np.asarray(values)
        single = values.dtype.name in _SINGLE
        if not single and values.dtype.kind not in "fiu":
            raise TypeError
        values = values.astype(np.float32 if single else np.float64, copy=False)
    except (TypeError, ValueError):
        received = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"`{name}` must hold numbers. Received: {received}") from None
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise ValueError(
            f"`{name}` must be finite. Received: {bad} NaN or infinite of {values.size} values"
        )
    return values


def features(name: str, values: Any, *, at_least: int = 1) -> np.ndarray:
    """Return `values` as a finite array `(n, width)` with n >= `at_least`.

    Raises:
        ValueError: another rank, no column, too few rows, not numbers, not finite.
    """
    values = array(name, values)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(
            f"`{name}` must have shape (n, width), one row a sample. Received: shape {values.shape}"
        )
    if len(values) < at_least:
        raise ValueError(
            f"`{name}` must have at least {at_least} rows. Received: shape {values.shape}"
        )
    return values


def same_width(**arrays: np.ndarray) -> None:
    """Check that all arrays have as many columns.

    Raises:
        ValueError: they have not.
    """
    if len({a.shape[1] for a in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"The features must have the same width. Received: {shapes}")


def images(name: str, values: Any, *, at_least: int = 1) -> np.ndarray:
    """Return `values` as finite float32 images `(n, height, width, channels)` in [-1, 1].

    Raises:
        ValueError: another rank, an empty axis, too few images, values outside [-1, 1], not
            numbers, not finite.
    """
    values = array(name, values)
    if values.ndim != 4 or 0 in values.shape[1:]:
        raise ValueError(
            f"`{name}` must have shape (n, height, width, channels). Received: shape {values.shape}"
        )
    if len(values) < at_least:
        raise ValueError(
            f"`{name}` must hold at least {at_least} images. Received: shape {values.shape}"
        )
    lowest, highest = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if lowest < -1.001 or highest > 1.001:
        raise ValueError(
            f"`{name}` must lie in [-1, 1]. Received: values from {lowest:g} to {highest:g}"
        )
    return values.astype(np.float32, copy=False)


def same_images(**arrays: np.ndarray) -> None:
    """Check that the images of all arrays have the same shape; their numbers may differ.

    Raises:
        ValueError: they have not.
    """
    if len({a.shape[1:] for a in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"The images must have the same shape. Received: {shapes}")


def labels(name: str, values: Any, n: int) -> np.ndarray:
    """Return `values` as `(n,)` integers from 0 upwards.

    Raises:
        ValueError: not integers, negative, or not `n` of them.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iu" or values.shape != (n,) or (n and values.min() < 0):
        raise ValueError(
            f"`{name}` must be {n} integers >= 0, shape ({n},). Received: {values.dtype} of shape "
            f"{values.shape}" + (f", least {values.min()}" if values.size else "")
        )
    return values.astype(np.int64)

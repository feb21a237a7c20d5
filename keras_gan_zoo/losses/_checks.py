"""Argument checks that need neither Keras nor TensorFlow."""

import math
import numbers
from collections.abc import Iterable
from typing import Any

from keras_gan_zoo._text import suggest


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """Return `value` as a float, or say which range `name` must lie in.

    Raises:
        ValueError: `value` is not a finite real number inside the range.
    """
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">", above), (">=", at_least), ("<", below), ("<=", at_most))
        if bound is not None
    ]
    wanted = "a finite number" + (" " + " and ".join(bounds) if bounds else "")
    good = (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not good:
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}")
    return float(value)


def whole_number(name: str, value: Any, *, at_least: int) -> int:
    """Return `value` as an int, or say which range `name` must lie in.

    Raises:
        ValueError: `value` is not an integer of at least `at_least`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < at_least:
        raise ValueError(f"`{name}` must be an integer >= {at_least}. Received: {name}={value!r}")
    return int(value)


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`, or raise an error that lists them.

    Raises:
        ValueError: `value` is not in `allowed`.
    """
    allowed = tuple(allowed)
    if value not in allowed:
        near = suggest(value, allowed)
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, allowed))}. "
            f"{near + ' ' if near.startswith('Did') else ''}Received: {name}={value!r}"
        )
    return value

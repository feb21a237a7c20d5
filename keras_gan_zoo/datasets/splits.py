"""Split strings in the syntax of TFDS, for sources that are not TFDS: `"train[:80%]"`."""

import re

_PART = re.compile(
    r"^\s*(?P<name>[A-Za-z0-9_-]+)\s*"
    r"(\[\s*(?P<start>-?[0-9_]+%?)?\s*:\s*(?P<stop>-?[0-9_]+%?)?\s*\])?\s*$"
)


def parse_split(split: str) -> list[tuple[str, str | None, str | None]]:
    """Splits `"train[:10%]+test"` into `[("train", None, "10%"), ("test", None, None)]`.

    Raises:
        ValueError: if the string does not follow the syntax.
    """
    parts = []
    for part in split.split("+") if isinstance(split, str) else [None]:
        match = _PART.match(part) if part is not None else None
        if match is None:
            raise ValueError(
                "`split` must be a name with an optional slice, for example 'train', 'test', "
                "'train[:80%]', 'train[1000:2000]', or several of them joined by '+'. "
                f"Received: split={split!r}"
            )
        parts.append((match["name"], match["start"], match["stop"]))
    return parts


def _boundary(text: str | None, default: int, size: int, split: str) -> int:
    if text is None:
        return default
    if text.endswith("%"):
        percent = int(text[:-1])
        if abs(percent) > 100:
            raise ValueError(
                f"A percentage in `split` must lie in -100..100. Received: split={split!r}"
            )
        position = round(percent * size / 100.0)
    else:
        position = int(text)
    negative = text.startswith("-")
    return min(max(position + size if negative else position, 0), size)


def slice_bounds(start: str | None, stop: str | None, size: int, split: str) -> tuple[int, int]:
    """First and last-plus-one index of a slice of `size` examples.

    Percentages are rounded to the closest example, as TFDS does; indices beyond the end are cut
    off, as Python does.

    Raises:
        ValueError: if the slice is empty or a percentage is out of range.
    """
    first = _boundary(start, 0, size, split)
    last = _boundary(stop, size, size, split)
    if first >= last:
        raise ValueError(
            f"The split holds {size} examples, and this slice of it is empty: it runs from "
            f"{first} to {last}. Received: split={split!r}"
        )
    return first, last


def check_split_name(name: str, known: tuple[str, ...], dataset: str) -> None:
    """Raises ValueError if a dataset has no split of that name."""
    if name not in known:
        raise ValueError(
            f"The dataset {dataset!r} has the splits {', '.join(map(repr, known))}. "
            f"Received: split={name!r}"
        )

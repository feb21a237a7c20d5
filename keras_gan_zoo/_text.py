"""Small helpers for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: object, known: Iterable[str], limit: int = 3) -> str:
    """A sentence that names the entries of `known` nearest to `name`.

    Example:

    >>> suggest("dcgna", ["dcgan", "gan", "wgan"], limit=1)
    'Did you mean "dcgan"?'
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=limit, cutoff=0.5)
    if near:
        return "Did you mean " + " or ".join(f'"{n}"' for n in near) + "?"
    if not known:
        return "None are known."
    return "Known: " + ", ".join(known) + "."

"""A reader of the part of JSON Schema that `manifest.schema.json` uses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from keras_gan_zoo._text import suggest

KEYWORDS = frozenset(
    "$schema title description type const required properties additionalProperties items pattern "
    "maxLength minItems maxItems minimum maximum".split()
)

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, Mapping),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: (
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
    ),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}


def problem(value: Any, schema: Mapping[str, Any], where: str = "") -> str | None:
    """What is wrong with `value`, in one sentence, or None.

    Args:
        value: what `json.loads` returned.
        schema: a schema that uses no keyword outside `KEYWORDS`.
        where: the key of `value` within its file, such as `"files[0].path"`.

    Example:

    >>> problem(-1, {"type": "integer", "minimum": 0}, "size")
    'size must be an integer of at least 0. Received: -1'
    """
    if not _fits(value, schema):
        return f"{where or 'the manifest'} must be {wanted(schema)}. Received: {shown(value)}"
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        for key in schema.get("required", ()):
            if key not in value:
                return f"the key {_join(where, key)!r} is missing; it must be {wanted(known[key])}"
        for key, item in value.items():
            if key in known:
                found = problem(item, known[key], _join(where, key))
                if found:
                    return found
            elif not schema.get("additionalProperties", True):
                return f"unknown key {_join(where, str(key))!r}. {suggest(key, known)}"
    elif isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found = problem(item, schema["items"], f"{where}[{i}]")
            if found:
                return found
    return None


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    if "const" in schema:
        return type(value) is type(schema["const"]) and value == schema["const"]
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_TYPES[t](value) for t in types):
        return False
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", math.inf):
            return False
        return "pattern" not in schema or re.fullmatch(schema["pattern"], value) is not None
    if isinstance(value, list):
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
    if isinstance(value, (int, float)):
        return schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
    return True


def wanted(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in words."""
    if "const" in schema:
        return repr(schema["const"])
    if "description" in schema:
        return schema["description"]
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    article = {"object": "an object", "array": "an array", "integer": "an integer", "null": "null"}
    text = " or ".join(article.get(t, f"a {t}") for t in types)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        text += f" of at least {low}" if high is None else f" from {low} to {high}"
    few, many = schema.get("minItems"), schema.get("maxItems")
    if many is not None:
        text += f" of {few or 0} to {many} items"
    return text


def shown(value: Any, limit: int = 120) -> str:
    """`repr`, cut short: a manifest may come from anywhere."""
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key

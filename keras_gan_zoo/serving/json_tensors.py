"""JSON requests <-> arrays, by the rules of TensorFlow Serving's REST interface.

Two layouts: rows (`"instances"`: a list, one item for each row) and columns (`"inputs"`: a value
or an object of values). Binary values are `{"b64": "..."}`. Stricter than TensorFlow Serving in
two points: numbers must be finite, and arrays must have the shape that the signature states.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
import binascii
import itertools
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

INSTANCES, INPUTS = "instances", "inputs"
_SHOWN = 200
_MAX_RANK = 32


class RequestError(ValueError):
    """A request that cannot be answered.

    Args:
        message: the reason, for the client.
        status: HTTP status code.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature.

    Attributes:
        name: its name in the signature.
        dtype: TensorFlow's name of the type, such as `"float32"` or `"string"`.
        shape: sizes, -1 where any is taken; None where even the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    @property
    def has_batch_axis(self) -> bool:
        """Whether the first axis takes any size."""
        return bool(self.shape) and self.shape[0] == -1


def read_inputs(
    request: Any, signature: str, specs: Mapping[str, TensorSpec]
) -> tuple[dict[str, np.ndarray], bool]:
    """The arrays of a predict request, and whether it is in row format.

    Args:
        request: the parsed JSON body.
        signature: name, for messages.
        specs: the signature's inputs by name.

    Raises:
        RequestError: not an object, both or neither of "instances" and "inputs", a missing input,
            an unknown one in a row (in columns it is ignored, as TensorFlow Serving does), a ragged
            list, a wrong type or shape, a number that is not finite.
    """
    if INSTANCES in request and INPUTS in request:
        raise RequestError(
            f"JSON Value: {shown(request)} Not formatted correctly expecting only one of "
            f"'{INPUTS}' or '{INSTANCES}' keys to exist"
        )
    if INSTANCES in request:
        return _rows(request[INSTANCES], specs), True
    if INPUTS in request:
        return _columns(request[INPUTS], specs), False
    raise RequestError(
        f"Missing '{INPUTS}' or '{INSTANCES}' key. The signature {signature!r} takes "
        f"{', '.join(specs)}."
    )


def _rows(items: Any, specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    if not isinstance(items, list):
        raise RequestError(f"Expecting '{INSTANCES}' to be an list/array. Received: {shown(items)}")
    if not items:
        raise RequestError(f"No values in '{INSTANCES}' array")
    if not _is_named(items[0]):
        if len(specs) > 1:
            raise RequestError(
                "instances is a plain list, but expecting list of objects as multiple input "
                f"tensors required: {', '.join(specs)}"
            )
        named = next((i for i, item in enumerate(items) if _is_named(item)), None)
        if named is not None:
            raise RequestError(f"Expecting value/list but got object at item {named} of input list")
        (spec,) = specs.values()
        return {spec.name: to_array(items, spec)}
    for i, item in enumerate(items):
        if not _is_named(item):
            raise RequestError(f"Expecting object but got list at item {i} of input list")
        if set(item) != set(specs):
            raise RequestError(
                f"Failed to process element: {i} of 'instances' list. JSON object: {shown(item)} "
                f"keys must be equal to: {','.join(specs)}"
            )
    return {name: to_array([item[name] for item in items], spec) for name, spec in specs.items()}


def _columns(value: Any, specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(specs) > 1:
            raise RequestError(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                f"required: {', '.join(specs)}"
            )
        (spec,) = specs.values()
        return {spec.name: to_array(value, spec)}
    for name in specs:
        if name not in value:
            raise RequestError(f"Missing named input: {name} in 'inputs' object.")
    return {name: to_array(value[name], spec) for name, spec in specs.items()}


def _is_named(value: Any) -> bool:
    """An object that names inputs, not one that holds base64 data."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def to_array(value: Any, spec: TensorSpec) -> np.ndarray:
    """A JSON value as an array of a signature's input.

    Args:
        value: nested lists, or a single value.
        spec: the input.

    Raises:
        RequestError: see `read_inputs`.

    Example:

    >>> to_array([[1, 2], [3, 4]], TensorSpec("x", "float32", (-1, 2)))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if spec.shape is not None:
        fits = len(shape) == len(spec.shape) and all(
            want in (-1, came) for want, came in zip(spec.shape, shape, strict=True)
        )
        if not fits:
            raise RequestError(
                f"Input {spec.name!r} must have the shape {_text(spec.shape)}. "
                f"Received: {_text(shape)}"
            )
    elif len(shape) > _MAX_RANK:
        raise RequestError(
            f"Input {spec.name!r}: lists may be nested {_MAX_RANK} deep. Received: {len(shape)}"
        )
    leaves: list[Any] = []
    _flatten(value, shape, 0, leaves, spec)
    return _typed(leaves, spec).reshape(shape)


def _flatten(value: Any, shape: list[int], level: int, leaves: list[Any], spec: TensorSpec) -> None:
    """Append the leaves of nested lists that must have the given shape."""
    if level == len(shape):
        if isinstance(value, list):
            raise RequestError(
                f"Input {spec.name!r}: Encountered list at unexpected level: {level} expected < "
                f"{len(shape)}"
            )
        leaves.append(value)
        return
    if not isinstance(value, list):
        raise RequestError(
            f"Input {spec.name!r}: JSON Value: {shown(value)} found at incorrect level: "
            f"{level + 1} in the JSON DOM. Expected at level: {len(shape)}"
        )
    if len(value) != shape[level]:
        raise RequestError(
            f"Input {spec.name!r}: Encountered list at unexpected size: {len(value)} at level: "
            f"{level} expected size: {shape[level]}"
        )
    if level + 1 == len(shape) and not any(isinstance(item, list) for item in value):
        leaves.extend(value)
        return
    for item in value:
        _flatten(item, shape, level + 1, leaves, spec)


def _typed(leaves: list[Any], spec: TensorSpec) -> np.ndarray:
    kinds = set(map(type, leaves))
    if spec.dtype == "string":
        return np.array([_bytes(leaf, spec) for leaf in leaves], object)
    allowed = {"bool": {bool}, "float": {int, float}}.get(spec.dtype.rstrip("0123456789"), {int})
    if not kinds <= allowed:
        wrong = next(leaf for leaf in leaves if type(leaf) not in allowed)
        raise RequestError(
            f"Input {spec.name!r}: JSON Value: {shown(wrong)} Type: {_kind(wrong)} is not of "
            f"expected type: {spec.dtype}"
        )
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = np.array(leaves, np.float64).astype(dtype)
        if not np.isfinite(array).all():
            raise RequestError(f"Input {spec.name!r}: numbers must be finite and fit {spec.dtype}")
        return array
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        wrong = next((v for v in leaves if not bounds.min <= v <= bounds.max), None)
        if wrong is not None:
            raise RequestError(
                f"Input {spec.name!r}: JSON Value: {wrong} Type: Number is not of expected type: "
                f"{spec.dtype}"
            )
    return np.array(leaves, dtype)


def _bytes(leaf: Any, spec: TensorSpec) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode("utf-8", "surrogatepass")
    if not _is_base64(leaf):
        raise RequestError(
            f"Input {spec.name!r}: JSON Value: {shown(leaf)} Type: {_kind(leaf)} is not of "
            "expected type: string"
        )
    try:
        return base64.b64decode(leaf["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"Input {spec.name!r}: Unable to base64 decode") from error


def write_outputs(outputs: Mapping[str, np.ndarray], rows: bool) -> dict[str, Any]:
    """The body of a response; the arrays in it are for `orjson` to write.

    Args:
        outputs: arrays by name; those of bytes are written as base64 where the name ends in
            `_bytes`, as text otherwise.
        rows: row format, as the request had.

    Raises:
        RequestError: row format, and the outputs have no common first axis.
    """
    values = {name: _writable(name, array) for name, array in outputs.items()}
    single = next(iter(values.values())) if len(values) == 1 else None
    if not rows:
        return {"outputs": values if single is None else single}
    sizes = set()
    for name, array in outputs.items():
        if array.ndim == 0:
            raise RequestError(
                f"Tensor name: {name} has no shape information: use the column format, 'inputs'"
            )
        sizes.add(array.shape[0])
    if len(sizes) > 1:
        raise RequestError(f"The outputs have inconsistent batch sizes: {sorted(sizes)}")
    if single is not None:
        return {"predictions": single}
    (size,) = sizes
    return {"predictions": [{k: v[i] for k, v in values.items()} for i in range(size)]}


def _writable(name: str, array: np.ndarray) -> Any:
    if array.dtype.kind not in "OS":
        return np.ascontiguousarray(array)
    as_base64 = name.endswith("_bytes")

    def write(value: Any) -> Any:
        if isinstance(value, list):
            return [write(item) for item in value]
        if as_base64:
            return {"b64": base64.b64encode(value).decode()}
        return value.decode("utf-8", "replace")

    return write(array.tolist())


class _Repr(reprlib.Repr):
    """A repr that takes the same time for values of any size and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxdict = 6
        self.maxstring = self.maxlong = self.maxother = 60

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        # the base class sorts all keys
        return super().repr_dict(dict(itertools.islice(x.items(), self.maxdict + 1)), level)


_repr = _Repr().repr


def shown(value: Any) -> str:
    """A JSON value for a message, cut short."""
    text = _repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _kind(value: Any) -> str:
    kinds = {type(None): "Null", bool: "Bool", dict: "Object", list: "Array", str: "String"}
    return kinds.get(type(value), "Number")


def _text(shape: Any) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"

"""Versions of an exported model: found in a folder, loaded, replaced by newer ones."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_gan_zoo.serving.json_tensors import RequestError, TensorSpec

log = logging.getLogger("keras_gan_zoo.serving")
_INIT_OP = "__saved_model_init_op"


@dataclass
class Signature:
    """One function of a SavedModel.

    Attributes:
        name: such as `"serving_default"`.
        inputs, outputs: what it takes and gives.
        function: called with tensors by name.
        owner: the loaded model, whose variables live as long as it does.
    """

    name: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    function: Any
    owner: Any = None

    @property
    def has_rows(self) -> bool:
        """Whether the first axis of everything is free."""
        tensors = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(t.has_batch_axis for t in tensors)

    @property
    def batchable(self) -> bool:
        """Rows of several requests may be run together, and padded.

        Only a generator's, which are independent of each other: a discriminator may compare the
        rows of its batch (minibatch discrimination) or join them (packing).
        """
        return self.name == "serving_default" and self.has_rows

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs of the function.

        Raises:
            RequestError: TensorFlow refuses the inputs (400), or has no memory for them (429).
        """
        try:
            given = {
                k: tf.constant(v, tf.dtypes.as_dtype(self.inputs[k].dtype))
                for k, v in inputs.items()
            }
            return {k: v.numpy() for k, v in self.function(**given).items()}
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise RequestError(_reason(error)) from error
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise RequestError(f"Not enough memory: {_reason(error)}", 429) from error


def _reason(error: BaseException) -> str:
    """TensorFlow's message without its stack of graph nodes."""
    text = str(getattr(error, "message", None) or error)
    failed = re.search(r"assertion failed: \[(.*?)\]", text)
    text = failed[1] if failed else text.removeprefix("Graph execution error:")
    text = text.split("[[{{node", 1)[0].split("[Op:", 1)[0]
    return " ".join(text.split())[:500] or type(error).__name__


class Version:
    """One loaded version.

    Args:
        number: of its folder.
        folder: that holds `saved_model.pb`.

    Raises:
        OSError, ValueError, tf.errors.OpError: not a SavedModel that can be loaded.
    """

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        loaded = tf.saved_model.load(str(folder))
        proto = saved_model_pb2.SavedModel()
        proto.ParseFromString((folder / "saved_model.pb").read_bytes())
        self.definitions = dict(proto.meta_graphs[0].signature_def)
        self.signatures = {}
        for name, definition in self.definitions.items():
            if name != _INIT_OP:
                self.signatures[name] = Signature(
                    name,
                    _specs(definition.inputs),
                    _specs(definition.outputs),
                    loaded.signatures[name],
                    loaded,
                )

    def signature(self, name: str) -> Signature:
        """A signature by name; the empty name means `serving_default`.

        Raises:
            RequestError: there is none.
        """
        name = name or "serving_default"
        if name not in self.signatures:
            raise RequestError(
                f'Serving signature name: "{name[:200]}" not found in signature def. '
                f"There are: {', '.join(sorted(self.signatures))}"
            )
        return self.signatures[name]

    def warm_up(self, sizes: list[int]) -> None:
        """Run each batchable signature once for every number of rows that it will be run with.

        Zeros are a guess, which a signature may refuse: that is logged, and the version is served.
        """
        for signature in self.signatures.values():
            if signature.batchable and all(
                t.shape is not None and -1 not in t.shape[1:] and t.dtype != "string"
                for t in signature.inputs.values()
            ):
                try:
                    for size in sizes:
                        signature.run(
                            {
                                k: np.zeros((size, *t.shape[1:]), t.dtype)
                                for k, t in signature.inputs.items()
                            }
                        )
                except Exception as error:
                    log.warning("%s is not warmed up: %s", signature.name, _reason(error))


def _specs(tensors: Mapping[str, Any]) -> dict[str, TensorSpec]:
    found = {}
    for name, info in sorted(tensors.items()):
        shape = info.tensor_shape
        sizes = None if shape.unknown_rank else tuple(int(d.size) for d in shape.dim)
        found[name] = TensorSpec(name, tf.dtypes.as_dtype(info.dtype).name, sizes)
    return found


@dataclass
class State:
    """What `/v1/models/<name>` says of a version."""

    state: str
    error_code: str = "OK"
    error_message: str = ""


@dataclass
class Model:
    """A folder of numbered versions, the newest of which are served.

    A new version is loaded and warmed up before the older one is dropped, so there is one to
    answer at any time. A version that fails to load is not tried again until its folder changes;
    the newest one that loads is served in its place.

    Args:
        name: in the URLs.
        folder: that holds `1/`, `2/`, ...
        keep: how many of the newest versions are served.
        warm_sizes: numbers of rows to warm up with.

    Example:

    ```python
    model = Model("dcgan", Path("served/dcgan"))
    model.refresh()
    model.version().signature("sample").run({"seed": np.int64(0), "n": np.int32(1)})
    ```
    """

    name: str
    folder: Path
    keep: int = 1
    warm_sizes: list[int] = field(default_factory=lambda: [1])

    def __post_init__(self) -> None:
        self.versions: dict[int, Version] = {}
        self.states: dict[int, State] = {}
        self._failed: dict[int, float] = {}
        self._lock = threading.Lock()

    def refresh(self) -> bool:
        """Load what is new, drop what is gone or old; returns whether anything changed."""
        with self._lock:
            try:
                folders = find_versions(self.folder)
            except OSError as error:  # a file system that is away for a moment
                log.error("%s cannot be read: %s", self.folder, error)
                return False
            changed, stay = False, set()
            for number in sorted(folders, reverse=True):  # older ones in place of those that fail
                if len(stay) < self.keep:
                    changed |= self._load(number, folders[number])
                    stay |= {number} & set(self.versions)
            for number in set(self.versions) - stay:
                self.versions = {n: v for n, v in self.versions.items() if n != number}
                self.states[number] = State("END")
                log.info("%s: version %d is no longer served", self.name, number)
                changed = True
            return changed

    def _load(self, number: int, folder: Path) -> bool:
        if number in self.versions:
            return False
        changed_at = _modified(folder)
        if self._failed.get(number) == changed_at:
            return False
        self.states[number] = State("LOADING")
        begin = time.monotonic()
        try:
            version = Version(number, folder)
            version.warm_up(self.warm_sizes)
        except Exception as error:  # a damaged file may raise anything, and must not end the server
            self._failed[number] = changed_at
            self.states[number] = State("END", "UNKNOWN", _reason(error))
            log.error("%s: version %d cannot be loaded: %s", self.name, number, _reason(error))
            return True
        self.versions = {**self.versions, number: version}
        self.states[number] = State("AVAILABLE")
        log.info("%s: version %d loaded in %.1f s", self.name, number, time.monotonic() - begin)
        return True

    def version(self, number: int | None = None) -> Version:
        """A served version; None means the newest.

        Raises:
            RequestError: 404, it is not served.
        """
        versions = self.versions
        if number is None and versions:
            return versions[max(versions)]
        if number not in versions:
            wanted = "Latest" if number is None else "Specific"
            detail = self.name if number is None else f"{self.name}, {number}"
            raise RequestError(f"Servable not found for request: {wanted}({detail})", 404)
        return versions[number]


def find_versions(folder: Path) -> dict[int, Path]:
    """The versions in a folder by number, the oldest first; names may have leading zeros.

    Raises:
        OSError: the folder cannot be read.
    """
    found = {}
    for path in sorted(folder.iterdir()):
        name = path.name
        if name.isascii() and name.isdigit() and int(name) < 2**63:
            if (path / "saved_model.pb").is_file():
                found[int(name)] = path
    return dict(sorted(found.items()))


def _modified(folder: Path) -> float:
    """When the folder or anything in it was last written."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return -1.0

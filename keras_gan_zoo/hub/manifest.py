"""`manifest.json`: what a preset is, where it came from, and what its files must hash to.

`manifest.schema.json`, beside this file, is the description; `Manifest.from_dict` reads it and adds
what JSON Schema cannot say. A manifest may come from anywhere: it is parsed as plain JSON, bounded
in size and depth, and may name no class outside the zoo's losses and penalties and Keras'
optimizers. This module imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_gan_zoo.hub import _schema

FILENAME = "manifest.json"
CARD = "README.md"
SCHEMA_VERSION = 1
MAX_MANIFEST_BYTES = 2**20
MAX_PRESET_BYTES = 8 * 2**20
_MAX_DEPTH = 12
_MAX_INTEGER = 2**31 - 1
_ZOO_MODULES = ("keras_gan_zoo.losses.", "keras_gan_zoo.training.ema")
_KERAS_MODULES = ("keras.optimizers", "keras.optimizers.schedules")


class ManifestError(ValueError):
    """A manifest that is missing, unreadable or not what the schema asks for."""


@dataclass(frozen=True)
class Manifest:
    """The record of one preset, `zoo_weights/<model>.<tag>/manifest.json`.

    Attributes:
        name: `"model.tag"`.
        builder: registered name of the model; the part of `name` before the dot.
        config: what `zoo.create(builder, **config)` takes.
        files: `{"path", "bytes", "sha256"}` of every file but the manifest and the card.
        hub: `{"repo_id", "revision"}`, where the files can be downloaded; or None.
        licence: `{"code", "weights", "data"}`.
        data: `{"name", "split", "size", "preprocessing"}`; size is the number of images.
        metrics: measured records: `{"name", "value", "ci95", "n_real", "n_fake", "extractor",
            "extractor_sha256", "seed", "command"}` and, where they were measured by
            `zoo.metrics.evaluate`, `"protocol"`.
        training: `{"command", "epochs", "steps", "batch", "seconds", "device", "keras",
            "tensorflow"}`.
        golden: `{"seed", "atol"}` of the reference images in `golden.npz`.
        schema_version: version of this layout.

    Example:

    ```python
    manifest = Manifest.read("zoo_weights/dcgan.fashion_mnist")
    manifest.config["image_shape"]      # [28, 28, 1]
    ```
    """

    name: str
    builder: str
    config: dict[str, Any]
    files: list[dict[str, Any]]
    licence: dict[str, str]
    data: dict[str, Any]
    training: dict[str, Any]
    golden: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list)
    hub: dict[str, str] | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def is_extractor(self) -> bool:
        """Whether this is a classifier of `zoo.metrics.features`, not a generator."""
        return self.file("classifier.weights.h5") is not None

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(f["bytes"] for f in self.files)

    def file(self, path: str) -> dict[str, Any] | None:
        """The entry of a file, or None where the preset has no such file."""
        return next((f for f in self.files if f["path"] == path), None)

    @classmethod
    def from_dict(cls, value: Any, source: str = FILENAME) -> Manifest:
        """A manifest from parsed JSON.

        Args:
            value: what `json.loads` returned.
            source: the file's name, for error messages.

        Raises:
            ManifestError: names the file, the key, what came and what was wanted.
        """
        found = _plain(value) or _version(value) or _schema.problem(value, schema())
        found = found or _contradiction(value)
        if found:
            raise ManifestError(f"{source}: {found}")
        return cls(**copy.deepcopy(dict(value)))

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Manifest:
        """Read and check `folder/manifest.json`.

        Raises:
            ManifestError: no such file, over 1 MiB, not JSON, or not what the schema asks for.
        """
        path = Path(folder) / FILENAME
        if not path.is_file():
            raise ManifestError(
                f"There is no preset at {str(folder)!r}: it holds no {FILENAME}. A preset is a "
                "folder as `keras_gan_zoo.hub.save_preset` writes it."
            )
        with path.open("rb") as stream:
            text = stream.read(MAX_MANIFEST_BYTES + 1)
        if len(text) > MAX_MANIFEST_BYTES:
            raise ManifestError(
                f"{path}: the manifest is {path.stat().st_size:,} bytes; at most "
                f"{MAX_MANIFEST_BYTES:,} are read. It is damaged or not a manifest."
            )
        try:
            value = json.loads(
                text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
            )
        except (ValueError, RecursionError) as error:
            raise ManifestError(
                f"{path}: not readable as JSON ({error or type(error).__name__}). Restore the file "
                "or download the preset again."
            ) from error
        return cls.from_dict(value, str(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the order in which they are written."""
        order = schema()["properties"]
        value = dataclasses.asdict(self)
        return {key: value[key] for key in order}

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Check and write `folder/manifest.json`, whole or not at all; returns its path.

        Raises:
            ManifestError: the manifest would not be readable again.
        """
        path = Path(folder) / FILENAME
        value = self.to_dict()
        Manifest.from_dict(value, str(path))
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        data = text.encode("utf-8")
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestError(
                f"{path}: the manifest would be {len(data):,} bytes; at most "
                f"{MAX_MANIFEST_BYTES:,} are allowed."
            )
        return write_whole(path, data)


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`."""
    path = Path(__file__).with_name("manifest.schema.json")
    return json.loads(path.read_text(encoding="utf-8"))


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file under a temporary name and rename it: readers see the old one or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tmp-", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            stream.write(data)
            stream.close()
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return path


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} comes twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _plain(value: Any, where: str = "", depth: int = 0) -> str | None:
    """Only JSON values, finite numbers, and not nested without end."""
    if depth > _MAX_DEPTH:
        return f"{where} is nested deeper than {_MAX_DEPTH} levels"
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"the keys of {where or 'the manifest'} must be strings. Received: {key!r}"
            found = _plain(key, f"the key {key!r}", depth + 1)
            found = found or _plain(item, f"{where}.{key}" if where else key, depth + 1)
            if found:
                return found
    elif isinstance(value, list):
        for i, item in enumerate(value):
            found = _plain(item, f"{where}[{i}]", depth + 1)
            if found:
                return found
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return f"{where} must be valid Unicode. Received: {_schema.shown(value)}"
    elif isinstance(value, int) and value.bit_length() > 64:
        return f"{where} must be a number of at most 64 bits. Received: {value.bit_length()} bits"
    elif isinstance(value, float) and not math.isfinite(value):
        return f"{where} must be a finite number. Received: {value!r}"
    elif not (value is None or isinstance(value, (str, int, float, bool))):
        return f"{where or 'the manifest'} must be a JSON value. Received: {type(value).__name__}"
    return None


def _version(value: Any) -> str | None:
    version = value.get("schema_version") if isinstance(value, Mapping) else None
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION:
        return (
            f"schema_version must be {SCHEMA_VERSION}. Received: {_schema.shown(version)}. The "
            "preset was written for a later keras_gan_zoo: upgrade the package."
        )
    return None


def _contradiction(value: Mapping[str, Any]) -> str | None:
    """What JSON Schema cannot say."""
    if value["name"].split(".")[0] != value["builder"]:
        return (
            f"name must begin with the builder, {value['builder'] + '.'!r}. "
            f"Received: name={value['name']!r}"
        )
    seen: set[str] = set()
    for i, entry in enumerate(value["files"]):
        path = entry["path"].lower()
        if path in seen:
            return f"files[{i}].path must be unique, letter case apart. Received: {path!r}"
        if path in (FILENAME, CARD.lower()):
            return f"files[{i}].path must not be {FILENAME} or {CARD}. Received: {entry['path']!r}"
        seen.add(path)
    total = sum(entry["bytes"] for entry in value["files"])
    if total > MAX_PRESET_BYTES:
        return (
            f"files must have at most {MAX_PRESET_BYTES:,} bytes (8 MiB) together. "
            f"Received: {total:,}"
        )
    return _untrusted(value["config"])


def _untrusted(config: Mapping[str, Any]) -> str | None:
    """A config describes a model; it must not bring classes or sizes of an attacker's choosing."""
    for key in ("name", "seed"):
        if key in config:
            return f"config must not hold {key!r}: the zoo chooses it when it builds the model"
    return _untrusted_value(config, "config", "")


def _untrusted_value(value: Any, where: str, argument: str) -> str | None:
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        return f"{where} must be within +-{_MAX_INTEGER}. Received: {_schema.shown(value)}"
    if isinstance(value, list):
        items = [(f"{where}[{i}]", argument, item) for i, item in enumerate(value)]
    elif isinstance(value, Mapping):
        if where != "config" and "class_name" in value and not _trusted(value, argument):
            return (
                f"{where} names the class {_schema.shown(value.get('class_name'))} of the module "
                f"{_schema.shown(value.get('module'))}. A preset may only name losses and "
                "penalties of keras_gan_zoo and optimizers of Keras: nothing else is revived."
            )
        items = [(f"{where}.{key}", argument or key, item) for key, item in value.items()]
    else:
        return None
    for inner, key, item in items:
        found = _untrusted_value(item, inner, key)
        if found:
            return found
    return None


def _trusted(value: Mapping[str, Any], argument: str) -> bool:
    name, module = value["class_name"], value.get("module")
    registered = value.get("registered_name")
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)):
        return False
    if module is None:  # the short form of losses.get and penalties.get: a name and a config
        return registered is None and argument in ("loss", "penalties")
    if module in _KERAS_MODULES:
        return registered is None
    zoo = isinstance(module, str) and f"{module}.".startswith(_ZOO_MODULES)
    return zoo and registered == f"keras_gan_zoo>{name}"

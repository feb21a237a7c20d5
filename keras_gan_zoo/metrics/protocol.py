"""How a figure was measured, and records that refuse to be compared across protocols."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class ProtocolMismatchError(ValueError):
    """Two figures that were measured in different ways."""


@dataclass(frozen=True)
class Protocol:
    """Everything that a metric's value depends on besides the model.

    Attributes:
        extractor: name of the feature extractor; None for metrics on pixels.
        extractor_sha256: of its weights, 64 hexadecimal digits; None without an extractor.
        resize: size and kernel to which images are brought, such as "28x28 bilinear antialias".
        dataset, split: the real images.
        n_real, n_fake: numbers of real and generated images.
        ema: whether the generator's averaged weights were sampled; None where it is not known
            (weights of a preset are those its authors chose).
        seed: of the latent vectors and of every random choice of the metric.
        version: of keras_gan_zoo.

    Example:

    >>> a = Protocol("grey28", "0" * 64, "28x28", "fashion_mnist", "test", 10_000, 10_000)
    >>> a.differences(dataclasses.replace(a, n_fake=5_000))
    {'n_fake': (10000, 5000)}
    """

    extractor: str | None
    extractor_sha256: str | None
    resize: str | None
    dataset: str
    split: str
    n_real: int
    n_fake: int
    ema: bool | None = None
    seed: int = 0
    version: str = ""

    def differences(
        self, other: Protocol, ignore: Sequence[str] = ()
    ) -> dict[str, tuple[Any, Any]]:
        """Field -> (own value, other's value) where they differ."""
        names = [f.name for f in dataclasses.fields(self) if f.name not in ignore]
        pairs = {n: (getattr(self, n), getattr(other, n)) for n in names}
        return {n: pair for n, pair in pairs.items() if pair[0] != pair[1]}

    def require_same(self, other: Protocol, ignore: Sequence[str] = ()) -> None:
        """Nothing if both are the same.

        Args:
            other: another protocol.
            ignore: fields that may differ; `("ema", "seed", "version")` where models of different
                kind or date are to be ranked.

        Raises:
            ProtocolMismatchError: names every field that differs, with both values.
        """
        found = self.differences(other, ignore)
        if found:
            listed = "; ".join(f"{n}: {a!r} and {b!r}" for n, (a, b) in found.items())
            raise ProtocolMismatchError(
                "Figures that were measured by different protocols cannot be compared. "
                f"They differ in {listed}. Measure both in the same way."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Protocol:
        """The protocol of `to_dict`.

        Raises:
            ValueError: missing or unknown keys.
        """
        _keys("protocol", value, cls)
        return cls(**value)


@dataclass(frozen=True)
class Record:
    """One measured figure with its protocol.

    Attributes:
        name: of the metric, such as "fid".
        value: the figure.
        protocol: how it was measured.
        ci95: bootstrap 95 % interval (low, high), or None.
        command: the command that measured it.

    Example:

    ```python
    old, new = (Record.from_dict(json.loads(text)) for text in texts)
    new.minus(old)      # raises ProtocolMismatchError unless both were measured alike
    ```
    """

    name: str
    value: float
    protocol: Protocol
    ci95: tuple[float, float] | None = None
    command: str = ""

    def minus(self, other: Record, ignore: Sequence[str] = ()) -> float:
        """Own value minus the other's.

        Raises:
            ValueError: records of different metrics.
            ProtocolMismatchError: of different protocols; `ignore` as in `require_same`.
        """
        if self.name != other.name:
            raise ValueError(
                "Only records of the same metric can be compared. "
                f"Received: {self.name!r} and {other.name!r}"
            )
        self.protocol.require_same(other.protocol, ignore)
        return self.value - other.value

    def __lt__(self, other: Record) -> bool:
        return self.minus(other) < 0

    def __gt__(self, other: Record) -> bool:
        return self.minus(other) > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "value": self.value,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "protocol": self.protocol.to_dict(),
            "command": self.command,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Record:
        """The record of `to_dict`.

        Raises:
            ValueError: missing or unknown keys, a value that is not a number.
        """
        _keys("record", value, cls)
        number = value["value"]
        if isinstance(number, bool) or not isinstance(number, (int, float)) or math.isnan(number):
            raise ValueError(f"A record's value must be a number. Received: {number!r}")
        interval = value["ci95"]
        return cls(
            value["name"],
            float(number),
            Protocol.from_dict(value["protocol"]),
            None if interval is None else (float(interval[0]), float(interval[1])),
            value["command"],
        )

    def manifest_entry(self) -> dict[str, Any]:
        """The record as `manifest.json` keeps it."""
        p = self.protocol
        return {
            "name": self.name,
            "value": self.value,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "n_real": p.n_real,
            "n_fake": p.n_fake,
            "extractor": p.extractor,
            "extractor_sha256": p.extractor_sha256,
            "seed": p.seed,
            "command": self.command,
            "protocol": p.to_dict(),
        }


def _keys(what: str, value: Mapping[str, Any], cls: type) -> None:
    wanted = {f.name for f in dataclasses.fields(cls)}
    if set(value) != wanted:
        raise ValueError(
            f"A {what} has the keys {', '.join(sorted(wanted))}. Received: "
            f"missing {sorted(wanted - set(value))}, unknown {sorted(set(value) - wanted)}"
        )

"""Presets: pretrained weights by name, verified before they are read.

A preset is a folder with a manifest: `hub.manifest` describes it, `hub.resolve` finds it,
`hub.verify` checks it, `hub.preset` reads and writes it, `hub.card` and `hub.index` say what it is,
`hub.publish` makes it of a training run and uploads it.
Names below are resolved on first use; importing this package imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Manifest": "manifest",
    "ManifestError": "manifest",
    "VerificationError": "verify",
    "verify_folder": "verify",
    "PresetNotFoundError": "resolve",
    "DownloadError": "remote",
    "from_pretrained": "preset",
    "save_preset": "preset",
    "check_golden": "preset",
    "PublishError": "publish",
    "Published": "publish",
    "push_to_hub": "publish",
    "pack": "publish",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

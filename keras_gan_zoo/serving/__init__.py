"""Serving of exported SavedModels over HTTP, with the REST surface of TensorFlow Serving.

`keras-gan-zoo serve EXPORT_DIR` for small installations and for trying clients: a client written
for TensorFlow Serving works unchanged. Needs `pip install keras-gan-zoo[serve]`. What is served
is the exported folder alone: neither Keras nor the model classes of this package are imported.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {"create_app": "app", "serve": "command", "ServerOptions": "app"}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

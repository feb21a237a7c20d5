"""Serving of exported SavedModels over HTTP, with the REST surface of TensorFlow Serving.

`keras-gan-zoo serve EXPORT_DIR` for small installations and for trying clients. Needs
`pip install keras-gan-zoo[serve]`. What is served is the exported folder alone: none of this
package's model code is imported.

A client written for TensorFlow Serving works unchanged but for these differences:

- REST only, one model, `:predict` only: `:classify` and `:regress` give 501, version labels 400;
- numbers in requests must be finite and arrays of the shape that the signature states; NaN and
  Infinity, which TensorFlow Serving reads, are no JSON here (in answers they are written as there);
- a request has limits: 413 (bytes), 400 (rows), 503 (queue), 408 (a body that does not arrive);
- answers are never compressed, and error messages of the JSON parser and of TensorFlow have other
  words;
- `/healthz` and `/metrics` are added.
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

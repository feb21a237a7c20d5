"""Exports for serving.

The package is also the function: `zoo.export(gan, path)` works whether or not a module of this
package was imported before, which makes Python bind the name to the package.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from keras_gan_zoo.export.check import ExportMismatchError, open_export
from keras_gan_zoo.export.exporter import export

__all__ = ["ExportMismatchError", "export", "open_export"]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Path:
        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable

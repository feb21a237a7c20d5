"""Adversarial losses, f-divergences, and critic penalties.

Importing this package is cheap: Keras and TensorFlow are loaded when a loss or a penalty is first
asked for, and never by the f-divergence table, which `keras_gan_zoo.theory` shares.

| module | contents |
|---|---|
| `adversarial` | `Loss` objects: what the two players minimise |
| `divergences` | the one table behind `FDivergence` and `theory.f_divergence` |
| `penalties` | what regularises a player: `Penalty` and `Constraint` objects |

Example:

>>> from keras_gan_zoo import losses
>>> losses.get("hinge")
Hinge()
"""

import importlib
from typing import Any

_EXPORTS = {
    "adversarial": (
        "BoundaryEquilibrium",
        "Energy",
        "FDivergence",
        "Hinge",
        "LeastSquares",
        "Loss",
        "Minimax",
        "NonSaturating",
        "Relativistic",
        "RelativisticAverage",
        "Wasserstein",
        "get",
        "names",
        "serialize",
    ),
    "divergences": ("Divergence",),
    "penalties": (
        "Constraint",
        "DRAGAN",
        "Drift",
        "FeatureMatching",
        "GradientPenalty",
        "HistoricalAveraging",
        "LeCam",
        "Penalty",
        "R1",
        "R2",
        "WeightClipping",
        "ZeroCentered",
        "lazy_adam",
    ),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted([*_EXPORTS, *_MODULE_OF])


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

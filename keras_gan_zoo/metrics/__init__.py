"""Metrics of generative models.

`functional` is the mathematics, on arrays. The classes below are Keras metrics with
`update_state(real_images, fake_images)`, for `compile(metrics=[...])`, `evaluate` and callbacks.
`features` has the extractors; `evaluate` measures a trained model with a `Protocol` on record.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_gan_zoo._text import suggest
from keras_gan_zoo.metrics import features, functional, image_metrics
from keras_gan_zoo.metrics.evaluation import FIGURES, evaluate
from keras_gan_zoo.metrics.features import Extractor
from keras_gan_zoo.metrics.image_metrics import (
    FeatureMetric,
    FrechetDistance,
    ImageMetric,
    InceptionScore,
    KernelDistance,
    ModeCoverage,
    MultiScaleSSIM,
    PrecisionRecall,
    SlicedWasserstein,
)
from keras_gan_zoo.metrics.protocol import Protocol, ProtocolMismatchError, Record

__all__ = [
    "FIGURES",
    "Extractor",
    "FeatureMetric",
    "FrechetDistance",
    "ImageMetric",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "MultiScaleSSIM",
    "PrecisionRecall",
    "Protocol",
    "ProtocolMismatchError",
    "Record",
    "SlicedWasserstein",
    "evaluate",
    "features",
    "functional",
    "get",
    "names",
]

_CLASSES = {
    c.default_name: c
    for c in vars(image_metrics).values()
    if inspect.isclass(c) and issubclass(c, ImageMetric) and c.__name__ in __all__
    if "Metric" not in c.__name__ and c is not ModeCoverage  # which needs the mixture
}


def names() -> list[str]:
    """The sorted names that `get` knows.

    Example:

    >>> names()
    ['fid', 'inception_score', 'kid', 'ms_ssim', 'prdc', 'swd']
    """
    return sorted(_CLASSES)


def get(identifier: Any) -> Any:
    """A metric from its name, its config or itself.

    Raises:
        ValueError: an unknown name.

    Example:

    ```python
    gan.compile(metrics=["fid", zoo.metrics.get("kid")])
    ```
    """
    if isinstance(identifier, str):
        if identifier not in _CLASSES:
            raise ValueError(
                f"Unknown metric. {suggest(identifier, names())} Known: {', '.join(names())}. "
                f"Received: {identifier!r}"
            )
        return _CLASSES[identifier]()
    return keras.metrics.get(identifier)

"""Feature extractors by name.

| name | network | default for |
|---|---|---|
| `grey28` | of digits and garments, 256 features, shipped | grey images up to 32x32 |
| `inception_v3` | the 2015 graph of the FID, 2048 features, a file to have | all others |
| `keras_<name>` | a network of `keras.applications` with its ImageNet weights | |

A name always means the same weights: where they cannot be had there is an error, never another
network. Any Keras model can be an extractor, see `Extractor`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_gan_zoo._text import suggest
from keras_gan_zoo.metrics.features import grey28
from keras_gan_zoo.metrics.features.extractor import Extractor

__all__ = ["Extractor", "default_name", "get", "names"]

GREY28_PRESET = "grey28.digits_garments"
_APPLICATIONS = {
    "keras_inception_v3": ("InceptionV3", "inception_v3", 299),
    "keras_mobilenet_v2": ("MobileNetV2", "mobilenet_v2", 224),
    "keras_resnet50": ("ResNet50", "resnet50", 224),
}


def names() -> list[str]:
    """The sorted names that `get` knows.

    Example:

    >>> names()
    ['grey28', 'inception_v3', 'keras_inception_v3', 'keras_mobilenet_v2', 'keras_resnet50']
    """
    return sorted(["grey28", "inception_v3", *_APPLICATIONS])


def default_name(image_shape: Sequence[int]) -> str:
    """The extractor that `get(None, image_shape)` takes.

    Example:

    >>> default_name((28, 28, 1)), default_name((64, 64, 3))
    ('grey28', 'inception_v3')
    """
    height, width, channels = image_shape
    return "grey28" if channels == 1 and max(height, width) <= 32 else "inception_v3"


def get(identifier: Any = None, image_shape: Sequence[int] | None = None) -> Extractor:
    """An extractor.

    Args:
        identifier: a name of `names()`, an `Extractor`, a Keras model, or None: the default for
            `image_shape`.
        image_shape: `(h, w, c)`; needed for the default only.

    Raises:
        ValueError: an unknown name; no identifier and no image shape.
        FileNotFoundError, OSError: the weights are not at hand and cannot be downloaded.
        VerificationError: weights that are not the pinned ones.

    Example:

    ```python
    extractor = zoo.metrics.features.get("grey28")
    extractor.sha256, extractor.width      # ('...', 256)
    ```
    """
    if isinstance(identifier, Extractor):
        return identifier
    if isinstance(identifier, keras.Model):
        return Extractor(identifier, f"model:{identifier.name}")
    if identifier is None:
        if image_shape is None or len(image_shape) != 3:
            raise ValueError(
                "The default extractor depends on the images. Give its name, or an image shape "
                f"(h, w, c). Received: image_shape={image_shape}"
            )
        identifier = default_name(image_shape)
    if not isinstance(identifier, str) or identifier not in names():
        raise ValueError(
            f"Unknown extractor. {suggest(str(identifier), names())} Known: {', '.join(names())}; "
            f"or pass a Keras model. Received: {identifier!r}"
        )
    return _named(identifier)


@functools.cache
def _named(name: str) -> Extractor:
    from keras_gan_zoo.training.construct import dtype_policy

    makers: dict[str, Callable[[], Extractor]] = {"grey28": _grey28, "inception_v3": _inception}
    with dtype_policy("float32"):  # whatever the process trains in
        return makers[name]() if name in makers else _application(name)


def _grey28() -> Extractor:
    from keras_gan_zoo.hub import resolve, verify, weights

    folder, manifest = resolve.locate(GREY28_PRESET)
    verify.verify_folder(folder, manifest)
    network, file = grey28.network(), "classifier.weights.h5"
    weights.load(network, folder / file)
    return Extractor(network, "grey28", manifest.file(file)["sha256"])


def _inception() -> Extractor:
    from keras_gan_zoo.hub.verify import sha256
    from keras_gan_zoo.metrics.features import inception

    path = inception.locate()
    return Extractor(
        inception.load(path),
        "inception_v3",
        sha256(path),
        "299x299 bilinear without antialias (TensorFlow 1)",
    )


def _application(name: str) -> Extractor:
    function, module, size = _APPLICATIONS[name]
    backbone = getattr(keras.applications, function)(
        include_top=False, weights="imagenet", pooling="avg", input_shape=(size, size, 3)
    )
    prepare = getattr(keras.applications, module).preprocess_input
    images = keras.Input((size, size, 3), name="images")
    features = backbone(prepare(127.5 * (images + 1.0)))
    return Extractor(keras.Model(images, features, name=name), name)

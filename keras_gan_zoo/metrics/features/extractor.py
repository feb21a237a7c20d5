"""`Extractor`: a network that turns images into features, with its identity."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_KERNEL = "bilinear antialias"


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class Extractor:
    """Images in [-1, 1] -> features, and class probabilities where the network has them.

    Args:
        model: a Keras model `(b, h, w, c)` -> features `(b, ...)`, or [features, logits]. Its own
            preprocessing of images in [-1, 1] is part of the model, which always runs in inference
            mode and is not changed: it may share layers with one that is being trained.
        name: what records call it. Names of the zoo's own extractors are taken.
        sha256: of the weights; None computes it from the model's arrays, as they are when asked.
        resize: what records say of resizing; None: images are brought to the model's size by
            bilinear interpolation with antialiasing. Given where the model resizes by itself.

    Attributes:
        name, sha256, resize: its identity, part of every `Protocol`.
        width: of the features.
        classes: number of classes, or None without logits.

    Raises:
        ValueError: a model without a known number of channels, more than two outputs.

    Example:

    ```python
    backbone = keras.applications.MobileNetV2(include_top=False, pooling="avg")
    extractor = Extractor(backbone, "my_mobilenet")
    features = extractor(images)        # (b, 1280)
    ```
    """

    def __init__(
        self, model: keras.Model, name: str, sha256: str | None = None, resize: str | None = None
    ) -> None:
        shape = tuple(model.inputs[0].shape[1:])
        if len(model.inputs) != 1 or len(shape) != 3 or shape[-1] not in (1, 3):
            raise ValueError(
                "An extractor is a model of images (b, h, w, 1 or 3). "
                f"Received: inputs {[tuple(i.shape) for i in model.inputs]}"
            )
        if len(model.outputs) > 2:
            raise ValueError(
                "An extractor has the output `features`, or `features` and `logits`. "
                f"Received: {len(model.outputs)} outputs"
            )
        self.model, self.name = model, name
        self._sha256 = sha256
        self._size, self._channels = shape[:2], shape[2]
        if resize is None and None not in self._size:
            resize = f"{self._size[0]}x{self._size[1]} {_KERNEL}"
        self.resize = resize
        dims = [tuple(o.shape[1:]) for o in model.outputs]
        self.width = None if None in dims[0] else int(np.prod(dims[0]))
        self.classes = int(dims[1][-1]) if len(dims) == 2 else None
        self._compiled: dict[tuple[int, ...], Any] = {}

    @property
    def sha256(self) -> str:
        return _digest(self.model) if self._sha256 is None else self._sha256

    def __call__(self, images: Any) -> Any:
        """Features `(b, width)`, float32, of images `(b, h, w, c)`; eager or in a graph."""
        return self.outputs(images)[0]

    def outputs(self, images: Any) -> tuple[Any, Any]:
        """Features and probabilities `(b, classes)`; the latter None without logits."""
        found = self.model(self.prepare(images), training=False)
        found = found if isinstance(found, (list, tuple)) else [found]
        features = tf.reshape(tf.cast(found[0], tf.float32), [tf.shape(found[0])[0], -1])
        return features, tf.nn.softmax(tf.cast(found[1], tf.float32)) if len(found) > 1 else None

    def prepare(self, images: Any) -> Any:
        """Images of the size and number of channels that the model takes.

        Raises:
            ValueError: not images; colour images for a grey model.
        """
        images = tf.convert_to_tensor(images, tf.float32)
        if images.shape.rank != 4:
            raise ValueError(
                f"The extractor {self.name!r} takes images (b, h, w, c). Received: shape "
                f"{tuple(images.shape)}. For points use metrics without an extractor."
            )
        channels = images.shape[-1]
        if channels == 1 and self._channels == 3:
            images = tf.image.grayscale_to_rgb(images)
        elif channels != self._channels:
            raise ValueError(
                f"The extractor {self.name!r} takes images of {self._channels} channels. "
                f"Received: {channels}. Choose another one, such as 'inception_v3'."
            )
        if None not in self._size and tuple(images.shape[1:3]) != self._size:
            images = tf.image.resize(images, self._size, antialias=True)
        return images

    def extract(
        self, images: Any, batch_size: int = 500, probabilities: bool = False, progress: Any = None
    ) -> Any:
        """Features of many images as a NumPy array.

        Args:
            images: array `(n, h, w, c)` or an iterable of batches.
            batch_size: for arrays.
            probabilities: return `(features, probabilities)`.
            progress: called with the number of images after each batch.
        """
        if isinstance(images, (np.ndarray, tf.Tensor)):
            starts = range(0, len(images), batch_size)
            batches = (images[i : i + batch_size] for i in starts)
        else:
            batches = images
        features, answers = [], []
        for batch in batches:
            found = self.compiled(batch)
            features.append(np.asarray(found[0]))
            answers.append(None if found[1] is None else np.asarray(found[1]))
            if progress is not None:
                progress(len(features[-1]))
        joined = np.concatenate(features)
        if not probabilities:
            return joined
        return joined, None if answers[0] is None else np.concatenate(answers)

    def compiled(self, batch: Any) -> tuple[Any, Any]:
        """`outputs`, as a graph: one for each shape of images, for batches of any size."""
        batch = tf.convert_to_tensor(batch, tf.float32)
        shape = tuple(batch.shape[1:])
        if shape not in self._compiled:
            signature = [tf.TensorSpec([None, *shape])]
            self._compiled[shape] = tf.function(self.outputs, input_signature=signature)
        return self._compiled[shape](batch)

    def get_config(self) -> dict[str, Any]:
        """The arguments and the model's weights: checkpoints of a GAN do not hold them."""
        packed = io.BytesIO()
        values = self.model.get_weights()  # NumPy's files have no bfloat16, which is of kind V
        np.savez(packed, *(v.astype(np.float32) if v.dtype.kind == "V" else v for v in values))
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            "weights": base64.b64encode(packed.getvalue()).decode(),
            "name": self.name,
            "sha256": self._sha256,
            "resize": self.resize,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Extractor:
        config = dict(config)
        packed = io.BytesIO(base64.b64decode(config.pop("weights")))
        model = keras.saving.deserialize_keras_object(config.pop("model"))
        with np.load(packed) as values:
            model.set_weights([values[name] for name in values.files])
        return cls(model, **config)


def _digest(model: keras.Model) -> str:
    """sha256 of the shapes, types and bytes of all weights, in the model's order."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        header: Sequence[Any] = (value.shape, value.dtype.str)
        digest.update(repr(header).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()

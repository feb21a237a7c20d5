"""SavedModels with named signatures, laid out for TF Serving."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_gan_zoo._text import suggest
from keras_gan_zoo.training import latents

FORMATS = ("saved_model",)


def export(
    gan: Any,
    path: str | Path,
    formats: Sequence[str] = ("saved_model",),
    *,
    version: int | None = None,
) -> Path:
    """Export a GAN for serving: a SavedModel under `path/<version>/`.

    Signatures, each for any batch size:

    | name | inputs | output |
    |---|---|---|
    | `serving_default` | `z` float32 `(b, latent_dim)` | `images` float32 in [-1, 1] |
    | `sample` | `seed` int64, `n` int32, scalars | `images` uint8 `(n, h, w, c)` |
    | `discriminate` | `images` float32 `(b, h, w, c)` | `logits` float32 |

    Conditional models take `labels` int32 `(b,)` in addition in the first and the last. `sample`
    gives the same images for the same seed, those of `gan.sample(n, seed)`. The generator is the
    EMA twin where there is one. The folder loads in a process that has only TensorFlow.

    Args:
        gan: a `GAN`.
        path: the model's folder; each version is a numbered folder in it.
        formats: `"saved_model"`.
        version: None takes the next free number, starting at 1.

    Returns:
        The folder that was written, `path/<version>`. It appears complete or not at all.

    Raises:
        ValueError: an unknown format, a version below 1.
        FileExistsError: the version is there already.

    Example:

    ```python
    folder = zoo.export(gan, "served/dcgan")
    served = tf.saved_model.load(str(folder))
    images = served.signatures["sample"](seed=tf.constant(0, tf.int64), n=tf.constant(4))["images"]
    ```
    """
    for name in [formats] if isinstance(formats, str) else formats:
        if name not in FORMATS:
            raise ValueError(f"There is no export format {name!r}. {suggest(name, FORMATS)}")
    path = Path(path)
    taken = [int(p.name) for p in path.glob("*") if p.name.isdigit()] if path.is_dir() else []
    version = max(taken, default=0) + 1 if version is None else int(version)
    if version < 1:
        raise ValueError(f"version must be at least 1. Received: version={version}")
    if version in taken:
        raise FileExistsError(
            f"{path / str(version)} exists; exports are never overwritten. Leave out the version "
            f"to write version {max(taken) + 1}."
        )
    path.mkdir(parents=True, exist_ok=True)
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=path))
    try:
        writing.chmod(0o755)
        _write(gan, writing)
        final = path / str(version)
        writing.rename(final)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return final


def _write(gan: Any, folder: Path) -> None:
    generator = gan.ema_generator or gan.generator
    archive = keras.export.ExportArchive()
    archive.track(generator)
    archive.track(gan.discriminator)
    z = tf.TensorSpec([None, gan.latent_dim], tf.float32, name="z")
    images = tf.TensorSpec([None, *gan.image_shape], tf.float32, name="images")
    classes = [tf.TensorSpec([None], tf.int32, name="labels")] if gan.num_classes else []

    def make(z: Any, *labels: Any) -> Any:
        return tf.cast(generator([z, *labels] if labels else z, training=False), tf.float32)

    def serve(z: Any, *labels: Any) -> dict[str, Any]:
        return {"images": make(z, *labels)}

    def sample(seed: Any, n: Any) -> dict[str, Any]:
        with tf.control_dependencies([tf.debugging.assert_positive(n, "n must be at least 1")]):
            z = latents.latents(n, gan.latent_dim, seed)
        labels = [latents.labels(n, gan.num_classes, seed)] if classes else []
        pixels = tf.round((make(z, *labels) + 1.0) * 127.5)
        return {"images": tf.cast(tf.clip_by_value(pixels, 0.0, 255.0), tf.uint8)}

    def discriminate(images: Any, *labels: Any) -> dict[str, Any]:
        return {"logits": gan.discriminate(images, *labels, training=False)}

    scalars = [tf.TensorSpec([], tf.int64, name="seed"), tf.TensorSpec([], tf.int32, name="n")]
    needs_labels = len(gan.discriminator.inputs) > 1
    archive.add_endpoint("serving_default", serve, [z, *classes])
    archive.add_endpoint("sample", sample, scalars)
    archive.add_endpoint("discriminate", discriminate, [images, *(classes if needs_labels else [])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras and TensorFlow speak of their own deprecations
        archive.write_out(str(folder), verbose=False)

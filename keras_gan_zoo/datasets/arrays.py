"""A user's own NumPy arrays as a dataset."""

import numpy as np
import tensorflow as tf

from keras_gan_zoo.datasets import pipeline

_TOLERANCE = 1e-4  # float images may leave [-1, 1] by rounding


def _check_images(images: np.ndarray) -> np.ndarray:
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            "`images` must have the shape (n, height, width, channels) or (n, height, width), with "
            f"no length of 0. Received: shape {images.shape}"
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    elif images.shape[1] in (1, 3) and images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            "`images` must have its channels last, (n, height, width, channels). Use "
            f"`images.transpose(0, 2, 3, 1)`. Received: shape {images.shape}"
        )
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            "`images` must be uint8 in 0..255 or float in [-1, 1]. Use `images.astype('uint8')` if "
            f"the values are whole numbers in 0..255. Received: dtype {images.dtype}"
        )
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        bad = ~np.isfinite(images).reshape(len(images), -1).all(axis=1)
        raise ValueError(
            "`images` must be finite. Leave out the images with NaN or infinity: "
            "`images[np.isfinite(images).all(axis=(1, 2, 3))]`. "
            f"Received: {int(bad.sum())} such images, the first at index {int(bad.argmax())}"
        )
    if low < -1.0 - _TOLERANCE or high > 1.0 + _TOLERANCE:
        if low >= 0.0 and high <= 255.0:
            fix = "If they are in 0..255, use `images / 127.5 - 1`, or uint8."
        else:
            fix = "Scale them, for example `2 * (images - low) / (high - low) - 1`."
        raise ValueError(
            f"Float images must lie in [-1, 1]. {fix} Received: values in {low:g}..{high:g}"
        )
    return images.astype(np.float32, copy=False)


def _check_labels(labels: np.ndarray, num_examples: int, unlabelled: bool = False) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            "`labels` must have the shape (n,). Use `labels.argmax(axis=-1)` if they are one-hot. "
            f"Received: shape {labels.shape}"
        )
    if len(labels) != num_examples:
        raise ValueError(
            f"`labels` must have one entry for each of the {num_examples} images. "
            f"Received: {len(labels)} labels"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"`labels` must be integers 0, 1, 2, ... Received: dtype {labels.dtype}")
    if labels.min() < (-1 if unlabelled else 0):
        but = ", but for -1 (no label)" if unlabelled else ""
        raise ValueError(f"`labels` must not be negative{but}. Received: {int(labels.min())}")
    return labels.astype(np.int32)


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    batch_size: int = 128,
    *,
    seed: int = 0,
    shuffle: bool = True,
    drop_remainder: bool | None = None,
    unlabelled: bool = False,
) -> tf.data.Dataset:
    """A dataset over NumPy arrays, with the pipeline and the order of `load`.

    Args:
        images: `(n, h, w, c)` or `(n, h, w)`; uint8 in 0..255, or float in [-1, 1]. The whole array
            is checked; it is copied.
        labels: integers `(n,)`, or None.
        batch_size: images of a batch.
        seed: with the epoch decides the order.
        shuffle: whether each epoch has an order of its own; otherwise it is that of the array.
        drop_remainder: whether a last, smaller batch is left out. `None`: the same as `shuffle`.
        unlabelled: whether a label may be -1: an image without one.

    Returns:
        A dataset of float32 images `(batch, h, w, c)` in [-1, 1], or of `(images, int32 labels)`,
        with the attributes of `load` (`name` is "arrays", `split` None).

    Raises:
        ValueError: if shape, dtype or values are not as said, with the way to fix them.

    Example:

    >>> dataset = from_arrays(np.zeros((1000, 32, 32, 3), "uint8"), batch_size=100)
    >>> dataset.image_shape
    (32, 32, 3)
    """
    images = _check_images(np.asarray(images))
    if labels is not None:
        labels = _check_labels(np.asarray(labels), len(images), unlabelled)
    dataset = pipeline.in_memory(
        images,
        labels,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        drop_remainder=drop_remainder,
    )
    return pipeline.describe(
        dataset,
        name="arrays",
        num_examples=len(images),
        num_classes=None if labels is None else int(labels.max()) + 1,
    )

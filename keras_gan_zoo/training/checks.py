"""The data contract, checked before the first step: errors that say what came and what to do."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import tensorflow as tf

_HINT_SCALE = "Scale it: images = tf.cast(images, tf.float32) / 127.5 - 1."


def split_element(element: Any, what: str = "dataset") -> tuple[Any, Any]:
    """`images` or `(images, labels)` -> (images, labels or None); works on specs and tensors."""
    if isinstance(element, dict):
        keys = ", ".join(repr(k) for k in element)
        raise TypeError(
            f"The {what} yields dicts with keys {keys}; a GAN wants `images` or "
            "`(images, labels)`. Pick the parts: "
            'dataset.map(lambda d: (tf.cast(d["image"], tf.float32) / 127.5 - 1, d["label"])).'
        )
    if not isinstance(element, (tuple, list)):
        return element, None
    element = [e for e in element if e is not None]  # Keras fills up with None
    if len(element) == 1:
        return element[0], None
    if len(element) == 2 and not isinstance(element[0], (dict, tuple, list)):
        return element[0], element[1]
    raise TypeError(
        f"The {what} yields {len(element)} parts; a GAN wants `images` or `(images, labels)`. "
        "Drop the rest with dataset.map."
    )


def check_spec(
    element_spec: Any,
    image_shape: tuple[int, ...],
    num_classes: int | None,
    what: str,
    optional_classes: int | None = None,
) -> None:
    """Dtype and shape of a dataset's elements, before anything is computed.

    Args:
        element_spec: what the dataset yields.
        image_shape: of one image, as the model wants it.
        num_classes: of a conditional model, which needs labels.
        what: how errors call the data.
        optional_classes: of a model that takes labels where there are some, -1 for none.

    Raises:
        TypeError: dicts, extra parts, dtypes other than float32, labels that are no integers.
        ValueError: wrong rank, size or channels, missing batch axis or labels.
    """
    images, labels = split_element(element_spec, what)
    wanted = f"float32 images of shape (batch, {', '.join(map(str, image_shape))})"
    dtype = tf.as_dtype(images.dtype)
    if dtype != tf.float32:
        cast = "Cast it: dataset.map(lambda x: tf.cast(x, tf.float32))."
        raise TypeError(
            f"The {what} yields {dtype.name} images; wanted {wanted} in [-1, 1]. "
            + (_HINT_SCALE if dtype.is_integer else cast)
        )
    shape = images.shape
    if shape.rank is not None:
        if shape.rank == len(image_shape) and shape.is_compatible_with(image_shape):
            raise ValueError(
                f"The {what} yields single images {tuple(shape)}; wanted {wanted}. "
                "Batch it: dataset.batch(64, drop_remainder=True)."
            )
        if not shape[1:].is_compatible_with(image_shape):
            raise ValueError(
                f"The {what} yields images of shape {tuple(shape)}; this model wants {wanted}. "
                + _shape_hint(tuple(shape)[1:], image_shape)
            )
    if num_classes is not None and labels is None:
        raise ValueError(
            f"The {what} yields no labels; this model is conditional on {num_classes} classes and "
            "wants (images, labels). Load it with labels=True or map to (images, labels)."
        )
    classes = num_classes or optional_classes
    if classes is not None and labels is not None:
        rank, dtype = labels.shape.rank, tf.as_dtype(labels.dtype)
        hint = "Give each image one int: "
        hint += "tf.argmax(labels, -1)." if rank == 2 and labels.shape[1] != 1 else "labels[:, 0]."
        if rank is not None and rank != 1:
            raise ValueError(
                f"The {what} yields labels of shape {tuple(labels.shape)}; wanted ints of shape "
                f"(batch,), classes 0 .. {classes - 1}. {hint}"
            )
        if not dtype.is_integer:
            raise TypeError(
                f"The {what} yields {dtype.name} labels; wanted ints, classes 0 .. {classes - 1}. "
                "Cast them: tf.cast(labels, tf.int32)."
            )


def _shape_hint(came: tuple[int | None, ...], wanted: tuple[int, ...]) -> str:
    if len(came) == 3 and len(wanted) == 3 and None not in came:
        if came[:2] == wanted[:2]:
            convert = "rgb_to_grayscale" if wanted[2] == 1 else "grayscale_to_rgb"
            return (
                f"Create the model with image_shape={came}, or convert the images with "
                f"tf.image.{convert}."
            )
        return (
            f"Create the model with image_shape={came}, or resize the images with "
            f"tf.image.resize(images, {wanted[:2]}, antialias=True)."
        )
    return f"Create the model with image_shape={came} or reshape the images."


def check_batch(
    element: Any,
    image_shape: tuple[int, ...],
    num_classes: int | None,
    what: str,
    optional_classes: int | None = None,
) -> None:
    """Values of a first batch: finite, in [-1, 1] (for images), labels in range.

    Args: as `check_spec`, with a batch.

    Raises:
        ValueError: NaN or infinity, values outside [-1, 1], labels outside 0 .. num_classes - 1,
            or outside -1 .. optional_classes - 1.
    """
    images, labels = split_element(element, what)
    images = np.asarray(images)
    if images.shape[1:] != tuple(image_shape):
        raise ValueError(
            f"The {what} yields images of shape {images.shape}; this model wants (batch, "
            f"{', '.join(map(str, image_shape))}). " + _shape_hint(images.shape[1:], image_shape)
        )
    bad = ~np.isfinite(images)
    if bad.any():
        rows = np.unique(np.nonzero(bad)[0])
        raise ValueError(
            f"The first batch of the {what} holds {int(bad.sum())} values that are NaN or "
            f"infinite, in images {rows[:8].tolist()}; wanted finite values in [-1, 1]. "
            "Remove these images or mend the preprocessing."
        )
    if len(image_shape) == 3 and images.size:
        low, high = float(images.min()), float(images.max())
        if low < -1.001 or high > 1.001:
            raise ValueError(
                f"The {what} yields values in [{low:.4g}, {high:.4g}]; wanted [-1, 1]. "
                + (_HINT_SCALE if high > 2 and low >= 0 else "Rescale the images.")
            )
        if low >= 0 and high > 0.5:
            warnings.warn(
                f"The first batch of the {what} lies in [{low:.4g}, {high:.4g}]: it looks like "
                "images scaled to [0, 1]; the generators make [-1, 1]. If so, use 2 * images - 1.",
                stacklevel=3,
            )
    classes = num_classes or optional_classes
    if classes is not None and labels is not None:
        labels, least = np.asarray(labels), 0 if num_classes else -1
        if labels.size and (labels.min() < least or labels.max() >= classes):
            option = "num_classes" if num_classes else "classes"
            raise ValueError(
                f"The {what} yields labels in [{labels.min()}, {labels.max()}]; this model knows "
                f"the classes 0 .. {classes - 1}{'' if num_classes else ', and -1 for no label'}. "
                f"Create it with {option}={int(labels.max()) + 1} or map the labels."
            )

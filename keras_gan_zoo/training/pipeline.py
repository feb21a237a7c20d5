"""From what a user passes to `fit` to the tf.data pipeline that the trainer consumes."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_gan_zoo import datasets
from keras_gan_zoo.datasets.pipeline import in_memory
from keras_gan_zoo.training import checks


def adapt(
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None,
    shuffle: bool,
    seed: int,
    image_shape: tuple[int, ...],
    num_classes: int | None,
    d_steps: int = 1,
    replicas: int = 1,
    what: str = "dataset",
    optional_classes: int | None = None,
) -> Any:
    """Check a user's data against the contract and make the trainer's pipeline of it.

    Args:
        x: `tf.data.Dataset` of batches, or an array of images `(n, h, w, c)` (float in [-1, 1] or
            uint8), or `(images, labels)` as arrays.
        y: labels, when x is an array.
        batch_size: for arrays only; None means 64.
        shuffle: for arrays only.
        seed: order of the data, for arrays only.
        image_shape, num_classes, optional_classes: what the model wants, see `checks.check_spec`.
        d_steps: consecutive batches that are joined along the batch axis into one element.
        replicas: that share each batch; with several a last, smaller batch is left out.
        what: how errors call the data.

    Returns:
        A `tf.data.Dataset`; autotuning is off (its thread makes the end of an epoch stall) and a
        prefetch is last.

    Raises:
        TypeError, ValueError: as `checks.check_spec` and `checks.check_batch`; an empty or too
            short dataset.
    """
    if isinstance(x, tf.distribute.DistributedDataset):
        return x
    if isinstance(x, (tuple, list)) and y is None and len(x) == 2:
        x, y = x
    if isinstance(x, (np.ndarray, tf.Tensor)):
        if num_classes is None and optional_classes is None:
            y = None  # an unconditional model ignores labels, whatever they are
        number = int(x.shape[0])
        if (
            isinstance(batch_size, int)
            and number < batch_size * d_steps
            and (shuffle or d_steps > 1)
        ):
            _too_short(what, number, batch_size * d_steps)
        batch_size = batch_size or min(64, max(1, number // d_steps))
        arrays = (np.asarray(x), None if y is None else np.asarray(y))
        if len(image_shape) == 1:
            if np.issubdtype(arrays[0].dtype, np.floating):
                arrays = (arrays[0].astype(np.float32, copy=False), arrays[1])
            x = in_memory(
                *arrays, batch_size=batch_size, seed=seed, shuffle=shuffle, drop_remainder=None
            )
        else:
            some = optional_classes is not None  # labels may be missing
            options = {"seed": seed, "shuffle": shuffle, "unlabelled": some}
            x = datasets.from_arrays(*arrays, batch_size, **options)
    elif not isinstance(x, tf.data.Dataset):
        raise TypeError(
            f"The {what} is a {type(x).__module__}.{type(x).__name__}; wanted a tf.data.Dataset "
            "or NumPy arrays. Wrap a generator with tf.data.Dataset.from_generator."
        )
    wanted = (image_shape, num_classes, what, optional_classes)
    checks.check_spec(x.element_spec, *wanted)
    x = without_autotune(x)
    batch = _peek(x, d_steps, *wanted)
    if batch < replicas:
        raise ValueError(
            f"The {what} yields batches of {batch}; {replicas} replicas share each batch and want "
            "at least one image each. Use a larger batch_size."
        )
    static = checks.split_element(x.element_spec)[0].shape[0] is not None
    if d_steps > 1 or (replicas > 1 and not static):
        x = _join(x, d_steps, batch)
    return x.prefetch(2)


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset with tf.data's autotuning thread switched off."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _peek(
    dataset: tf.data.Dataset,
    d_steps: int,
    image_shape: tuple[int, ...],
    num_classes: int | None,
    what: str,
    optional_classes: int | None,
) -> int:
    """Check the first batch, count as many images as one step needs; returns the batch size."""
    epoch = datasets.get_epoch(dataset)
    count = size = 0
    for element in dataset.take(d_steps):
        images = checks.split_element(element, what)[0]
        if count == 0:
            checks.check_batch(element, image_shape, num_classes, what, optional_classes)
            size = int(images.shape[0])
        count += int(images.shape[0])
    if epoch is not None:
        datasets.set_epoch(dataset, epoch)
    if size == 0:
        raise ValueError(
            f"The {what} is empty; wanted at least one batch. If it was batched with "
            "drop_remainder=True, the batch may be larger than the data."
        )
    if count < size * d_steps:
        _too_short(what, count, size * d_steps)
    return size


def _too_short(what: str, came: int, wanted: int) -> None:
    raise ValueError(
        f"The {what} holds {came} images; one training step of this model takes {wanted}. "
        "Use a smaller batch_size, more images, or repeat the dataset."
    )


def _join(dataset: tf.data.Dataset, d_steps: int, size: int) -> tf.data.Dataset:
    """Join `d_steps` consecutive batches along the batch axis; what is left over is dropped."""
    images, _ = checks.split_element(dataset.element_spec)
    length = int(dataset.cardinality())
    joined = dataset.rebatch(size * d_steps, drop_remainder=True)
    if images.shape[0] is not None and length > 0:
        joined = joined.apply(tf.data.experimental.assert_cardinality(length // d_steps))
    return joined

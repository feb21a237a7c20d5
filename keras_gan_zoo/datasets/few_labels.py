"""Many images, few labels: the data of semi-supervised learning."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_gan_zoo.datasets import pipeline
from keras_gan_zoo.datasets.arrays import _check_images, _check_labels


def few_labels(
    images: np.ndarray,
    labels: np.ndarray,
    per_class: int = 10,
    batch_size: int = 200,
    *,
    seed: int = 0,
    draw: int = 0,
) -> tf.data.Dataset:
    """Half of each batch are the few labelled images, again and again, half are all images.

    The two take turns in the batch, so that every replica of a strategy gets as many of both.

    Args:
        images: uint8 0..255 or float in [-1, 1], `(n, h, w, c)`.
        labels: ints `(n,)`; those of the images that are not chosen are not looked at again.
        per_class: labels that are kept in each class.
        batch_size: even; rows 0, 2, ... are labelled, rows 1, 3, ... have the label -1.
        seed: together with the epoch decides the order of both halves.
        draw: which images keep their labels: another number draws others.

    Returns:
        A dataset of float32 images in [-1, 1] and int32 labels. An epoch is one pass over all
        images; it has the attributes `chosen` (indices of the labelled images) and those of
        `from_arrays`.

    Raises:
        ValueError: data that breaks the contract, an odd batch, a class with too few images.

    Example:

    >>> dataset = few_labels(images, labels, per_class=10, batch_size=200)  # doctest: +SKIP

    Source: the protocol of Salimans et al., "Improved Techniques for Training GANs", 2016, and of
    the authors' MNIST program.
    """
    images = _check_images(np.asarray(images))
    labels = _check_labels(np.asarray(labels), len(images))
    per_class = pipeline.check_integer("per_class", per_class, 1)
    batch_size = pipeline.check_integer("batch_size", batch_size, 2)
    if batch_size % 2:
        raise ValueError(f"`batch_size` must be even. Received: batch_size={batch_size}")
    rng = np.random.default_rng(draw)
    order = rng.permutation(len(images))
    classes = np.unique(labels)
    members = [order[labels[order] == k][:per_class] for k in classes]
    if min(map(len, members)) < per_class:
        few = classes[int(np.argmin([len(m) for m in members]))]
        raise ValueError(f"Class {few} has fewer than {per_class} images.")
    chosen = np.concatenate(members).astype(np.int32)
    half = batch_size // 2
    pipeline.resolve_drop_remainder(len(images), half, True, None)
    stored, known = pipeline.constant_on_host(images), pipeline.constant_on_host(chosen)
    stored_labels = pipeline.constant_on_host(labels)

    def fetch(pair: tf.Tensor, others: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pair = tf.gather(known, pair)
        indices = tf.reshape(tf.stack([pair, others], 1), [batch_size])
        batch = tf.gather(stored, indices)
        batch = pipeline.scale_to_float(batch) if batch.dtype == tf.uint8 else batch
        given = tf.stack([tf.gather(stored_labels, pair), -tf.ones_like(others)], 1)
        return batch, tf.reshape(given, [batch_size])

    passes = -(-len(images) // len(chosen))
    labelled = pipeline.permuted_batches(len(chosen), seed, len(chosen), passes=passes)
    labelled = labelled.rebatch(half, drop_remainder=True)  # of many passes, if labels are fewer
    every = pipeline.permuted_batches(len(images), seed + 1, half)
    both = tf.data.Dataset.zip((labelled, every))
    dataset = pipeline.fetched(both, fetch, len(images) // half)
    return pipeline.describe(
        dataset,
        name="few_labels",
        num_examples=len(images),
        num_classes=int(classes.max()) + 1,
        chosen=chosen,
    )

"""Image data sets of TensorFlow Datasets. The library is slow to import, so only functions here
import it."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import tensorflow as tf

from keras_gan_zoo.datasets import pipeline
from keras_gan_zoo.datasets.images import convert_channels, resize_square

#: Up to this many bytes of uint8 images are kept in memory; more is streamed.
MEMORY_LIMIT = 2**30

_SHUFFLE_BUFFER_BYTES = 2**28
_PARALLEL_DECODES = 2


def base_name(name: str) -> str:
    """The name without configuration and version: `"lsun"` for `"lsun/bedroom:3.0.0"`."""
    return name.split("/")[0].split(":")[0]


def holds_tree(data_dir: str | Path, name: str) -> bool:
    """Whether a folder holds the files of this data set as TFDS prepares them."""
    folder = Path(data_dir, base_name(name))
    patterns = ("*/dataset_info.json", "*/*/dataset_info.json")
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def known_names() -> list[str]:
    """The names that TFDS knows without the network; empty if it cannot be imported."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        return []
    return tfds.list_builders(with_community_datasets=False)


def prepare_builder(name: str, data_dir: str | Path | None) -> Any:
    """Makes a TFDS builder and downloads its data if they are not there yet.

    Raises:
        Exception: whatever TFDS raises, from a missing network to a missing module.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=None if data_dir is None else str(data_dir))
    if not builder.info.splits:
        _check_network(builder)
        builder.download_and_prepare()
    return builder


def _check_network(builder: Any) -> None:
    """Raises ConnectionError if no host of the downloads has an address.

    TFDS itself would try again and again for minutes. Behind a proxy nothing can be told.
    """
    if getproxies():
        return
    hosts = {urlsplit(url).hostname for url in getattr(builder, "url_infos", None) or ()} - {None}
    for host in hosts:
        try:
            socket.getaddrinfo(host, 443)
            return
        except OSError:
            continue
    if hosts:
        raise ConnectionError(f"no network: cannot resolve {', '.join(sorted(hosts))}")


def _image_feature(builder: Any) -> tuple[str, Any]:
    import tensorflow_datasets as tfds

    features = builder.info.features
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    if not images:
        raise ValueError(
            f"The TFDS data set {builder.name!r} has no image feature, so no GAN can be trained on "
            f"it here. Its features: {', '.join(sorted(features))}"
        )
    key = "image" if "image" in images else images[0]
    return key, features[key]


def _num_classes(builder: Any) -> int | None:
    import tensorflow_datasets as tfds

    features = builder.info.features
    if "label" not in features or not isinstance(features["label"], tfds.features.ClassLabel):
        return None
    return features["label"].num_classes


def dataset_from_builder(
    builder: Any,
    *,
    split: str,
    batch_size: int,
    image_size: int | None,
    channels: int | None,
    seed: int,
    labels: bool,
    shuffle: bool,
    drop_remainder: bool | None,
) -> tuple[tf.data.Dataset, int, int | None]:
    """Makes the pipeline over a prepared TFDS builder.

    Returns:
        The dataset, its number of examples, and its number of classes (None without labels).

    Raises:
        ValueError: for an unknown or empty split, a set without images, images that are not uint8,
            and images of different sizes without `image_size`.
    """
    import tensorflow_datasets as tfds

    try:
        num_examples = builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"The TFDS data set {builder.name!r} has the splits "
            f"{', '.join(map(repr, builder.info.splits))}; slices such as 'train[:80%]' are "
            f"allowed. Received: split={split!r}"
        ) from error
    key, feature = _image_feature(builder)
    if tf.as_dtype(feature.np_dtype) != tf.uint8:
        raise ValueError(
            f"The images of {builder.name!r} must be uint8. Received: {feature.np_dtype}"
        )
    num_classes = _num_classes(builder) if labels else None
    with_labels = num_classes is not None

    def convert(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        image = resize_square(convert_channels(example[key], channels), image_size)
        return (image, tf.cast(example["label"], tf.int32)) if with_labels else (image,)

    config = tfds.ReadConfig(
        options=pipeline.pipeline_options(),
        try_autocache=False,
        add_tfds_id=False,
        interleave_cycle_length=1,
        num_parallel_calls_for_decode=_PARALLEL_DECODES,
        num_parallel_calls_for_interleave_files=1,
    )
    stream = builder.as_dataset(split=split, shuffle_files=False, read_config=config).map(
        convert, num_parallel_calls=_PARALLEL_DECODES, deterministic=True
    )
    shape = stream.element_spec[0].shape
    if not shape.is_fully_defined():
        raise ValueError(
            f"The images of {builder.name!r} differ in size or colour: their shape is {shape}. "
            f"Pass `image_size` (and `channels` if the last entry is None)."
        )
    bytes_per_image = int(np.prod(shape.as_list(), dtype=np.int64))
    if num_examples * bytes_per_image <= MEMORY_LIMIT:
        images = np.empty((num_examples, *shape), np.uint8)
        label_array = np.empty(num_examples, np.int32) if with_labels else None
        start = 0
        loading = stream.batch(256).prefetch(1).with_options(pipeline.pipeline_options())
        for batch in loading.as_numpy_iterator():
            stop = start + len(batch[0])
            images[start:stop] = batch[0]
            if with_labels:
                label_array[start:stop] = batch[1]
            start = stop
        dataset = pipeline.in_memory(
            images,
            label_array,
            batch_size=batch_size,
            seed=seed,
            shuffle=shuffle,
            drop_remainder=drop_remainder,
        )
        return dataset, num_examples, num_classes

    drop = pipeline.resolve_drop_remainder(num_examples, batch_size, shuffle, drop_remainder)
    if shuffle:
        buffer_size = max(batch_size, _SHUFFLE_BUFFER_BYTES // bytes_per_image)
        stream = pipeline.shuffled_stream(stream, buffer_size, seed)

    def finish(images: tf.Tensor, *rest: tf.Tensor) -> Any:
        images = pipeline.scale_to_float(images)
        return (images, *rest) if rest else images

    dataset = pipeline.batched(stream, finish, num_examples, batch_size, drop)
    return dataset, num_examples, num_classes

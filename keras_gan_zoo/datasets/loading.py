"""`load`: one name, one dataset, wherever its files are."""

import difflib
import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gan_zoo.datasets import embedded, idx, pipeline, tfds_source, toys
from keras_gan_zoo.datasets.images import check_channels, check_image_size, prepare
from keras_gan_zoo.datasets.splits import check_split_name, parse_split, slice_bounds

#: Environment variable that names a folder of data sets.
DATA_VARIABLE = "KERAS_GAN_ZOO_DATA"

_TOYS = {"ring": toys.ring, "grid": toys.grid, "swiss_roll": toys.swiss_roll}
_EMBEDDED = "fashion_mnist_mini"
_IDX_NAMES = ("fashion_mnist", "mnist")
_IDX_SETS = (*_IDX_NAMES, "kmnist")  # published as files of these names
_SPLITS = ("train", "test")
_SYSTEM_FOLDERS = {"fashion_mnist": Path("/usr/share/datasets/fashion-mnist")}
_SYSTEM_PACKAGES = {"fashion_mnist": "dataset-fashion-mnist"}


class DatasetUnavailableError(RuntimeError):
    """A data set is known, but its files are neither here nor can they be downloaded."""


def names() -> list[str]:
    """The sorted names that are known here without asking TFDS, which adds its own.

    Example:

    >>> names()
    ['fashion_mnist', 'fashion_mnist_mini', 'grid', 'mnist', 'ring', 'swiss_roll']
    """
    return sorted([*_TOYS, _EMBEDDED, *_IDX_NAMES])


def _unknown(name: Any, tfds_names: list[str]) -> ValueError:
    asked = str(name).lower().replace("-", "_")
    near = difflib.get_close_matches(asked, {*names(), *tfds_names}, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    folder = " For a folder of pictures use `image_folder`." if os.path.isdir(str(name)) else ""
    return ValueError(
        f"Unknown dataset.{hint} Known here: {', '.join(names())}; besides these any image data "
        f"set of TFDS, by its TFDS name.{folder} Received: name={name!r}"
    )


def _check_data_dir(data_dir: str | Path) -> Path:
    folder = Path(data_dir)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`data_dir` must be an existing folder. Received: data_dir={str(data_dir)!r}"
        )
    return folder


def _candidates(name: str, data_dir: Path | None) -> list[tuple[str, Path]]:
    """Folders that may hold IDX files, the first to be asked first, each with what it is."""
    found = []
    if data_dir is not None:
        found.append(("data_dir", data_dir))
    variable = os.environ.get(DATA_VARIABLE)
    if variable:
        found += [(DATA_VARIABLE, Path(variable, name)), (DATA_VARIABLE, Path(variable))]
    if name in _SYSTEM_FOLDERS:
        found.append(("Debian", _SYSTEM_FOLDERS[name]))
    return found


def _from_parts(
    read: Any, split: str, name: str, labels: bool
) -> tuple[np.ndarray, np.ndarray | None, int | None]:
    """Puts together the slices of a split string; also returns the number of classes."""
    images, values, num_classes = [], [], None
    cache: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for base, start, stop in parse_split(split):
        check_split_name(base, _SPLITS, name)
        if base not in cache:
            cache[base] = read(base)
        all_images, all_labels = cache[base]
        first, last = slice_bounds(start, stop, len(all_images), split)
        images.append(all_images[first:last])
        if labels:
            values.append(all_labels[first:last])
            num_classes = max(num_classes or 0, int(all_labels.max()) + 1)
    if len({part.shape[1:] for part in images}) > 1:
        raise ValueError(f"The splits joined by '+' hold images of different sizes: {split!r}")
    if len(images) == 1:
        return images[0], values[0] if labels else None, num_classes
    return np.concatenate(images), np.concatenate(values) if labels else None, num_classes


def _unavailable(
    name: str, candidates: list[tuple[str, Path]], tfds_dir: Path | None, error: Exception
) -> DatasetUnavailableError:
    tried = [f"no IDX files of this set in {folder} ({source})" for source, folder in candidates]
    if not os.environ.get(DATA_VARIABLE):
        tried.append(f"the environment variable {DATA_VARIABLE} is not set")
    where = f" in {tfds_dir}" if tfds_dir is not None else ""
    message = " ".join(str(error).split())
    if len(message) > 300:
        message = message[:300] + " ..."
    tried.append(f"TFDS{where} failed with {type(error).__name__}: {message}")
    package = ""
    if name in _SYSTEM_PACKAGES:
        package = f" (Debian's package {_SYSTEM_PACKAGES[name]} puts them where they are found)"
    return DatasetUnavailableError(
        f"The dataset {name!r} is not at hand and could not be downloaded. Tried: "
        f"{'; '.join(tried)}. Ways out: (1) pass data_dir= a folder with its IDX files "
        f"(train-images-idx3-ubyte[.gz], ...) or with a tree prepared by TFDS{package}; "
        f"(2) set {DATA_VARIABLE} to that folder, or to the parent of one named {name}; "
        f"(3) run once with network access, so that TFDS can download it. To start without any "
        f"files use '{_EMBEDDED}', which is embedded."
    )


def load(
    name: str,
    split: str = "train",
    batch_size: int = 128,
    image_size: int | None = None,
    data_dir: str | Path | None = None,
    seed: int = 0,
    *,
    labels: bool = True,
    shuffle: bool | None = None,
    drop_remainder: bool | None = None,
    channels: int | None = None,
) -> tf.data.Dataset:
    """Loads a data set as a `tf.data` pipeline, ready for `fit`.

    Args:
        name: "fashion_mnist_mini" (embedded: 10,000 + 2,000 real images, needs nothing),
            "fashion_mnist", "mnist", any other image data set of TFDS by its TFDS name ("cifar10",
            ...), or a toy distribution of 2-D points: "ring", "grid", "swiss_roll".
        split: "train", "test" or what the data set has, with slices as in TFDS: "train[:80%]",
            "train[1000:2000]", "train+test".
        batch_size: images of a batch.
        image_size: side of the square images wanted: other images are cropped to their central
            square and resized (Lanczos, antialiased). `None`: as they are.
        data_dir: a folder with the IDX files of the data set, or with a tree that TFDS prepared.
        seed: with the number of the epoch decides the order; see `get_epoch`.
        labels: whether to yield labels where the set has them.
        shuffle: whether each epoch has an order of its own. `None`: only splits that start with
            "train".
        drop_remainder: whether a last, smaller batch is left out. `None`: the same as `shuffle`, so
            that training has batches of one size and testing sees every image.
        channels: 1 (grey) or 3 (RGB) converts the images; RGBA is laid over white. `None`: as they
            are.

    The files are looked for in this order: IDX files in `data_dir`, in the folder named by the
    environment variable `KERAS_GAN_ZOO_DATA` (its sub-folder named after the data set, then
    itself), in the folder of Debian's package dataset-fashion-mnist; then TFDS, which downloads
    what it does not have (a `data_dir` that holds a TFDS tree is used). IDX files do not say of
    which set they are: they are taken for "mnist", "fashion_mnist" and "kmnist", and for any other
    name only from a folder of that name.

    Returns:
        A dataset of float32 images `(batch, h, w, c)` in [-1, 1], or of `(images, labels)` with
        int32 labels `(batch,)`. Toys yield float32 points `(batch, 2)`. The object has the
        attributes `name`, `split`, `num_examples` (of the split, before a remainder is dropped),
        `num_classes` (None without labels), `image_shape`; toys also `means`, float32 `(k, 2)`, and
        `std`. Datasets derived from it lose them.

    Raises:
        ValueError: for an unknown name (with the nearest ones), an unknown or empty split,
            arguments out of range, a batch larger than the data set, and damaged files.
        FileNotFoundError: if `data_dir` does not exist.
        DatasetUnavailableError: if the files are neither here nor can be downloaded; says what was
            tried.

    Example:

    >>> dataset = load("fashion_mnist_mini", batch_size=64)
    >>> images, labels = next(iter(dataset))
    >>> images.shape, labels.shape
    (TensorShape([64, 28, 28, 1]), TensorShape([64]))
    >>> dataset.num_examples, dataset.num_classes, dataset.image_shape
    (10000, 10, (28, 28, 1))
    """
    if not isinstance(name, str) or not name:
        raise _unknown(name, [])
    parse_split(split)
    batch_size = pipeline.check_integer("batch_size", batch_size, 1)
    seed = pipeline.check_seed(seed)
    image_size, channels = check_image_size(image_size), check_channels(channels)
    if shuffle is None:
        shuffle = split.startswith("train")
    options = {
        "batch_size": batch_size,
        "seed": seed,
        "shuffle": shuffle,
        "drop_remainder": drop_remainder,
    }

    if name in _TOYS:
        refused = {"image_size": image_size, "channels": channels, "data_dir": data_dir}
        for key, value in refused.items():
            if value is not None:
                raise ValueError(
                    f"{name!r} yields points (batch, 2), not images from files: leave out `{key}`. "
                    f"Received: {key}={value!r}"
                )
        return _TOYS[name](split=split, **options)

    if name == _EMBEDDED:
        if data_dir is not None:
            raise ValueError(
                f"{name!r} is embedded in the package: leave out `data_dir`, or load "
                f"'fashion_mnist' from it. Received: data_dir={str(data_dir)!r}"
            )
        return _from_arrays_on_disk(
            embedded.read_split, name, split, labels, image_size, channels, options
        )

    folder = None if data_dir is None else _check_data_dir(data_dir)
    candidates = _candidates(name, folder)
    for _, candidate in candidates:
        if idx.has_idx(candidate) and (name in _IDX_SETS or candidate.name == name):

            def read(base: str, source: Path = candidate) -> tuple:
                return idx.read_split(source, base, name, labels)

            return _from_arrays_on_disk(read, name, split, labels, image_size, channels, options)

    has_tree = folder is not None and tfds_source.holds_tree(folder, name)
    tfds_dir = folder if has_tree else None
    if not has_tree and tfds_source.base_name(name) not in _IDX_NAMES:
        known = tfds_source.known_names()
        if known and tfds_source.base_name(name) not in known:
            raise _unknown(name, known)
    try:
        builder = tfds_source.prepare_builder(name, tfds_dir)
    # TFDS fails in many ways without a network; all of them end in the same three ways out.
    except Exception as error:
        raise _unavailable(name, candidates, tfds_dir, error) from error
    dataset, num_examples, num_classes = tfds_source.dataset_from_builder(
        builder,
        split=split,
        image_size=image_size,
        channels=channels,
        labels=labels,
        **options,
    )
    described = {"name": name, "num_classes": num_classes, "split": split}
    return pipeline.describe(dataset, num_examples=num_examples, **described)


def _from_arrays_on_disk(
    read: Any,
    name: str,
    split: str,
    labels: bool,
    image_size: int | None,
    channels: int | None,
    options: dict[str, Any],
) -> tf.data.Dataset:
    images, values, num_classes = _from_parts(read, split, name, labels)
    images, transform = prepare(images, image_size, channels)
    dataset = pipeline.in_memory(images, values, transform=transform, **options)
    described = {"name": name, "num_classes": num_classes, "split": split}
    return pipeline.describe(dataset, num_examples=len(images), **described)

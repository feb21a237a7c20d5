"""A folder of pictures, of any sizes and modes, as a dataset of square images."""

import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from keras_gan_zoo.datasets import pipeline
from keras_gan_zoo.datasets.images import MEMORY_LIMIT, check_channels, check_image_size

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")

_THREADS = 4
_CHUNK = 256
_WARNINGS = 20  # broken files named one by one; the rest is counted


def list_images(folder: str | Path) -> list[Path]:
    """The png, jpeg and webp files below a folder, sorted by their relative path.

    Names are compared without regard to case; hidden files and folders are left out.

    Raises:
        FileNotFoundError: if the folder does not exist.
        NotADirectoryError: if it is a file.
        ValueError: if it holds no image file.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"The image folder does not exist. Received: path={str(folder)!r}")
    if not folder.is_dir():
        raise NotADirectoryError(
            f"`path` must be a folder of images, not a file. Received: path={str(folder)!r}"
        )
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [
            Path(parent, name)
            for name in files
            if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    if not found:
        raise ValueError(
            f"The folder holds no image: files ending in {', '.join(EXTENSIONS)} are wanted, in it "
            f"or in its sub-folders. Received: path={str(folder)!r}"
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _eight_bit(image: Image.Image) -> Image.Image:
    """Converts any mode of Pillow to L or RGB; transparency is laid over white."""
    if image.mode.startswith("I"):  # grey with 16 bits: Pillow's own conversion clips it
        values = np.asarray(image, np.float32) / 257.0
        return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8))
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def decode_image(
    path: str | Path, image_size: int, channels: int = 3, crop: bool = True
) -> np.ndarray:
    """Decodes one picture into a square.

    Args:
        path: a png, jpeg or webp file (of an animation the first picture is taken).
        image_size: side of the square in pixels.
        channels: 1 (grey) or 3 (RGB).
        crop: True: the shorter side is resized to `image_size` and the centre is cut out. False:
            the whole picture is stretched to the square.

    Returns:
        uint8 `(image_size, image_size, channels)`.

    Raises:
        Exception: whatever Pillow raises for a file that it cannot read.
    """
    size = (image_size, image_size)
    with Image.open(path) as opened:
        # A JPEG may be decoded at a half, a quarter, ... of its size: many times faster, and twice
        # the size wanted is left for the resizing.
        opened.draft(None, (2 * image_size, 2 * image_size))
        image = _eight_bit(ImageOps.exif_transpose(opened))
    if crop:
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return array.reshape(image_size, image_size, channels)


def _decode_all(
    paths: Iterable[Path], pool: ThreadPoolExecutor, image_size: int, channels: int, crop: bool
) -> Iterator[tuple[np.ndarray | None, str]]:
    """Yields, in order, each picture or None, and what was wrong with it."""

    def attempt(path: Path) -> tuple[np.ndarray | None, str]:
        try:
            return decode_image(path, image_size, channels, crop), ""
        # A damaged file makes the decoders raise almost anything; one file must not stop the rest.
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"

    paths = list(paths)
    for start in range(0, len(paths), _CHUNK):
        yield from pool.map(attempt, paths[start : start + _CHUNK])


def _warn(broken: list[tuple[Path, str]]) -> None:
    for path, problem in broken[:_WARNINGS]:
        warnings.warn(f"Skipped an unreadable image: {path} ({problem})", stacklevel=3)
    if len(broken) > _WARNINGS:
        warnings.warn(
            f"Skipped {len(broken) - _WARNINGS} more unreadable images; the last is "
            f"{broken[-1][0]} ({broken[-1][1]})",
            stacklevel=3,
        )


def _classes(root: Path, paths: list[Path]) -> tuple[tuple[str, ...], dict[Path, int]]:
    parts = {path: path.relative_to(root).parts for path in paths}
    loose = [path for path, names in parts.items() if len(names) < 2]
    if loose:
        raise ValueError(
            "With `labels=True` each sub-folder is a class, so every image must lie in one. "
            f"Move it, or pass labels=False. Received: {loose[0]}"
            + (f" and {len(loose) - 1} more" if len(loose) > 1 else "")
        )
    names = tuple(sorted({names[0] for names in parts.values()}))
    return names, {path: names.index(part[0]) for path, part in parts.items()}


def image_folder(
    path: str | Path,
    image_size: int,
    batch_size: int = 128,
    *,
    channels: int = 3,
    seed: int = 0,
    shuffle: bool = True,
    labels: bool = False,
    crop: bool = True,
    drop_remainder: bool | None = None,
) -> tf.data.Dataset:
    """A folder of pictures, searched with its sub-folders, as a dataset of square images.

    png, jpeg and webp files of any sizes and modes are read: rotation noted by the camera is
        applied, transparency is
    laid over white, 16-bit grey is scaled to 8 bits. A file that cannot be decoded is skipped with
    a warning that names it. The pictures are decoded once, into memory, up to 2 GiB; larger sets
    are decoded again in each epoch.

    Args:
        path: the folder.
        image_size: side of the square images in pixels.
        batch_size: images of a batch.
        channels: 1 (grey) or 3 (RGB).
        seed: with the epoch decides the order.
        shuffle: whether each epoch has an order of its own; otherwise the files are sorted by name.
        labels: whether to yield the number of the sub-folder (in sorted order) as the label.
        crop: True: the shorter side is resized to `image_size` and the centre is cut out. False:
            the whole picture is stretched to the square.
        drop_remainder: whether a last, smaller batch is left out. `None`: the same as `shuffle`.

    Returns:
        A dataset of float32 images `(batch, image_size, image_size, channels)` in [-1, 1], or of
        `(images, int32 labels)`, with the attributes of `load` and, with labels, `class_names`.

    Raises:
        FileNotFoundError, NotADirectoryError: if `path` is no folder.
        ValueError: if no readable image is in it, and for arguments out of range.

    Example:

    >>> dataset = image_folder("holiday_pictures", image_size=64)
    >>> next(iter(dataset)).shape
    TensorShape([128, 64, 64, 3])
    """
    if image_size is None:
        raise ValueError("`image_size` is needed: the pictures may differ. Received: None")
    image_size = check_image_size(image_size)
    if channels is None:
        raise ValueError("`channels` must be 1 (grey) or 3 (RGB). Received: None")
    channels = check_channels(channels)
    pipeline.check_integer("batch_size", batch_size, 1)
    pipeline.check_seed(seed)
    root = Path(path)
    paths = list_images(root)
    class_names, class_of = _classes(root, paths) if labels else ((), {})

    fits = len(paths) * image_size * image_size * channels <= MEMORY_LIMIT
    shape = (image_size, image_size, channels)
    stored = np.empty((len(paths) if fits else 0, *shape), np.uint8)
    good: list[Path] = []
    broken: list[tuple[Path, str]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        decoded = _decode_all(paths, pool, image_size, channels, crop)
        for file, (array, problem) in zip(paths, decoded, strict=True):
            if array is None:
                broken.append((file, problem))
                continue
            if fits:
                stored[len(good)] = array
            good.append(file)
    _warn(broken)
    if not good:
        raise ValueError(
            f"None of the {len(paths)} image files could be read; the first: {broken[0][0]} "
            f"({broken[0][1]}). Received: path={str(root)!r}"
        )
    label_array = np.array([class_of[file] for file in good], np.int32) if labels else None
    options = {
        "batch_size": batch_size,
        "seed": seed,
        "shuffle": shuffle,
        "drop_remainder": drop_remainder,
    }
    if fits:
        dataset = pipeline.in_memory(stored[: len(good)], label_array, **options)
    else:
        dataset = _on_the_fly(good, label_array, shape, crop, options)
    more = {"class_names": class_names} if labels else {}
    return pipeline.describe(
        dataset,
        name=root.resolve().name,
        num_examples=len(good),
        num_classes=len(class_names) if labels else None,
        **more,
    )


def _on_the_fly(
    paths: list[Path],
    labels: np.ndarray | None,
    shape: tuple[int, int, int],
    crop: bool,
    options: dict,
) -> tf.data.Dataset:
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="image_folder")
    stored_labels = None if labels is None else pipeline.constant_on_host(labels)

    def decode(indices: np.ndarray) -> np.ndarray:
        def one(index: int) -> np.ndarray:
            return decode_image(paths[index], shape[0], shape[2], crop)

        return np.stack(list(pool.map(one, indices)))

    def fetch(indices: tf.Tensor):
        images = tf.numpy_function(decode, [indices], tf.uint8)
        images.set_shape((*indices.shape, *shape))
        images = pipeline.scale_to_float(images)
        return images if labels is None else (images, tf.gather(stored_labels, indices))

    return pipeline.indexed_dataset(len(paths), fetch, **options)

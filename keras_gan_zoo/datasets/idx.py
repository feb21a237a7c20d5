"""Reader of IDX files, the format of MNIST, Fashion-MNIST, KMNIST and EMNIST.

An IDX file is a big-endian header (two zero bytes, a type code, the number of dimensions, one
32-bit length for each) and then the values in C order. Only unsigned bytes (type 0x08) are read
here: all of these data sets use them.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

_UNSIGNED_BYTE = 0x08
_PREFIXES = {"train": "train", "test": "t10k"}

# The first ten labels tell apart the data sets that share their file names.
_FIRST_LABELS = {
    "mnist": {"train": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4), "test": (7, 2, 1, 0, 4, 1, 4, 9, 5, 9)},
    "fashion_mnist": {
        "train": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
        "test": (9, 2, 1, 1, 6, 1, 4, 6, 5, 7),
    },
}


def read_idx(path: str | Path) -> np.ndarray:
    """Reads one IDX file, raw or gzipped (told by its content, not its name).

    Args:
        path: the file.

    Returns:
        A uint8 array of the shape given in the header.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an IDX file of unsigned bytes, is truncated, or is longer than its
            header says.

    Example:

    >>> read_idx("train-labels-idx1-ubyte.gz").shape
    (60000,)
    """
    path = Path(path)
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"The gzip file {path} is truncated or damaged ({error}). Fetch it again."
            ) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes: it must start with the bytes 00 00 08. "
            f"Received: {content[:4].hex(' ') or 'an empty file'}"
        )
    rank = content[3]
    offset = 4 + 4 * rank
    if rank < 1 or len(content) < offset:
        raise ValueError(
            f"The IDX file {path} ends inside its header of {rank} dimensions. Fetch it again."
        )
    shape = struct.unpack(f">{rank}I", content[4:offset])
    expected = math.prod(shape)
    if len(content) - offset != expected:
        problem = "truncated" if len(content) - offset < expected else "too long"
        raise ValueError(
            f"The IDX file {path} is {problem}: its header announces {shape}, that is {expected} "
            f"bytes of data. Received: {len(content) - offset} bytes. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=offset).reshape(shape)


def find_idx(folder: str | Path, split: str, kind: str) -> Path | None:
    """Finds an IDX file in a folder.

    Args:
        folder: where to look; need not exist.
        split: "train" or "test".
        kind: "images" or "labels".

    Returns:
        The path of, for example, `train-images-idx3-ubyte`, `train-images.idx3-ubyte` or one of
        them with `.gz`; None if there is none.
    """
    rank = 3 if kind == "images" else 1
    for separator in "-.":
        for suffix in ("", ".gz"):
            name = f"{_PREFIXES[split]}-{kind}{separator}idx{rank}-ubyte{suffix}"
            path = Path(folder) / name
            if path.is_file():
                return path
    return None


def has_idx(folder: str | Path) -> bool:
    """Whether a folder holds the images of a training or a test split as IDX files."""
    return any(find_idx(folder, split, "images") for split in _PREFIXES)


def read_split(
    folder: str | Path, split: str, name: str, labels: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads the images, and if asked the labels, of one split.

    Args:
        folder: holds the IDX files.
        split: "train" or "test".
        name: the data set expected there.
        labels: whether to read the labels too.

    Returns:
        uint8 images `(n, h, w, 1)` and int32 labels `(n,)` or None.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, the two do not fit together, or the files are those of
            another data set with the same file names (MNIST for Fashion-MNIST or the other way
            round).
    """
    paths = {kind: find_idx(folder, split, kind) for kind in ("images", "labels")}
    for kind, rank in (("images", 3), ("labels", 1)):
        if paths[kind] is None and (labels or kind == "images"):
            way_out = ", or pass labels=False" if kind == "labels" else ""
            raise FileNotFoundError(
                f"The {split} {kind} of {name!r} are missing: put "
                f"{_PREFIXES[split]}-{kind}-idx{rank}-ubyte (or .gz) into {folder}{way_out}."
            )
    images = read_idx(paths["images"])
    if images.ndim != 3 or 0 in images.shape:
        raise ValueError(
            f"{paths['images']} must hold images of shape (n, height, width). "
            f"Received: shape {images.shape}"
        )
    values = None
    if paths["labels"] is not None:
        values = read_idx(paths["labels"])
        if values.shape != images.shape[:1]:
            raise ValueError(
                f"{paths['labels']} must hold one label for each of the {len(images)} images of "
                f"{paths['images'].name}. Received: shape {values.shape}"
            )
        first = tuple(int(value) for value in values[:10])
        for other, known in _FIRST_LABELS.items():
            if other != name and name in _FIRST_LABELS and first == known[split]:
                raise ValueError(
                    f"The IDX files in {folder} are those of {other!r} (both data sets use the "
                    f"same file names). Load {other!r}, or point to the files of the other. "
                    f"Received: name={name!r}"
                )
    return images[..., np.newaxis], values.astype(np.int32) if labels else None

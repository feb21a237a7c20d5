"""`fashion_mnist_mini`: 12,000 real images of Fashion-MNIST inside the package.

`PROVENANCE.md` beside this file says where they come from, `LICENSE` under what terms, and
`make_fashion_mnist_mini.py` makes the file anew.
"""

import hashlib
import io
import lzma
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("fashion_mnist_mini.npy.xz")
SHA256 = "793d59bc556f1f4c1cbab79db96904d37b5c4dc9d76b117a242c2d62f402f4c3"
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


def read_arrays(path: str | Path = FILE) -> dict[str, np.ndarray]:
    """Reads and verifies the embedded file.

    Args:
        path: the file; another copy of it may be given.

    Returns:
        `train_images` uint8 `(10000, 28, 28)`, `train_labels` uint8 `(10000,)`, `test_images` uint8
        `(2000, 28, 28)` and `test_labels` uint8 `(2000,)`.

    Raises:
        FileNotFoundError: if the file was not installed.
        ValueError: if it is not, byte for byte, the file that belongs to this version of the
            package.

    Example:

    >>> read_arrays()["train_images"].shape
    (10000, 28, 28)
    """
    path = Path(path)
    try:
        packed = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"The embedded data set {path} is missing. Install keras_gan_zoo again."
        ) from error
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"The embedded data set {path} is truncated or was altered: its sha256 must be "
            f"{SHA256}. Received: {digest} ({len(packed)} bytes). Install keras_gan_zoo again."
        )
    stream = io.BytesIO(lzma.decompress(packed))
    return {name: np.lib.format.read_array(stream, allow_pickle=False) for name in _ARRAYS}


def read_split(split: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images `(n, 28, 28, 1)` and int32 labels `(n,)` of "train" or "test"."""
    arrays = read_arrays()
    images = arrays[f"{split}_images"][..., np.newaxis]
    return images, arrays[f"{split}_labels"].astype(np.int32)

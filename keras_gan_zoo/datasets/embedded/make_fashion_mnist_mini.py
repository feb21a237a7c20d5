"""Makes `fashion_mnist_mini.npy.xz` from the IDX files of Fashion-MNIST.

    python -m keras_gan_zoo.datasets.embedded.make_fashion_mnist_mini --data-dir FOLDER --output
    FILE

Run again with the same arguments it writes the same bytes, and prints the two hashes that stand in
`__init__.py` and `PROVENANCE.md` beside it. The images are drawn class by class without replacement
from the real training and test splits, and kept in the order they have there.
"""

import argparse
import hashlib
import io
import lzma
from pathlib import Path

import numpy as np

from keras_gan_zoo.datasets.idx import read_split

SEED = 0
PER_CLASS = {"train": 1000, "test": 200}
CLASSES = 10

# The smallest of those compared in PROVENANCE.md; without any dictionary reset and with the most
# literal context.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0}]


def select(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Draws `per_class` indices of each class.

    Args:
        labels: integer `(n,)`.
        per_class: how many of each class.
        rng: source of the draw.

    Returns:
        int64 indices `(CLASSES * per_class,)`, ascending.
    """
    chosen = [
        rng.choice(np.flatnonzero(labels == label), per_class, replace=False)
        for label in range(CLASSES)
    ]
    return np.sort(np.concatenate(chosen))


def build(data_dir: str | Path) -> dict[str, np.ndarray]:
    """Selects the embedded set from the IDX files in a folder.

    Returns:
        `train_images`, `train_labels`, `test_images`, `test_labels`: uint8 `(n, 28, 28)` and
        `(n,)`, in this order.
    """
    rng = np.random.default_rng(SEED)
    arrays = {}
    for split, per_class in PER_CLASS.items():
        images, labels = read_split(data_dir, split, "fashion_mnist")
        chosen = select(labels, per_class, rng)
        arrays[f"{split}_images"] = images[chosen, ..., 0]
        arrays[f"{split}_labels"] = labels[chosen].astype(np.uint8)
    return arrays


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Writes the arrays as NPY one after the other and compresses the whole with xz."""
    stream = io.BytesIO()
    for array in arrays.values():
        np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    return lzma.compress(stream.getvalue(), check=lzma.CHECK_CRC64, filters=_FILTERS)


def sha256_of_arrays(arrays: dict[str, np.ndarray]) -> str:
    """The sha256 of the values of the arrays, one after the other, without any header."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder with the four IDX files")
    parser.add_argument("--output", required=True, help="file to write")
    options = parser.parse_args(arguments)
    arrays = build(options.data_dir)
    packed = pack(arrays)
    Path(options.output).write_bytes(packed)
    print(f"bytes            {len(packed)}")
    print(f"sha256 of file   {hashlib.sha256(packed).hexdigest()}")
    print(f"sha256 of arrays {sha256_of_arrays(arrays)}")


if __name__ == "__main__":
    main()

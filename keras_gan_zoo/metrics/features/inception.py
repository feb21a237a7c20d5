"""The network of `inception_v3`: the Inception of the Frechet and Inception scores.

The graph that Google published on 2015-12-05 and that every comparable FID, KID and IS has used
since, in its port to PyTorch by pytorch-fid, which torch-fidelity distributes. It differs from the
Inception-v3 of the paper and of `keras.applications`:

| where | here |
|---|---|
| resizing | to 299x299, TensorFlow 1's bilinear kernel: row i is at i * h / 299; no antialias |
| values | (v - 128) / 128 of v in 0..255, at most 127/128 |
| 3x3 average pools (5b to 6e, 7b) | the mean of the pixels inside the map: padding is not counted |
| pool of the last block (7c) | maximum instead of average |
| convolutions | BatchNormalization with epsilon 0.001, in the original without scale |
| classes | 1008 |

In inference a BatchNormalization is a scale and a shift, which `load` puts into the convolution
before it (computed in float64): a convolution with bias and ReLU is what remains.

Sources: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016;
Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017 (FID); Salimans et al.,
"Improved Techniques for Training GANs", NeurIPS 2016 (IS); the projects pytorch-fid and
torch-fidelity 0.4.0 for layers, padding and preprocessing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import pickle
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

SIZE, FEATURES, CLASSES = 299, 2048, 1008
EPSILON = 1e-3

VARIABLE = "KERAS_GAN_ZOO_INCEPTION"
FILENAME = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILENAME}"
# In full as projects that pin the same file state it, such as models/inception_model.py of
# snap-research/discoscene; torch's convention puts the first eight digits into the file's name.
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BYTES = 95_628_359
# The same file as pytorch-fid's release names it.
_FILENAMES = (FILENAME, "pt_inception-2015-12-05-6726825d.pth")


# --- the network ----------------------------------------------------------------------------------


class _Conv(NamedTuple):
    """Convolution and ReLU; several kernels: side by side on the same input, joined."""

    filters: int
    kernels: tuple[Any, ...]
    strides: int = 1
    padding: str = "same"


def _conv(filters: int, *kernels: Any, **options: Any) -> _Conv:
    return _Conv(filters, kernels, **options)


def _halve(filters: int) -> _Conv:
    return _conv(filters, 3, strides=2, padding="valid")


_POOLS = {
    "average": (keras.layers.AveragePooling2D, {"strides": 1, "padding": "same"}),
    "maximum": (keras.layers.MaxPooling2D, {"strides": 1, "padding": "same"}),
    "halve": (keras.layers.MaxPooling2D, {"strides": 2, "padding": "valid"}),
}

# One after the other.
_STEM = {
    "Conv2d_1a_3x3": [_halve(32)],
    "Conv2d_2a_3x3": [_conv(32, 3, padding="valid")],
    "Conv2d_2b_3x3": [_conv(64, 3), "halve"],
    "Conv2d_3b_1x1": [_conv(80, 1)],
    "Conv2d_4a_3x3": [_conv(192, 3, padding="valid"), "halve"],
}


def _block_35(pooled: int) -> dict[str, list[Any]]:
    return {
        "branch1x1": [_conv(64, 1)],
        "branch5x5": [_conv(48, 1), _conv(64, 5)],
        "branch3x3dbl": [_conv(64, 1), _conv(96, 3), _conv(96, 3)],
        "branch_pool": ["average", _conv(pooled, 1)],
    }


def _block_17(width: int) -> dict[str, list[Any]]:
    row, column = (1, 7), (7, 1)
    return {
        "branch1x1": [_conv(192, 1)],
        "branch7x7": [_conv(width, 1), _conv(width, row), _conv(192, column)],
        "branch7x7dbl": [
            _conv(width, 1),
            *(_conv(width, kernel) for kernel in (column, row, column)),
            _conv(192, row),
        ],
        "branch_pool": ["average", _conv(192, 1)],
    }


def _block_8(pool: str) -> dict[str, list[Any]]:
    fork = _conv(384, (1, 3), (3, 1))
    return {
        "branch1x1": [_conv(320, 1)],
        "branch3x3": [_conv(384, 1), fork],
        "branch3x3dbl": [_conv(448, 1), _conv(384, 3), fork],
        "branch_pool": [pool, _conv(192, 1)],
    }


# The branches of a block side by side, joined in this order; named as in the file of weights.
_BLOCKS = {
    "Mixed_5b": _block_35(32),
    "Mixed_5c": _block_35(64),
    "Mixed_5d": _block_35(64),
    "Mixed_6a": {
        "branch3x3": [_halve(384)],
        "branch3x3dbl": [_conv(64, 1), _conv(96, 3), _halve(96)],
        "branch_pool": ["halve"],
    },
    "Mixed_6b": _block_17(128),
    "Mixed_6c": _block_17(160),
    "Mixed_6d": _block_17(160),
    "Mixed_6e": _block_17(192),
    "Mixed_7a": {
        "branch3x3": [_conv(192, 1), _halve(320)],
        "branch7x7x3": [_conv(192, 1), _conv(192, (1, 7)), _conv(192, (7, 1)), _halve(192)],
        "branch_pool": ["halve"],
    },
    "Mixed_7b": _block_8("average"),
    "Mixed_7c": _block_8("maximum"),
}


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class InceptionInput(keras.layers.Layer):
    """Images as the 2015 graph takes them: `(b, h, w, 1 or 3)` in [-1, 1] -> `(b, 299, 299, 3)`.

    Rounded to the 256 levels of a stored image, resized by TensorFlow 1's bilinear kernel, scaled
    to [-1, 127/128]. Grey images get three equal channels.

    Raises:
        ValueError: another number of channels.
    """

    def call(self, images: Any) -> Any:
        if images.shape[-1] not in (1, 3):
            raise ValueError(
                f"Wanted images (b, h, w, 1 or 3). Received: shape {tuple(images.shape)}"
            )
        levels = tf.clip_by_value(tf.round(127.5 * images + 127.5), 0.0, 255.0)
        resized = tf.raw_ops.ResizeBilinear(
            images=levels, size=(SIZE, SIZE), align_corners=False, half_pixel_centers=False
        )
        scaled = (resized - 128.0) / 128.0
        return tf.image.grayscale_to_rgb(scaled) if images.shape[-1] == 1 else scaled

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], SIZE, SIZE, 3)


def network() -> keras.Model:
    """Images `(b, h, w, 3)` in [-1, 1] of any size -> [features `(b, 2048)`, logits `(b, 1008)`].

    Grey images `(b, h, w, 1)` are taken too. The features are the mean of the last map, at least 0:
    what FID, KID, precision and recall are computed from. The logits are the product with the last
    layer's weights *without its bias*: the probabilities of the Inception score are their softmax,
    since the original score of 2016 left the bias out; torch-fidelity calls them `logits_unbiased`.

    Weights are random: see `load`. All of it is float32 under every policy.
    """
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    x = InceptionInput(name="input", dtype="float32")(images)
    for name, steps in _STEM.items():
        x = _branch(x, name, steps)
    for name, branches in _BLOCKS.items():
        x = _join([_branch(x, f"{name}.{branch}", steps) for branch, steps in branches.items()])
    features = keras.layers.GlobalAveragePooling2D(name="features", dtype="float32")(x)
    logits = keras.layers.Dense(CLASSES, use_bias=False, name="logits", dtype="float32")(features)
    model = keras.Model(images, [features, logits], name="inception_v3")
    model.input_spec = keras.layers.InputSpec(ndim=4, axes={})  # any size, 1 or 3 channels
    return model


def _branch(x: Any, name: str, steps: list[Any]) -> Any:
    """Steps in sequence; convolutions numbered where there are several, lettered where side by
    side."""
    several, number = sum(isinstance(step, _Conv) for step in steps) > 1, 0
    for step in steps:
        if not isinstance(step, _Conv):
            pool, options = _POOLS[step]
            x = pool(3, **options, dtype="float32")(x)
            continue
        number += 1
        label = f"{name}_{number}" if several else name
        letters = "ab" if len(step.kernels) > 1 else [""]
        x = _join(
            [
                keras.layers.Conv2D(
                    step.filters,
                    kernel,
                    strides=step.strides,
                    padding=step.padding,
                    activation="relu",
                    name=label + letter,
                    dtype="float32",
                )(x)
                for kernel, letter in zip(step.kernels, letters, strict=True)
            ]
        )
    return x


def _join(maps: list[Any]) -> Any:
    return keras.layers.Concatenate(dtype="float32")(maps) if len(maps) > 1 else maps[0]


# --- its weights ----------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> keras.Model:
    """`network()` with the weights of a file, which must be the pinned one.

    Args:
        path: `weights-inception-2015-12-05-6726825d.pth` of torch-fidelity's release v0.2.0, the
            same as pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`.

    Raises:
        FileNotFoundError: no such file; says where to get it.
        VerificationError: another sha256; says what came and what was wanted.

    Example:

    ```python
    model = load(locate())
    features, logits = model(images)      # (b, 2048), (b, 1008)
    ```
    """
    state = read_torch(_verified(Path(path).expanduser()))
    model = network()
    _assign(model, state)
    return model


def digest(path: str | os.PathLike[str]) -> str:
    """Hexadecimal sha256 of a file of weights."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate() -> Path:
    """The file of weights, verified: where the user says it is, in a cache, or downloaded.

    In this order: the path in `KERAS_GAN_ZOO_INCEPTION`; the cache, `keras_gan_zoo` in
    `XDG_CACHE_HOME` or `~/.cache`; what torch-fidelity or pytorch-fid have downloaded, in
    `TORCH_HOME` or `torch` beside that cache; the release, into the cache. A damaged file in a
    cache is not used.

    Raises:
        FileNotFoundError: `KERAS_GAN_ZOO_INCEPTION` names no file.
        VerificationError: the file it names, or what came over the network, is another one.
        DownloadError: not at hand, and not to be had: no connection, a full disk.
    """
    if given := os.environ.get(VARIABLE):
        path = Path(given).expanduser()
        _verified(path)
        return path
    damaged = []
    for path in _cached():
        if path.is_file():
            if digest(path) == SHA256:
                return path
            damaged.append(path)
    return _download(_cached()[0], damaged)


def _cached() -> list[Path]:
    """Where the file may be; the first is where a download goes."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    torch = Path(os.environ.get("TORCH_HOME") or base / "torch").expanduser()
    folders = (base / "keras_gan_zoo", torch / "hub" / "checkpoints")
    return [folder / name for folder in folders for name in _FILENAMES]


def _download(target: Path, damaged: list[Path]) -> Path:
    from keras_gan_zoo.hub.remote import DownloadError

    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-")
            )
            came = Path(keras.utils.get_file(FILENAME, URL, cache_dir=folder, cache_subdir="."))
        except Exception as error:  # no connection, HTTP errors, a full or read-only disk
            unfit = "".join(f" {path} is damaged and was not used." for path in damaged)
            raise DownloadError(
                f"{FILENAME} is not at hand and could not be downloaded "
                f"({type(error).__name__}: {error}).{unfit} {_remedy()}"
            ) from error
        _verified(came)
        os.replace(came, target)
    return target


def _verified(path: Path) -> bytes:
    """The bytes of the pinned file."""
    from keras_gan_zoo.hub.verify import VerificationError

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. {_remedy()}")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise VerificationError(
            f"{path}: wanted sha256 {SHA256} ({BYTES:,} bytes), found {found} ({len(data):,} "
            f"bytes). Scores from other weights are not comparable: nothing was loaded. {_remedy()}"
        )
    return data


def _remedy() -> str:
    return f"Download {URL} by other means and set {VARIABLE} to the path of the file."


def _assign(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Fill the network from torch's names: convolution and BatchNormalization become one.

    Raises:
        ValueError: an array missing, of another shape, or left over.
    """
    # Not needed: a counter of training steps, and the bias (see `network`).
    left = {k for k in state if not k.endswith("num_batches_tracked")} - {"fc.bias"}

    def take(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in left or state[name].shape != shape:
            found = state[name].shape if name in left else "none"
            raise ValueError(f"Wanted an array {name!r} of shape {shape}. Received: {found}")
        left.discard(name)
        return state[name].astype(np.float64)

    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            height, width, inputs, filters = layer.kernel.shape
            kernel = take(f"{layer.name}.conv.weight", (filters, inputs, height, width))
            scale, shift, mean, variance = (
                take(f"{layer.name}.bn.{part}", (filters,))
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = scale / np.sqrt(variance + EPSILON)
            layer.set_weights([kernel.transpose(2, 3, 1, 0) * scale, shift - mean * scale])
    model.get_layer("logits").set_weights([take("fc.weight", (CLASSES, FEATURES)).T])
    if left:
        raise ValueError(f"Arrays that the network does not have. Received: {sorted(left)}")


# --- files of torch -------------------------------------------------------------------------------

_ITEMS = {
    "BoolStorage": "?",
    "ByteStorage": "u1",
    "CharStorage": "i1",
    "ShortStorage": "<i2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
    "HalfStorage": "<f2",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the format before torch 1.6


class _Storage(NamedTuple):
    dtype: str
    key: str
    count: int


class _Tensor(NamedTuple):
    """A view of a storage, whose bytes may come later in the file."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows dicts and tensors: whatever else a pickle names is refused before it is looked up."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        # New functions each time and a str: nothing a pickle could alter outlives it.
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return lambda *arguments: _Tensor(*arguments[:4])
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *arguments: tensor
        if module == "torch" and name in _ITEMS:
            return _ITEMS[name]
        raise pickle.UnpicklingError(
            f"Refused: the file asks for {module}.{name}. Only plain tensors in a dict are read."
        )

    def persistent_load(self, identity: Any) -> _Storage:
        kind, dtype, key, _, count, *view = identity
        if kind != "storage" or dtype not in _ITEMS.values() or any(v is not None for v in view):
            raise pickle.UnpicklingError(f"Not a storage of torch. Received: {identity!r}")
        return self.storages.setdefault(key, _Storage(dtype, key, count))


def read_torch(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a `state_dict` saved by torch, without torch, and without running its pickle.

    Reads the zip format (torch 1.6 and later) and the stream of pickles before it (or with
    `_use_new_zipfile_serialization=False`), little-endian; not the tar files of torch 0.1.

    Args:
        data: the whole file.

    Returns:
        Name -> read-only array.

    Raises:
        pickle.UnpicklingError: the pickle is damaged, or asks for anything but tensors.
        ValueError: not such a file, or not a dict of tensors that are within their storages.

    Example:

    ```python
    state = read_torch(Path("weights.pth").read_bytes())
    state["fc.weight"].shape      # (1008, 2048)
    ```
    """
    try:
        found, storages = (_read_zip if data[:4] == b"PK\x03\x04" else _read_stream)(data)
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise ValueError(f"Wanted a dict of tensors. Received: {type(found).__name__}")
        return {name: _array(tensor, storages) for name, tensor in found.items()}
    except (pickle.UnpicklingError, ValueError):
        raise
    except Exception as error:  # a damaged pickle or zip ends in errors of any kind
        raise ValueError(
            f"Not a file of torch with a dict of tensors ({type(error).__name__}: {error})."
        ) from error


def _read_zip(data: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise ValueError("torch does not compress its files, this one is compressed.")
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise ValueError("Only little-endian files are read.")
        unpickler = _Unpickler(io.BytesIO(archive.read(entries["data.pkl"])))
        found = unpickler.load()
        storages = {
            key: np.frombuffer(archive.read(entries[f"data/{key}"]), dtype, count)
            for key, (dtype, _, count) in unpickler.storages.items()
        }
    return found, storages


def _read_stream(data: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    stream = io.BytesIO(data)
    header = [_Unpickler(stream).load() for _ in range(3)]
    if header[:2] != [_MAGIC, _PROTOCOL] or header[2].get("little_endian") is not True:
        raise ValueError("Not a file of torch, or not a little-endian one.")
    unpickler = _Unpickler(stream)
    found = unpickler.load()
    storages = {}
    for key in _Unpickler(stream).load():
        dtype, _, count = unpickler.storages[key]
        if int.from_bytes(stream.read(8), "little") != count:
            raise ValueError(f"The storage {key!r} has not the {count} elements it should have.")
        storages[key] = np.frombuffer(data, dtype, count, offset=stream.tell())
        stream.seek(storages[key].nbytes, os.SEEK_CUR)
    return found, storages


def _array(tensor: Any, storages: dict[str, np.ndarray]) -> np.ndarray:
    if not isinstance(tensor, _Tensor):
        raise ValueError(f"Wanted a tensor. Received: {type(tensor).__name__}")
    values = storages[tensor.storage.key]
    size, stride = tensor.size, tensor.stride
    last = tensor.offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if (
        min(tensor.offset, *size, *stride, 0) < 0
        or math.prod(size) > len(values)
        or (0 not in size and last >= len(values))
    ):
        raise ValueError(f"A tensor reaches beyond its storage. Received: {tensor}")
    return np.lib.stride_tricks.as_strided(
        values[tensor.offset :], size, [s * values.itemsize for s in stride], writeable=False
    )

"""Exports opened in their own runtimes: do they make Keras' images, and how fast?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_gan_zoo.export import convert

CHECKED_IMAGES = 64
# (largest, mean) absolute difference that is allowed; those of other formats: convert.FORMATS
SAVED_MODEL_TOLERANCE = {"float32": (1e-4, 1e-5), "bfloat16": (0.5, 2e-2)}

Runner = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """One export beside Keras.

    Attributes:
        format: such as `"onnx"`.
        file: what was opened, relative to the version's folder; "" for the SavedModel.
        bytes: its size.
        max_abs, mean_abs: difference of its images from Keras' float32 ones, in [-1, 1].
        max_allowed, mean_allowed: the tolerances.
        images: how many were compared.
    """

    format: str
    file: str
    bytes: int
    max_abs: float
    mean_abs: float
    max_allowed: float
    mean_allowed: float
    images: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class ExportMismatchError(RuntimeError):
    """An export that does not give the images of the model it was made of."""


def open_export(
    folder: str | Path, name: str = "saved_model", precision: str = "float32"
) -> Runner:
    """Open an export in its own runtime.

    Args:
        folder: the version's folder, `path/<version>`.
        name: a format in it.
        precision: what OpenVINO computes in: left alone it takes bfloat16 where the CPU has it.
            The other formats say themselves what they compute in.

    Returns:
        `run(z, labels=None)` -> float32 images `(b, h, w, c)`. z float32 `(b, latent_dim)`, labels
        int32 `(b,)`; for a static batch size b is that size.

    Raises:
        ImportError: the runtime is not installed.
        FileNotFoundError: the export is not there.

    Example:

    ```python
    run = open_export("served/dcgan/1", "openvino")
    images = run(np.zeros((4, 100), np.float32))
    ```
    """
    folder = Path(folder)
    path = folder / ("saved_model.pb" if name == "saved_model" else convert.require(name).file)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {name} export in {folder}: no file {path.name}.")
    if name == "saved_model":
        return _open_saved_model(folder)
    if name == "onnx":
        return _open_onnx(path)
    return _open_openvino(path, precision) if name == "openvino" else _open_litert(path)


def _inputs(z: Any, labels: Any) -> dict[str, Any]:
    inputs = {"z": np.asarray(z, np.float32)}
    return inputs if labels is None else inputs | {"labels": np.asarray(labels, np.int32)}


def _open_saved_model(folder: Path) -> Runner:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]

    def run(z: Any, labels: Any = None) -> np.ndarray:
        inputs = {key: tf.constant(value) for key, value in _inputs(z, labels).items()}
        return serve(**inputs)["images"].numpy()

    run.keeps = loaded  # a signature does not keep the model that it belongs to

    return run


def _open_onnx(path: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(z: Any, labels: Any = None) -> np.ndarray:
        return session.run(["images"], _inputs(z, labels))[0]

    return run


def _open_openvino(path: Path, precision: str) -> Runner:
    import openvino

    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": hint})
    names = {name for port in model.inputs for name in port.get_names()}

    def run(z: Any, labels: Any = None) -> np.ndarray:
        inputs = {key: value for key, value in _inputs(z, labels).items() if key in names}
        return np.array(model(inputs)["images"])

    return run


def _open_litert(path: Path) -> Runner:
    import os

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
    signature = interpreter.get_signature_runner("serving_default")

    def run(z: Any, labels: Any = None) -> np.ndarray:
        return signature(**_inputs(z, labels))["images"]

    run.keeps = interpreter

    return run


def compare(
    gan: Any, folder: str | Path, formats: Sequence[str], batch_size: int | None, precision: str
) -> list[Comparison]:
    """Open each format in its own runtime and compare 64 images of seed 0 with Keras'.

    Args:
        gan: the GAN that was exported.
        folder: the version's folder.
        formats: which are in it.
        batch_size, precision: as it was exported with.

    Raises:
        ExportMismatchError: a format is further off than its tolerance, or not finite.
    """
    from keras_gan_zoo.training import latents

    folder = Path(folder)
    n = -(-CHECKED_IMAGES // (batch_size or 1)) * (batch_size or 1)
    z = latents.latents(n, gan.latent_dim, 0).numpy()
    labels = None
    if gan.num_classes is not None:
        labels = latents.labels(n, gan.num_classes, 0).numpy()
    expected = gan.sample(n, seed=0)  # draws the same z and labels
    scale = max(1.0, float(np.abs(expected).max()))  # points of a toy mixture go beyond [-1, 1]
    found = []
    for name in formats:
        allowed = _tolerance(name, precision)
        run = open_export(folder, name, precision)
        images = run_all(run, z, labels, block_size(name, batch_size))
        difference = np.abs(images.astype(np.float64) - expected) / scale
        row = Comparison(
            name,
            "" if name == "saved_model" else convert.FORMATS[name].file,
            size(folder, name),
            float(difference.max()),
            float(difference.mean()),
            *allowed,
            n,
        )
        if not (row.max_abs <= row.max_allowed and row.mean_abs <= row.mean_allowed):
            raise ExportMismatchError(
                f"The {name} export gives other images than Keras: they are off by up to "
                f"{row.max_abs:.3g} (at most {row.max_allowed:g} is allowed) and by "
                f"{row.mean_abs:.3g} on average (at most {row.mean_allowed:g}). Nothing was kept."
            )
        found.append(row)
    return found


def _tolerance(name: str, precision: str) -> tuple[float, float]:
    if name == "saved_model" or precision == "bfloat16":
        return SAVED_MODEL_TOLERANCE[precision]
    return convert.FORMATS[name].max_abs, convert.FORMATS[name].mean_abs


def block_size(name: str, batch_size: int | None) -> int | None:
    """Rows that a format takes at once; None for any number."""
    return (batch_size or 1) if name.startswith("litert") else batch_size


def run_all(run: Runner, z: np.ndarray, labels: Any, block: int | None) -> np.ndarray:
    """Images of all rows, `block` at a time."""
    if block is None:
        return run(z, labels)
    parts = [
        run(z[i : i + block], None if labels is None else labels[i : i + block])
        for i in range(0, len(z), block)
    ]
    return np.concatenate(parts)


def size(folder: Path, name: str) -> int:
    """Bytes of one export."""
    if name == "saved_model":
        paths = [folder / "saved_model.pb", *(folder / "variables").glob("*")]
    else:
        path = folder / convert.FORMATS[name].file
        paths = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    return sum(p.stat().st_size for p in paths)


def images_per_second(
    run: Runner, z: np.ndarray, labels: Any = None, block: int | None = None, seconds: float = 1.0
) -> float:
    """Images a second of a runner: the best of five spans, after a warm-up.

    Args:
        run: of `open_export`.
        z: `(b, latent_dim)`, the rows of one timed call of `run_all`.
        labels, block: as in `run_all`.
        seconds: how long to measure in all.
    """
    run_all(run, z, labels, block)
    best = 0.0
    for _ in range(5):
        begin, done = time.perf_counter(), 0
        while (spent := time.perf_counter() - begin) < seconds / 5 or not done:
            run_all(run, z, labels, block)
            done += 1
        spent = time.perf_counter() - begin
        best = max(best, done * len(z) / spent)
    return best

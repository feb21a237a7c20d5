"""Generators as ONNX, LiteRT and OpenVINO files.

Every converter gets the same graph: the folded generator, its weights as constants, from `z`
(and `labels`) to `images`. Drawing z from a seed is left to the caller: `golden.npz` of a preset
and `keras_gan_zoo.training.latents.latents` show the numbers of a seed.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_gan_zoo.export.fold import bounded
from keras_gan_zoo.export.saved_model import frozen, quiet, specs
from keras_gan_zoo.training import latents

OPSET = 18
_REPRESENTATIVE = 256


@dataclass(frozen=True)
class Format:
    """One converted form of a generator.

    Attributes:
        file: its name in the version's folder.
        extra: the optional extra of this package that brings converter and runtime.
        modules: what must be importable.
        max_abs, mean_abs: how far its images may be off those of Keras, which are in [-1, 1].
    """

    file: str
    extra: str
    modules: tuple[str, ...]
    max_abs: float
    mean_abs: float


FORMATS: dict[str, Format] = {
    "onnx": Format("generator.onnx", "onnx", ("tf2onnx", "onnxruntime"), 1e-4, 1e-5),
    "litert": Format("generator.tflite", "litert", ("ai_edge_litert",), 1e-4, 1e-5),
    "litert_float16": Format("generator_float16.tflite", "litert", ("ai_edge_litert",), 5e-2, 2e-3),
    "litert_int8": Format("generator_int8.tflite", "litert", ("ai_edge_litert",), 1.0, 0.05),
    "openvino": Format("generator.xml", "openvino", ("openvino",), 1e-4, 1e-5),
}


def require(name: str) -> Format:
    """The format, if its packages are installed.

    Raises:
        ImportError: names what is missing and the command that installs it.
    """
    known = FORMATS[name]
    missing = [m for m in known.modules if importlib.util.find_spec(m) is None]
    if missing:
        raise ImportError(
            f"The export format {name!r} needs {' and '.join(missing)}: "
            f"pip install keras-gan-zoo[{known.extra}]"
        )
    return known


def convert(name: str, gan: Any, network: Any, folder: Path, batch_size: int | None) -> Path:
    """Write one format into `folder`.

    Args:
        name: of `FORMATS`.
        gan: the GAN, for its shapes and latents.
        network: its folded generator.
        folder: where to write.
        batch_size: images a call; None for any number. LiteRT files take 1 then: their fast
            kernels need static shapes.

    Returns:
        The file.

    Raises:
        ImportError: see `require`.
        ValueError: LiteRT has no kernel for an operation of the generator.
    """
    path = folder / require(name).file
    writers: dict[str, Callable[..., None]] = {"onnx": _onnx, "openvino": _openvino}
    with quiet():
        if name in writers:
            writers[name](gan, network, path, batch_size)
        else:
            _litert(gan, network, path, batch_size or 1, name.partition("_")[2])
    return path


def _function(gan: Any, network: Any, batch_size: int | None) -> Any:
    """z[, labels] -> {"images"} as a concrete function of constants."""
    inputs = specs(gan, batch_size)
    images = frozen(network, inputs)
    return tf.function(
        lambda *values: {"images": images(*values)}, autograph=False, input_signature=inputs
    )


def _onnx(gan: Any, network: Any, path: Path, batch_size: int | None) -> None:
    import tf2onnx

    function = _function(gan, network, batch_size)
    tf2onnx.convert.from_function(
        function, function.input_signature, opset=OPSET, output_path=str(path)
    )


def _openvino(gan: Any, network: Any, path: Path, batch_size: int | None) -> None:
    import openvino

    model = openvino.convert_model(_function(gan, network, batch_size).get_concrete_function())
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _litert(gan: Any, network: Any, path: Path, batch_size: int, mode: str) -> None:
    function = _function(gan, bounded(network) if mode == "int8" else network, batch_size)
    module = tf.Module()
    module.function = function
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=function)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if mode:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        elif mode == "int8":
            converter.representative_dataset = lambda: representative(gan, batch_size)
        try:
            content = converter.convert()
        except Exception as error:  # the converter's error class is not public
            operations = sorted(set(re.findall(r"\btf\.([A-Z]\w+)", str(error))))
            if not operations:
                raise
            raise ValueError(
                f"LiteRT has no kernels for {', '.join(operations)}, which this generator uses. "
                "Export it as onnx or openvino."
            ) from error
        path.write_bytes(content)


def representative(gan: Any, batch_size: int, n: int = _REPRESENTATIVE) -> Iterator[dict[str, Any]]:
    """The generator's own latents (and labels), from which int8 ranges are measured.

    Args:
        gan: the GAN.
        batch_size: rows of each batch.
        n: rows in all, rounded up to whole batches.
    """
    batches = -(-n // batch_size)
    z = latents.latents(batches * batch_size, gan.latent_dim, 0).numpy()
    parts = {"z": z.reshape(batches, batch_size, -1)}
    if gan.num_classes is not None:
        labels = latents.labels(batches * batch_size, gan.num_classes, 0).numpy()
        parts["labels"] = labels.reshape(batches, batch_size)
    for i in range(batches):
        yield {key: value[i] for key, value in parts.items()}

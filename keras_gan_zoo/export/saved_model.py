"""SavedModels with named signatures, laid out for TF Serving."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_gan_zoo.training import latents

WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the converters' warnings about their own deprecations."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def specs(gan: Any, batch_size: int | None) -> list[tf.TensorSpec]:
    """What the generator takes: `z` float32 `(b, latent_dim)` and, conditional, `labels` int32."""
    z = tf.TensorSpec([batch_size, gan.latent_dim], tf.float32, name="z")
    labels = tf.TensorSpec([batch_size], tf.int32, name="labels")
    return [z] if gan.num_classes is None else [z, labels]


def frozen(network: Any, inputs: Sequence[tf.TensorSpec]) -> Any:
    """A generator as a graph function of constants: `(z[, labels])` -> float32 images.

    TensorFlow folds and fuses constants, which it cannot do with variables.
    """

    def images(*values: Any) -> Any:
        made = network(list(values) if len(values) > 1 else values[0], training=False)
        return tf.cast(made, tf.float32)

    return _freeze(images, inputs)


def _freeze(function: Any, inputs: Sequence[tf.TensorSpec]) -> Any:
    concrete = tf.function(function, autograph=False).get_concrete_function(*inputs)
    constant = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    shape = concrete.outputs[0].shape

    def call(*values: Any) -> Any:
        return tf.ensure_shape(constant(*values)[0], shape)

    return call


def write(
    gan: Any,
    network: Any,
    folder: Path,
    *,
    batch_size: int | None,
    jit_compile: bool,
    max_images: int,
    name: str,
) -> None:
    """Write the SavedModel and its warm-up requests into an empty folder.

    Args:
        gan: the GAN; its discriminator is exported as it is.
        network: its generator, folded.
        folder: where to write.
        batch_size, jit_compile, max_images: as in `export`.
        name: of the model, in the warm-up requests.
    """
    signatures = Signatures(gan, network, batch_size, jit_compile, max_images)
    module = tf.Module()
    module.functions = list(signatures.functions.values())
    with quiet():
        tf.saved_model.save(
            module,
            str(folder),
            signatures=signatures.functions,
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
    write_warmup(folder / WARMUP, name, signatures.examples())


class Signatures:
    """The functions of a SavedModel by name; `export` documents them."""

    def __init__(
        self,
        gan: Any,
        network: Any,
        batch_size: int | None,
        jit_compile: bool,
        max_images: int,
    ) -> None:
        self.gan = gan
        self.batch_size = batch_size
        self.max_images = max_images
        self.inputs = specs(gan, batch_size)
        make = frozen(network, self.inputs)
        self._make = tf.function(make, autograph=False, jit_compile=jit_compile)
        labelled_d = len(gan.discriminator.inputs) > 1
        images = tf.TensorSpec([batch_size, *gan.image_shape], tf.float32, name="images")
        judged = [images, *(self.inputs[1:] if labelled_d else [])]
        logits = _freeze(lambda *values: gan.discriminate(*values, training=False), judged)
        self._discriminate = tf.function(logits, autograph=False, jit_compile=jit_compile)

        seed = tf.TensorSpec([], tf.int64, name="seed")
        n = tf.TensorSpec([], tf.int32, name="n")
        truncation = tf.TensorSpec([], tf.float32, name="truncation")
        chosen = [] if gan.num_classes is None else [tf.TensorSpec([None], tf.int32, name="labels")]
        drawn = [seed, n, truncation, *chosen]
        self.functions = {
            "serving_default": self._signature(self._serve, self.inputs),
            "discriminate": self._signature(self._judge, judged),
            "sample": self._signature(self._sample, [seed, n]),
            "sample_uint8": self._signature(self._sample_uint8, drawn),
            "sample_float": self._signature(self._sample_float, drawn),
        }
        if len(gan.image_shape) == 3 and gan.image_shape[-1] <= 4:
            self.functions["sample_png"] = self._signature(self._sample_png, drawn)

    def examples(self) -> dict[str, dict[str, Any]]:
        """One request for each signature that a server is asked for first."""
        b = self.batch_size or 1
        serve: dict[str, Any] = {"z": np.zeros((b, self.gan.latent_dim), np.float32)}
        if self.gan.num_classes is not None:
            serve["labels"] = np.zeros(b, np.int32)
        return {
            "serving_default": serve,
            "sample": {"seed": np.int64(0), "n": np.int32(1)},
        }

    @staticmethod
    def _signature(function: Any, inputs: Sequence[tf.TensorSpec]) -> Any:
        return tf.function(function, autograph=False, input_signature=list(inputs))

    def _serve(self, z: Any, labels: Any = None) -> dict[str, Any]:
        return {"images": self._images(z, labels)}

    def _judge(self, images: Any, labels: Any = None) -> dict[str, Any]:
        return {"logits": self._discriminate(*_given(images, self._checked(labels)))}

    def _sample(self, seed: Any, n: Any) -> dict[str, Any]:
        return {"images": _uint8(self._draw(seed, n, None, None))}

    def _sample_uint8(
        self, seed: Any, n: Any, truncation: Any, labels: Any = None
    ) -> dict[str, Any]:
        return {"images": _uint8(self._draw(seed, n, truncation, labels))}

    def _sample_float(
        self, seed: Any, n: Any, truncation: Any, labels: Any = None
    ) -> dict[str, Any]:
        return {"images": self._draw(seed, n, truncation, labels)}

    def _sample_png(self, seed: Any, n: Any, truncation: Any, labels: Any = None) -> dict[str, Any]:
        return {"image_bytes": tf.io.encode_png(_uint8(self._draw(seed, n, truncation, labels)))}

    def _draw(self, seed: Any, n: Any, truncation: Any, labels: Any) -> Any:
        """Images of a seed, in blocks of the batch size where that is static."""
        limit = self.max_images
        checks = [
            tf.debugging.assert_positive(n, "n must be at least 1"),
            tf.debugging.assert_less_equal(n, limit, f"n must be at most {limit}"),
        ]
        if truncation is not None:
            fits = tf.logical_and(truncation > 0.0, truncation <= 1.0)
            checks.append(tf.debugging.Assert(fits, ["truncation must be above 0 and at most 1"]))
        if labels is not None:
            given = tf.size(labels)
            fits = tf.logical_or(tf.equal(given, 1), tf.equal(given, n))
            checks.append(tf.debugging.Assert(fits, ["labels must be of length 1 or n"]))
        with tf.control_dependencies(checks):
            n = tf.identity(n)
        block = self.batch_size or n
        padded = -(-n // block) * block
        z = latents.latents(padded, self.gan.latent_dim, seed)
        z = z if truncation is None else z * truncation
        if self.gan.num_classes is not None:
            if labels is None:
                labels = latents.labels(padded, self.gan.num_classes, seed)
            else:
                labels = tf.broadcast_to(labels, [n])
                labels = tf.pad(labels, [[0, padded - n]])
        if self.batch_size is None:
            return self._images(z, labels)
        blocks = [tf.reshape(z, [-1, self.batch_size, self.gan.latent_dim])]
        if labels is not None:
            blocks.append(tf.reshape(labels, [-1, self.batch_size]))
        images = tf.map_fn(
            lambda parts: self._images(*parts), tuple(blocks), fn_output_signature=tf.float32
        )
        return tf.reshape(images, [-1, *self.gan.image_shape])[:n]

    def _images(self, z: Any, labels: Any = None) -> Any:
        return self._make(*_given(z, self._checked(labels)))

    def _checked(self, labels: Any) -> Any:
        if labels is None:
            return None
        known = tf.logical_and(labels >= 0, labels < self.gan.num_classes)
        message = f"labels must be in 0 .. {self.gan.num_classes - 1}"
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(known), [message])]):
            return tf.identity(labels)


def _given(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]


def _uint8(images: Any) -> Any:
    """[-1, 1] -> 0..255, as `pictures.to_uint8` does."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0), tf.uint8)


def write_warmup(path: Path, name: str, examples: dict[str, dict[str, Any]]) -> None:
    """Write `tf_serving_warmup_requests`: a TFRecord file of PredictionLog messages.

    TF Serving runs them when it loads the model, so that the first client does not wait. The
    messages are written in protobuf's wire format: TF Serving's own classes are not needed.

    Args:
        path: of the file, `assets.extra/tf_serving_warmup_requests` in the version's folder.
        name: of the model.
        examples: signature name -> input name -> NumPy value.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in examples.items():
            spec = _field(1, name.encode()) + _field(3, signature.encode())
            request = _field(1, spec)  # PredictRequest.model_spec
            for key, value in inputs.items():
                tensor = tf.make_tensor_proto(value).SerializeToString()
                request += _field(2, _field(1, key.encode()) + _field(2, tensor))  # .inputs
            writer.write(_field(6, _field(1, request)))  # PredictionLog.predict_log.request


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])

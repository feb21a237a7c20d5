"""A generator made ready for inference: BatchNormalization folded into the layer before it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_gan_zoo.layers import NarrowConv2D

PRECISIONS = ("float32", "bfloat16")
# Layers through which a per-channel scale and shift passes unchanged.
_SHAPE_ONLY = (layers.Reshape, layers.Cropping2D, layers.UpSampling2D, layers.Identity)
_LINEAR = (layers.Dense, layers.Conv2D, layers.Conv2DTranspose)
_STEEP, _SHIFT = 0.75, 3.0  # [-4, 4] to [0, 6]


def fold(generator: Any, precision: str = "float32") -> Any:
    """A copy of a generator without the BatchNormalization that follows a linear layer.

    At inference BatchNormalization is y = s x + t for each channel, with
    s = gamma / sqrt(variance + epsilon) and t = beta - s mean: a Dense, Conv2D or Conv2DTranspose
    in front of it takes s into its kernel and t into its bias, also through a reshape, a crop or
    an upsampling in between. A BatchNormalization behind anything else (a sum, an activation)
    stays. The arithmetic is done in float64.

    Args:
        generator: a functional Keras model; another kind of model is returned as it is.
        precision: `"bfloat16"` stores and computes everything but the last layers in bfloat16.

    Returns:
        A functional Keras model with the same inputs and outputs.

    Raises:
        ValueError: an unknown precision, or bfloat16 for a model that is not functional.

    Example:

    ```python
    network = fold(gan.generator)
    images = network(z, training=False)
    ```

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}. Received: {precision!r}")
    if not _is_functional(generator):
        if precision != "float32":
            raise ValueError(
                f"precision={precision!r} needs a functional Keras model as the generator. "
                f"Received: {type(generator).__name__}"
            )
        return generator
    fresh = keras.models.clone_model(generator)  # a graph in which every layer is called once
    pairs = _foldable(fresh)
    norms = {norm for _, norm in pairs}
    biased = {linear for linear, _ in pairs}
    kept = _last_layers(fresh) if precision == "bfloat16" else None

    def clone(layer: Any) -> Any:
        if not isinstance(layer, layers.Layer):  # an operation such as x / 2
            return layer
        if isinstance(layer, keras.Model):  # a network within the network stays as it is
            return keras.models.clone_model(layer)
        config = layer.get_config()
        policy = layer.dtype_policy.name
        if kept is not None and layer.name not in kept:
            if not isinstance(layer, layers.InputLayer):
                policy = "bfloat16"
        if layer.name in biased:
            config["use_bias"] = True
        if not isinstance(layer, layers.InputLayer):
            config["dtype"] = policy
        return type(layer).from_config(config)

    def call(layer: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        return x if layer.name in norms else layer(x, *args, **kwargs)

    network = keras.models.clone_model(fresh, clone_function=clone, call_function=call)
    sources = {layer.name: layer for layer in generator.layers}
    for layer in (x for x in network.layers if x.weights):
        source = sources[layer.name]
        values = [np.asarray(ops.convert_to_numpy(ops.cast(w, "float32"))) for w in source.weights]
        norm = next((sources[n] for name, n in pairs if name == layer.name), None)
        if norm is not None:
            values = _folded(source, norm)
        for variable, value in zip(layer.weights, values, strict=True):
            variable.assign(ops.cast(value, variable.dtype))
    network.trainable = False
    return network


def bounded(network: Any) -> Any:
    """A copy of a generator whose last tanh sees [-4, 4] only: the form for 8-bit integers.

    Where images are black a trained generator's last layer gives -100, and 8 bits spread over
    [-100, 100] leave three numbers for all greys. Here x is computed as relu6(3/4 x + 3), scale and
    shift in the layer's weights and the clip in its integer kernel; tanh(4/3 y - 4) follows, which
    differs from tanh(x) by less than 7e-4.

    Args:
        network: a generator; one that does not end in a tanh behind a linear layer (reshapes may
            follow) is returned as it is.

    Returns:
        A functional Keras model with the same inputs and outputs.
    """
    found = _last_tanh(network) if _is_functional(network) else None
    if found is None:
        return network
    linear, tanh = found
    squash = layers.Activation("tanh", name=f"{linear}_bounded_tanh")
    widen = layers.Rescaling(1.0 / _STEEP, offset=-_SHIFT / _STEEP, name=f"{linear}_bounded")

    def clone(layer: Any) -> Any:
        if not isinstance(layer, layers.Layer):
            return layer
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer)
        config = layer.get_config()
        if layer.name != linear:
            return type(layer).from_config(config)
        kind = layers.Conv2D if isinstance(layer, NarrowConv2D) else type(layer)
        return kind.from_config({**config, "activation": "relu6", "use_bias": True})

    def call(layer: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name == tanh != linear:
            return squash(x)
        y = layer(x, *args, **kwargs)
        if layer.name != linear:
            return y
        return widen(y) if tanh != linear else squash(widen(y))

    copy = keras.models.clone_model(network, clone_function=clone, call_function=call)
    sources = {layer.name: layer for layer in network.layers}
    for layer in (x for x in copy.layers if x.weights):
        values = sources[layer.name].get_weights()
        if layer.name == linear:
            kernel, *bias = values
            bias = bias[0] if bias else np.zeros(layer.bias.shape, np.float32)
            values = [_STEEP * kernel, _STEEP * bias + _SHIFT]
        layer.set_weights(values)
    copy.trainable = False
    return copy


def _last_tanh(model: Any) -> tuple[str, str] | None:
    """Names of the linear layer in front of the last tanh and of the layer that applies it."""
    if len(model.outputs) != 1:
        return None
    layer = model.outputs[0]._keras_history.operation
    while isinstance(layer, _SHAPE_ONLY) and len(layer._inbound_nodes) == 1:
        layer = _producer(layer)
    tanh = layer
    if isinstance(layer, layers.Activation):
        layer = _producer(layer)
    own = keras.activations.tanh if layer is tanh else keras.activations.linear
    linear = isinstance(layer, _LINEAR) and layer.activation is own
    squashed = layer is tanh or tanh.activation is keras.activations.tanh
    once = all(len(x._inbound_nodes) == 1 for x in (layer, tanh)) and len(layer._outbound_nodes) < 2
    return (layer.name, tanh.name) if linear and squashed and once else None


def _is_functional(model: Any) -> bool:
    x = keras.Input((1,))
    return isinstance(model, type(keras.Model(x, x)))


def _foldable(model: Any) -> list[tuple[str, str]]:
    """Names of (linear layer, the BatchNormalization to fold into it)."""
    found = []
    for norm in model.layers:
        if not isinstance(norm, layers.BatchNormalization) or len(norm.input.shape) not in (2, 4):
            continue
        channels = norm.input.shape[-1]
        if norm.axis not in (-1, len(norm.input.shape) - 1):
            continue
        layer = _producer(norm)
        while isinstance(layer, _SHAPE_ONLY) and _only_consumer(layer):
            if layer.output.shape[-1] != channels:
                break
            layer = _producer(layer)
        if isinstance(layer, _LINEAR) and _only_consumer(layer):
            plain = getattr(layer, "data_format", "channels_last") == "channels_last"
            grouped = getattr(layer, "groups", 1) > 1 and isinstance(layer, layers.Conv2DTranspose)
            if layer.activation is keras.activations.linear and plain and not grouped:
                found.append((layer.name, norm.name))
    return found


def _producer(layer: Any) -> Any:
    return layer._inbound_nodes[0].input_tensors[0]._keras_history.operation


def _only_consumer(layer: Any) -> bool:
    return len(layer._inbound_nodes) == 1 and len(layer._outbound_nodes) == 1


def _folded(layer: Any, norm: Any) -> list[np.ndarray]:
    """Kernel and bias of `layer` followed by `norm`, float32."""

    def array(variable: Any) -> np.ndarray:
        return np.asarray(ops.convert_to_numpy(ops.cast(variable, "float32")), np.float64)

    mean, variance = array(norm.moving_mean), array(norm.moving_variance)
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    scale = scale * array(norm.gamma) if norm.scale else scale
    shift = -mean * scale + (array(norm.beta) if norm.center else 0.0)
    kernel = array(layer.kernel)
    outputs = kernel.shape[2] if isinstance(layer, layers.Conv2DTranspose) else kernel.shape[-1]
    repeat = outputs // len(scale)  # a dense layer that is reshaped to (h, w, channels)
    scale, shift = np.tile(scale, repeat), np.tile(shift, repeat)
    bias = array(layer.bias) if layer.use_bias else np.zeros(outputs)
    last = not isinstance(layer, layers.Conv2DTranspose)
    kernel = kernel * (scale if last else scale[:, None])
    return [kernel.astype(np.float32), (bias * scale + shift).astype(np.float32)]


def _last_layers(model: Any) -> set[str]:
    """Names of the layers that stay float32: the last that computes, and reshapes behind it."""
    kept = set()
    for tensor in model.outputs:
        layer = tensor._keras_history.operation
        while isinstance(layer, _SHAPE_ONLY):
            kept.add(layer.name)
            layer = _producer(layer)
        kept.add(layer.name)
    return kept

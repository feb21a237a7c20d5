"""Fully connected networks, for images of any shape and for points.

Source: Goodfellow et al., "Generative Adversarial Nets", 2014, section 5: rectifier generator,
maxout discriminator with dropout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.layers import BatchNormalization, Maxout, Pack


def _dense(
    units: int, gain: float | None, initializer: str = "glorot_uniform", **options: Any
) -> keras.layers.Dense:
    start = initializer if gain is None else keras.initializers.Orthogonal(gain)
    return keras.layers.Dense(units, kernel_initializer=start, **options)


def generator(
    image_shape: Sequence[int],
    latent_dim: int = 100,
    width: int = 1200,
    depth: int = 2,
    activation: str = "relu",
    gain: float | None = None,
    normalise: bool = False,
) -> keras.Model:
    """z `(b, latent_dim)` -> images in [-1, 1] (tanh), or points `(b, d)` (linear).

    Args:
        image_shape: `(h, w, c)` or `(d,)`.
        latent_dim: width of z.
        width, depth: units of each hidden layer and number of them.
        activation: of the hidden layers.
        gain: start from orthogonal weights of this gain; None: from He's and Glorot's.
        normalise: BatchNormalization in the hidden layers, in front of the activation.
    """
    shape = tuple(image_shape)
    z = keras.Input((latent_dim,), name="z")
    x = z
    for _ in range(depth):
        if normalise:
            x = _dense(width, gain, "he_normal", use_bias=False)(x)
            x = keras.layers.Activation(activation)(BatchNormalization(momentum=0.9)(x))
        else:
            x = _dense(width, gain, "he_normal", activation=activation)(x)
    last = "tanh" if len(shape) > 1 else None
    x = _dense(math.prod(shape), gain, activation=last, dtype="float32")(x)
    if len(shape) > 1:
        x = keras.layers.Reshape(shape, dtype="float32")(x)
    return keras.Model(z, x, name="generator")


def discriminator(
    image_shape: Sequence[int],
    width: int = 240,
    depth: int = 2,
    pieces: int = 5,
    dropout: float = 0.0,
    activation: str | None = None,
    gain: float | None = None,
    pack: int = 1,
    scale: float = 1.0,
) -> keras.Model:
    """Images or points -> logits `(b, 1)`, float32.

    Args:
        image_shape: `(h, w, c)` or `(d,)`.
        width, depth: units of each hidden layer and number of them.
        pieces: linear pieces of each maxout unit.
        dropout: rate behind each hidden layer.
        activation: of hidden layers of plain units; None: maxout units.
        gain: as for `generator`.
        pack: examples that are judged together, see `layers.Pack`: logits `(b / pack, 1)`.
        scale: factor of the inputs, for points far from 0.
    """
    images = keras.Input(tuple(image_shape), name="images")
    x = keras.layers.Rescaling(scale)(images) if scale != 1 else images
    x = Pack(pack)(x) if pack != 1 else x
    x = keras.layers.Flatten()(x) if len(image_shape) > 1 else x
    for _ in range(depth):
        if activation is None:
            x = Maxout(pieces)(_dense(width * pieces, gain)(x))
        else:
            x = _dense(width, gain, activation=activation)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    logits = _dense(1, gain, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="discriminator")

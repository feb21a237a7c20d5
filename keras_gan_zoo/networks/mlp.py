"""Fully connected networks, for images of any shape and for points.

Source: Goodfellow et al., "Generative Adversarial Nets", 2014, section 5: rectifier generator,
maxout discriminator with dropout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_gan_zoo.layers import Maxout


def generator(
    image_shape: Sequence[int],
    latent_dim: int = 100,
    width: int = 1200,
    depth: int = 2,
    activation: str = "relu",
) -> keras.Model:
    """z `(b, latent_dim)` -> images in [-1, 1] (tanh), or points `(b, d)` (linear).

    Args:
        image_shape: `(h, w, c)` or `(d,)`.
        latent_dim: width of z.
        width, depth: units of each hidden layer and number of them.
        activation: of the hidden layers.
    """
    shape = tuple(image_shape)
    z = keras.Input((latent_dim,), name="z")
    x = z
    for _ in range(depth):
        x = keras.layers.Dense(width, activation=activation, kernel_initializer="he_normal")(x)
    last = "tanh" if len(shape) > 1 else None
    x = keras.layers.Dense(math.prod(shape), activation=last, dtype="float32")(x)
    if len(shape) > 1:
        x = keras.layers.Reshape(shape, dtype="float32")(x)
    return keras.Model(z, x, name="generator")


def discriminator(
    image_shape: Sequence[int],
    width: int = 240,
    depth: int = 2,
    pieces: int = 5,
    dropout: float = 0.0,
) -> keras.Model:
    """Images or points -> logits `(b, 1)`, float32.

    Args:
        image_shape: `(h, w, c)` or `(d,)`.
        width, depth: maxout units of each hidden layer and number of them.
        pieces: linear pieces of each maxout unit.
        dropout: rate behind each hidden layer.
    """
    images = keras.Input(tuple(image_shape), name="images")
    x = keras.layers.Flatten()(images) if len(image_shape) > 1 else images
    for _ in range(depth):
        x = Maxout(pieces)(keras.layers.Dense(width * pieces)(x))
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    logits = keras.layers.Dense(1, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="discriminator")

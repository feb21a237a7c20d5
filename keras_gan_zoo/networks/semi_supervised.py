"""The networks of the semi-supervised classifier of Salimans et al. (2016) on MNIST.

Source: the authors' MNIST program (feature matching). Images enter in [-1, 1] and are brought to
the authors' [0, 1] first, so that the noise has their size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_gan_zoo.layers import BatchNormalization, GaussianNoise, WeightNormalization

NOISE = 0.5


def generator(image_shape: Sequence[int], latent_dim: int = 100, width: int = 500) -> keras.Model:
    """z `(b, latent_dim)` -> images in [-1, 1], or points: two hidden layers, BatchNormalization,
    softplus.

    BatchNormalization learns no scale. The last layer is weight-normalised.

    Args:
        image_shape: `(h, w, c)`; for points `(d,)`, of any size.
        latent_dim: width of z.
        width: units of the hidden layers.
    """
    x = z = keras.Input((latent_dim,), name="z")
    for _ in range(2):
        x = keras.layers.Dense(width, use_bias=False)(x)
        x = BatchNormalization(momentum=0.9, epsilon=1e-6, scale=False)(x)
        x = keras.layers.Activation("softplus")(x)
    points = len(image_shape) == 1
    last = keras.layers.Dense(
        math.prod(image_shape), activation=None if points else "sigmoid", dtype="float32"
    )
    x = WeightNormalization(last, dtype="float32")(x)
    if points:
        return keras.Model(z, x, name="generator")
    x = keras.layers.Rescaling(2.0, offset=-1.0, dtype="float32")(x)
    images = keras.layers.Reshape(tuple(image_shape), dtype="float32")(x)
    return keras.Model(z, images, name="generator")


def classifier(image_shape: Sequence[int], num_classes: int = 10, width: int = 1000) -> keras.Model:
    """Images -> class logits `(b, num_classes)`, float32; the layer "features" is the last hidden.

    Five weight-normalised layers of rectifiers, of width, 1/2, 1/4, 1/4 and 1/4 of it; Gaussian
    noise of .3 on the pixels and of .5 in front of every later layer. The lengths of the hidden
    layers' weights are not trained: call `layers.initialise_weight_norm` before training.

    Args:
        image_shape: `(h, w, c)`.
        num_classes: K.
        width: units of the first hidden layer (the authors' 1000).
    """
    x = images = keras.Input(tuple(image_shape), name="images")
    x = keras.layers.Rescaling(0.5, offset=0.5)(x)
    x = keras.layers.Flatten()(x)
    x = GaussianNoise(0.3)(x)
    for i, share in enumerate((1, 2, 4, 4, 4)):
        dense = keras.layers.Dense(
            max(1, width // share), activation="relu", kernel_initializer=_normal()
        )
        name = "features" if i == 4 else None
        x = WeightNormalization(dense, train_scale=False, name=name)(x)
        x = GaussianNoise(NOISE)(x)
    last = keras.layers.Dense(num_classes, kernel_initializer=_normal(), dtype="float32")
    logits = WeightNormalization(last, dtype="float32", name="classes")(x)
    return keras.Model(images, logits, name="classifier")


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.1)

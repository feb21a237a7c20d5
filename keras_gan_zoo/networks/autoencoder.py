"""Discriminators that are auto-encoders: their "logit" is the error of reconstructing the image.

| | EBGAN | BEGAN |
|---|---|---|
| encoder | strided 4x4 convolutions, BN, leaky ReLU | 3x3 convolutions, ELU, a dense code |
| decoder | transposed convolutions, BN, ReLU, tanh | 3x3 convolutions, ELU, nearest upsampling |
| error | mean of squares | mean of absolute values |

The energy of an image is `(b, 1)`, float32, at least 0, low where the image looks real: such a
network stands where every other discriminator does. The layers `encoder` and `decoder` are models
of their own.

Zhao, Mathieu and LeCun, "Energy-based Generative Adversarial Networks", ICLR 2017, section 2.3;
Berthelot, Schumm and Metz, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", 2017,
figure 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_gan_zoo.layers import BatchNormalization, ReconstructionError
from keras_gan_zoo.networks.sizes import image_sizes


def _energy(
    image_shape: Sequence[int], encoder: keras.Model, decoder: keras.Model, power: int
) -> keras.Model:
    images = keras.Input(tuple(image_shape), name="images")
    energies = ReconstructionError(power, name="energy")([images, decoder(encoder(images))])
    return keras.Model(images, energies, name="discriminator")


def _crop(x: Any, size: int) -> Any:
    extra = x.shape[1] - size
    return keras.layers.Cropping2D(((0, extra), (0, extra)))(x) if extra else x


def ebgan_discriminator(
    image_shape: Sequence[int], width: int = 64, kernel_size: int = 4
) -> keras.Model:
    """Images `(b, h, w, c)` -> energies `(b, 1)`: the mean squared error of an auto-encoder.

    The encoder halves the map down to the smallest of `image_sizes`, the decoder doubles it back.

    Args:
        image_shape: `(size, size, 1 or 3)`, size 16 to 256 and a multiple of 4.
        width: channels of the first feature map; they double with every halving, up to 8 times.
        kernel_size: of all convolutions.

    Raises:
        ValueError: an image shape that the network cannot take.
    """
    sizes = image_sizes(image_shape)
    start = keras.initializers.RandomNormal(0.0, 0.02)
    options = {
        "kernel_size": kernel_size,
        "strides": 2,
        "padding": "same",
        "kernel_initializer": start,
    }

    def channels(level: int) -> int:
        return width * min(2 ** (level - 1), 8)

    def batch_norm(x: Any) -> Any:
        return BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    images = keras.Input(tuple(image_shape), name="images")
    x = images
    for level in range(1, len(sizes)):
        x = keras.layers.Conv2D(channels(level), use_bias=level == 1, **options)(x)
        x = keras.layers.LeakyReLU(0.2)(batch_norm(x) if level > 1 else x)
    encoder = keras.Model(images, x, name="encoder")

    code = keras.Input(x.shape[1:], name="code")
    x = code
    for level in range(len(sizes) - 2, 0, -1):
        x = keras.layers.Conv2DTranspose(channels(level), use_bias=False, **options)(x)
        x = keras.layers.ReLU()(batch_norm(_crop(x, sizes[level])))
    x = _crop(keras.layers.Conv2DTranspose(image_shape[2], **options)(x), sizes[0])
    x = keras.layers.Activation("tanh", dtype="float32")(x)
    return _energy(image_shape, encoder, keras.Model(code, x, name="decoder"), power=2)


def began_discriminator(
    image_shape: Sequence[int], width: int = 64, code_dim: int = 64
) -> keras.Model:
    """Images `(b, h, w, c)` -> energies `(b, 1)`: the mean absolute error of an auto-encoder.

    Every resolution of `image_sizes` has two convolutions; in the encoder the channels grow by
    `width` with every halving, in the decoder they are `width` everywhere.

    Args:
        image_shape: as for `ebgan_discriminator`.
        width: n of the paper (64 to 128).
        code_dim: numbers in the code between encoder and decoder, N_h of the paper.

    Raises:
        ValueError: an image shape that the network cannot take.
    """
    sizes = image_sizes(image_shape)
    images = keras.Input(tuple(image_shape), name="images")
    x = _elu(width)(images)
    for level in range(len(sizes)):
        if level > 0:
            x = _elu(width * (level + 1), strides=2)(x)
        for _ in range(2):
            x = _elu(width * (level + 1))(x)
    encoder = keras.Model(
        images, keras.layers.Dense(code_dim)(keras.layers.Flatten()(x)), name="encoder"
    )
    code = keras.Input((code_dim,), name="code")
    decoder = keras.Model(code, _began_decoder(code, image_shape, width), name="decoder")
    return _energy(image_shape, encoder, decoder, power=1)


def began_generator(
    image_shape: Sequence[int], latent_dim: int = 64, width: int = 64
) -> keras.Model:
    """z `(b, latent_dim)` -> images `(b, h, w, c)` in [-1, 1]: the decoder's layers, then tanh.

    The paper draws z uniformly from [-1, 1]; the normal z of the zoo becomes that by its
    distribution function, erf(z / sqrt 2).

    Args:
        image_shape: as for `ebgan_discriminator`.
        latent_dim: width of z, N_z of the paper.
        width: channels of all maps.

    Raises:
        ValueError: an image shape that the network cannot make.
    """
    z = keras.Input((latent_dim,), name="z")
    x = _began_decoder(ops.erf(z / math.sqrt(2.0)), image_shape, width)
    images = keras.layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(z, images, name="generator")


def _began_decoder(code: Any, image_shape: Sequence[int], width: int) -> Any:
    sizes = image_sizes(image_shape)
    x = keras.layers.Dense(sizes[-1] ** 2 * width)(code)
    x = keras.layers.Reshape((sizes[-1], sizes[-1], width))(x)
    for level in range(len(sizes) - 1, -1, -1):
        if level < len(sizes) - 1:
            x = _crop(keras.layers.UpSampling2D(2, interpolation="nearest")(x), sizes[level])
        for _ in range(2):
            x = _elu(width)(x)
    return keras.layers.Conv2D(image_shape[2], 3, padding="same")(x)


def _elu(channels: int, strides: int = 1) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, 3, strides=strides, padding="same", activation="elu")

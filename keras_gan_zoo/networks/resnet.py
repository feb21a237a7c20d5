"""Residual networks for any square image of 16 to 256 pixels.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018, tables 4 to
6; without spectral normalisation they are those of Gulrajani et al., "Improved Training of
Wasserstein GANs", 2017, appendix F (whose critic averages over the last map instead of adding up).

| | up to 32 pixels | above |
|---|---|---|
| generator | every map has `width` channels (paper: 256) | `width / 4` at the full size, doubling \
with every halving, up to `4 * width` (64 ... 1024) |
| discriminator | every map has `width` channels (paper: 128) | `width / 2` at the full size, \
doubling, up to `8 * width` (64 ... 1024) |

The generator has one block for each doubling (at 32x32: 4 -> 8 -> 16 -> 32). The discriminator has
two blocks that halve the map and two that keep it up to 32 pixels (32 -> 16 -> 8 -> 8 -> 8); above,
one for each halving and one that keeps the last map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.layers import BatchNormalization, SpectralNormalization
from keras_gan_zoo.networks.sizes import image_sizes

_SMALL = 32


def _channels(image_size: int, width: int, level: int, share: int) -> int:
    """Channels of the map that is `level` halvings below the image."""
    if image_size <= _SMALL:
        return width
    return max(1, width // share) * min(2**level, 16)


def _glorot(gain: float) -> keras.initializers.Initializer:
    """Glorot's uniform initialiser with `gain` times its variance: 2 in a branch with ReLUs."""
    return keras.initializers.VarianceScaling(gain, "fan_avg", "uniform")


def _batch_norm() -> keras.layers.Layer:
    return BatchNormalization(momentum=0.9, epsilon=2e-5)


def generator(
    image_shape: Sequence[int], latent_dim: int = 128, width: int = 256, normalise: bool = True
) -> keras.Model:
    """z `(b, latent_dim)` -> images `(b, h, w, c)` in [-1, 1], float32.

    A block is BN, ReLU, upsampling (nearest), 3x3 convolution, BN, ReLU, 3x3 convolution, beside an
    upsampled 1x1 convolution. Convolutions start as Glorot's, with gain sqrt(2) in the main branch.

    Args:
        image_shape: `(size, size, 1 or 3)`, size 16 to 256 and a multiple of 4.
        latent_dim: width of z.
        width: channels, see the module's table.
        normalise: BatchNormalization in the blocks and before the last convolution.

    Raises:
        ValueError: an image shape that the network cannot make.
    """
    sizes = image_sizes(image_shape)
    top = len(sizes) - 1
    z = keras.Input((latent_dim,), name="z")
    channels = _channels(sizes[0], width, top, 4)
    x = keras.layers.Dense(sizes[-1] ** 2 * channels, name="project")(z)
    x = keras.layers.Reshape((sizes[-1], sizes[-1], channels))(x)
    for level in range(top - 1, -1, -1):
        x = _up_block(x, sizes[level], _channels(sizes[0], width, level, 4), normalise)
    x = keras.layers.ReLU()(_batch_norm()(x) if normalise else x)
    x = keras.layers.Conv2D(image_shape[2], 3, padding="same", name="to_image")(x)
    images = keras.layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(z, images, name="generator")


def _upsample(x: Any, size: int) -> Any:
    x = keras.layers.UpSampling2D(2, interpolation="nearest")(x)
    extra = x.shape[1] - size
    return keras.layers.Cropping2D(((0, extra), (0, extra)))(x) if extra else x


def _up_block(x: Any, size: int, channels: int, normalise: bool) -> Any:
    def convolution(gain: float, kernel_size: int = 3) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            channels, kernel_size, padding="same", kernel_initializer=_glorot(gain)
        )

    # a 1x1 convolution and nearest upsampling commute: this order is cheaper
    shortcut = _upsample(convolution(1.0, 1)(x), size)
    x = keras.layers.ReLU()(_batch_norm()(x) if normalise else x)
    x = convolution(2.0)(_upsample(x, size))
    x = keras.layers.ReLU()(_batch_norm()(x) if normalise else x)
    return keras.layers.Add()([convolution(2.0)(x), shortcut])


def discriminator(
    image_shape: Sequence[int],
    width: int = 128,
    spectral: bool = True,
    normalise: bool = False,
) -> keras.Model:
    """Images `(b, h, w, c)` -> logits `(b, 1)`, float32.

    A block is ReLU, 3x3 convolution, ReLU, 3x3 convolution, average pooling, beside a pooled 1x1
    convolution; the first block starts without ReLU. The last map is added up over space.

    Args:
        image_shape: as for `generator`.
        width: channels, see the module's table.
        spectral: every layer with weights is wrapped in `SpectralNormalization`.
        normalise: layer normalisation before each ReLU but the first: over space and channels
            of one image, so that it goes with gradient penalties (Gulrajani et al., section 4).

    Raises:
        ValueError: an image shape that the network cannot take.
    """
    sizes = image_sizes(image_shape)
    images = keras.Input(tuple(image_shape), name="images")
    halvings, kept = (2, 2) if sizes[0] <= _SMALL else (len(sizes) - 1, 1)
    x = images
    for level in range(halvings + kept):
        channels = _channels(sizes[0], width, level, 2)
        x = _down_block(x, channels, level < halvings, level == 0, spectral, normalise)
    pixels = x.shape[1] * x.shape[2]
    x = keras.layers.ReLU()(_layer_norm()(x) if normalise else x)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32")(x)
    x = keras.layers.Rescaling(pixels, dtype="float32", name="sum")(x)
    name = None if spectral else "logits"
    logits = keras.layers.Dense(1, dtype="float32", name=name)
    logits = SpectralNormalization(logits, name="logits") if spectral else logits
    return keras.Model(images, logits(x), name="discriminator")


def _layer_norm() -> keras.layers.Layer:
    return keras.layers.GroupNormalization(groups=1, epsilon=1e-5)


def _down_block(
    x: Any, channels: int, halve: bool, first: bool, spectral: bool, normalise: bool
) -> Any:
    def convolve(x: Any, gain: float, kernel_size: int = 3) -> Any:
        layer = keras.layers.Conv2D(
            channels, kernel_size, padding="same", kernel_initializer=_glorot(gain)
        )
        return (SpectralNormalization(layer) if spectral else layer)(x)

    def activate(x: Any) -> Any:
        return keras.layers.ReLU()(_layer_norm()(x) if normalise else x)

    def pool(x: Any) -> Any:
        return keras.layers.AveragePooling2D(2, padding="same")(x) if halve else x

    # a 1x1 convolution and average pooling commute: this order is cheaper
    shortcut = pool(x)
    if first or halve or x.shape[-1] != channels:
        shortcut = convolve(shortcut, 1.0, 1)
    y = convolve(x if first else activate(x), 2.0)
    y = pool(convolve(activate(y), 2.0))
    return keras.layers.Add()([y, shortcut])

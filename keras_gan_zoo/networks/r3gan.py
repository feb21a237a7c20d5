"""The modern residual networks of R3GAN, for any square image of 16 to 256 pixels.

Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024, section 3
(Config E). Generator and discriminator mirror each other. Every stage has one resolution: a
transition resamples (bilinear), with a 1x1 convolution where the width changes; then come residual
blocks: 1x1 convolution to twice the width, grouped 3x3 convolution, 1x1 convolution back, with a
leaky ReLU of slope .2 after each of the first two. No normalisation, no activation in the residual
stream, biases only in front of activations.

Without normalisation the variance is kept by the start (Fix-up, Zhang et al. 2019): the last
convolution of a block is zero, so that every block starts as the identity, and the other two are
He's, divided by L^(1/4) with L the number of blocks.

The paper's widths are 768 for every map up to 32 pixels, halved for each doubling above, with two
blocks in each stage: `width=[768] * 4, blocks=2` at 32x32. The defaults are narrow where maps are
large, so that a CPU trains them. Its generator's output is linear; here it is a tanh, as the zoo's
images are in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.layers import GroupedConv2D, LearnedBasis
from keras_gan_zoo.networks.sizes import image_sizes

_SLOPE = 0.2
_GAIN = math.sqrt(2.0 / (1.0 + _SLOPE**2))  # of the leaky ReLU
_EXPANSION = 2


def stage_widths(stages: int, width: int | Sequence[int]) -> list[int]:
    """Channels of each stage, from the image down.

    Args:
        stages: number of them.
        width: channels of every stage, or those at the full size, which then double with every
            halving of the map, up to 8 times.

    Raises:
        ValueError: a sequence of another length, a width below 1.
    """
    one = isinstance(width, int)
    widths = [width * min(2**i, 8) for i in range(stages)] if one else [int(w) for w in width]
    if len(widths) != stages or min(widths) < 1:
        raise ValueError(
            f"width must be a positive int or {stages} of them, one for each stage from the image "
            f"down. Received: width={width}"
        )
    return widths


def generator(
    image_shape: Sequence[int],
    latent_dim: int = 64,
    width: int | Sequence[int] = 16,
    blocks: int = 1,
    group_width: int = 16,
) -> keras.Model:
    """z `(b, latent_dim)` -> images `(b, h, w, c)` in [-1, 1], float32.

    Args:
        image_shape: `(size, size, 1 or 3)`, size 16 to 256 and a multiple of 4.
        latent_dim: width of z.
        width: see `stage_widths`.
        blocks: residual blocks of each stage.
        group_width: least number of channels in a group of the 3x3 convolutions.

    Raises:
        ValueError: an image shape that the network cannot make, widths that do not fit.
    """
    sizes = image_sizes(image_shape)
    widths = stage_widths(len(sizes), width)
    total = blocks * len(sizes)
    z = keras.Input((latent_dim,), name="z")
    x = keras.layers.Dense(widths[-1], use_bias=False, kernel_initializer=_he(1.0))(z)
    x = LearnedBasis(sizes[-1])(x)
    for stage in range(len(sizes) - 1, -1, -1):
        if stage < len(sizes) - 1:
            x = _up(_match(x, widths[stage]), sizes[stage])
        for _ in range(blocks):
            x = _block(x, group_width, total)
    x = _convolution(image_shape[2], 1, 1.0, use_bias=False, name="to_image")(x)
    images = keras.layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(z, images, name="generator")


def discriminator(
    image_shape: Sequence[int],
    width: int | Sequence[int] = 16,
    blocks: int = 1,
    group_width: int = 16,
) -> keras.Model:
    """Images `(b, h, w, c)` -> logits `(b, 1)`, float32. Arguments as `generator`.

    Raises:
        ValueError: an image shape that the network cannot take, widths that do not fit.
    """
    sizes = image_sizes(image_shape)
    widths = stage_widths(len(sizes), width)
    total = blocks * len(sizes)
    images = keras.Input(tuple(image_shape), name="images")
    x = _convolution(widths[0], 1, 1.0, use_bias=False, name="from_image")(images)
    for stage, channels in enumerate(widths):
        if stage > 0:
            x = _match(keras.layers.AveragePooling2D(2, padding="same")(x), channels)
        for _ in range(blocks):
            x = _block(x, group_width, total)
    start = keras.initializers.RandomNormal(0.0, 1.0 / sizes[-1])  # one input map per output
    x = keras.layers.DepthwiseConv2D(sizes[-1], use_bias=False, depthwise_initializer=start)(x)
    x = keras.layers.Flatten()(x)
    logits = keras.layers.Dense(
        1, use_bias=False, kernel_initializer=_he(1.0), dtype="float32", name="logits"
    )(x)
    return keras.Model(images, logits, name="discriminator")


def _he(gain: float) -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")


def _convolution(channels: int, kernel_size: int, gain: float, **options: Any) -> Any:
    start = _he(gain) if gain else "zeros"
    return GroupedConv2D(channels, kernel_size, padding="same", kernel_initializer=start, **options)


def _block(x: Any, group_width: int, total: int) -> Any:
    channels = x.shape[-1]
    inner = _EXPANSION * channels
    gain = _GAIN * total**-0.25
    y = keras.layers.LeakyReLU(_SLOPE)(_convolution(inner, 1, gain)(x))
    y = _convolution(inner, 3, gain, groups=_groups(inner, group_width))(y)
    y = _convolution(channels, 1, 0.0, use_bias=False)(keras.layers.LeakyReLU(_SLOPE)(y))
    return keras.layers.Add()([x, y])


def _groups(channels: int, group_width: int) -> int:
    """The most groups of at least `group_width` channels that divide `channels`."""
    return next(n for n in range(max(1, channels // group_width), 0, -1) if channels % n == 0)


def _match(x: Any, channels: int) -> Any:
    same = x.shape[-1] == channels
    return x if same else _convolution(channels, 1, 1.0, use_bias=False)(x)


def _up(x: Any, size: int) -> Any:
    x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    extra = x.shape[1] - size
    return keras.layers.Cropping2D(((0, extra), (0, extra)))(x) if extra else x

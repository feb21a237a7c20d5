"""The DCGAN networks for any square image of 16 to 256 pixels.

Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", 2015, section 3, five guidelines: strided and fractionally strided convolutions instead
of pooling; BatchNormalization in both networks, but not at the generator's output and the
discriminator's input; no hidden dense layers; ReLU in the generator with tanh at its output;
LeakyReLU in the discriminator. Weights start from N(0, .02), scales from N(1, .02).

Kernels are 4x4: a multiple of the stride, so that every output pixel of a transposed convolution
sees the same number of inputs (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_gan_zoo.layers import BatchNormalization, Pack
from keras_gan_zoo.networks.sizes import image_sizes


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(mean, 0.02)


def _batch_norm() -> keras.layers.Layer:
    return BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=_normal(1.0))


def _channels(width: int, level: int) -> int:
    """The width doubles with every halving of the map, up to 8 times."""
    return width * min(2**level, 8)


def generator(
    image_shape: Sequence[int], latent_dim: int = 100, width: int = 64, kernel_size: int = 4
) -> keras.Model:
    """z `(b, latent_dim)` -> images `(b, h, w, c)` in [-1, 1], float32.

    At 64x64 this is the paper's network: z -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> image.
    Below 57 pixels fewer than four doublings are left; the last layer then keeps the size and
    reads a full-size map of `width` channels (28x28: 7x7x4w -> 14x14x2w -> 28x28xw -> image);
    without it small images come out as coarse stripes.

    Args:
        image_shape: `(size, size, 1 or 3)`, size 16 to 256 and a multiple of 4.
        latent_dim: width of z.
        width: channels of the largest hidden feature map.
        kernel_size: of the transposed convolutions.

    Raises:
        ValueError: an image shape that the network cannot make.
    """
    sizes = image_sizes(image_shape)
    sizes = sizes if len(sizes) > 4 else [sizes[0], *sizes]
    z = keras.Input((latent_dim,), name="z")
    # the paper's first layer, a projection of z: a dense layer is that transposed convolution
    channels = _channels(width, len(sizes) - 2)
    x = keras.layers.Dense(
        sizes[-1] ** 2 * channels, use_bias=False, kernel_initializer=_normal(), name="project"
    )(z)
    x = keras.layers.Reshape((sizes[-1], sizes[-1], channels))(x)
    x = keras.layers.ReLU()(_batch_norm()(x))
    for level in range(len(sizes) - 2, 0, -1):
        x = _up(x, sizes[level], _channels(width, level - 1), kernel_size)
        x = keras.layers.ReLU()(_batch_norm()(x))
    x = _up(x, sizes[0], image_shape[2], kernel_size, name="to_image")
    images = keras.layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(z, images, name="generator")


def _up(x, size: int, channels: int, kernel_size: int, name: str | None = None):
    """A transposed convolution to `size`: stride 2, or 1 where the size stays.

    For an odd size the last row and column are dropped.
    """
    x = keras.layers.Conv2DTranspose(
        channels,
        kernel_size,
        strides=2 if size > x.shape[1] else 1,
        padding="same",
        use_bias=False,
        kernel_initializer=_normal(),
        name=name,
    )(x)
    extra = x.shape[1] - size
    return keras.layers.Cropping2D(((0, extra), (0, extra)))(x) if extra else x


def discriminator(
    image_shape: Sequence[int],
    width: int = 64,
    kernel_size: int = 4,
    normalise: bool = True,
    pack: int = 1,
) -> keras.Model:
    """Images `(b, h, w, c)` -> logits `(b, 1)`, float32.

    Args:
        image_shape: as for `generator`.
        width: channels of the first feature map.
        kernel_size: of the strided convolutions.
        normalise: BatchNormalization behind all but the first convolution; switch it off under
            gradient penalties (Gulrajani et al. 2017, section 4).
        pack: images that are judged together, see `layers.Pack`: logits `(b / pack, 1)`.

    Raises:
        ValueError: an image shape that the network cannot take.
    """
    sizes = image_sizes(image_shape)
    images = keras.Input(tuple(image_shape), name="images")
    x = Pack(pack)(images) if pack != 1 else images
    for level in range(1, len(sizes)):
        x = keras.layers.Conv2D(
            _channels(width, level - 1),
            kernel_size,
            strides=2,
            padding="same",
            use_bias=level > 1 and not normalise,
            kernel_initializer=_normal(),
        )(x)
        if normalise and level > 1:
            x = _batch_norm()(x)
        x = keras.layers.LeakyReLU(0.2)(x)
    x = keras.layers.Flatten()(x)  # one convolution over the whole map is a dense layer
    logits = keras.layers.Dense(
        1, use_bias=False, kernel_initializer=_normal(), dtype="float32", name="logits"
    )(x)
    return keras.Model(images, logits, name="discriminator")

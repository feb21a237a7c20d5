"""DCGAN: convolutional networks that train stably, by five architecture guidelines.

The game is the non-saturating one of Goodfellow et al. (2014). Radford et al., "Unsupervised
Representation Learning with Deep Convolutional Generative Adversarial Networks", ICLR 2016 (2015),
section 3 (the guidelines, see `networks.dcgan`) and section 4 (batch 128, N(0, .02) initialisation,
LeakyReLU slope .2, Adam with learning rate 2e-4 and beta_1 .5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.networks import dcgan as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "dcgan",
    paper="Radford et al., 'Unsupervised Representation Learning with DCGANs', ICLR 2016",
    year=2015,
    summary="Strided convolutions and BatchNormalization in both networks",
)
def dcgan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    kernel_size: int = 4,
    loss: Any = "non_saturating",
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: channels of the largest hidden feature map of the generator,
    and of the discriminator unless `d_width` says otherwise."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    return GAN(
        networks.generator(image_shape, latent_dim, width, kernel_size),
        networks.discriminator(image_shape, d_width or width, kernel_size),
        loss=loss,
        **options,
    )

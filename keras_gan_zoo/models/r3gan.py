"""R3GAN: a regularised relativistic loss that needs no tricks, and a modern network without them.

    min_D  E softplus(-(D(x) - D(G(z)))) + gamma/2 E_x |grad D(x)|^2 + gamma/2 E_z |grad D(G(z))|^2
    min_G  E softplus(-(D(G(z)) - D(x)))                                  (equations 2 and 3)

Each generated image is paired with a real one (RpGAN, no mode dropping); R1 and R2 together make
training converge locally, which the relativistic loss alone does not.

Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024. Networks
without normalisation (`networks.r3gan`). z has 64 numbers. Table 9: Adam with beta_1 0, beta_2 .9
rising to .99, learning rate 2e-4 falling to 5e-5 (constant on Stacked MNIST), gamma falling to a
tenth: from 1 on Stacked MNIST, .05 on CIFAR-10, 2 on FFHQ-64, 150 on FFHQ-256, .5 and 1 on ImageNet
of 32 and 64 pixels; batch 256 (FFHQ), 512 or 4096 (ImageNet), averaged generator. Here beta_2 is
.99 and rate and gamma stay at their first values; ask for the average with `ema=`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.losses import R1, R2
from keras_gan_zoo.networks import r3gan as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "r3gan",
    paper="Huang et al., 'The GAN is dead; long live the GAN!', NeurIPS 2024",
    year=2024,
    summary="Relativistic pairs with R1 and R2, a modern residual network without normalisation",
)
def r3gan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 64,
    width: int | Sequence[int] = 16,
    blocks: int = 1,
    gamma: float = 1.0,
    loss: Any = "relativistic",
    learning_rate: float = 2e-4,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: channels at the full size, or of every stage, and `blocks`:
    residual blocks of each stage, see `networks.r3gan`; `gamma`: weight of both penalties."""
    options.setdefault("penalties", [R1(gamma), R2(gamma)])
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.99))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.99))
    return GAN(
        networks.generator(image_shape, latent_dim, width, blocks),
        networks.discriminator(image_shape, width, blocks),
        loss=loss,
        **options,
    )

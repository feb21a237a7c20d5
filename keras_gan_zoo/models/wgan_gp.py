"""WGAN-GP: a penalty on the critic's gradient takes the place of WGAN's weight clipping.

    min_D  E_z D(G(z)) - E_x D(x) + lambda E_x^ (|grad D(x^)| - 1)^2      (equation 3)
    min_G  -E_z D(G(z))

x^ lies uniformly between a real and a generated image. The penalty is on each input alone, so the
critic has no BatchNormalization (section 4).

Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, Algorithm 1: lambda 10,
5 critic steps for each generator step, Adam with learning rate 1e-4 and betas (0, .9), batch 64.
(The authors' scripts for small images differ: beta_1 .5 with DCGAN networks on MNIST and CIFAR,
learning rate 2e-4 falling to 0 with residual networks.) The networks are `dcgan`'s. (The paper's
CIFAR networks are `networks.resnet`'s without spectral normalisation, 128 channels wide.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.losses import GradientPenalty
from keras_gan_zoo.networks import dcgan as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "wgan_gp",
    paper="Gulrajani et al., 'Improved Training of Wasserstein GANs', NeurIPS 2017",
    year=2017,
    summary="Wasserstein distance: a gradient penalty keeps the critic 1-Lipschitz",
)
def wgan_gp(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 128,
    width: int = 64,
    d_width: int | None = None,
    penalty_weight: float = 10.0,
    loss: Any = "wasserstein",
    learning_rate: float = 1e-4,
    d_steps: int = 5,
    **options: Any,
) -> GAN:
    """The model of the paper. `penalty_weight`: lambda; widths as `dcgan`."""
    options.setdefault("penalties", [GradientPenalty(penalty_weight)])
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.9))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.9))
    return GAN(
        networks.generator(image_shape, latent_dim, width),
        networks.discriminator(image_shape, d_width or width, normalise=False),
        loss=loss,
        d_steps=d_steps,
        **options,
    )

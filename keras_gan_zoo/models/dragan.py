"""DRAGAN: a gradient penalty around the data removes sharp gradients, the seeds of mode collapse.

    min_D  -E_x log D(x) - E_z log(1 - D(G(z))) + lambda E_{x, d} (|grad D(x + d)| - k)^2

with d noise and k = 1; the generator's loss is the non-saturating one. As D(x) in the penalty
stands the logit, as in the authors' code.

Kodali et al., "On Convergence and Stability of GANs", 2017 (arXiv:1705.07215). lambda 10 and one
critic step, as in the authors' code, which trains perceptrons on MNIST with Adam(1e-4) and betas
(.5, .9). Here DCGAN networks and `dcgan`'s Adam, learning rate 2e-4 and beta_1 .5; as for every
gradient penalty the critic has no BatchNormalization. d is normal with half the data's standard
deviation; see `losses.DRAGAN` for what the authors draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.losses import DRAGAN
from keras_gan_zoo.networks import dcgan as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "dragan",
    paper="Kodali et al., 'On Convergence and Stability of GANs', 2017",
    year=2017,
    summary="Gradient penalty in the neighbourhood of the real images",
)
def dragan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    penalty_weight: float = 10.0,
    loss: Any = "non_saturating",
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `penalty_weight`: lambda; widths as `dcgan`."""
    options.setdefault("penalties", [DRAGAN(penalty_weight)])
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    return GAN(
        networks.generator(image_shape, latent_dim, width),
        networks.discriminator(image_shape, d_width or width, normalise=False),
        loss=loss,
        **options,
    )

"""BEGAN: matches the distributions of auto-encoder errors and keeps the players in balance.

With L(x) the mean absolute error of the discriminator, an auto-encoder:

    min_D  E_x L(x) - k_t E_z L(G(z)),     min_G  E_z L(G(z))
    k_{t+1} = clip(k_t + lambda_k (gamma E_x L(x) - E_z L(G(z))), 0, 1)       (section 3.4)

gamma is the diversity ratio: lower values give cleaner and less varied images.

Berthelot, Schumm and Metz, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", 2017.
gamma .5 (the paper shows values from .3 to .7), lambda_k .001, k_0 = 0, z and code of 64 numbers, z
uniform in [-1, 1], Adam with learning rate 1e-4 (halved when training stalls), batch 16. Without
batch normalisation, without transposed convolutions. The paper's n is 64 to 128 channels; the
default width is a quarter of 64, which trains on a CPU. Its optional skip connections and vanishing
residuals are left out.

The controller is slow: k moves by lambda_k times the imbalance, about 5e-5 a step, so a run of some
thousand steps stays near k = 0, where blank images are the generator's easiest answer. For short
runs raise lambda_k (.05) and the learning rate (5e-4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.losses import BoundaryEquilibrium
from keras_gan_zoo.networks import autoencoder as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "began",
    paper="Berthelot et al., 'BEGAN: Boundary Equilibrium GANs', 2017",
    year=2017,
    summary="Auto-encoder discriminator; a controller balances the two players",
)
def began(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 64,
    width: int = 16,
    gamma: float = 0.5,
    lambda_k: float = 0.001,
    loss: Any = None,
    learning_rate: float = 1e-4,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: n, channels of the first maps; `gamma`, `lambda_k`: of the
    controller, not used with another `loss`. The code is as wide as z."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate))
    return GAN(
        networks.began_generator(image_shape, latent_dim, width),
        networks.began_discriminator(image_shape, width, code_dim=latent_dim),
        loss=BoundaryEquilibrium(gamma, lambda_k) if loss is None else loss,
        **options,
    )

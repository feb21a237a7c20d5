"""SNGAN: every layer of the discriminator divided by its spectral norm, W / sigma(W).

    min_D  E_x max(0, 1 - D(x)) + E_z max(0, 1 + D(G(z)))                   (equation 16)
    min_G  -E_z D(G(z))                                                     (equation 17)

Each layer, and so the discriminator, is Lipschitz; the bound costs one power iteration per step and
no gradient penalty (`layers.SpectralNormalization`).

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018. Residual
networks of tables 4 to 6 (`networks.resnet`), hinge loss, z of 128 numbers, 5 discriminator steps
for each generator step, Adam with learning rate 2e-4 and betas (0, .9) (appendix B.2); from the
authors' CIFAR configuration batch 64 (128 for the generator). There the learning rate also falls
linearly over 50,000 generator steps; here it stays. The CIFAR widths (table 4) are 256 (generator)
and 128 (discriminator); the defaults are a quarter of them, which trains on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.networks import resnet
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "sngan",
    paper="Miyato et al., 'Spectral Normalization for GANs', ICLR 2018",
    year=2018,
    summary="Residual networks, spectral normalisation in the discriminator, hinge loss",
)
def sngan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 128,
    width: int = 64,
    d_width: int | None = None,
    loss: Any = "hinge",
    learning_rate: float = 2e-4,
    d_steps: int = 5,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: channels of the generator's maps (the paper's 256), see
    `networks.resnet`; the discriminator's are half of it unless `d_width` says otherwise."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.9))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.9))
    return GAN(
        resnet.generator(image_shape, latent_dim, width),
        resnet.discriminator(image_shape, d_width or max(1, width // 2)),
        loss=loss,
        d_steps=d_steps,
        **options,
    )

"""NSGAN: the generator maximises log D(G(z)) instead of minimising log(1 - D(G(z))).

The same fixed point and a strong gradient where the discriminator rejects samples: Goodfellow et
al., "Generative Adversarial Nets", NeurIPS 2014, section 3, last paragraph. The rest is `gan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_gan_zoo.models.gan import gan
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "nsgan",
    paper="Goodfellow et al., 'Generative Adversarial Nets', NeurIPS 2014, section 3",
    year=2014,
    summary="The perceptrons of `gan` with the non-saturating generator loss",
)
def nsgan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 1200,
    dropout: float = 0.5,
    loss: Any = "non_saturating",
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper; arguments as `gan`."""
    return gan(
        image_shape,
        latent_dim=latent_dim,
        width=width,
        dropout=dropout,
        loss=loss,
        learning_rate=learning_rate,
        beta_1=beta_1,
        **options,
    )

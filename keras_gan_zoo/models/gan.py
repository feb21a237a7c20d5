"""GAN: the minimax game of two multilayer perceptrons.

    min_G max_D V(G, D) = E_x log D(x) + E_z log(1 - D(G(z)))            (equation 1)

The generator descends V itself (the saturating loss): its gradient fades where the discriminator
rejects samples with confidence, which is what `nsgan` mends.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014. Section 5: rectifiers in the
generator, maxout with dropout in the discriminator; the sizes are those of the authors' MNIST
model: two layers of 1200 rectifiers, two layers of 240 maxout units of 5 pieces. The authors train
with momentum (their MNIST configuration: rate .1, decaying, momentum .5 rising to .7, batch 100);
here both players use Adam(2e-4, beta_1=.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.networks import mlp
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "gan",
    paper="Goodfellow et al., 'Generative Adversarial Nets', NeurIPS 2014",
    year=2014,
    summary="Two multilayer perceptrons, the minimax (saturating) game",
)
def gan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 1200,
    dropout: float = 0.5,
    loss: Any = "minimax",
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: units of the generator's hidden layers; the discriminator's
    are a fifth of it, in maxout units of 5 pieces."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    return GAN(
        mlp.generator(image_shape, latent_dim, width),
        mlp.discriminator(image_shape, max(1, width // 5), dropout=dropout),
        loss=loss,
        **options,
    )

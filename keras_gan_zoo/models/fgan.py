"""f-GAN: the generator minimises any f-divergence, through its variational lower bound.

    min_G max_D  E_x g_f(D(x)) - E_z f*(g_f(D(G(z))))                      (equation 7)

f* is the convex conjugate of the divergence's generator f, g_f the activation that maps logits into
its domain: see `zoo.losses.divergences` for the table. With `saturating=False` the generator
maximises E_z g_f(D(G(z))) instead, which gives stronger gradients at the start.

Nowozin, Cseke and Tomioka, "f-GAN: Training Generative Neural Samplers using Variational Divergence
Minimization", NeurIPS 2016. The paper trains DCGAN's networks on natural images and perceptrons on
MNIST; here both networks and Adam, learning rate 2e-4 and beta_1 .5, are those of `dcgan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_gan_zoo.losses import FDivergence
from keras_gan_zoo.models.dcgan import dcgan
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "fgan",
    paper="Nowozin et al., 'f-GAN', NeurIPS 2016",
    year=2016,
    summary="The networks of `dcgan` and any f-divergence: KL, reverse KL, Pearson, Hellinger, ...",
)
def fgan(
    image_shape: Sequence[int],
    *,
    divergence: str = "kl",
    alpha: float | None = None,
    saturating: bool = False,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    loss: Any = None,
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper.

    `divergence`: a name of `zoo.losses.divergences.names()`, with `alpha` for `"alpha"`;
    `saturating`: the generator descends the bound itself. `loss` takes the place of the three;
    the other arguments as `dcgan`.
    """
    if loss is None:
        objective = "minimax" if saturating else "non_saturating"
        loss = FDivergence(divergence, alpha, objective)
    return dcgan(
        image_shape,
        latent_dim=latent_dim,
        width=width,
        d_width=d_width,
        loss=loss,
        learning_rate=learning_rate,
        beta_1=beta_1,
        **options,
    )

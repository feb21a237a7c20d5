"""RaGAN: a real image should look more real than the average fake one, and the other way round.

With r = C(x) - E_z C(G(z)), s = C(G(z)) - E_x C(x) and h(d) = softplus(-d):

    min_D  E h(r) + E h(-s),     min_G  E h(s) + E h(-r)        (RaSGAN)

The authors' code halves both sums. The generator's loss needs real images too.
`loss=zoo.losses.RelativisticAverage("least_squares")` is RaLSGAN, `"hinge"` RaHingeGAN.

Jolicoeur-Martineau, "The Relativistic Discriminator: a Key Element Missing from Standard GAN", ICLR
2019 (2018). One critic step, Adam with learning rate 2e-4 and betas (.5, .999), z of 128 numbers,
batch 32: the "DCGAN setup" of the authors' code. On CIFAR they use SNGAN's plain convolutional
networks with spectral normalisation in the critic; here the networks are `dcgan`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_gan_zoo.models.dcgan import dcgan
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "ragan",
    paper="Jolicoeur-Martineau, 'The Relativistic Discriminator', ICLR 2019",
    year=2018,
    summary="The networks of `dcgan`; scores count relative to the other side's average",
)
def ragan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 128,
    width: int = 64,
    d_width: int | None = None,
    loss: Any = "relativistic_average",
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper; arguments as `dcgan`."""
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

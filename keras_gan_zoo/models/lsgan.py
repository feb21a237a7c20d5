"""LSGAN: regression instead of classification; the gradient does not fade far from the boundary.

    min_D  E_x (D(x) - b)^2 / 2 + E_z (D(G(z)) - a)^2 / 2
    min_G  E_z (D(G(z)) - c)^2 / 2                                        (equation 2)

with a = 0, b = c = 1 (the 0-1 coding); `loss=zoo.losses.LeastSquares(-1, 1, 0)` is the coding that
minimises the Pearson chi^2 divergence.

Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017. Adam with beta_1 .5,
learning rate 1e-3 for scenes of 112x112 pixels and 2e-4 for characters of 28x28, batch 64, z of
1024 numbers; here 2e-4, which suits small images, and the networks and z of `dcgan` (the paper's
for scenes have a VGG-like generator).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_gan_zoo.models.dcgan import dcgan
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "lsgan",
    paper="Mao et al., 'Least Squares Generative Adversarial Networks', ICCV 2017",
    year=2016,
    summary="The networks of `dcgan` with a least-squares loss",
)
def lsgan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    loss: Any = "least_squares",
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

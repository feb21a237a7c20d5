"""PacGAN: the discriminator judges m samples at once, so a lack of variety shows.

    D(x_1, ..., x_m), all real or all generated, instead of D(x)

The samples are joined along the channels (images) or features (points), which widens nothing but
the discriminator's first layer; the loss is that of any GAN on the packs. Two distributions that
are equally far apart in total variation are further apart, as pairs, where one of them lacks modes.

Lin, Khetan, Fanti and Oh, "PacGAN: The power of two samples in generative adversarial networks",
NeurIPS 2018, section 3. m is 2, 3 or 4 there; with m = 1 this is the plain model. A batch of b
images makes b / m packs. Images: the networks of `dcgan`. Points: two layers of rectifiers and two
of maxout units, half as wide, of 5 pieces. The authors' program for the grid has 400 and 200 units
too, but four and three layers, BatchNormalization in the generator, z of 2 numbers, weights from
N(0, .02), Adam with learning rate 1e-4 and beta_1 .8, and 100 packs in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.networks import dcgan, mlp
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "pacgan",
    paper="Lin et al., 'PacGAN: The Power of Two Samples in GANs', NeurIPS 2018",
    year=2017,
    summary="The discriminator judges several samples packed together",
)
def pacgan(
    image_shape: Sequence[int],
    *,
    pack: int = 2,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    units: int = 400,
    perceptrons: bool | None = None,
    loss: Any = "non_saturating",
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `pack`: m; `perceptrons`: multilayer perceptrons with layers of
    `units`, the default for points, instead of `dcgan`'s networks of `width`."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    if len(image_shape) == 1 if perceptrons is None else perceptrons:
        networks = (
            mlp.generator(image_shape, latent_dim, units),
            mlp.discriminator(image_shape, max(1, units // 2), pack=pack),
        )
    else:
        networks = (
            dcgan.generator(image_shape, latent_dim, width),
            dcgan.discriminator(image_shape, d_width or width, pack=pack),
        )
    return GAN(*networks, loss=loss, **options)

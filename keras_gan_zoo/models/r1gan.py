"""R1GAN: a zero-centred gradient penalty on real images makes training converge locally.

    min_D  E_z softplus(D(G(z))) + E_x softplus(-D(x)) + gamma / 2 E_x |grad D(x)|^2
    min_G  E_z softplus(-D(G(z)))

The last term of D's loss is R1 (equation 9).

Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018.
As the authors' code has it: weight 10 (there without the factor 1/2, so that its gamma is 20 in the
formula above), RMSprop with alpha .99 and learning rate 1e-4, one critic step, z of 256 numbers,
no BatchNormalization, a generator averaged with decay .999.

The networks are `dcgan`'s without BatchNormalization in the critic:
smaller and quicker than the paper's residual networks. `ema` is None here; ask for the paper's with
`ema=.999`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.losses import R1
from keras_gan_zoo.networks import dcgan as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "r1gan",
    paper="Mescheder et al., 'Which Training Methods for GANs do actually Converge?', ICML 2018",
    year=2018,
    summary="Gradient penalty R1 on real images; converges where plain GANs circle",
)
def r1gan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 256,
    width: int = 64,
    d_width: int | None = None,
    gamma: float = 10.0,
    loss: Any = "non_saturating",
    learning_rate: float = 1e-4,
    **options: Any,
) -> GAN:
    """The model of the paper. `gamma`: weight of the penalty; widths as `dcgan`."""
    options.setdefault("penalties", [R1(gamma)])
    # PyTorch's RMSprop, which the authors used: a memory of .99, and 1e-8 outside the root. Keras
    # adds epsilon under it
    options.setdefault("g_optimizer", keras.optimizers.RMSprop(learning_rate, 0.99, epsilon=1e-16))
    options.setdefault("d_optimizer", keras.optimizers.RMSprop(learning_rate, 0.99, epsilon=1e-16))
    return GAN(
        networks.generator(image_shape, latent_dim, width),
        networks.discriminator(image_shape, d_width or width, normalise=False),
        loss=loss,
        **options,
    )

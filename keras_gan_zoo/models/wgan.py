"""WGAN: the critic estimates the Wasserstein-1 distance; its weights are clipped to keep it smooth.

    max_{w in [-c, c]}  E_x f_w(x) - E_z f_w(G(z)),     min_G  -E_z f_w(G(z))

(equation 3 and, for the generator, theorem 3).

Arjovsky, Chintala and Bottou, "Wasserstein GAN", ICML 2017, Algorithm 1: clipping at c = .01 after
every critic step, 5 critic steps for each generator step, RMSprop with learning rate 5e-5 (momentum
makes the clipped critic unstable, section 4.2), batch 64. The networks are `dcgan`'s. (The authors'
code also takes 100 critic steps at the very start and every 500 generator steps; the paper's
algorithm does not, and neither does this model.)

-`d_loss` is the estimate of the distance, up to the critic's Lipschitz constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.losses import WeightClipping
from keras_gan_zoo.models.dcgan import dcgan
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "wgan",
    paper="Arjovsky et al., 'Wasserstein GAN', ICML 2017",
    year=2017,
    summary="Wasserstein distance: a critic with clipped weights, 5 critic steps",
)
def wgan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    clip: float = 0.01,
    loss: Any = "wasserstein",
    learning_rate: float = 5e-5,
    d_steps: int = 5,
    **options: Any,
) -> GAN:
    """The model of the paper. `clip`: largest absolute weight of the critic; others as `dcgan`."""
    options.setdefault("penalties", [WeightClipping(clip)])
    # PyTorch's RMSprop, which the authors used: a memory of .99, and 1e-8 outside the root. Keras
    # adds epsilon under it
    options.setdefault("g_optimizer", keras.optimizers.RMSprop(learning_rate, 0.99, epsilon=1e-16))
    options.setdefault("d_optimizer", keras.optimizers.RMSprop(learning_rate, 0.99, epsilon=1e-16))
    return dcgan(
        image_shape,
        latent_dim=latent_dim,
        width=width,
        d_width=d_width,
        loss=loss,
        d_steps=d_steps,
        **options,
    )

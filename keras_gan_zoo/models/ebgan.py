"""EBGAN: the discriminator is an energy, low for real images: an auto-encoder's error.

    D(x) = mean (Dec(Enc(x)) - x)^2
    min_D  E_x D(x) + E_z max(0, m - D(G(z)))                             (equation 1)
    min_G  E_z D(G(z)) + w PT                                             (equation 2)

The pulling-away term keeps the codes S = Enc(G(z)) of a minibatch of n apart:

    PT = 1 / (n (n - 1)) sum_{i != j} (S_i . S_j / (|S_i| |S_j|))^2       (section 2.4)

Zhao, Mathieu and LeCun, "Energy-based Generative Adversarial Networks", ICLR 2017 (2016). The
paper's energy is the norm |Dec(Enc(x)) - x| (section 2.3), with m 10 on MNIST, 20 on CelebA and 80
on LSUN; this energy is a mean over pixels, for which m = 1 is where an untrained auto-encoder of
images in [-1, 1] starts. PT has weight .1 where the paper uses it (EBGAN-PT); the default is EBGAN
without. The generator and Adam, learning rate 2e-4 and beta_1 .5, are those of `dcgan` (the paper's
perceptrons on MNIST train with Adam and learning rate 1e-3, section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_gan_zoo.losses import Energy
from keras_gan_zoo.networks import autoencoder, dcgan
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class EBGAN(GAN):
    """A GAN whose discriminator has a layer `encoder`, with the pulling-away term.

    Args:
        pulling_away: weight of the term, at least 0; 0 leaves it out.
        **options: as `GAN`.

    Raises:
        ValueError: a negative weight.
    """

    def __init__(self, *args: Any, pulling_away: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        if not pulling_away >= 0:
            raise ValueError(
                f"pulling_away must be at least 0. Received: pulling_away={pulling_away}"
            )
        self.pulling_away = float(pulling_away)

    def generator_terms(self, batch: Any) -> dict[str, Any]:
        terms = super().generator_terms(batch)
        if self.pulling_away:
            codes = self.discriminator.get_layer("encoder")(batch.fake, training=True)
            terms["pulling_away"] = self.pulling_away * pulling_away_term(codes)
        return terms

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pulling_away": self.pulling_away}


def pulling_away_term(codes: Any) -> Any:
    """Mean squared cosine between different rows of codes `(n, ...)`: float32 in [0, 1]."""
    n = ops.shape(codes)[0]
    codes = ops.reshape(ops.cast(codes, "float32"), (n, -1))
    codes = codes / ops.sqrt(ops.sum(ops.square(codes), axis=1, keepdims=True) + 1e-12)
    squares = ops.square(ops.matmul(codes, ops.transpose(codes)))
    pairs = ops.maximum(ops.cast(n * (n - 1), "float32"), 1.0)
    return (ops.sum(squares) - ops.sum(ops.diagonal(squares))) / pairs


@register(
    "ebgan",
    paper="Zhao et al., 'Energy-based Generative Adversarial Networks', ICLR 2017",
    year=2016,
    summary="The discriminator is an auto-encoder; its error is an energy with a margin",
)
def ebgan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    margin: float = 1.0,
    pulling_away: float = 0.0,
    loss: Any = None,
    learning_rate: float = 2e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `margin`: m, not used with another `loss`; `pulling_away`: weight w;
    `width`: channels of the generator's largest map, the discriminator has half (or `d_width`)."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    return EBGAN(
        dcgan.generator(image_shape, latent_dim, width),
        autoencoder.ebgan_discriminator(image_shape, d_width or max(1, width // 2)),
        pulling_away=pulling_away,
        loss=Energy(margin) if loss is None else loss,
        **options,
    )

"""Improved GAN: five techniques that keep the two players' game from failing.

    feature matching        min_G |E f(x) - E f(G(z))|^2, f a layer of D             (section 3.1)
    minibatch discrimination  D sees how close an example is to its minibatch        (section 3.2)
    historical averaging    + |theta - mean of past theta|^2, for both players       (section 3.3)
    label smoothing         D's target of real images is 1 - s, of generated ones 0  (section 3.4)
    virtual batch normalisation  G's statistics are those of a fixed batch of z      (section 3.5)

Each has a switch here and stands alone: `penalties.FeatureMatching`,
`penalties.HistoricalAveraging` and `losses.NonSaturating(label_smoothing=)` go into any model,
`layers.MinibatchDiscrimination` and `networks.with_virtual_batch_norm` into any network.

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016. Feature matching is for
semi-supervised learning (`ssgan_k1`) and off here: section 3.2 is the paper's remedy for collapse,
and images look better with it. The authors' CIFAR-10 program has 100 kernels of 5 numbers and Adam
with learning rate 3e-4 and beta_1 .5, and starts the layer from data; here its closeness is a mean
over the minibatch instead, so that logits do not start at tens. s = .1. The networks are `dcgan`'s,
or perceptrons for points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_gan_zoo.layers import MinibatchDiscrimination
from keras_gan_zoo.losses import FeatureMatching, HistoricalAveraging, NonSaturating
from keras_gan_zoo.networks import dcgan, mlp, with_head, with_virtual_batch_norm
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN


@register(
    "improved_gan",
    paper="Salimans et al., 'Improved Techniques for Training GANs', NeurIPS 2016",
    year=2016,
    summary="Minibatch discrimination, virtual batch norm, label smoothing; or feature matching",
)
def improved_gan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    units: int = 128,
    feature_matching: bool = False,
    minibatch_kernels: int = 100,
    historical_averaging: float = 0.0,
    label_smoothing: float = 0.1,
    reference_batch: int = 64,
    loss: Any = None,
    learning_rate: float = 3e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. 0 switches a technique off: `minibatch_kernels`, the weight of
    `historical_averaging`, s of `label_smoothing` (not used with another `loss`), the examples in
    the `reference_batch`. `units`: of the perceptrons for points."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    if len(image_shape) == 1:
        generator = mlp.generator(image_shape, latent_dim, units, normalise=True)
        discriminator = mlp.discriminator(image_shape, units, activation="relu")
    else:
        generator = dcgan.generator(image_shape, latent_dim, width)
        discriminator = dcgan.discriminator(image_shape, d_width or width)
    if reference_batch:
        generator = with_virtual_batch_norm(generator, reference_batch)
    if minibatch_kernels:
        discriminator = with_head(discriminator, _with_minibatch(minibatch_kernels))
    penalties = [FeatureMatching()] if feature_matching else []
    if historical_averaging:
        for player in ("discriminator", "generator"):
            penalties.append(HistoricalAveraging(historical_averaging, player=player))
    options["penalties"] = [*penalties, *(options.get("penalties") or ())]
    return GAN(
        generator,
        discriminator,
        loss=NonSaturating(label_smoothing=label_smoothing) if loss is None else loss,
        **options,
    )


def _with_minibatch(kernels: int) -> Any:
    def head(x: Any) -> Any:
        x = MinibatchDiscrimination(kernels, average=True, name="minibatch")(x)
        return keras.layers.Dense(1, dtype="float32", name="logits")(x)

    return head

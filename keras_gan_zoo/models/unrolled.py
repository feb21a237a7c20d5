"""Unrolled GAN: the generator plays against the discriminator's answer, k steps ahead.

    theta^0 = theta_D,   theta^{i+1} = theta^i - eta d L_D(theta_G, theta^i) / d theta^i
    min_G  L_G(theta_G, theta^k(theta_G, theta_D))

The gradient passes through the k steps: second derivatives of L_D and all. A generator that moves
its whole mass to one mode sees that the discriminator will follow, and gains nothing. The
discriminator itself makes one step, theta_D <- theta_D - eta d L_D / d theta_D; with k = 0 this is
`nsgan`. With `zero_sum` the generator minimises -L_D at theta^k, the real half included (it depends
on the generator through theta^k), which is the f_K of the paper; k = 0 is then `gan`.

As in the authors' notebook, all look-ahead steps see the minibatch (images and z) of the
generator's update, and follow the rule of the discriminator's optimizer from its present moments.

Metz, Poole, Pfau and Sohl-Dickstein, "Unrolled Generative Adversarial Networks", ICLR 2017 (2016),
section 2. Networks and rates are those of the notebook on eight Gaussians: two layers of 128 tanh
units from orthogonal weights of gain 1.4, z of 256 numbers, Adam with beta_1 .5, learning rates
1e-4 (D) and 1e-3 (G), k = 5, batch 512. The notebook's generator minimises -L_D (`zero_sum=True`);
the default here is the non-saturating loss.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from keras_gan_zoo.losses.replicas import mean_over_replicas
from keras_gan_zoo.networks import mlp
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN, Batch, look_ahead


class _Ahead(threading.local):
    """theta^k while the generator's terms are computed: out of sight of Keras, which would take
    variables in a list for weights of the model. Each replica is a thread with its own."""

    pairs: list[tuple[Any, Any]] | None = None


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class Unrolled(GAN):
    """A GAN whose generator looks `unroll_steps` discriminator steps ahead.

    Any loss, penalties and networks; the generator's penalties see the discriminator k steps ahead
    too. State that layers update in the look-ahead (BatchNormalization, noise) is thrown away. A
    penalty that is due every n steps is so in the look-ahead: at the steps to come.

    Args:
        unroll_steps: k, at least 0.
        first_order: treat theta^k as a constant: the gradient does not pass through the steps.
        zero_sum: the generator minimises -L_D instead of the loss's own generator half.
        **options: as `GAN`.

    Raises:
        ValueError: k < 0; on `compile` with k > 0, a discriminator's optimizer other than SGD and
            Adam (loss scaling, thus `mixed_float16`, included), see `training.look_ahead.check`;
            a constraint on the discriminator's weights (the zoo's or Keras's), which the
            look-ahead would not meet.
    """

    def __init__(
        self,
        *args: Any,
        unroll_steps: int = 5,
        first_order: bool = False,
        zero_sum: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        if int(unroll_steps) < 0:
            raise ValueError(
                f"unroll_steps must be at least 0. Received: unroll_steps={unroll_steps}"
            )
        self.unroll_steps = int(unroll_steps)
        self.first_order = bool(first_order)
        self.zero_sum = bool(zero_sum)
        self._ahead = _Ahead()

    def compile(self, *args: Any, **options: Any) -> None:
        super().compile(*args, **options)
        if self.unroll_steps:
            look_ahead.check(self.d_optimizer)
            names = [c.name for c in self.constraints if c.player == "discriminator"]
            variables = self.discriminator.trainable_variables
            names += [v.path for v in variables if getattr(v, "constraint", None) is not None]
            if names:
                raise ValueError(
                    "Unrolled steps follow the optimizer's rule alone and would leave the "
                    f"constraints on the weights. Use unroll_steps=0. Received: {', '.join(names)}"
                )

    def generator_terms(self, batch: Batch) -> dict[str, Any]:
        batch = replace(batch)
        real_too = self.zero_sum or self.loss_object.needs_real
        if self.unroll_steps and self._declaring is None:
            self._ahead.pairs = self.discriminator_ahead(batch)
            with keras.StatelessScope(self._ahead.pairs):
                batch.real_logits = batch.fake_logits = None
                batch.fake_logits = self.discriminate(batch.fake, batch.labels, training=True)
                if real_too:
                    batch.real_logits = self.discriminate(batch.real, batch.labels, training=True)
        elif real_too and batch.real_logits is None:  # k = 0: the real half is a constant
            if batch.fake_logits is None:  # first, as in the plain model: the same noise
                batch.fake_logits = self.discriminate(batch.fake, batch.labels, training=True)
            batch.real_logits = self.discriminate(batch.real, batch.labels, training=True)
        try:
            return super().generator_terms(batch)
        finally:
            self._ahead.pairs = None

    def generator_loss(self, fake_logits: Any, real_logits: Any, loss: Any = None) -> Any:
        if not self.zero_sum:
            return super().generator_loss(fake_logits, real_logits, loss)
        loss = self.loss_object if loss is None else loss
        return -loss.discriminator_loss(real_logits, fake_logits)

    def _critic_weights(self) -> list[tuple[Any, Any]]:
        pairs = self._ahead.pairs
        return super()._critic_weights() if pairs is None else pairs

    def discriminator_ahead(self, batch: Batch) -> list[tuple[Any, Any]]:
        """theta^k on this minibatch: pairs of a discriminator variable and its value, a tensor."""
        variables = self.discriminator.trainable_variables
        weights, moments = look_ahead.start(self.d_optimizer)
        fake = tf.stop_gradient(batch.fake) if self.first_order else batch.fake
        for step in range(self.unroll_steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                with keras.StatelessScope(list(zip(variables, weights, strict=True))):
                    ahead = replace(batch, fake=fake, ahead=step + 1)
                    loss = sum(self.discriminator_terms(ahead).values())
            gradients = mean_over_replicas(tape.gradient(loss, weights))
            weights, moments = look_ahead.advance(
                self.d_optimizer, weights, gradients, moments, step
            )
        return list(zip(variables, weights, strict=True))

    def get_config(self) -> dict[str, Any]:
        own = ("unroll_steps", "first_order", "zero_sum")
        return {**super().get_config(), **{n: getattr(self, n) for n in own}}


@register(
    "unrolled",
    paper="Metz et al., 'Unrolled Generative Adversarial Networks', ICLR 2017",
    year=2016,
    summary="The generator looks k discriminator steps ahead and differentiates through them",
)
def unrolled(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 256,
    width: int = 128,
    unroll_steps: int = 5,
    first_order: bool = False,
    zero_sum: bool = False,
    loss: Any = "non_saturating",
    g_learning_rate: float = 1e-3,
    d_learning_rate: float = 1e-4,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: units of all hidden layers; `unroll_steps`: k; for
    `first_order` and `zero_sum` see `Unrolled`."""
    options.setdefault("g_optimizer", keras.optimizers.Adam(g_learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(d_learning_rate, beta_1=beta_1))
    return Unrolled(
        mlp.generator(image_shape, latent_dim, width, activation="tanh", gain=1.4),
        mlp.discriminator(image_shape, width, activation="tanh", gain=1.4),
        unroll_steps=unroll_steps,
        first_order=first_order,
        zero_sum=zero_sum,
        loss=loss,
        **options,
    )

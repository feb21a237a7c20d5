"""VEEGAN: a reconstructor F maps images back to noise, so that missing modes cost something.

    min_D  E log(1 + exp(D(G(z), z))) + E log(1 + exp(-D(x, F(x) + e)))   (Algorithm 1, line 7)
    min_F  E |z - F(G(z))|^2                                              (line 9)
    min_G  -E D(G(z), z) + E |z - F(G(z))|^2                              (line 11)

D judges pairs of an image and a noise vector (its sign is the zoo's: high for real; the paper's is
high for generated). F learns to undo G. Real images of a mode that G misses are mapped to unlikely
noise, which D notices. The autoencoder is one of noise, where the squared error is natural.

The reconstructor is a distribution of z given x, as in the paper (Algorithm 1 draws from it) and in
a port of the authors' notebook: N(F(x), 1), so e ~ N(0, code_std^2). Without e the codes of real
images lie on a surface of no volume, since x has fewer dimensions than z or varies less: D knows
them from any noise at a glance, whatever x is, and has nothing to tell the generator.

Srivastava et al., "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning",
NeurIPS 2017, Algorithm 1. Lines 9 and 11 have no variable in common but the error: one optimizer
moves G and F on the sum. The authors' mixtures: two layers of 128 units, z of 254 numbers, Adam
with learning rate 1e-3 and beta_1 .5; for images here the networks of `dcgan` and its rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_gan_zoo.layers import GaussianNoise
from keras_gan_zoo.losses import NonSaturating
from keras_gan_zoo.networks import dcgan, mlp, with_head
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN, Batch, Together


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class LogRatio(NonSaturating):
    """The discriminator's cross-entropy; the generator minimises the log ratio itself, -D."""

    name = "log_ratio"

    def generator_term(self, logits: Any) -> Any:
        return -logits


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class VEEGAN(GAN):
    """A GAN whose discriminator takes `[images, z]`, with a reconstructor.

    `discriminate(images)`, `evaluate` and the exported discriminator pair images with `F(images)`,
    and so do penalties: to them the code is a constant, a slope is that over the image alone.

    Args:
        reconstructor: images -> z `(b, latent_dim)`, without state of its own
            (BatchNormalization): it sees real images in one update and generated ones in the next.
        reconstruction: weight of the error in noise space, at least 0.
        code_std: standard deviation of a code around F(x) in training, at least 0. Out of training
            a code is F(x).
        **options: as `GAN`.

    Raises:
        ValueError: a negative weight, a reconstructor that does not fit, a replay buffer.
    """

    def __init__(
        self,
        *args: Any,
        reconstructor: keras.Model,
        reconstruction: float = 1.0,
        code_std: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        if not (reconstruction >= 0 and code_std >= 0):
            raise ValueError(
                "reconstruction and code_std must be at least 0. "
                f"Received: reconstruction={reconstruction}, code_std={code_std}"
            )
        if self.replay is not None:
            raise ValueError(
                "A replay buffer keeps images without the z that made them, and this model's "
                f"discriminator judges pairs. Use replay=None. Received: {self.replay.name}"
            )
        came = tuple(reconstructor.inputs[0].shape[1:]), tuple(reconstructor.outputs[0].shape[1:])
        if came != (self.image_shape, (self.latent_dim,)):
            raise ValueError(
                f"The reconstructor must map {self.image_shape} to {(self.latent_dim,)}. "
                f"Received: {came[0]} to {came[1]}"
            )
        self.reconstructor = reconstructor
        self.reconstruction = float(reconstruction)
        self.code_std = float(code_std)
        self.spread = GaussianNoise(1.0, seed=self.seed, dtype="float32")

    def g_networks(self) -> Together:
        return Together(self.generator, self.reconstructor)

    def code(self, x: Any, training: bool = False) -> Any:
        """z `(b, latent_dim)` of images: F(x), in training a draw from N(F(x), code_std^2)."""
        found = self.reconstructor(x, training=training)
        if not training or self.code_std == 0:
            return found
        return found + self.code_std * self.spread(ops.zeros_like(found), training=True)

    def discriminate(
        self, x: Any, labels: Any = None, training: bool = False, z: Any = None
    ) -> Any:
        """Logits of the pairs (x, z); z is `code(x)` where it is not given."""
        return self.discriminator(self.judged(x, labels, training, z), training=training)

    def judged(self, x: Any, labels: Any = None, training: bool = False, z: Any = None) -> Any:
        """The pairs (x, z); where z is not given it is `code(x)`, which no gradient passes: F
        learns from the error alone."""
        x = ops.convert_to_tensor(x)
        z = ops.stop_gradient(self.code(x, training)) if z is None else z
        return [x if self.instance_noise is None else self.instance_noise(x, training=training), z]

    def discriminator_terms(self, batch: Batch) -> dict[str, Any]:
        batch.real_logits = self.discriminate(batch.real, training=True)
        batch.fake_logits = self.discriminate(batch.fake, training=True, z=batch.z)
        loss = self.loss_object.discriminator_loss(batch.real_logits, batch.fake_logits)
        return {"d_loss": ops.mean(loss), **self._penalty_terms("discriminator", batch)}

    def generator_terms(self, batch: Batch) -> dict[str, Any]:
        batch = replace(batch)
        if batch.fake_logits is None:
            batch.fake_logits = self.discriminate(batch.fake, training=True, z=batch.z)
        terms = super().generator_terms(batch)
        found = self.reconstructor(batch.fake, training=True)
        errors = tf.reduce_sum(tf.square(ops.cast(found, "float32") - batch.z), axis=1)
        terms["reconstruction"] = self.reconstruction * ops.mean(errors)
        return terms

    def get_config(self) -> dict[str, Any]:
        reconstructor = keras.saving.serialize_keras_object(self.reconstructor)
        own = {"reconstruction": self.reconstruction, "code_std": self.code_std}
        return {**super().get_config(), "reconstructor": reconstructor, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VEEGAN:
        network = keras.saving.deserialize_keras_object(config["reconstructor"], custom_objects)
        return super().from_config({**config, "reconstructor": network}, custom_objects)


@register(
    "veegan",
    paper="Srivastava et al., 'VEEGAN: Reducing Mode Collapse in GANs', NeurIPS 2017",
    year=2017,
    summary="A reconstructor maps images back to noise; the discriminator judges pairs",
)
def veegan(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 64,
    d_width: int | None = None,
    units: int = 128,
    reconstruction: float = 1.0,
    code_std: float = 1.0,
    loss: Any = None,
    learning_rate: float | None = None,
    beta_1: float = 0.5,
    **options: Any,
) -> GAN:
    """The model of the paper. `width`: of `dcgan`'s networks; `units`: of the perceptrons for
    points; `learning_rate`: None is 2e-4 for images and 1e-3 for points."""
    points = len(image_shape) == 1
    rate = (1e-3 if points else 2e-4) if learning_rate is None else learning_rate
    options.setdefault("g_optimizer", keras.optimizers.Adam(rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(rate, beta_1=beta_1))
    if points:
        generator = mlp.generator(image_shape, latent_dim, units)
        bodies = [mlp.discriminator(image_shape, units, activation="relu") for _ in range(2)]
    else:
        generator = dcgan.generator(image_shape, latent_dim, width)
        bodies = [
            dcgan.discriminator(image_shape, d_width or width, normalise=False) for _ in range(2)
        ]
    code = keras.layers.Dense(latent_dim, dtype="float32", name="z")
    z = keras.Input((latent_dim,), name="z")

    def judge(x: Any) -> Any:
        x = keras.layers.Concatenate()([x, z])
        x = keras.layers.LeakyReLU(0.2)(keras.layers.Dense(units)(x))
        return keras.layers.Dense(1, dtype="float32", name="logits")(x)

    return VEEGAN(
        generator,
        with_head(bodies[1], judge, inputs=[z]),
        reconstructor=with_head(bodies[0], code, name="reconstructor"),
        reconstruction=reconstruction,
        code_std=code_std,
        loss=LogRatio() if loss is None else loss,
        **options,
    )

"""Instance noise: the discriminator sees blurred distributions, less and less so."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class InstanceNoise(keras.layers.Layer):
    """Adds N(0, std^2) to the discriminator's input, in training only: shape in = shape out.

    Real and generated images get noise drawn independently, so that two distributions on disjoint
    low-dimensional sets overlap and their divergence has a useful gradient. The level falls
    linearly from `std` to `final_std` over `anneal_steps` updates of the network, counted by
    `after_update`, which `GAN` calls after each optimizer step on the network that holds the layer.
    Put it first in a discriminator.

    Args:
        std: initial standard deviation, on the scale of the images (in [-1, 1]), >= 0.
        anneal_steps: optimizer steps until the level is `final_std`, at least 1; None never falls.
        final_std: level at the end, >= 0.
        seed: int, makes the noise repeatable.

    Raises:
        ValueError: a negative level, anneal_steps < 1.

    Example:

    >>> noisy = InstanceNoise(0.1, anneal_steps=1000)(ops.zeros((4, 8, 8, 1)), training=True)
    >>> noisy.shape
    TensorShape([4, 8, 8, 1])

    Source: Arjovsky & Bottou, "Towards Principled Methods for Training Generative Adversarial
    Networks", ICLR 2017, section 3; Sonderby et al., "Amortised MAP Inference for Image
    Super-resolution", ICLR 2017 ("instance noise").
    """

    def __init__(
        self,
        std: float = 0.1,
        anneal_steps: int | None = None,
        final_std: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (std >= 0 and final_std >= 0):
            raise ValueError(
                "std and final_std must not be negative. "
                f"Received: std={std}, final_std={final_std}"
            )
        if anneal_steps is not None and int(anneal_steps) < 1:
            raise ValueError(
                f"anneal_steps must be at least 1 or None. Received: anneal_steps={anneal_steps}"
            )
        self.std = float(std)
        self.anneal_steps = None if anneal_steps is None else int(anneal_steps)
        self.final_std = float(final_std)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        self.updates = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            aggregation="only_first_replica",
            name="updates",
        )
        self.built = True

    def level(self) -> Any:
        """The present standard deviation, a float32 scalar."""
        if self.anneal_steps is None:
            return ops.convert_to_tensor(self.std, "float32")
        progress = ops.minimum(ops.cast(self.updates, "float32") / self.anneal_steps, 1.0)
        return self.std + (self.final_std - self.std) * progress

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        noise = tf.random.stateless_normal(tf.shape(inputs), self._next_seed())
        return inputs + ops.cast(self.level() * noise, inputs.dtype)

    def _next_seed(self) -> Any:
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return seed
        # a SeedGenerator gives every replica the same number
        return tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)

    def after_update(self) -> None:
        """Count one optimizer step."""
        self.updates.assign(self.updates + 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "std": self.std,
            "anneal_steps": self.anneal_steps,
            "final_std": self.final_std,
            "seed": self.seed,
        }

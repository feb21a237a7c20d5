"""A learned constant map, weighted by its input."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class LearnedBasis(keras.layers.Layer):
    """Features `(b, c)` -> maps `(b, size, size, c)`: learned maps times the features.

    Args:
        size: side of the maps, at least 1.

    Raises:
        ValueError: size < 1.

    Source: Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024, section 4 (the first
    stage of R3GAN's generator).
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if int(size) < 1:
            raise ValueError(f"size must be at least 1. Received: size={size}")
        self.size = int(size)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.basis = self.add_weight(
            shape=(self.size, self.size, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(0.0, 1.0),
            name="basis",
        )
        self.built = True

    def call(self, features: Any) -> Any:
        return self.basis * ops.expand_dims(features, (1, 2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}

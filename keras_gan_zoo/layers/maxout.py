"""Maxout units."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class Maxout(keras.layers.Layer):
    """Maximum over groups of `pieces` consecutive features: `(..., k * pieces)` -> `(..., k)`.

    Put it behind a `Dense(k * pieces)` for a maxout layer of k units.

    Args:
        pieces: linear pieces per unit, at least 2.

    Raises:
        ValueError: pieces < 2, or a width that is not a multiple of it.

    Source: Goodfellow et al., "Maxout Networks", ICML 2013, section 3.
    """

    def __init__(self, pieces: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if pieces < 2:
            raise ValueError(f"pieces must be at least 2. Received: pieces={pieces}")
        self.pieces = int(pieces)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] % self.pieces:
            raise ValueError(
                f"The width must be a multiple of pieces={self.pieces}. "
                f"Received: input_shape={input_shape}"
            )
        self.built = True

    def call(self, x: Any) -> Any:
        shape = ops.shape(x)
        return ops.max(ops.reshape(x, (*shape[:-1], shape[-1] // self.pieces, self.pieces)), -1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], input_shape[-1] // self.pieces)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pieces": self.pieces}

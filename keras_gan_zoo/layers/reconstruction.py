"""How far an image is from its reconstruction."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class ReconstructionError(keras.layers.Layer):
    """Images and reconstructions, each `(b, h, w, c)` -> mean of |difference|^power, `(b, 1)`.

    Computed in float32. The mean runs over pixels and channels.

    Args:
        power: 1 (BEGAN) or 2 (EBGAN).

    Raises:
        ValueError: another power.

    Example:

    >>> images, copies = ops.ones((1, 4, 4, 1)), 3.0 * ops.ones((1, 4, 4, 1))
    >>> float(ReconstructionError(power=2)([images, copies])[0, 0])
    4.0

    Source: Zhao et al., "Energy-based GAN", ICLR 2017, section 2.3; Berthelot et al., "BEGAN",
    2017, section 3.1.
    """

    def __init__(self, power: int = 2, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        if power not in (1, 2):
            raise ValueError(f"power must be 1 or 2. Received: power={power}")
        self.power = power

    def call(self, inputs: Any) -> Any:
        difference = inputs[0] - inputs[1]
        errors = ops.abs(difference) if self.power == 1 else ops.square(difference)
        return ops.mean(errors, axis=tuple(range(1, len(errors.shape))))[:, None]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0][0], 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power": self.power}

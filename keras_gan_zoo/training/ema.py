"""Exponential moving average of a generator's weights, kept in a twin network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class EMA:
    """Moves the weights of a twin towards those of the trained network.

    After update t the twin w' of a network w holds `w' + (1 - d_t) (w - w')`, with
    `d_t = min(decay, (1 + t) / (10 + t))`: the ramp lets the average follow the fast first steps
    instead of remembering the random start. All weights are covered, trainable ones and
    BatchNormalization statistics alike.

    Args:
        decay: in [0, 1). .999 suits a batch of 64.
        ramp: use the ramp of the first steps.

    Raises:
        ValueError: if decay is outside [0, 1).

    Source: Yazici et al., "The Unusual Effectiveness of Averaging in GAN Training", ICLR 2019.
    """

    def __init__(self, decay: float = 0.999, ramp: bool = True) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"EMA decay must be in [0, 1). Received: decay={decay}")
        self.decay = float(decay)
        self.ramp = bool(ramp)

    @classmethod
    def from_half_life(cls, images: float, batch_size: int, ramp: bool = True) -> EMA:
        """The average whose memory halves every `images` training images: .5^(batch / images)."""
        if images <= 0 or batch_size <= 0:
            raise ValueError(
                "images and batch_size must be positive. "
                f"Received: images={images}, batch_size={batch_size}"
            )
        return cls(0.5 ** (batch_size / images), ramp)

    @classmethod
    def get(cls, identifier: EMA | float | Mapping[str, Any] | None) -> EMA | None:
        """None, a decay, an EMA object or its serialisation -> EMA object or None."""
        if isinstance(identifier, Mapping):  # of this class only: a preset's config is not trusted
            if identifier.get("registered_name") != keras.saving.get_registered_name(cls):
                raise ValueError(f"Not the serialisation of an EMA. Received: {dict(identifier)}")
            identifier = cls(**identifier["config"])
        if identifier is None or isinstance(identifier, EMA):
            return identifier
        return cls(identifier)

    def update(self, twin: keras.Model, network: keras.Model, step: Any) -> None:
        """One update of `twin` towards `network` after generator update number `step` (0, 1, ...).

        Integer weights (seeds, counters) are copied.
        """
        decay = self.decay
        if self.ramp:
            t = ops.cast(step, "float32")
            decay = ops.minimum(decay, (1.0 + t) / (10.0 + t))
        for average, weight in zip(twin.weights, network.weights, strict=True):
            if "float" in keras.backend.standardize_dtype(weight.dtype):
                average.assign(average + (1.0 - decay) * (weight - average))
            else:
                average.assign(weight)

    def get_config(self) -> dict[str, Any]:
        return {"decay": self.decay, "ramp": self.ramp}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EMA:
        return cls(**config)

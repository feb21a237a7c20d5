"""What Keras callbacks see as `model.optimizer` when two players have one each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class PlayerOptimizers(keras.optimizers.Optimizer):
    """A view of several optimizers; it applies nothing itself.

    `LearningRateScheduler`, `ReduceLROnPlateau` and `TensorBoard` look at `model.optimizer` and
    loop over its `optimizers`; `GAN.minimise` steps each player's optimizer directly.

    Args:
        optimizers: the players' optimizers, built; the first one counts the iterations.
    """

    def __init__(self, optimizers: Sequence[Any]) -> None:
        super().__init__(learning_rate=0.0, name="players")
        # behind LossScaleOptimizer is the optimizer that has the learning rate
        self.optimizers = [getattr(o, "inner_optimizer", o) for o in optimizers]
        self.built = True

    @property
    def iterations(self) -> Any:
        return self.optimizers[0].iterations

    def build(self, variables: Any) -> None:
        """The players' optimizers are built by `GAN.compile`."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        raise NotImplementedError(
            "The players have optimizers of their own: use gan.minimise, gan.g_optimizer and "
            "gan.d_optimizer."
        )

    def finalize_variable_values(self, var_list: Any) -> None:
        for optimizer in self.optimizers:
            optimizer.finalize_variable_values(optimizer._trainable_variables)

    def save_own_variables(self, store: Any) -> None:
        """Nothing: the players' optimizers save their own."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing: the players' optimizers load their own."""

    def get_config(self) -> dict[str, Any]:
        return {"optimizers": [keras.optimizers.serialize(o) for o in self.optimizers]}

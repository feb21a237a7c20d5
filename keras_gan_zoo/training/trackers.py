"""One Keras metric for all the terms of a training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops


class TermMeans(keras.metrics.Metric):
    """Running means of named scalars, in one variable: one assignment a step for all of them.

    Args:
        names: names of the terms, in the order in which they are logged.
        name: name of the metric itself; the results carry the names of the terms.
    """

    def __init__(self, names: Sequence[str], name: str = "terms") -> None:
        super().__init__(name=name, dtype="float32")
        self.names = tuple(names)
        self.total = self.add_variable(
            shape=(len(self.names) + 1,), initializer="zeros", name="total"
        )

    def update_state(self, terms: Mapping[str, Any], weight: Any = 1.0) -> None:
        """Add one value of each term; `weight`: how much it counts, such as a batch's size."""
        values = ops.stack([ops.cast(terms[n], "float32") for n in self.names])
        weight = ops.cast(weight, "float32")
        new = ops.concatenate([weight * values, ops.reshape(weight, (1,))], axis=0)
        self.total.assign(self.total + new)

    def result(self) -> dict[str, Any]:
        total = ops.convert_to_tensor(self.total)
        means = total[:-1] / ops.maximum(total[-1], 1.0)
        return {n: means[i] for i, n in enumerate(self.names)}

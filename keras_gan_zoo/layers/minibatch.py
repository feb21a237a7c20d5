"""What an example has in common with the others of its minibatch: a lack of variety shows."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_gan_zoo.layers.groups import whole_groups


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class MinibatchDiscrimination(keras.layers.Layer):
    """Appends to each example's features how close it is to the minibatch.

    With M_i = f(x_i) T, a matrix of `kernels` rows of `dim` numbers,

        o(x_i)_b = sum_j exp(-|M_ib - M_jb|_1)

    over all n examples, the example itself included: n for n identical examples, 1 for one that is
    far from all others. The output is `(n, features + kernels)`. Put it in front of a
    discriminator's last layer. Real and generated images must come in minibatches of their own, as
    `GAN` gives them. An example's logit then depends on its minibatch: gradient penalties, which
    assume independent examples, do not fit.

    Args:
        kernels: B, numbers that are appended, at least 1.
        dim: C, at least 1.
        average: divide o by n, so that it does not grow with the minibatch: from 1/n to 1.
        kernel_initializer: of T.
        group: compare with the examples of a group of so many consecutive ones, which then is n.
            All pairs of 512 examples cost eight times those of groups of 64. None: the whole
            minibatch. In training the minibatch must be a multiple of it; in inference the last
            group is filled with the first examples.

    Raises:
        ValueError: kernels, dim or group < 1; in training, a minibatch that is no multiple of
            the group.

    Example:

    >>> MinibatchDiscrimination(kernels=3)(ops.ones((4, 8)))[0, 8:]
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([4., 4., 4.], dtype=float32)>

    Source: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 3.2
    (100 kernels of 5 numbers in the authors' code, from N(0, .05); there an example does not count
    itself, theta is normalised, and a bias that starts at -1 is added).
    """

    def __init__(
        self,
        kernels: int = 100,
        dim: int = 5,
        average: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        group: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if int(kernels) < 1 or int(dim) < 1:
            raise ValueError(
                f"kernels and dim must be at least 1. Received: kernels={kernels}, dim={dim}"
            )
        self.group = _group(group)
        self.kernels = int(kernels)
        self.dim = int(dim)
        self.average = bool(average)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        self.tensor = self.add_weight(
            shape=(math.prod(input_shape[1:]), self.kernels * self.dim),
            initializer=self.kernel_initializer,
            name="tensor",
        )
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        given = ops.reshape(x, (-1, math.prod(x.shape[1:])))
        x = _whole(given, self.group, training)
        rows = ops.cast(ops.matmul(x, self.tensor), "float32")
        rows = ops.reshape(rows, (-1, self.group or ops.shape(x)[0], self.kernels, self.dim))
        # one of the `dim` numbers at a time, (groups, kernels, n, n), examples last: sums over few
        # last numbers are slow, and all differences at once would take `dim` times the memory
        parts = ops.unstack(ops.transpose(rows, (3, 0, 2, 1)), self.dim, axis=0)
        closeness = ops.exp(-sum(ops.abs(p[..., None] - p[:, :, None]) for p in parts))
        closeness = ops.mean(closeness, axis=-1) if self.average else ops.sum(closeness, axis=-1)
        closeness = ops.transpose(closeness, (0, 2, 1))
        closeness = ops.reshape(closeness, (-1, self.kernels))[: ops.shape(given)[0]]
        return ops.concatenate([given, ops.cast(closeness, x.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], math.prod(input_shape[1:]) + self.kernels)

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.kernel_initializer)
        own = {"kernels": self.kernels, "dim": self.dim, "average": self.average}
        own |= {"kernel_initializer": initializer, "group": self.group}
        return {**super().get_config(), **own}


def _group(group: int | None) -> int | None:
    if group is not None and int(group) < 1:
        raise ValueError(f"group must be at least 1 or None. Received: group={group}")
    return None if group is None else int(group)


def _whole(x: Any, group: int | None, training: bool) -> Any:
    if group is None:
        return x
    message = f"The minibatch must be a multiple of group={group}; received {{batch}} examples. "
    message += "Batch the data so (drop_remainder=True), or take a group that divides it."
    return whole_groups(x, group, training, message)


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class MinibatchStdDev(keras.layers.Layer):
    """Appends one channel: the minibatch's mean standard deviation.

    `(b, h, w, c)` -> `(b, h, w, c + 1)`, or `(b, f)` -> `(b, f + 1)`. The standard deviation of
    each feature over a group of examples, averaged over all features: 0 for identical examples.

    Args:
        group: examples of a group; consecutive ones. None: the whole minibatch. In training the
            minibatch must be a multiple of it; in inference the last group is filled with the first
            examples.

    Raises:
        ValueError: group < 1; in training, a minibatch that is no multiple of the group.

    Example:

    >>> float(MinibatchStdDev()(ops.convert_to_tensor([[1.0], [3.0]]))[0, 1])
    1.0

    Source: Karras et al., "Progressive Growing of GANs", ICLR 2018, section 3.
    """

    def __init__(self, group: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = _group(group)

    def call(self, x: Any, training: bool = False) -> Any:
        values = _whole(ops.cast(x, "float32"), self.group, training)
        group = self.group or ops.shape(x)[0]
        groups = ops.reshape(values, (-1, group, math.prod(x.shape[1:])))
        variance = ops.var(groups, axis=1)
        positive = variance > 0  # sqrt has no derivative at 0
        deviation = ops.where(positive, ops.sqrt(ops.where(positive, variance, 1.0)), 0.0)
        mean = ops.repeat(ops.mean(deviation, axis=1), group)
        mean = ops.reshape(mean, (-1, *(1 for _ in x.shape[1:])))
        channel = (ops.zeros_like(values[..., :1]) + mean)[: ops.shape(x)[0]]
        return ops.concatenate([x, ops.cast(channel, x.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "group": self.group}

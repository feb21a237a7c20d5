"""Spectral normalisation as Miyato et al. define it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# where a kernel holds the outputs; everything else is flattened into the rows of its matrix
_OUTPUT_AXIS = {
    keras.layers.Dense: -1,
    keras.layers.Embedding: -1,
    keras.layers.Conv1D: -1,
    keras.layers.Conv2D: -1,
    keras.layers.Conv3D: -1,
    keras.layers.Conv1DTranspose: -2,
    keras.layers.Conv2DTranspose: -2,
    keras.layers.Conv3DTranspose: -2,
}
_WARM_UP = 10  # power iterations at the start
_TINY = 1e-12  # the least number to divide by


class _Substitution(keras.StatelessScope):
    """Inside, one variable reads as a given tensor; all else goes to the scope around it."""

    def __init__(self, variable: Any, tensor: Any) -> None:
        super().__init__([(variable, tensor)])
        self._late: list[tuple[Any, Any]] = []

    def get_current_value(self, variable: Any) -> Any:
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            return self.original_scope.get_current_value(variable)
        return value

    def add_update(self, update: tuple[Any, Any]) -> None:
        if self.original_scope is not None:
            self.original_scope.add_update(update)
        else:
            super().add_update(update)
            self._late.append(update)

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        for variable, value in self._late:
            variable.assign(value)


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class SpectralNormalization(keras.layers.Wrapper):
    """Calls the wrapped layer with its kernel divided by its largest singular value, W / sigma(W).

    With W the kernel as a matrix `(everything else, outputs)` and u an estimate of its first right
    singular vector, sigma = |W u| and

        d sigma / d W = v u^T,   v = W u / |W u|

    The gradient goes through sigma (the paper's equations 9 to 12), the stored kernel is never
    overwritten. A call changes nothing, in training or inference: however often a discriminator
    is called within a training step, its weights are the same. u moves by `after_update`, which
    `GAN` calls once after each optimizer step on the network; in a training loop of your own, call
    it yourself. It starts from 10 power iterations on the initial kernel and is saved with the
    weights.

    sigma is computed in float32 whatever the wrapped layer computes in. The bias is left alone.

    Args:
        layer: a `Dense`, `Embedding`, `Conv1D/2D/3D` or `Conv1D/2D/3DTranspose` layer.
        iterations: power iterations per training step, at least 1.

    Raises:
        ValueError: another kind of layer, iterations < 1.

    Example:

    >>> layer = SpectralNormalization(keras.layers.Dense(3, use_bias=False))
    >>> layer(keras.ops.zeros((2, 5))).shape
    TensorShape([2, 3])

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
    sections 2.1 to 2.3 and Algorithm 1.
    """

    def __init__(self, layer: keras.layers.Layer, iterations: int = 1, **kwargs: Any) -> None:
        # float32 and no casting of its own: the wrapped layer casts inputs and kernel
        super().__init__(layer, **{**kwargs, "dtype": "float32", "autocast": False})
        axes = [axis for kind, axis in _OUTPUT_AXIS.items() if isinstance(layer, kind)]
        if not axes:
            raise ValueError(
                "SpectralNormalization wraps "
                f"{', '.join(kind.__name__ for kind in _OUTPUT_AXIS)}. Received: layer={layer}"
            )
        if int(iterations) < 1:
            raise ValueError(f"iterations must be at least 1. Received: iterations={iterations}")
        self._axis = axes[0]
        self.iterations = int(iterations)
        self.supports_masking = layer.supports_masking

    @property
    def kernel(self) -> keras.Variable:
        """The raw kernel, before normalisation."""
        embedding = isinstance(self.layer, keras.layers.Embedding)
        return self.layer.embeddings if embedding else self.layer.kernel

    def _matrix(self) -> Any:
        kernel = ops.convert_to_tensor(self.kernel)
        if self._axis != -1:
            kernel = ops.moveaxis(kernel, self._axis, -1)
        return ops.reshape(kernel, (-1, kernel.shape[-1])) if len(kernel.shape) > 2 else kernel

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        outputs = self.kernel.shape[self._axis]

        def leading_vector(shape: Any, dtype: Any = None) -> Any:
            start = keras.random.normal(shape, dtype="float32", seed=0)
            return ops.cast(_power_iterations(self._matrix(), start, _WARM_UP), dtype)

        self.u = self.add_weight(
            shape=(outputs,),
            initializer=leading_vector,
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name="u",
        )
        self.built = True

    def sigma(self) -> Any:
        """The estimate of the kernel's largest singular value, a float32 scalar."""
        return self._sigma()[0, 0]

    def _sigma(self) -> Any:
        matrix = self._matrix()
        # an averaged twin (EMA) averages u too: its length is not 1
        u = _unit(ops.expand_dims(self.u, 1))
        v = _unit(ops.matmul(ops.stop_gradient(matrix), u))
        return ops.maximum(ops.matmul(ops.matmul(ops.transpose(v), matrix), u), _TINY)

    def call(self, inputs: Any) -> Any:
        kernel = self.kernel
        scale = ops.reshape(1.0 / self._sigma(), (1,) * len(kernel.shape))
        with _Substitution(kernel, ops.convert_to_tensor(kernel) * scale):
            return self.layer(inputs)

    def after_update(self) -> None:
        """Follow the kernel: one step's power iterations. Call it after each optimizer step."""
        u = ops.convert_to_tensor(self.u)
        self.u.assign(_power_iterations(self._matrix(), u, self.iterations))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        return self.layer.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")  # always float32
        return {**config, "iterations": self.iterations}


def _power_iterations(matrix: Any, u: Any, iterations: int) -> Any:
    u = _unit(ops.expand_dims(u, 1))
    for _ in range(iterations):
        v = _unit(ops.matmul(matrix, u))
        u = _unit(ops.matmul(ops.transpose(matrix), v))
    return u[:, 0]


def _unit(vector: Any) -> Any:
    return vector * ops.rsqrt(ops.maximum(ops.sum(ops.square(vector)), _TINY))

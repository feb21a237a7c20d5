"""Weight normalisation: lengths, gradients, data-dependent start."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import WeightNormalization, initialise_weight_norm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(keras.layers.Dense(3), (6,)), (keras.layers.Conv2D(3, 3, strides=2), (5, 5, 2))],
)
def test_lengths_are_the_scales_and_directions_those_of_v(layer, shape):
    wrapped = WeightNormalization(layer)
    wrapped.build((None, *shape))
    wrapped.scale.assign([1.0, 2.0, 0.5])
    kernel = np.array(wrapped.kernel()).reshape(-1, 3)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), [1, 2, 0.5], rtol=1e-5)
    v = np.array(layer.kernel).reshape(-1, 3)
    cosine = np.sum(v * kernel, 0) / np.linalg.norm(v, axis=0) / [1, 2, 0.5]
    np.testing.assert_allclose(cosine, 1, rtol=1e-5)
    x = RNG.normal(size=(2, *shape)).astype("float32")
    layer.kernel.assign(np.array(wrapped.kernel()))
    wrapped.scale.assign(np.linalg.norm(np.array(layer.kernel).reshape(-1, 3), axis=0))
    np.testing.assert_allclose(wrapped(x), layer(x), rtol=1e-4, atol=1e-5)


def test_the_gradient_is_orthogonal_to_v():
    """Equation 3 of the paper: the gradient of v has no part along v."""
    layer = WeightNormalization(keras.layers.Dense(3, activation="tanh"))
    layer.build((None, 6))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(X)) ** 2)
    gradient = np.array(tape.gradient(loss, layer.layer.kernel.value))
    along = np.sum(gradient * np.array(layer.layer.kernel), axis=0)
    np.testing.assert_allclose(along / np.linalg.norm(gradient, axis=0), 0, atol=1e-5)


def test_data_dependent_start():
    inputs = x = keras.Input((6,))
    for units in (8, 5):
        x = WeightNormalization(keras.layers.Dense(units, activation="relu"))(x)
    network = keras.Model(inputs, WeightNormalization(keras.layers.Dense(3))(x))
    initialise_weight_norm(network, X)
    y = np.array(network(X))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-3)
    first, second = keras.layers.Dense(2), keras.layers.Dense(2)
    branch = keras.Model(inputs, keras.layers.Add()([first(inputs), second(inputs)]))
    with pytest.raises(ValueError, match="chain"):
        initialise_weight_norm(branch, X)


def test_scale_can_be_fixed_and_all_is_saved(tmp_path):
    inputs = keras.Input((6,))
    layer = WeightNormalization(keras.layers.Dense(3), train_scale=False)
    network = keras.Model(inputs, layer(inputs))
    assert len(layer.trainable_variables) == 2 and len(layer.variables) == 3
    layer.scale.assign([3.0, 2.0, 1.0])
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(X), network(X))
    with pytest.raises(TypeError, match="Embedding"):
        WeightNormalization(keras.layers.Embedding(2, 2))

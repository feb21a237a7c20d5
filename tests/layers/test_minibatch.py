"""Minibatch discrimination and standard deviation: values by algebra."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import MinibatchDiscrimination, MinibatchStdDev

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_identical_rows_count_themselves(n):
    row = RNG.normal(size=(1, 5)).astype("float32")
    out = np.array(MinibatchDiscrimination(kernels=4, dim=3)(np.repeat(row, n, axis=0)))
    assert out.shape == (n, 9)
    np.testing.assert_array_equal(out[:, :5], np.repeat(row, n, axis=0))
    np.testing.assert_allclose(out[:, 5:], n, rtol=1e-6)
    mean = MinibatchDiscrimination(kernels=4, average=True)(np.repeat(row, n, axis=0))
    np.testing.assert_allclose(np.array(mean)[:, 5:], 1.0, rtol=1e-6)


def test_rows_that_are_far_apart_see_themselves_only():
    rows = np.array([[0.0, 0.0], [1e3, 0.0], [2e3, 0.0], [0.0, 2e3]], "float32")
    out = MinibatchDiscrimination(kernels=2, kernel_initializer="ones")(rows)
    # a T of ones sees sums only: rows 2 and 3 are alike to it
    np.testing.assert_allclose(np.array(out)[:, 2:], [[1, 1], [1, 1], [2, 2], [2, 2]], rtol=1e-6)


def test_against_the_formula():
    x = RNG.normal(size=(4, 3, 2)).astype("float32")
    layer = MinibatchDiscrimination(kernels=3, dim=2)
    out = np.array(layer(x))
    m = (x.reshape(4, 6) @ np.array(layer.tensor)).reshape(4, 3, 2)
    expected = np.zeros((4, 3))
    for i in range(4):
        for b in range(3):
            expected[i, b] = sum(np.exp(-np.abs(m[i, b] - m[j, b]).sum()) for j in range(4))
    np.testing.assert_allclose(out[:, 6:], expected, rtol=1e-5)


def test_groups_are_minibatches_of_their_own():
    x = RNG.normal(size=(6, 5)).astype("float32")
    layer = MinibatchDiscrimination(kernels=3, dim=2, average=True, group=2)
    out = np.array(layer(x))
    whole = MinibatchDiscrimination(kernels=3, dim=2, average=True)
    whole.build((2, 5))
    whole.set_weights(layer.get_weights())
    expected = np.concatenate([np.array(whole(part)) for part in np.split(x, 3)])
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_standard_deviation():
    same = np.ones((4, 2, 2, 3), "float32")
    np.testing.assert_array_equal(np.array(MinibatchStdDev()(same))[..., 3], 0)
    x = RNG.normal(size=(6, 2, 2, 3)).astype("float32")
    out = np.array(MinibatchStdDev(group=3)(x))
    assert out.shape == (6, 2, 2, 4)
    for start in (0, 3):
        expected = x[start : start + 3].std(axis=0).mean()
        np.testing.assert_allclose(out[start : start + 3, ..., 3], expected, rtol=1e-5)
    with tf.GradientTape() as tape:  # identical examples: no NaN
        same = tf.constant(same)
        tape.watch(same)
        total = tf.reduce_sum(MinibatchStdDev()(same))
    assert np.isfinite(np.array(tape.gradient(total, same))).all()


@pytest.mark.parametrize(
    "layer", [MinibatchDiscrimination(3, 2, average=True, group=4), MinibatchStdDev(group=2)]
)
def test_configs_and_shapes(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = keras.Input((6,))
    assert layer(x).shape == layer.compute_output_shape((None, 6))


def test_arguments():
    with pytest.raises(ValueError, match="kernels=0"):
        MinibatchDiscrimination(0)
    with pytest.raises(ValueError, match="group=0"):
        MinibatchDiscrimination(group=0)
    with pytest.raises(ValueError, match="group=0"):
        MinibatchStdDev(0)


@pytest.mark.parametrize("layer", [MinibatchDiscrimination, MinibatchStdDev])
def test_a_group_divides_the_minibatch(layer):
    x = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
    with pytest.raises(ValueError, match="multiple of group=4; received 6 examples"):
        layer(group=4)(x[:6], training=True)
    network = keras.Sequential([keras.Input((5,)), layer(group=4)])  # of any batch size
    traced = tf.function(network, input_signature=[tf.TensorSpec([None, 5])], autograph=False)
    train = tf.function(
        lambda x: network(x, training=True), input_signature=[tf.TensorSpec([None, 5])]
    )
    np.testing.assert_allclose(traced(x), train(x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of group=4"):
        train(x[:6])
    filled = network(np.concatenate([x[:6], x[:2]]))[:6]  # the last group with the first ones
    for found in (traced(x[:6]), network(x[:6])):
        np.testing.assert_allclose(found, filled, rtol=1e-6)

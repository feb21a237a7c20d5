"""`NarrowConv2D` against `keras.layers.Conv2D`: values, gradients, gradients of gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import NarrowConv2D


@pytest.mark.parametrize(
    ("filters", "size", "shape"),
    [
        (1, 5, (2, 28, 28, 6)),
        (3, 3, (2, 32, 20, 4)),
        (1, 4, (2, 12, 12, 3)),  # even kernel: the plain convolution
        (1, 3, (2, 10, 10, 3)),  # size that no block divides: the plain convolution
        (8, 3, (2, 12, 12, 3)),  # many filters: the plain convolution
    ],
)
def test_same_as_conv2d(filters, size, shape):
    x = tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)
    plain, narrow = keras.layers.Conv2D(filters, size, padding="same"), NarrowConv2D(filters, size)
    results = []
    for layer in (plain, narrow):
        layer.build(shape)
        layer.set_weights(plain.get_weights())
        kernel = layer.kernel.value
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x)
                loss = tf.reduce_sum(tf.sin(y))
            dx, dw = inner.gradient(loss, [x, kernel])
            penalty = tf.reduce_sum(dx**2) + tf.reduce_sum(dw**3)
        results.append([y, dx, dw, *outer.gradient(penalty, [x, kernel])])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * float(np.abs(a).max()))


def test_config_round_trip_and_bfloat16():
    inputs = keras.Input((8, 8, 5))
    model = keras.Model(inputs, NarrowConv2D(1, 3, dtype="mixed_bfloat16")(inputs))
    config = keras.saving.serialize_keras_object(model)
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(model.get_weights())
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 5)).astype("f4")
    assert model(x).dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(model(x), "float32"), tf.cast(again(x), "float32"))

"""Batch normalisation is what Keras computes."""

import keras
import numpy as np

from keras_gan_zoo.layers import BatchNormalization


def test_double_precision_is_that_of_keras():
    x = np.random.default_rng(0).normal(2.0, 3.0, (16, 5))
    layers = [
        kind(dtype="float64") for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    ours, theirs = (layer(x, training=True) for layer in layers)
    np.testing.assert_array_equal(ours, theirs)


def test_without_scale_is_that_of_keras():
    x = np.random.default_rng(0).normal(2.0, 3.0, (16, 5)).astype("float32")
    layers = [
        kind(momentum=0.9, epsilon=1e-6, scale=False)
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    ours, theirs = (layer(x, training=True) for layer in layers)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for a, b in zip(layers[0].weights, layers[1].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert len(layers[0].trainable_variables) == 1

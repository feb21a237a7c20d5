"""Folding: the same function with fewer layers, for every generator of the zoo."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_gan_zoo as zoo
from keras_gan_zoo.export.fold import bounded, fold


def norms(model):
    return [x for x in model.layers if isinstance(x, layers.BatchNormalization)]


def disturb(model, seed=0):
    """Statistics, scales and shifts that are not those of a new layer."""
    rng = np.random.default_rng(seed)
    for layer in norms(model):
        for variable in layer.weights:
            spread = rng.uniform(0.5, 2.0, variable.shape)
            signed = variable is layer.beta or variable is layer.moving_mean
            variable.assign(spread - 1.25 if signed else spread)


def same(model, folded, atol=2e-5):
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(5, *x.shape[1:])).astype(np.float32) for x in model.inputs]
    inputs = inputs[0] if len(inputs) == 1 else inputs
    before, after = (np.asarray(m(inputs, training=False)) for m in (model, folded))
    np.testing.assert_allclose(after, before, atol=atol)


USUAL = ("gan", "dcgan", "began")  # the others' generators are like theirs, or take longer


@pytest.mark.parametrize(
    "name",
    [n if n in USUAL else pytest.param(n, marks=pytest.mark.slow) for n in zoo.list_models()],
)
def test_every_generator(name):
    size = 32 if name in ("sngan", "r3gan") else 16
    gan = zoo.create(name, (size, size, 1), seed=0)
    disturb(gan.generator)
    folded = fold(gan.generator)
    same(gan.generator, folded)
    if name == "dcgan":
        assert norms(gan.generator) and not norms(folded)


def build(*stack, shape=(6,)):
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    model = keras.Model(inputs, x)
    disturb(model)
    return model


@pytest.mark.parametrize(
    "model, left",
    [
        (build(layers.Dense(3), layers.BatchNormalization()), 0),
        (build(layers.Dense(3), layers.BatchNormalization(scale=False, center=False)), 0),
        (build(layers.Dense(12), layers.Reshape((2, 2, 3)), layers.BatchNormalization()), 0),
        (build(layers.Dense(12), layers.Reshape((2, 2, 3)), layers.BatchNormalization(axis=1)), 1),
        (build(layers.Dense(12), layers.BatchNormalization(), layers.Reshape((2, 2, 3))), 0),
        (
            build(
                layers.Conv2DTranspose(3, 4, 2, "same"),
                layers.Cropping2D(((0, 1), (0, 1))),
                layers.UpSampling2D(2, interpolation="bilinear"),
                layers.BatchNormalization(),
                shape=(4, 4, 2),
            ),
            0,
        ),
        (build(layers.Conv2D(4, 3, groups=2), layers.BatchNormalization(), shape=(4, 4, 2)), 0),
        (build(layers.Dense(3, activation="relu"), layers.BatchNormalization()), 1),
        (build(layers.ReLU(), layers.BatchNormalization()), 1),
        (build(layers.Dense(3), layers.BatchNormalization(), layers.BatchNormalization()), 1),
    ],
)
def test_what_is_folded(model, left):
    folded = fold(model)
    assert len(norms(folded)) == left
    same(model, folded)


def test_a_layer_with_another_reader_is_not_folded():
    inputs = keras.Input((6,))
    x = layers.Dense(3)(inputs)
    model = keras.Model(inputs, layers.Add()([x, layers.BatchNormalization()(x)]))
    disturb(model)
    folded = fold(model)
    assert len(norms(folded)) == 1
    same(model, folded)


def test_a_network_within_the_network():
    inner = build(layers.Dense(3), layers.BatchNormalization())
    model = build(layers.Dense(6), layers.BatchNormalization(), inner)
    for precision, atol in (("float32", 2e-5), ("bfloat16", 0.2)):
        folded = fold(model, precision)
        assert not norms(folded)
        same(model, folded, atol)


def test_the_generator_is_left_as_it_was():
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    before = gan.generator.get_weights()
    folded = fold(gan.generator)
    for variable in folded.weights:
        variable.assign(variable * 0.0)
    for a, b in zip(before, gan.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_bfloat16_keeps_the_last_layers_in_float32():
    gan = zoo.create("dcgan", (28, 28, 1), width=4, latent_dim=4, seed=0)
    folded = fold(gan.generator, "bfloat16")
    assert folded.get_layer("to_image").kernel.dtype == "bfloat16"
    assert folded.outputs[0].dtype == "float32"
    same(gan.generator, folded, atol=0.05)
    mixed = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, dtype="mixed_bfloat16", seed=0)
    assert {v.dtype for v in fold(mixed.generator).weights} == {"float32"}
    perceptron = zoo.create("gan", (16, 16, 1), seed=0)
    folded = fold(perceptron.generator, "bfloat16")
    dense = [x for x in folded.layers if isinstance(x, layers.Dense)]
    assert [x.compute_dtype for x in dense] == ["bfloat16"] * (len(dense) - 1) + ["float32"]


def test_models_of_another_kind():
    class Own(keras.Model):
        def call(self, x):
            return x

    own = Own()
    assert fold(own) is own
    with pytest.raises(ValueError, match="needs a functional Keras model .* Received: Own"):
        fold(own, "bfloat16")
    with pytest.raises(ValueError, match="precision must be one of"):
        fold(own, "half")


@pytest.mark.parametrize("name", ["gan", "dcgan", "began", "sngan"])
def test_the_last_tanh_is_bounded_for_integers(name):
    """tanh(clip(x, -4, 4)) to rounding, where x goes far beyond."""
    size = 32 if name == "sngan" else 16
    network = fold(zoo.create(name, (size, size, 1), width=8, latent_dim=8, seed=0).generator)
    linear = next(x for x in reversed(network.layers) if hasattr(x, "kernel"))
    z = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    largest = np.arctanh(np.abs(np.asarray(network(z, training=False))).max())
    linear.kernel.assign(linear.kernel * (20.0 / largest))
    clipped = bounded(network)
    images = np.asarray(network(z, training=False))
    assert np.abs(images).max() > 0.9999
    expected = np.clip(images, -np.tanh(4.0), np.tanh(4.0))
    np.testing.assert_allclose(np.asarray(clipped(z, training=False)), expected, atol=1e-4)
    assert "relu6" in [getattr(getattr(x, "activation", 0), "__name__", "") for x in clipped.layers]


def test_a_generator_without_a_last_tanh_is_not_bounded():
    z = keras.Input((3,))
    network = keras.Model(z, layers.Dense(2)(layers.Dense(4, activation="tanh")(z)))
    assert bounded(network) is network

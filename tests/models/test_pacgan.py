"""Packs: what the discriminator sees, and the plain model where a pack is one example."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.layers import Pack
from keras_gan_zoo.networks import mlp
from keras_gan_zoo.training.construct import reproducible

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (24, 16, 16, 1)).astype("float32")
POINTS = RNG.normal(size=(24, 2)).astype("float32")


def trained(gan, data):
    for i in range(0, len(data), 8):
        gan.train_on_batch(data[i : i + 8])
    return [np.array(v) for v in gan.weights]


def test_a_pack_of_one_is_the_convolutional_model_bit_for_bit():
    tiny = {"width": 4, "latent_dim": 8, "seed": 3}
    plain = trained(zoo.create("dcgan", (16, 16, 1), **tiny), IMAGES)
    packed = trained(zoo.create("pacgan", (16, 16, 1), pack=1, **tiny), IMAGES)
    for a, b in zip(plain, packed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pack_of_one_is_the_model_of_perceptrons_bit_for_bit():
    packed = zoo.create("pacgan", (2,), pack=1, units=20, latent_dim=8, seed=3)
    with reproducible(3):  # half as wide a discriminator, not a fifth
        generator, critic = mlp.generator((2,), 8, 20), mlp.discriminator((2,), 10)
    plain = zoo.GAN(generator, critic, seed=3)
    plain.compile()
    for a, b in zip(trained(plain, POINTS), trained(packed, POINTS), strict=True):
        np.testing.assert_array_equal(a, b)


def test_packs_are_consecutive_examples_side_by_side_in_channels():
    x = RNG.normal(size=(6, 2, 3, 2)).astype("float32")
    packs = np.array(Pack(3)(x))
    assert packs.shape == (2, 2, 3, 6)
    for i in range(6):
        np.testing.assert_array_equal(packs[i // 3, ..., 2 * (i % 3) : 2 * (i % 3) + 2], x[i])
    np.testing.assert_array_equal(Pack(2)(POINTS), POINTS.reshape(12, 4))
    np.testing.assert_array_equal(Pack(1)(x), x)


@pytest.mark.parametrize(("shape", "data"), [((16, 16, 1), IMAGES), ((2,), POINTS)])
@pytest.mark.parametrize("pack", [2, 3, 4])
def test_only_the_first_layer_widens(shape, data, pack):
    gan, plain = (
        zoo.create("pacgan", shape, pack=m, width=4, units=8, latent_dim=4, seed=0)
        for m in (pack, 1)
    )
    shapes, plain_shapes = (
        [tuple(v.shape) for v in g.discriminator.trainable_variables] for g in (gan, plain)
    )
    assert shapes[1:] == plain_shapes[1:]
    assert shapes[0][-2] == pack * plain_shapes[0][-2]
    assert gan.discriminate(data).shape == (24 // pack, 1)
    history = gan.fit(data, batch_size=12, verbose=0, validation_data=data).history
    assert {"d_loss", "val_g_loss"} <= set(history)


def test_order_within_the_minibatch_matters_only_within_packs():
    gan = zoo.create("pacgan", (2,), pack=2, units=8, latent_dim=4, seed=0)
    logits = np.array(gan.discriminate(POINTS))
    packs = POINTS.reshape(12, 2, 2)[::-1].reshape(24, 2)
    np.testing.assert_allclose(gan.discriminate(packs), logits[::-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1", "zero_centered"])
def test_penalties_take_packs(penalty):
    gan = zoo.create("pacgan", (2,), units=8, latent_dim=4, penalties=[penalty], seed=0)
    history = gan.fit(POINTS, batch_size=8, verbose=0).history
    assert np.isfinite(history[gan.penalties[0].name]).all()


def test_a_batch_that_makes_no_whole_packs():
    gan = zoo.create("pacgan", (2,), pack=3, units=8, latent_dim=4, seed=0)
    with pytest.raises(ValueError, match="multiple of the 3 .*a batch of 8"):
        gan.fit(POINTS, batch_size=8, verbose=0)
    layer, spec = Pack(3), [tf.TensorSpec([None, 2])]
    packed = tf.function(lambda x: layer(x, training=True), input_signature=spec)
    assert packed(POINTS[:6]).shape == (2, 6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of the 3"):
        packed(POINTS[:8])
    with pytest.raises(ValueError, match="size=0"):
        Pack(0)


@pytest.mark.parametrize("n", [1, 2, 7, 9])
def test_in_inference_the_last_pack_is_filled_with_the_first_examples(n):
    layer, spec = Pack(3), [tf.TensorSpec([None, 2])]
    packs = -(-n // 3)
    filled = np.concatenate([POINTS[:n]] * 3)[: 3 * packs].reshape(packs, 6)
    for call in (layer, tf.function(layer, input_signature=spec)):
        np.testing.assert_array_equal(np.sort(call(POINTS[:n])), np.sort(filled))
    gan = zoo.create("pacgan", (2,), pack=3, units=8, latent_dim=4, seed=0)
    assert np.isfinite(list(gan.evaluate(POINTS[:n], verbose=0, return_dict=True).values())).all()


def test_r1_of_packs_against_algebra():
    """D(x_1, x_2) = w . (x_1, x_2): each example's slope is its half of w."""
    x = keras.Input((2,))
    logits = keras.layers.Dense(1, use_bias=False)(Pack(2)(x))
    discriminator = keras.Model(x, logits)
    w = np.array([[1.0], [2.0], [3.0], [4.0]], "float32")
    discriminator.set_weights([w])
    value = zoo.penalties.R1(1.0)(
        lambda v, **_: discriminator(v), tf.constant(POINTS), tf.constant(POINTS)
    )
    assert float(value) == pytest.approx(0.5 * float((w**2).sum()) / 2, rel=1e-5)

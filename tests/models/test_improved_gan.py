"""The five techniques, each on its own and in other models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo import layers
from keras_gan_zoo.losses import FeatureMatching
from keras_gan_zoo.training import Batch

SHAPE = (16, 16, 1)
TINY = {"width": 4, "latent_dim": 8, "seed": 0}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, *SHAPE)).astype("float32")


def kinds(network):
    return {type(layer).__name__ for layer in network._flatten_layers()}


def test_each_technique_has_a_switch():
    off = {"minibatch_kernels": 0, "label_smoothing": 0.0, "reference_batch": 0}
    plain = zoo.create("improved_gan", SHAPE, **TINY, **off)
    assert plain.penalties == [] and plain.loss_object.label_smoothing == 0
    assert not kinds(plain.discriminator) & {"MinibatchDiscrimination"}
    assert not kinds(plain.generator) & {"VirtualBatchNormalization"}
    one = zoo.create("improved_gan", SHAPE, **TINY, **{**off, "minibatch_kernels": 3})
    assert one.discriminator.get_layer("minibatch").kernels == 3
    one = zoo.create("improved_gan", SHAPE, **TINY, **{**off, "label_smoothing": 0.1})
    assert one.loss_object.label_smoothing == 0.1 and one.loss_object.fake_smoothing == 0
    one = zoo.create("improved_gan", SHAPE, **TINY, **{**off, "reference_batch": 4})
    assert "VirtualBatchNormalization" in kinds(one.generator)
    assert "BatchNormalization" not in kinds(one.generator)
    one = zoo.create("improved_gan", SHAPE, **TINY, **off, feature_matching=True)
    assert [p.name for p in one.penalties] == ["feature_matching"]
    one = zoo.create("improved_gan", SHAPE, **TINY, **off, historical_averaging=0.1)
    assert [p.player for p in one.penalties] == ["discriminator", "generator"]


def test_all_together_train_save_and_load(tmp_path):
    on = {"feature_matching": True, "historical_averaging": 0.01, "minibatch_kernels": 5}
    gan = zoo.create("improved_gan", SHAPE, **TINY, **on, ema=0.5)
    history = gan.fit(IMAGES, batch_size=8, verbose=0).history
    both = {"d_historical_averaging", "g_historical_averaging"}
    assert {"feature_matching", *both} <= set(history)
    assert all(np.isfinite(v).all() for v in history.values())
    gan.save(tmp_path / "gan.keras")
    loaded = zoo.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.sample(4, seed=0), gan.sample(4, seed=0))
    assert [p.name for p in loaded.penalties] == [p.name for p in gan.penalties]


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_each_player_s_term_is_logged_under_its_own_name(update):
    gan = zoo.create("improved_gan", SHAPE, **TINY, historical_averaging=1.0, update=update)
    for penalty, shift in zip(gan.penalties, (2.0, 3.0), strict=True):
        variable = penalty.averages[0]
        variable.assign(variable + shift)  # as if the past had been elsewhere
    history = gan.fit(IMAGES[:8], batch_size=8, verbose=0).history
    for player, shift, penalty in zip("dg", (2.0, 3.0), gan.penalties, strict=True):
        expected = shift**2 * np.size(penalty.averages[0])
        assert history[f"{player}_historical_averaging"][0] == pytest.approx(expected, rel=0.02)


def test_switches_and_penalties_add_up():
    options = {**TINY, "feature_matching": True, "historical_averaging": 0.1}
    zoo.create("improved_gan", SHAPE, **TINY, penalties=None)
    gan = zoo.create("improved_gan", SHAPE, **options, penalties=["r1"])
    names = ["feature_matching", "historical_averaging", "historical_averaging", "r1"]
    assert [p.name for p in gan.penalties] == names


def test_feature_matching_is_zero_on_identical_batches_and_counts_squares():
    gan = zoo.create("wgan_gp", SHAPE, **TINY, penalties=[FeatureMatching()])
    gan.random = None
    same = Batch(tf.constant(IMAGES), None, None, fake=tf.constant(IMAGES))
    assert float(gan.generator_terms(same)["feature_matching"]) == 0
    other = Batch(tf.constant(IMAGES), None, None, fake=tf.constant(-IMAGES))
    before_last = keras.Model(gan.discriminator.input, gan.discriminator.layers[-1].input)
    gap = np.mean(before_last(IMAGES), 0) - np.mean(before_last(-IMAGES), 0)
    terms = gan.generator_terms(other)
    np.testing.assert_allclose(terms["feature_matching"], np.sum(gap**2), rtol=1e-4)


@pytest.mark.parametrize("replaces", [True, False])
def test_feature_matching_takes_the_place_of_the_loss(replaces):
    gan = zoo.create(
        "nsgan",
        (2,),
        width=10,
        dropout=0.0,
        latent_dim=4,
        penalties=[FeatureMatching(weight=0.0, replaces_loss=replaces)],
        seed=0,
    )
    before = gan.generator.get_weights()
    gan.train_on_batch(np.ones((8, 2), "float32"))
    still = [np.array_equal(a, b) for a, b in zip(before, gan.generator.get_weights(), strict=True)]
    assert all(still) == replaces


def test_feature_matching_finds_layers_by_name():
    gan = zoo.create("nsgan", (2,), width=10, latent_dim=4, seed=0)
    name = gan.discriminator.layers[1].name
    np.testing.assert_allclose(gan.features(np.ones((2, 2), "f4"), name).shape, (2, 10))
    with pytest.raises(ValueError, match="no_such"):
        gan.features(np.ones((2, 2), "f4"), "no_such")
    with pytest.raises(ValueError, match="real"):
        FeatureMatching()(lambda x, features: x, None, IMAGES)


def test_samples_do_not_depend_on_their_batch():
    gan = zoo.create("improved_gan", SHAPE, **TINY)
    images = gan.sample(6, seed=1)
    np.testing.assert_allclose(gan.sample(6, seed=1, batch_size=2), images, atol=1e-6)
    trained = np.array(gan.generate(np.ones((1, 8), "f4"), training=True))
    np.testing.assert_array_equal(trained, np.array(gan.generate(np.ones((1, 8), "f4"))))


def test_virtual_batch_norm_needs_something_to_replace():
    from keras_gan_zoo.networks import mlp, with_virtual_batch_norm

    with pytest.raises(ValueError, match="no BatchNormalization"):
        with_virtual_batch_norm(mlp.generator((2,), 4, 8))
    network = with_virtual_batch_norm(mlp.generator((2,), 4, 8, normalise=True), 6, seed=1)
    assert isinstance(network.layers[1], layers.ReferenceBatch)
    assert network(np.zeros((3, 4), "f4")).shape == (3, 2)

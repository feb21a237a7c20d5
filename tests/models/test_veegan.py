"""VEEGAN: the three gradients of Algorithm 1, from a definition of its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.models.veegan import VEEGAN, LogRatio
from keras_gan_zoo.training import Batch
from keras_gan_zoo.training.latents import StepRandom

POINTS = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")


@pytest.fixture(scope="module")
def gan():
    gan = zoo.create("veegan", (2,), units=8, latent_dim=3, seed=0)
    gan.compile(g_optimizer=keras.optimizers.SGD(0.1), d_optimizer=keras.optimizers.SGD(0.1))
    return gan


def test_one_step_is_algorithm_1(gan):
    """Lines 7, 9 and 11 with the zoo's order: D first, then G and F against the new D."""
    g, d, f = gan.generator, gan.discriminator, gan.reconstructor
    start = [n.get_weights() for n in (g, d, f)]
    x = tf.constant(POINTS[:8])
    seen, codes = [], []
    generate, code = gan.generate, gan.code
    gan.generate = lambda z, *a, **k: (seen.append(np.array(z)), generate(z, *a, **k))[1]
    gan.code = lambda x, *a, **k: (codes.append(code(x, *a, **k)), codes[-1])[1]
    gan.run_eagerly = True
    try:
        gan.train_step(x)
    finally:
        gan.generate, gan.code, gan.run_eagerly = generate, code, False
    after = [n.get_weights() for n in (g, d, f)]
    z = tf.constant(seen[0])
    for network, weights in zip((g, d, f), start, strict=True):
        network.set_weights(weights)
    with tf.GradientTape() as tape:
        real, fake = d([x, codes[0]]), d([g(z), z])
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    expected_d = moved(d, tape.gradient(loss, d.trainable_variables))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.reduce_sum(tf.square(z - f(g(z))), axis=1))
    expected_f = moved(f, tape.gradient(loss, f.trainable_variables))
    d.set_weights(expected_d)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(d([g(z), z]))
        loss += tf.reduce_mean(tf.reduce_sum(tf.square(z - f(g(z))), axis=1))
    expected_g = moved(g, tape.gradient(loss, g.trainable_variables))
    for mine, expected in zip(after, (expected_g, expected_d, expected_f), strict=True):
        for a, b in zip(mine, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_codes_are_draws_around_the_reconstruction(gan):
    x = tf.constant(np.repeat(POINTS[:1], 4000, axis=0))
    f = np.array(gan.reconstructor(x))
    e = np.array(gan.code(x, training=True)) - f
    assert np.abs(e.mean(axis=0)).max() < 0.06 and np.abs(e.std(axis=0) - 1).max() < 0.06
    np.testing.assert_array_equal(gan.code(x), f)  # out of training: the middle
    sharp = zoo.create("veegan", (2,), units=8, latent_dim=3, code_std=0, seed=0)
    np.testing.assert_array_equal(sharp.code(x, training=True), sharp.reconstructor(x))
    assert type(sharp).from_config(sharp.get_config()).code_std == 0
    wide = zoo.create("veegan", (2,), units=8, latent_dim=3, code_std=3.0, seed=0)
    e = np.array(wide.code(x, training=True)) - np.array(wide.reconstructor(x))
    assert np.abs(e.std(axis=0) - 3).max() < 0.2


def moved(network, gradients):
    pairs = zip(network.get_weights(), gradients, strict=True)
    return [w - 0.1 * np.array(g) for w, g in pairs]


def test_the_reconstructor_moves_with_the_generator_only(gan):
    batch = Batch(tf.constant(POINTS[:8]), None, tf.zeros((8, 3)), fake=tf.constant(POINTS[8:16]))
    before = gan.reconstructor.get_weights()
    gan.minimise(gan.d_optimizer, gan.discriminator, lambda: gan.discriminator_terms(batch))
    for a, b in zip(before, gan.reconstructor.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options", [{"loss": "relativistic"}, {"penalties": ["feature_matching"]}, {}]
)
def test_the_reconstructor_learns_from_the_error_alone(options):
    """Line 9: with a weight of 0 nothing moves F, whatever loss and penalties G has."""
    gan = zoo.create("veegan", (2,), units=8, latent_dim=3, reconstruction=0, seed=0, **options)
    gan.random = StepRandom(0, tf.constant(0, tf.int64))
    z = tf.random.stateless_normal((8, 3), (1, 2))
    with tf.GradientTape() as tape:
        batch = Batch(tf.constant(POINTS[:8]), None, z, fake=gan.generate(z))
        loss = sum(gan.generator_terms(batch).values())
    networks = gan.reconstructor.trainable_variables, gan.generator.trainable_variables
    f, g = tape.gradient(loss, networks)
    assert max(0 if v is None else np.abs(v).max() for v in f) == 0
    assert max(np.abs(v).max() for v in g) > 0


def test_penalties_take_the_slope_over_images_alone():
    gan = zoo.create("veegan", (2,), units=8, latent_dim=3, code_std=0, penalties=["r1"], seed=0)
    gan.random = StepRandom(0, tf.constant(0, tf.int64))
    x = tf.constant(POINTS[:8])
    batch = Batch(x, None, tf.zeros((8, 3)), fake=x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = gan.discriminator([x, tf.stop_gradient(gan.reconstructor(x))])
    slopes = tf.reduce_sum(tf.square(tape.gradient(logits, x)), axis=1)
    weight = gan.penalties[0].weight
    found = gan.discriminator_terms(batch)["r1"] / weight
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = gan.discriminator([x, gan.reconstructor(x)])
    through = tf.reduce_sum(tf.square(tape.gradient(logits, x)), axis=1)
    ratio = float(found) / float(tf.reduce_mean(slopes))  # R1 has a factor of its own
    np.testing.assert_allclose(ratio, round(ratio * 2) / 2, rtol=1e-4)
    assert abs(float(tf.reduce_mean(through)) / float(tf.reduce_mean(slopes)) - 1) > 0.05


def test_terms_and_logits_of_pairs(gan):
    z = tf.constant(np.random.default_rng(1).normal(size=(4, 3)).astype("float32"))
    images = gan.generate(z)
    terms = gan.generator_terms(Batch(None, None, z, fake=images))
    assert set(terms) == {"g_loss", "reconstruction"}
    np.testing.assert_allclose(
        terms["g_loss"], -np.mean(gan.discriminator([images, z])), rtol=1e-5, atol=1e-7
    )
    alone = gan.discriminate(images)
    np.testing.assert_array_equal(alone, gan.discriminator([images, gan.reconstructor(images)]))


def test_saves_the_reconstructor_and_its_moments(tmp_path):
    gan = zoo.create("veegan", (16, 16, 1), width=4, units=8, latent_dim=3, seed=0)
    gan.fit(np.zeros((8, 16, 16, 1), "float32"), batch_size=4, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = zoo.load_model(tmp_path / "gan.keras")
    assert isinstance(loaded, VEEGAN) and isinstance(loaded.loss_object, LogRatio)
    for a, b in zip(gan.reconstructor.weights, loaded.reconstructor.weights, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b))
    count = len(gan.generator.trainable_variables) + len(gan.reconstructor.trainable_variables)
    assert len(loaded.g_optimizer._momentums) == count
    assert max(np.abs(np.array(m)).max() for m in loaded.g_optimizer._momentums) > 0


def test_arguments(gan):
    with pytest.raises(ValueError, match="reconstruction=-1"):
        zoo.create("veegan", (2,), units=4, reconstruction=-1)
    with pytest.raises(ValueError, match="code_std=-1"):
        zoo.create("veegan", (2,), units=4, code_std=-1)
    with pytest.raises(ValueError, match="keeps images without the z"):
        zoo.create("veegan", (2,), units=4, replay=16)
    with pytest.raises(ValueError, match="reconstructor must map"):
        VEEGAN(gan.generator, gan.discriminator, reconstructor=gan.generator)


def test_features_are_those_of_pairs():
    penalties = [zoo.penalties.FeatureMatching()]
    gan = zoo.create("veegan", (2,), units=8, latent_dim=3, penalties=penalties, seed=0)
    logs = gan.train_on_batch(POINTS[:8], return_dict=True)
    assert np.isfinite(logs["feature_matching"]) and logs["feature_matching"] > 0
    assert gan.features(POINTS[:4]).shape[0] == 4

"""Every registered model through the same checks, one test for each rule of the base class.

A model registered later is tested without writing a test. The networks are tiny: every builder
takes `width` and `latent_dim`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.training import Batch
from keras_gan_zoo.training.latents import StepRandom

SHAPE, LATENT, BATCH = (16, 16, 1), 8, 8
NAMES = zoo.list_models()


def make(name, **overrides):
    """A tiny model; two discriminator steps stand for more: each is traced anew."""
    d_steps = min(2, zoo.model_info(name)["defaults"].get("d_steps", 1))
    tiny = {"width": 8, "latent_dim": LATENT, "d_steps": d_steps, "seed": 1}
    return zoo.create(name, SHAPE, **{**tiny, **overrides})


def numbers(variables):
    return [np.array(v.value) for v in variables]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module", params=NAMES)
def trained(request, dataset):
    """A model with an EMA twin after two steps of training, and its history."""
    gan = make(request.param, ema=0.5)
    before = {"g": numbers(gan.generator.weights), "ema": numbers(gan.ema_generator.weights)}
    data = dataset.repeat().take(2 * gan.d_steps)
    history = gan.fit(data, verbose=0, validation_data=dataset.take(1)).history
    return gan, before, history


def test_every_model_loads_in_a_process_that_has_made_none(tmp_path):
    """Classes of models are registered with Keras by importing the package after it."""
    import subprocess
    import sys

    gan = make("ebgan")
    gan.save(tmp_path / "model.keras")
    for statements in (
        "import keras, keras_gan_zoo; gan = keras.saving.load_model(path)",
        "import keras_gan_zoo as zoo; gan = zoo.load_model(path)",
    ):
        code = f"path = {str(tmp_path / 'model.keras')!r}; {statements}; print(type(gan).__name__)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == type(gan).__name__, done.stderr


def test_registered_facts():
    for name in NAMES:
        info = zoo.model_info(name)
        assert info["paper"] and info["summary"] and 2014 <= info["year"] <= 2030


def test_trains_and_logs_its_terms(trained):
    gan, before, history = trained
    assert {"d_loss", "g_loss", "d_real", "d_fake", "val_d_loss", "val_g_loss"} <= set(history)
    assert {p.name for p in gan.penalties} <= set(history)
    assert all(np.isfinite(v).all() for v in history.values())
    assert int(gan.step.numpy()) == 2
    assert int(gan.g_optimizer.iterations.numpy()) == 2
    assert int(gan.d_optimizer.iterations.numpy()) == 2 * gan.d_steps
    assert not same(before["g"], numbers(gan.generator.weights))


def test_ema_twin_starts_as_a_copy_and_covers_all_weights(trained):
    gan, before, _ = trained
    assert same(before["g"], before["ema"])
    moved = [
        not np.array_equal(a, b)
        for a, b in zip(before["g"], numbers(gan.generator.weights), strict=True)
    ]
    followed = [
        not np.array_equal(a, b)
        for a, b in zip(before["ema"], numbers(gan.ema_generator.weights), strict=True)
    ]
    assert moved == followed


def test_samples(trained):
    gan, _, _ = trained
    images = gan.sample(5, seed=3)
    assert images.dtype == np.float32 and images.shape == (5, *SHAPE)
    assert np.abs(images).max() <= 1
    np.testing.assert_array_equal(images, gan.sample(5, seed=3))
    np.testing.assert_allclose(images, gan.sample(5, seed=3, batch_size=2), atol=1e-5)
    np.testing.assert_allclose(images[:2], gan.sample(2, seed=3), atol=1e-5)
    assert np.abs(images - gan.sample(5, seed=4)).max() > 0
    z = np.random.default_rng(0).standard_normal((3, LATENT)).astype(np.float32)
    if gan.num_classes is None:
        expected = gan.ema_generator(z, training=False)
        np.testing.assert_allclose(gan.predict(z, verbose=0), expected, atol=1e-6)


def test_each_update_leaves_the_other_network_alone(trained, images):
    gan, _, _ = trained
    gan.random = StepRandom(0, tf.constant(0, tf.int64))
    z = gan.random.normal([BATCH, LATENT])
    batch = Batch(tf.constant(images[:BATCH]), None, z)
    batch.fake = gan.generate(z, training=False)
    g, d = numbers(gan.generator.variables), numbers(gan.discriminator.variables)
    gan.minimise(gan.d_optimizer, gan.discriminator, lambda: gan.discriminator_terms(batch))
    assert same(g, numbers(gan.generator.variables))
    assert not same(d, numbers(gan.discriminator.variables))
    d = numbers(gan.discriminator.variables)

    def objective():
        fresh = Batch(batch.real, None, z, gan.generate(z, training=True))
        return gan.generator_terms(fresh)

    gan.minimise(gan.g_optimizer, gan.generator, objective)
    assert same(d, numbers(gan.discriminator.variables))
    assert not same(g, numbers(gan.generator.variables))


def test_a_step_uses_fresh_images_and_one_forward_pass_of_the_generator_each(trained):
    gan, _, _ = trained
    seen = []
    generate = gan.generate

    def counted(z, labels=None, training=False):
        seen.append(z)
        return generate(z, labels, training)

    gan.generate = counted
    gan._declaring = {}
    try:
        data = tf.reshape(tf.range(BATCH * gan.d_steps, dtype=tf.float32), (-1, 1, 1, 1))
        data = tf.broadcast_to(data / 1e3, (BATCH * gan.d_steps, *SHAPE))
        gan.train_step(data)
        parts = gan.minibatches(data)
    finally:
        gan.generate, gan._declaring = generate, None
    assert len(seen) == gan.d_steps
    values = np.concatenate([np.array(p.real)[:, 0, 0, 0] for p in parts])
    assert len(np.unique(values)) == BATCH * gan.d_steps
    assert len({np.array(z).tobytes() for z in seen}) == gan.d_steps


def test_keras_file_round_trip(trained, tmp_path):
    gan, _, _ = trained
    path = tmp_path / "model.keras"
    gan.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(gan)
    assert loaded.get_config().keys() == gan.get_config().keys()
    assert same(numbers(gan.weights), numbers(loaded.weights))
    assert same(numbers(gan._own_state().values()), numbers(loaded._own_state().values()))
    for mine, theirs in (
        (gan.g_optimizer, loaded.g_optimizer),
        (gan.d_optimizer, loaded.d_optimizer),
    ):
        assert type(mine) is type(theirs)
        assert same(numbers(mine.variables), numbers(theirs.variables))
    np.testing.assert_array_equal(gan.sample(4, seed=0), loaded.sample(4, seed=0))


def test_export_and_reload(trained, tmp_path):
    gan, _, _ = trained
    folder = zoo.export(gan, tmp_path / "served")
    signatures = tf.saved_model.load(str(folder)).signatures
    expected = gan.sample(4, seed=5)
    z = zoo.training.latents.latents(4, LATENT, 5)
    np.testing.assert_allclose(signatures["serving_default"](z=z)["images"], expected, atol=1e-5)
    seed, n = tf.constant(5, tf.int64), tf.constant(4)
    pixels = signatures["sample"](seed=seed, n=n)["images"].numpy()
    assert pixels.dtype == np.uint8
    assert np.abs(pixels - (expected + 1) * 127.5).max() <= 0.51
    logits = signatures["discriminate"](images=tf.constant(expected))["logits"]
    np.testing.assert_allclose(logits, gan.discriminate(expected), rtol=1e-4, atol=1e-4)


def test_bad_input_stops_before_the_first_step(trained, images):
    gan, _, _ = trained
    step = int(gan.step.numpy())
    with pytest.raises(TypeError, match="uint8"):
        gan.fit(tf.data.Dataset.from_tensor_slices(np.zeros((8, *SHAPE), np.uint8)).batch(4))
    with pytest.raises(ValueError, match="image_shape"):
        gan.fit(tf.data.Dataset.from_tensor_slices(np.zeros((8, 20, 20, 1), "f4")).batch(4))
    with pytest.raises(ValueError, match="NaN"):
        gan.fit(tf.data.Dataset.from_tensor_slices(images * np.nan).batch(4 * gan.d_steps))
    assert int(gan.step.numpy()) == step


# ------------------------------------------------------------------ the slow part


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_mixed_bfloat16(name, dataset):
    gan = make(name, dtype="mixed_bfloat16")
    history = gan.fit(dataset.repeat().take(2 * gan.d_steps), verbose=0).history
    assert all(np.isfinite(v).all() for v in history.values())
    logits = gan.discriminate(gan.generate(tf.zeros((2, LATENT))))
    assert logits.dtype == tf.float32
    assert gan.generator.outputs[0].dtype == "float32"
    assert all(v.dtype == "float32" for v in gan.trainable_variables)
    assert gan.sample(2, seed=0).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_steps_per_execution(name, dataset):
    results = []
    for steps in (1, 2):
        gan = make(name)
        gan.compile(steps_per_execution=steps)
        gan.fit(dataset.repeat().take(4 * gan.d_steps), verbose=0)
        assert int(gan.step.numpy()) == 4
        results.append(numbers(gan.weights))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_resume_equals_uninterrupted(name, images, tmp_path):
    data = zoo.datasets.from_arrays(images, batch_size=4, seed=3)

    def run(epochs, folder):
        gan = make(name, ema=0.9)
        gan.fit(data, epochs=epochs, verbose=0, callbacks=[zoo.callbacks.Resume(folder)])
        return gan

    whole = run(2, tmp_path / "whole")
    run(1, tmp_path / "parts")
    parts = run(2, tmp_path / "parts")
    assert int(parts.step.numpy()) == int(whole.step.numpy())
    for a, b in zip(numbers(whole.weights), numbers(parts.weights), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_replicas(name, dataset, two_replicas):
    strategy = two_replicas
    with strategy.scope():
        gan = make(name, ema=0.9)
    history = gan.fit(dataset.repeat().take(2 * gan.d_steps), verbose=0).history
    assert all(np.isfinite(v).all() for v in history.values())
    for variable in gan.weights:
        copies = [np.array(v) for v in strategy.experimental_local_results(variable.value)]
        np.testing.assert_array_equal(copies[0], copies[-1], err_msg=variable.path)

"""The base class: objectives, schedules, logs, errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.training import Batch, NonFiniteLossError
from keras_gan_zoo.training.latents import StepRandom

SHAPE = (16, 16, 1)


def tiny(name="dcgan", **overrides):
    return zoo.create(name, SHAPE, **{"width": 4, "latent_dim": 4, "seed": 0, **overrides})


def linear_game(**options):
    """G(z) = z + b, D(x) = w x + c on the line: every gradient is known."""
    z = keras.Input((1,))
    g = keras.Model(z, keras.layers.Dense(1, kernel_initializer="ones", name="g")(z))
    x = keras.Input((1,))
    d = keras.Model(
        x, keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(2.0))(x)
    )
    gan = zoo.GAN(g, d, seed=0, **options)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return gan


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_one_step_is_algorithm_1(update):
    """Wasserstein game on the line: dL/dw = E fake - E real, dL/db = -w."""
    gan = linear_game(loss="wasserstein", update=update)
    real = np.linspace(-1, 3, 8, dtype=np.float32)[:, None]
    z = StepRandom(0, tf.constant(0, tf.int64)).normal([8, 1]).numpy()
    gan.train_on_batch(real)
    w = 2.0 - 0.1 * (z.mean() - real.mean())
    np.testing.assert_allclose(gan.discriminator.layers[-1].kernel.numpy(), [[w]], rtol=1e-5)
    met = w if update == "alternating" else 2.0  # the D that the generator meets
    kernel, bias = gan.generator.layers[-1].get_weights()
    np.testing.assert_allclose(bias, [0.1 * met], rtol=1e-5)
    np.testing.assert_allclose(kernel, [[1 + 0.1 * met * z.mean()]], rtol=1e-5)


def test_penalties_are_weighted_named_and_lazy():
    slope = 2.0
    gan = linear_game(loss="wasserstein", penalties=[zoo.penalties.R1(3.0)])
    gan.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    logs = gan.train_on_batch(np.zeros((4, 1), np.float32), return_dict=True)
    assert logs["r1"] == pytest.approx(3.0 * slope**2 / 2)
    lazy = linear_game(loss="wasserstein", penalties=[zoo.penalties.R1(3.0, interval=4)])
    lazy.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    seen = [
        lazy.train_on_batch(np.zeros((4, 1), np.float32), return_dict=True)["r1"] for _ in range(5)
    ]
    assert seen == pytest.approx([4 * 6.0, 0, 0, 0, 4 * 6.0])


def test_two_penalties_of_one_kind_have_names_of_their_own():
    gan = linear_game(penalties=[zoo.penalties.R1(1.0), zoo.penalties.R1(2.0)])
    logs = gan.train_on_batch(np.zeros((4, 1), np.float32), return_dict=True)
    assert logs["r1_2"] == pytest.approx(2 * logs["r1"])


def test_losses_and_penalties_combine_freely(dataset):
    gan = tiny(loss="hinge", penalties=[zoo.penalties.R1(10.0), "gradient_penalty"], d_steps=2)
    history = gan.fit(dataset, verbose=0).history
    assert {"d_loss", "g_loss", "r1", "gradient_penalty", "d_real", "d_fake"} == set(history)
    assert int(gan.step.numpy()) == 4 and int(gan.d_optimizer.iterations.numpy()) == 8


def test_weight_clipping_is_applied_after_every_update(dataset):
    gan = tiny(loss="wasserstein", penalties=[zoo.penalties.WeightClipping(0.01)])
    gan.fit(dataset, verbose=0)
    assert max(np.abs(v.numpy()).max() for v in gan.discriminator.trainable_variables) <= 0.0100001


def test_an_epoch_sees_every_image_once_whatever_d_steps_is():
    values = np.linspace(-1, 1, 24, dtype=np.float32)[:, None]
    for d_steps in (1, 2, 3):
        gan = linear_game(d_steps=d_steps)
        seen = []
        plain = gan.minibatches

        def spy(data, plain=plain, seen=seen):
            parts = plain(data)
            seen.extend(np.array(p.real) for p in parts)
            return parts

        gan.minibatches = spy
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
        gan.fit(tf.data.Dataset.from_tensor_slices(values).batch(4), verbose=0)
        assert int(gan.step.numpy()) == 6 // d_steps
        assert sorted(np.concatenate(seen).ravel()) == sorted(values.ravel())


def test_epoch_logs_are_means_over_the_epoch():
    gan = linear_game(loss="wasserstein")
    gan.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    data = tf.data.Dataset.from_tensor_slices(np.array([[0.0], [1.0], [5.0]], "f4")).batch(1)
    history = gan.fit(data, verbose=0).history
    assert history["d_real"] == pytest.approx([2 * (0 + 1 + 5) / 3])


def test_evaluate_is_repeatable_and_changes_nothing(dataset):
    gan = tiny()
    before = gan.get_weights()
    first = gan.evaluate(dataset, verbose=0, return_dict=True)
    second = gan.evaluate(dataset, verbose=0, return_dict=True)
    assert first == second and set(first) == {"d_loss", "g_loss", "d_real", "d_fake"}
    counters = {id(gan._test_step)}
    for variable, old in zip(gan.weights, before, strict=True):
        if id(variable) not in counters:
            np.testing.assert_array_equal(variable.numpy(), old)


class MeanDifference(keras.metrics.Metric):
    """Mean of real minus mean of fake pixels."""

    def __init__(self, name="mean_difference"):
        super().__init__(name=name)
        self.real, self.fake = self.add_variable((), "zeros"), self.add_variable((), "zeros")

    def update_state(self, real, fake):
        self.real.assign_add(tf.reduce_sum(real))
        self.fake.assign_add(tf.reduce_sum(fake))

    def result(self):
        return self.real - self.fake


def test_metrics_on_images_drive_keras_callbacks(dataset, images, tmp_path):
    gan = tiny()
    gan.compile(metrics=[MeanDifference()])
    path = tmp_path / "best.weights.h5"
    callbacks = [
        keras.callbacks.EarlyStopping("val_mean_difference", mode="min", patience=5),
        keras.callbacks.ModelCheckpoint(
            path, "val_mean_difference", mode="min", save_best_only=True, save_weights_only=True
        ),
        keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2),
        keras.callbacks.ReduceLROnPlateau("val_mean_difference", mode="min"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
    ]
    history = gan.fit(dataset, epochs=2, verbose=0, validation_data=dataset, callbacks=callbacks)
    assert len(history.history["val_mean_difference"]) == 2 and path.exists()
    assert gan.g_optimizer.learning_rate.numpy() == pytest.approx(2e-4 / 4)
    result = gan.evaluate(dataset, verbose=0, return_dict=True)["mean_difference"]
    assert result == pytest.approx(history.history["val_mean_difference"][-1], rel=1e-4)


def test_non_finite_terms_name_themselves_and_the_step(images, tmp_path):
    data = np.concatenate([images[:24], np.full((8, *SHAPE), np.nan, "f4"), images[:8]])
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(8)
    gan = tiny()
    gan.fit(dataset.take(3), verbose=0, callbacks=[zoo.callbacks.Resume(tmp_path)])
    with pytest.raises(NonFiniteLossError, match=r"d_loss = nan.* at step 7 \(epoch 2\)"):
        gan.fit(dataset, epochs=2, verbose=0, callbacks=[zoo.callbacks.Resume(tmp_path)])
    fresh = tiny()
    assert zoo.callbacks.Resume(tmp_path).restore(fresh) == 1
    assert all(np.isfinite(w).all() for w in fresh.get_weights())


def test_noise_depends_on_seed_step_and_draw():
    step = tf.constant(3, tf.int64)
    a, b = StepRandom(1, step), StepRandom(1, step)
    first = a.normal([4, 2]).numpy()
    np.testing.assert_array_equal(first, b.normal([4, 2]).numpy())
    assert not np.array_equal(first, a.normal([4, 2]).numpy())
    assert not np.array_equal(first, StepRandom(2, step).normal([4, 2]).numpy())
    assert not np.array_equal(first, StepRandom(1, step + 1).normal([4, 2]).numpy())
    assert not np.array_equal(first, StepRandom(1, step, stream=1).normal([4, 2]).numpy())


def test_noise_is_normal():
    """Kolmogorov and Smirnov against the normal distribution, neighbours uncorrelated."""
    n = 200_000
    x = StepRandom(5, tf.constant(0, tf.int64)).normal([n // 4 + 1, 4]).numpy().ravel()
    ideal = 0.5 * (1 + tf.math.erf(np.sort(x).astype(np.float64) / np.sqrt(2)).numpy())
    assert np.abs(ideal - (np.arange(len(x)) + 0.5) / len(x)).max() < 1.63 / np.sqrt(n)
    half = len(x) // 2  # the two numbers of a pair
    for a, b in ((x[:half], x[half : 2 * half]), (x[:-1], x[1:])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a))
        assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 4 / np.sqrt(len(a))
    assert abs(np.mean(x**4) - 3) < 0.06


def test_ema_arithmetic():
    ema = zoo.training.EMA(0.9, ramp=False)
    layer = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    twin = keras.models.clone_model(layer)
    layer.set_weights([np.full((1, 1), 1.0), np.zeros(1)])
    twin.set_weights([np.zeros((1, 1)), np.zeros(1)])
    for i in range(3):
        ema.update(twin, layer, i)
    assert twin.get_weights()[0].item() == pytest.approx(1 - 0.9**3)
    assert zoo.training.EMA.from_half_life(500, 50).decay == pytest.approx(0.5 ** (50 / 500))
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        zoo.training.EMA(1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_steps": 0}, "d_steps must be at least 1"),
        ({"update": "both"}, "alternating"),
        ({"update": "simultaneous", "d_steps": 2}, "one forward pass"),
        ({"ema": 1.5}, r"\[0, 1\)"),
        ({"loss": "hinje"}, "hinge"),
        ({"penalties": ["r3"]}, "r1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options)


def test_networks_that_do_not_fit_together():
    g, d = tiny().generator, zoo.create("dcgan", (20, 20, 1), width=4).discriminator
    with pytest.raises(ValueError, match="what the generator makes"):
        zoo.GAN(g, d)


def test_one_optimizer_for_both_players_is_refused():
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="two optimizers"):
        tiny().compile(adam, adam)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: (x * 127.5 + 127.5).astype("u1"), TypeError, r"uint8.*127\.5 - 1"),
        (lambda x: x * 127.5 + 127.5, ValueError, r"\[-1, 1\].*127\.5 - 1"),
        (
            lambda x: np.where(np.arange(len(x))[:, None, None, None] == 1, np.nan, x),
            ValueError,
            r"NaN.*images \[1\]",
        ),
        (lambda x: np.repeat(x, 3, -1), ValueError, "rgb_to_grayscale"),
        (lambda x: x[:, :12, :12], ValueError, "image_shape=\\(12, 12, 1\\)"),
        (lambda x: x.astype("f8"), TypeError, "float64.*tf.float32"),
    ],
)
def test_bad_values(images, make, error, message):
    data = make(images)
    data = data if data.dtype in (np.uint8, np.float64) else data.astype("f4")
    with pytest.raises(error, match=message):
        tiny().fit(tf.data.Dataset.from_tensor_slices(data).batch(8), verbose=0)


def test_bad_structures(images, dataset):
    gan = tiny()
    with pytest.raises(TypeError, match="keys 'image', 'label'.*d\\[\"image\"\\]"):
        gan.fit(dataset.map(lambda x: {"image": x, "label": 0}))
    with pytest.raises(TypeError, match="3 parts"):
        gan.fit(dataset.map(lambda x: (x, 0, 0)))
    with pytest.raises(ValueError, match="empty"):
        gan.fit(dataset.take(0))
    with pytest.raises(ValueError, match=r"single images.*batch\(64"):
        gan.fit(dataset.unbatch())
    with pytest.raises(TypeError, match="from_generator"):
        gan.fit(iter([images]))
    with pytest.raises(
        ValueError, match="holds 8 images; one training step of this model takes 24"
    ):
        tiny(d_steps=3).fit(dataset.take(1))
    short = tf.data.Dataset.from_tensor_slices(images[:20]).batch(8)  # three batches, the last of 4
    with pytest.raises(ValueError, match="holds 20 images.*takes 24"):
        tiny(d_steps=3).fit(short)
    with pytest.warns(UserWarning, match=r"\[0, 1\]"):
        gan.fit(dataset.map(lambda x: x / 2 + 0.5), verbose=0)
    assert int(gan.step.numpy()) == 8  # the warning was only one


def test_arrays_are_data_too(images):
    gan = tiny()
    gan.fit(images, batch_size=16, verbose=0)
    gan.fit(((images + 1) * 127.5).astype(np.uint8), batch_size=16, epochs=1, verbose=0)
    assert int(gan.step.numpy()) == 8
    with pytest.raises(ValueError, match="takes 128"):
        gan.fit(images, batch_size=128, verbose=0)
    whole = gan.evaluate(images, batch_size=64, verbose=0, return_dict=True)
    assert whole == gan.evaluate(images, batch_size=128, verbose=0, return_dict=True)


def test_labels_are_ignored_by_unconditional_models(dataset):
    labelled = dataset.map(lambda x: (x, tf.zeros(tf.shape(x)[0], tf.int32)))
    plain, other = tiny(), tiny()
    plain.fit(dataset, verbose=0)
    other.fit(labelled, verbose=0)
    for a, b in zip(plain.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_sample_arguments():
    gan = tiny()
    for kwargs, message in [
        ({"n": 0}, "at least 1"),
        ({"n": 1, "truncation": 0.0}, r"\(0, 1\]"),
        ({"n": 1, "labels": 3}, "unconditional"),
    ]:
        with pytest.raises(ValueError, match=message):
            gan.sample(**kwargs)
    z = zoo.training.latents.latents(3, 4, 7)
    np.testing.assert_allclose(gan.sample(3, seed=7, truncation=0.5), gan(z * 0.5), atol=1e-6)


def test_points_are_samples_too():
    gan = zoo.create("nsgan", (2,), width=16, latent_dim=4, seed=0)
    gan.fit(zoo.datasets.ring(num_examples=512, batch_size=64), verbose=0)
    assert gan.sample(5, seed=0).shape == (5, 2)
    gan.fit(np.random.default_rng(0).standard_normal((64, 2)), verbose=0)  # cast to float32
    with pytest.raises(TypeError, match="int64"):
        gan.fit(np.zeros((64, 2), np.int64), verbose=0)


def test_batch_normalization_is_keras_own(images):
    """The fused layer against `keras.layers.BatchNormalization`: outputs, statistics, gradients."""
    x = tf.constant(np.random.default_rng(0).normal(1, 2, (8, 5, 5, 3)).astype("f4"))
    for data in (x, x[:, 0, 0]):
        ours, theirs = (
            c(momentum=0.7, epsilon=1e-5)
            for c in (zoo.layers.BatchNormalization, keras.layers.BatchNormalization)
        )
        gradients = []
        for layer in (ours, theirs):
            layer.build(data.shape)
            with tf.GradientTape() as outer:
                outer.watch(data)
                with tf.GradientTape() as inner:
                    inner.watch(data)
                    y = tf.reduce_sum(tf.sin(layer(data, training=True)))
                first = inner.gradient(y, data)
                second = tf.reduce_sum(first**2)
            gradients.append((first, outer.gradient(second, data)))
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(a.value, b.value, rtol=1e-5, atol=1e-6)
        for a, b in zip(*gradients, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(ours(data), theirs(data), rtol=1e-5, atol=1e-6)


def test_hooks_see_a_batch(dataset):
    """A subclass changes the objective in one method; its term is logged under its name."""

    class FeatureNorm(zoo.GAN):
        def generator_terms(self, batch: Batch):
            terms = super().generator_terms(batch)
            return {**terms, "feature_norm": tf.reduce_mean(batch.fake**2)}

    base = tiny()
    gan = FeatureNorm(base.generator, base.discriminator, seed=0)
    gan.compile()
    assert "feature_norm" in gan.fit(dataset, verbose=0).history


def test_instance_noise_and_replay(dataset, tmp_path):
    """Noise falls with the discriminator's updates; the buffer fills with fakes; both are saved."""
    noise = zoo.layers.InstanceNoise(0.5, anneal_steps=16)
    gan = tiny(instance_noise=noise, replay=32, ema=0.9)
    gan.fit(dataset, verbose=0)
    assert float(gan.instance_noise.level()) == pytest.approx(0.25)
    assert int(gan.replay.count.value) == 32
    assert np.abs(gan.replay.images.value).max() > 0
    gan.save(tmp_path / "noisy.keras")
    loaded = keras.saving.load_model(tmp_path / "noisy.keras")
    for a, b in zip(
        [*gan.weights, *gan._own_state().values()],
        [*loaded.weights, *loaded._own_state().values()],
        strict=True,
    ):
        np.testing.assert_array_equal(a.value, b.value)
    clean = gan.discriminate(np.zeros((1, *SHAPE), "f4"))
    np.testing.assert_array_equal(clean, gan.discriminate(np.zeros((1, *SHAPE), "f4")))
    with pytest.raises(ValueError, match="alternating"):
        tiny(replay=8, update="simultaneous")


def test_an_average_s_serialisation_revives_no_other_class():
    serialised = keras.saving.serialize_keras_object(zoo.training.EMA(0.5, ramp=False))
    assert zoo.training.EMA.get(serialised).get_config() == {"decay": 0.5, "ramp": False}
    with pytest.raises(ValueError, match="Not the serialisation of an EMA.*Dense"):
        zoo.training.EMA.get(keras.saving.serialize_keras_object(keras.layers.Dense(3)))

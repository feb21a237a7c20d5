"""Two replicas in one process, and two processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.training.latents import StepRandom

ROOT = Path(zoo.__file__).parent.parent


def replicas_of(strategy, value):
    return [np.array(v) for v in strategy.experimental_local_results(value)]


def test_noise_differs_between_replicas(two_replicas):
    @tf.function
    def draw():
        return two_replicas.run(lambda: StepRandom(0, tf.constant(0, tf.int64)).normal([4, 3]))

    first, second = replicas_of(two_replicas, draw())
    assert not np.array_equal(first, second)


def _images(**options):
    return zoo.create("dcgan", (16, 16, 1), width=4, penalties=[zoo.penalties.R1(1.0)], **options)


def _unrolled(**options):
    return zoo.create("unrolled", (2,), width=8, unroll_steps=2, **options)


def _ahead_of_all(**options):
    """The look-ahead beside losses and penalties that wait for the other replicas."""
    penalties = [zoo.penalties.FeatureMatching(replaces_loss=False)]
    return _unrolled(loss="relativistic_average", penalties=penalties, **options)


def _relativistic(**options):
    return zoo.create("gan", (2,), width=8, dropout=0.0, loss="relativistic_average", **options)


def _penalised(**options):
    penalties = [
        zoo.penalties.FeatureMatching(),
        zoo.penalties.FeatureMatching(0.5, interval=2),
        zoo.penalties.HistoricalAveraging(1.0, player="generator"),
        zoo.penalties.HistoricalAveraging(1.0, player="discriminator"),
    ]
    return zoo.create("gan", (2,), width=8, dropout=0.0, penalties=penalties, **options)


@pytest.mark.parametrize(
    ("game", "options"),
    [
        (_images, {"update": "alternating"}),
        pytest.param(_images, {"update": "simultaneous"}, marks=pytest.mark.slow),
        (_unrolled, {}),
        (_ahead_of_all, {}),
        (_relativistic, {}),
        (_penalised, {}),
    ],
)
def test_gradients_equal_one_big_batch_s(two_replicas, images, game, options, monkeypatch):
    """With the same noise for the same rows, two replicas make the steps of one device: BatchNorm
    moments, losses, penalties, look-ahead and both updates are those of the whole batch."""
    noise = np.random.default_rng(1).standard_normal((16, 4)).astype("f4")

    def fixed(self, shape):
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            return tf.constant(noise)
        start = 8 * tf.cast(context.replica_id_in_sync_group, tf.int32)
        return tf.slice(tf.constant(noise), [start, 0], [8, 4])

    monkeypatch.setattr(StepRandom, "normal", fixed)

    def steps():
        import keras

        gan = game(latent_dim=4, seed=0, **options)
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        data = images[:16] if len(gan.image_shape) == 3 else images.reshape(-1, 2)[:32]
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(16, drop_remainder=True)
        history = gan.fit(dataset, verbose=0).history
        return gan, history

    one, one_logs = steps()
    with two_replicas.scope():
        two, two_logs = steps()
    for a, b in zip(one.weights, two.weights, strict=True):
        copies = replicas_of(two_replicas, b.value)
        np.testing.assert_array_equal(copies[0], copies[-1])
        np.testing.assert_allclose(
            np.array(a.value), copies[0], rtol=2e-3, atol=2e-5, err_msg=a.path
        )
    for name, value in one_logs.items():
        assert value == pytest.approx(two_logs[name], rel=1e-3, abs=1e-4)


def test_joined_batches_are_split_over_replicas(two_replicas, dataset, images):
    with two_replicas.scope():
        gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, d_steps=2, ema=0.9, seed=0)
    labelled = dataset.map(lambda x: (x, tf.zeros(tf.shape(x)[0], tf.int32)))
    gan.fit(labelled, verbose=0, validation_data=labelled)
    assert int(gan.step.numpy()) == 4
    assert int(gan.d_optimizer.iterations.numpy()) == 8
    for variable in gan.weights:
        copies = replicas_of(two_replicas, variable.value)
        np.testing.assert_array_equal(copies[0], copies[-1], err_msg=variable.path)
    assert gan.sample(2, seed=0).shape == (2, 16, 16, 1)


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic_average"])
def test_a_last_batch_smaller_than_the_number_of_replicas(two_replicas, images, loss):
    def make():
        return zoo.create("gan", (16, 16, 1), width=8, latent_dim=4, loss=loss, dropout=0.0, seed=0)

    one, ragged = make(), tf.data.Dataset.from_tensor_slices(images[:17]).batch(8)
    with two_replicas.scope():
        two = make()
    expected = one.evaluate(ragged, verbose=0, return_dict=True)
    assert two.evaluate(ragged, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-4)
    two.fit(ragged, verbose=0, validation_data=ragged)
    assert int(two.step.numpy()) == 2  # the single image is left out
    with pytest.raises(ValueError, match="batches of 1; 2 replicas"):
        two.fit(ragged.unbatch().batch(1))


def test_a_dataset_that_the_user_distributed(two_replicas, dataset):
    logs = []
    for data in (dataset, two_replicas.experimental_distribute_dataset(dataset)):
        with two_replicas.scope():
            gan = zoo.create("gan", (16, 16, 1), width=8, latent_dim=4, dropout=0.0, seed=0)
        history = gan.fit(data, epochs=2, verbose=0).history
        logs.append({**history, **gan.evaluate(data, verbose=0, return_dict=True)})
    assert logs[0] == logs[1]


def test_random_labels_differ_between_replicas(two_replicas):
    with two_replicas.scope():
        loss = zoo.losses.Minimax(label_noise=0.3, flip=0.2, seed=1)

    @tf.function
    def draw():
        return two_replicas.run(lambda: loss.targets(tf.zeros((32, 1)), 1.0))

    first, second = replicas_of(two_replicas, draw())
    assert not np.array_equal(first, second)


def test_float16_over_several_replicas_is_refused(two_replicas):
    with two_replicas.scope(), pytest.raises(ValueError, match="mixed_bfloat16"):
        zoo.create("dcgan", (16, 16, 1), width=4, dtype="mixed_float16")


@pytest.mark.slow
def test_two_workers_end_with_the_same_weights():
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "two_workers.py"),
            "--epochs",
            "1",
            "--width",
            "4",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same weights" in done.stdout

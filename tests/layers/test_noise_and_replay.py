import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import GaussianNoise, InstanceNoise, ReplayBuffer
from keras_gan_zoo.training.latents import StepRandom


def test_noise_has_the_level_and_only_in_training():
    layer = InstanceNoise(0.3, seed=0)
    x = np.ones((8, 16, 16, 3), "float32")
    np.testing.assert_array_equal(layer(x, training=False), x)
    noise = layer(x, training=True).numpy() - x
    assert abs(noise.std() - 0.3) < 0.01 and abs(noise.mean()) < 0.02
    other = layer(x, training=True).numpy() - x
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.05  # independent draws


def test_gaussian_noise_is_that_of_keras():
    layer = GaussianNoise(0.5, seed=0)
    x = np.ones((64, 500), "float32")
    np.testing.assert_array_equal(layer(x, training=False), x)
    noise = (layer(x, training=True).numpy() - x).ravel()
    assert abs(noise.std() - 0.5) < 0.01 and abs(noise.mean()) < 0.01
    assert abs(np.mean(np.abs(noise) < 0.5) - 0.6827) < 0.01  # within one deviation
    other = (layer(x, training=True).numpy() - x).ravel()
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.02
    copy = GaussianNoise.from_config(layer.get_config())
    np.testing.assert_allclose((copy(x, training=True).numpy() - x).ravel(), noise)


def test_noise_is_annealed_by_updates_not_by_calls():
    layer = InstanceNoise(0.4, anneal_steps=4, final_std=0.1)
    x = np.zeros((1, 4), "float32")
    levels = []
    for _ in range(6):
        layer(x, training=True)
        layer(x, training=True)
        levels.append(float(layer.level()))
        layer.after_update()
    np.testing.assert_allclose(levels, [0.4, 0.325, 0.25, 0.175, 0.1, 0.1], rtol=1e-6)


def test_noise_round_trip_keeps_the_counter(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 1)), InstanceNoise(0.5, 10, 0.1, seed=3)])
    model.layers[0].after_update()
    model.save(tmp_path / "noise.keras")
    loaded = keras.saving.load_model(tmp_path / "noise.keras").layers[0]
    assert int(loaded.updates.numpy()) == 1
    assert (loaded.std, loaded.anneal_steps, loaded.final_std, loaded.seed) == (0.5, 10, 0.1, 3)


def test_noise_keeps_the_dtype():
    layer = InstanceNoise(0.1, dtype="mixed_bfloat16")
    assert layer(np.zeros((2, 4), "float32"), training=True).dtype == tf.bfloat16


@pytest.mark.parametrize(
    "arguments", [{"std": -0.1}, {"final_std": -1.0}, {"anneal_steps": 0}, {"std": float("nan")}]
)
def test_noise_bad_arguments(arguments):
    with pytest.raises(ValueError, match="Received"):
        InstanceNoise(**arguments)


def rng_of(step):
    return StepRandom(0, tf.constant(step, tf.int64))


def numbered(first, n):
    return np.arange(first, first + n, dtype="float32").reshape(n, 1, 1, 1)


def test_replay_passes_the_first_minibatch_and_then_mixes_halves():
    buffer = ReplayBuffer(capacity=6)
    first = buffer.mix(numbered(1, 4), rng_of(0)).numpy().ravel()
    np.testing.assert_array_equal(first, [1, 2, 3, 4])
    assert int(buffer.count.numpy()) == 2
    np.testing.assert_array_equal(buffer.images.numpy().ravel(), [3, 4, 0, 0, 0, 0])
    second = buffer.mix(numbered(5, 4), rng_of(1)).numpy().ravel()
    np.testing.assert_array_equal(second[:2], [5, 6])
    assert set(second[2:]) <= {3, 4}
    np.testing.assert_array_equal(buffer.images.numpy().ravel(), [3, 4, 7, 8, 0, 0])


def test_replay_replaces_distinct_random_entries_when_full():
    buffer = ReplayBuffer(capacity=6)
    seen = set()
    for step in range(40):
        before = buffer.images.numpy().ravel() if buffer.built else None
        buffer.mix(numbered(1 + 4 * step, 4), rng_of(step))
        after = buffer.images.numpy().ravel()
        if step >= 3:
            changed = np.flatnonzero(before != after)
            assert len(changed) == 2
            assert set(after[changed]) == {3 + 4 * step, 4 + 4 * step}
            seen |= set(changed)
    assert seen == set(range(6)) and int(buffer.count.numpy()) == 6


def test_replay_works_in_a_graph_with_any_batch_and_saves(tmp_path):
    buffer = ReplayBuffer(capacity=8)
    buffer.build((None, 4, 4, 1))

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1])])
    def mix(fakes):
        return buffer.mix(fakes, rng_of(0))

    fakes = tf.random.stateless_normal((5, 4, 4, 1), (0, 0))
    np.testing.assert_array_equal(mix(fakes), fakes)
    assert mix(fakes).shape == (5, 4, 4, 1)
    copy = ReplayBuffer.from_config(buffer.get_config())
    copy.build((None, 4, 4, 1))
    copy.set_weights(buffer.get_weights())
    np.testing.assert_array_equal(copy.mix(fakes, rng_of(2)), buffer.mix(fakes, rng_of(2)))


def test_replay_lets_gradients_through_fresh_images_only():
    buffer = ReplayBuffer(capacity=4)
    buffer.mix(numbered(1, 4), rng_of(0))
    fakes = tf.constant(numbered(5, 4))
    with tf.GradientTape() as tape:
        tape.watch(fakes)
        total = tf.reduce_sum(buffer.mix(fakes, rng_of(1)))
    np.testing.assert_array_equal(tape.gradient(total, fakes).numpy().ravel(), [1, 1, 0, 0])


def test_replay_bad_arguments():
    with pytest.raises(ValueError, match="capacity=0"):
        ReplayBuffer(0)
    with pytest.raises(ValueError, match="capacity=2"):
        ReplayBuffer(2).mix(numbered(0, 6), rng_of(0))

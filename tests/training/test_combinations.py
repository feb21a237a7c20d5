"""Options that meet: each pair here went wrong once, or would without a word."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.training import Batch
from keras_gan_zoo.training.latents import StepRandom

POINTS = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")


def tiny(**options):
    return zoo.create("gan", (2,), **{"width": 8, "latent_dim": 4, "seed": 0, **options})


def conditional(**options):
    z, label = keras.Input((4,)), keras.Input((), dtype="int32")
    code = keras.layers.Embedding(3, 4)(label)
    x = keras.layers.Dense(2)(keras.layers.Concatenate()([z, code]))
    generator = keras.Model([z, label], x)
    point, label = keras.Input((2,)), keras.Input((), dtype="int32")
    h = keras.layers.Dense(4, activation="tanh")(point)
    score = keras.layers.Dot(1)([h, keras.layers.Embedding(3, 4)(label)])
    logits = keras.layers.Add()([keras.layers.Dense(1)(h), score])
    options = {"num_classes": 3, "seed": 0, **options}
    gan = zoo.GAN(generator, keras.Model([point, label], logits), **options)
    gan.compile()
    return gan


@pytest.mark.parametrize("name", ["wgan", "r1gan"])
def test_rmsprop_is_that_of_the_authors_framework(name):
    """PyTorch divides by sqrt(v) + 1e-8, also where gradients are small."""
    gan = zoo.create(name, (16, 16, 1), width=4, latent_dim=4)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        optimizer = type(optimizer).from_config(optimizer.get_config())
        x, rate, v, moved = keras.Variable([0.0]), float(optimizer.learning_rate), 0.0, 0.0
        optimizer.build([x])
        for _ in range(5):
            optimizer.apply([tf.constant([2e-6])], [x])
            v = 0.99 * v + 0.01 * 2e-6**2
            moved -= rate * 2e-6 / (v**0.5 + 1e-8)
        assert float(x.numpy()[0]) == pytest.approx(moved, rel=0.1)


def test_replay_knows_no_labels():
    with pytest.raises(ValueError, match="without their labels.*num_classes=3"):
        conditional(replay=8)


def test_generators_that_do_not_fit_num_classes():
    gan, plain = conditional(), tiny()
    with pytest.raises(ValueError, match=r"num_classes=None the generator must take z alone"):
        zoo.GAN(gan.generator, plain.discriminator)
    with pytest.raises(ValueError, match=r"num_classes=3 .* \[z, labels\]. Received: .* 1 input"):
        zoo.GAN(plain.generator, gan.discriminator, num_classes=3)

    class Own(keras.Model):
        pass

    with pytest.raises(ValueError, match="functional or Sequential"):
        zoo.GAN(Own(), plain.discriminator)


def test_features_of_a_last_layer_with_several_inputs_need_a_name():
    gan = conditional()
    with pytest.raises(ValueError, match="takes 2 tensors.*must be named"):
        gan.features(tf.constant(POINTS[:4]), labels=tf.zeros(4, tf.int32))
    dense = gan.discriminator.layers[-1]._inbound_nodes[0].input_tensors[0]
    name = dense._keras_history.operation.name
    assert gan.features(tf.constant(POINTS[:4]), name, labels=tf.zeros(4, tf.int32)).shape == (4, 1)


@pytest.mark.parametrize("name", ["ebgan", "began"])
def test_features_of_a_nested_network(name):
    penalty = zoo.penalties.FeatureMatching(0.1, layer="encoder")
    gan = zoo.create(name, (16, 16, 1), width=4, latent_dim=4, penalties=[penalty], seed=0)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype("float32")
    found = gan.features(tf.constant(images), "encoder")
    encoder = gan.discriminator.get_layer("encoder")
    np.testing.assert_array_equal(found, encoder(images))
    assert gan.train_on_batch(images, return_dict=True)["feature_matching"] > 0


@pytest.mark.parametrize("penalty", ["gradient_penalty", "dragan", "zero_centered"])
def test_penalties_with_random_numbers_may_be_lazy(penalty):
    lazy = zoo.penalties.get({"class_name": penalty, "config": {"weight": 2.0, "interval": 3}})
    gan = tiny(penalties=[lazy])
    steps = [gan.train_on_batch(POINTS[:8], return_dict=True)[lazy.name] for _ in range(7)]
    assert steps[0] > 0 and max(steps[3], steps[6]) > 0  # dropout may leave nothing of one
    assert steps[1:3] == steps[4:6] == [0, 0]
    with pytest.raises(ValueError, match="keeps a running state"):
        tiny(penalties=[zoo.penalties.LeCam(interval=2)])


def test_lazy_penalties_of_a_conditional_model_compile():
    gan = conditional(penalties=[zoo.penalties.R1(1.0, interval=2)])
    gan.compile(jit_compile=True)
    labels = np.arange(32) % 3
    history = gan.fit(POINTS, labels, batch_size=8, verbose=0).history
    assert np.isfinite(history["r1"][0]) and history["r1"][0] > 0


def test_evaluation_has_no_random_labels():
    gan = tiny(
        loss=zoo.losses.NonSaturating(label_smoothing=0.1, flip=0.3, label_noise=0.1, seed=1)
    )
    clean = tiny(loss=zoo.losses.NonSaturating(label_smoothing=0.1))
    before = np.array(gan.loss_object.seed_generator.state.value)
    first, second = (gan.evaluate(POINTS, verbose=0, return_dict=True) for _ in range(2))
    assert first == second == pytest.approx(clean.evaluate(POINTS, verbose=0, return_dict=True))
    np.testing.assert_array_equal(gan.loss_object.seed_generator.state.value, before)


def test_evaluation_counts_images_not_batches():
    gan = tiny()
    logs = gan.evaluate(POINTS[:20], batch_size=16, verbose=0, return_dict=True)
    expected = float(np.mean(gan.discriminate(POINTS[:20])))
    assert logs["d_real"] == pytest.approx(expected, rel=1e-5)


def test_constraints_are_the_player_s():
    class Small(zoo.penalties.WeightClipping):
        player = "generator"

    gan = tiny(penalties=[Small(1e-6)])
    gan.train_on_batch(POINTS[:8])
    largest = [
        max(np.abs(v).max() for v in n.get_weights()) for n in (gan.generator, gan.discriminator)
    ]
    assert largest[0] <= 1e-6 < largest[1]


def test_a_list_of_callbacks_of_keras_s_kind(tmp_path):
    keep = zoo.callbacks.Resume(tmp_path)
    for epochs in (1, 3):
        gan = tiny()
        callbacks = keras.callbacks.CallbackList(
            [keep], add_history=True, model=gan, epochs=epochs, steps=4
        )
        gan.fit(POINTS, batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks)
    assert int(gan.step.numpy()) == 12 and len(keep.history) == 3
    callbacks.set_params({"epochs": 4, "steps": 4})
    gan.fit(POINTS, batch_size=8, epochs=4, verbose=0, callbacks=callbacks)  # the same list
    assert int(gan.step.numpy()) == 16 and int(gan.epoch.numpy()) == 4


def test_resume_names_another_game(tmp_path):
    def fit(**options):
        gan = tiny(**options)
        gan.fit(POINTS, batch_size=8, verbose=0, callbacks=[zoo.callbacks.Resume(tmp_path)])

    fit()
    with pytest.raises(ValueError, match="g_optimizer: Adam, now Nadam"):
        fit(g_optimizer=keras.optimizers.Nadam())
    with pytest.raises(ValueError, match="loss: Minimax, now Hinge; penalties:.*'R1'"):
        fit(loss="hinge", penalties=["r1"])


@pytest.mark.filterwarnings("ignore:.*input ran out of data")
def test_an_epoch_for_which_the_data_did_not_suffice_is_whole(tmp_path):
    keep = zoo.callbacks.Resume(tmp_path)
    tiny().fit(
        POINTS[:24], batch_size=8, steps_per_epoch=2, epochs=2, verbose=0, callbacks=[keep]
    )  # 3 batches: an epoch of two, an epoch of one
    assert keep.epochs == len(keep.history) == 2


def test_an_epoch_that_was_cut_short_begins_again(tmp_path):
    """No limit makes the epochs of a resumed run shorter than they are."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    seen = []
    for epochs, more in ((2, [Stop()]), (2, [])):
        gan, keep = tiny(), zoo.callbacks.Resume(tmp_path)
        gan.fit(POINTS, batch_size=8, epochs=epochs, verbose=0, callbacks=[*more, keep])
        seen.append((int(gan.step.numpy()), int(gan.epoch.numpy()), len(keep.history)))
        if more:
            cut = keep.history[0]["seconds"]
            assert keep.epochs == 0
    assert keep.epochs == 2
    assert seen == [(2, 1, 1), (2 + 8, 2, 2)]
    assert keep.history[0]["seconds"] > cut  # its time is not forgotten


def test_an_epoch_that_was_cut_short_leaves_the_last_whole_one(tmp_path):
    """A kill while it is saved must not cost the epoch before it."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = int(self.model.step.numpy()) == 6

    tiny().fit(
        POINTS,
        batch_size=8,
        epochs=3,
        verbose=0,
        callbacks=[Stop(), zoo.callbacks.Resume(tmp_path)],
    )
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["epoch-000001", "epoch-000001-step-0000000006"]
    gan = tiny()
    assert zoo.callbacks.Resume(tmp_path).restore(gan) == 1 and int(gan.step.numpy()) == 6
    (tmp_path / names[1] / "meta.json").unlink()
    gan = tiny()
    with pytest.warns(UserWarning, match="step-0000000006"):
        assert zoo.callbacks.Resume(tmp_path).restore(gan) == 1
    assert int(gan.step.numpy()) == 4


def test_labels_that_an_unconditional_model_ignores():
    gan = tiny()
    one_hot = np.eye(3, dtype="float32")[np.arange(32) % 3]
    for labels in (one_hot, np.linspace(0, 1, 32)):
        gan.fit(POINTS, labels, batch_size=8, verbose=0)
    gan.fit(POINTS.astype("float64"), batch_size=8, verbose=0)  # NumPy's own dtype


def test_a_batch_that_is_no_multiple_of_d_steps():
    gan = tiny(d_steps=3)
    with pytest.raises(ValueError, match="d_steps=3 minibatches.* 8 images"):
        gan.train_on_batch(POINTS[:8])


def test_a_penalty_that_came_later_is_logged():
    gan = tiny()
    gan.fit(POINTS, batch_size=8, verbose=0)
    gan.penalties.append(zoo.penalties.R1(1.0))
    gan.compile()
    assert "r1" in gan.fit(POINTS, batch_size=8, verbose=0).history


def test_walks_need_images(tmp_path):
    with pytest.raises(ValueError, match="SampleGrid draws those"):
        tiny().fit(POINTS, verbose=0, callbacks=[zoo.callbacks.LatentWalk(tmp_path)])


def test_batch_knows_how_far_ahead_it_is():
    gan = tiny(penalties=[zoo.penalties.R1(1.0, interval=4)])
    gan.random = StepRandom(0, tf.constant(0, tf.int64))
    batch = Batch(tf.constant(POINTS[:8]), None, tf.zeros((8, 4)), fake=tf.zeros((8, 2)))
    for ahead in range(5):
        batch.ahead = ahead
        assert (float(gan.discriminator_terms(batch)["r1"]) > 0) == (ahead % 4 == 0)

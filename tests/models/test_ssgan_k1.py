"""The K+1 classifier: its loss against an explicit softmax over K+1 classes."""

import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.models.ssgan_k1 import _first_others
from keras_gan_zoo.training import Batch
from keras_gan_zoo.training.latents import StepRandom

SHAPE = (16, 16, 1)
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (16, *SHAPE)).astype("float32")
LABELS = np.array([0, 1, 2, 3, -1, -1, -1, -1] * 2, np.int32)


@pytest.fixture
def gan():
    gan = zoo.create("ssgan_k1", SHAPE, width=16, latent_dim=8, classes=4, seed=0)
    # no noise: the loss can be computed twice
    for layer in gan.discriminator.layers:
        if hasattr(layer, "stddev"):
            layer.stddev = 0.0
    return gan


def softmax_with_generated(logits):
    """Probabilities of K+1 classes, the last one with logit 0."""
    logits = np.concatenate([np.array(logits, np.float64), np.zeros((len(logits), 1))], axis=1)
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_loss_is_the_k_plus_1_cross_entropy(gan):
    fake = RNG.uniform(-1, 1, (16, *SHAPE)).astype("float32")
    batch = Batch(tf.constant(IMAGES), tf.constant(LABELS), None, fake=tf.constant(fake))
    terms = gan.discriminator_terms(batch)
    real, generated = (softmax_with_generated(gan.class_logits(x)) for x in (IMAGES, fake))
    unlabelled, labelled = LABELS < 0, LABELS >= 0
    # generated images belong to class K+1, unlabelled ones to any of the first K
    unsupervised = -np.mean(np.log(1 - real[unlabelled, 4])) - np.mean(np.log(generated[:, 4]))
    np.testing.assert_allclose(terms["d_loss"], 0.5 * unsupervised, rtol=1e-4)
    given = real[labelled, LABELS[labelled]] / (1 - real[labelled, 4])
    np.testing.assert_allclose(terms["supervised"], -np.mean(np.log(given)), rtol=1e-4)


def test_d_is_z_over_z_plus_1(gan):
    z = np.exp(np.array(gan.class_logits(IMAGES), np.float64)).sum(1, keepdims=True)
    d = 1 / (1 + np.exp(-np.array(gan.discriminate(IMAGES), np.float64)))
    np.testing.assert_allclose(d, z / (z + 1), rtol=1e-5)
    p = gan.classify(IMAGES, batch_size=5)
    assert p.shape == (16, 4)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)


def test_labels_of_all_images_or_of_none(gan):
    fake = tf.constant(-IMAGES)
    none = gan.discriminator_terms(Batch(tf.constant(IMAGES), None, None, fake=fake))
    assert float(none["supervised"]) == 0
    every = tf.zeros((16,), tf.int32)
    every = gan.discriminator_terms(Batch(tf.constant(IMAGES), every, None, fake=fake))
    np.testing.assert_allclose(every["d_loss"], none["d_loss"], rtol=1e-5)
    assert float(every["supervised"]) > 0


def test_the_twin_classifies_and_is_no_player(gan, tmp_path):
    twin, classifier = gan.ema_classifier, gan.discriminator
    assert [n.name for n in gan.networks()] == ["generator", "classifier"]
    assert not twin.trainable_variables
    start = [w.numpy() for w in twin.weights]
    for w in classifier.trainable_weights:
        w.assign_add(tf.ones_like(w))
    np.testing.assert_array_equal(twin.weights[0], start[0])
    gan.step.assign(30)
    gan.after_discriminator()
    decay = 31 / 40  # the ramp
    for average, before, weight in zip(twin.weights, start, classifier.weights, strict=True):
        expected = decay * before + (1 - decay) * weight.numpy()
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-6)
    averaged = tf.nn.softmax(twin(IMAGES))
    np.testing.assert_allclose(gan.classify(IMAGES), averaged, rtol=1e-5)
    present = tf.nn.softmax(classifier(IMAGES))
    np.testing.assert_allclose(gan.classify(IMAGES, averaged=False), present, rtol=1e-5)
    assert np.abs(averaged - present).max() > 1e-3
    gan.save_weights(tmp_path / "gan.weights.h5")
    other = zoo.create("ssgan_k1", SHAPE, width=16, latent_dim=8, classes=4, seed=1)
    other.load_weights(tmp_path / "gan.weights.h5")
    np.testing.assert_array_equal(other.classify(IMAGES), gan.classify(IMAGES))
    copy = type(gan).from_config(gan.get_config())
    assert copy.classifier_ema.decay == 0.9999 and copy.ema_classifier is not None


def test_without_average():
    gan = zoo.create("ssgan_k1", SHAPE, width=16, latent_dim=8, classifier_ema=None, seed=0)
    assert gan.ema_classifier is None and len(gan.networks()) == 2
    present = gan.classify(IMAGES, averaged=False)
    np.testing.assert_array_equal(gan.classify(IMAGES), present)


def test_the_generator_meets_the_images_without_label(gan):
    gan.random = StepRandom(0, tf.constant(0, tf.int64))
    (batch,) = gan.minibatches((tf.constant(IMAGES), tf.constant(LABELS)))
    assert batch.z.shape == (8, 8)  # as many as there are
    batch.fake = gan.generate(batch.z)
    features = gan.features(np.concatenate([IMAGES[LABELS < 0], batch.fake]), "features")
    real, fake = np.split(np.array(features, np.float64), 2)
    terms = gan.generator_terms(batch)
    assert list(terms) == ["feature_matching"]  # the mean of the squares
    expected = np.mean((real.mean(0) - fake.mean(0)) ** 2)
    np.testing.assert_allclose(terms["feature_matching"], expected, rtol=1e-4)


def test_the_start_is_on_images_without_label(gan):
    data = tf.data.Dataset.from_tensors((IMAGES, LABELS)).repeat(3)
    found = _first_others(data, 20)
    expected = np.concatenate([IMAGES[LABELS < 0]] * 3)[:20]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        _first_others(tf.data.Dataset.from_tensors(IMAGES), 5), IMAGES[:5]
    )


def test_the_paper_s_networks():
    gan = zoo.create("ssgan_k1", (28, 28, 1))
    shapes = [
        layer.layer.units for layer in gan.discriminator.layers if hasattr(layer, "train_scale")
    ]
    assert shapes == [1000, 500, 250, 250, 250, 10]
    noise = [layer.stddev for layer in gan.discriminator.layers if hasattr(layer, "stddev")]
    assert noise == [0.3] + [0.5] * 5
    trained = [x.train_scale for x in gan.discriminator.layers if hasattr(x, "train_scale")]
    assert trained == [False] * 5 + [True]
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        np.testing.assert_allclose(float(optimizer.learning_rate), 3e-3, rtol=1e-6)
        assert optimizer.beta_1 == 0.5 and optimizer.epsilon == 1e-4
    assert gan.classifier_ema.decay == 0.9999
    assert gan.penalties[0].weight == 1 / 250
    assert gan.penalties[0].replaces_loss and gan.num_classes is None


def test_learns_from_a_few_labels_and_reports_accuracy(tmp_path):
    """Three kinds of images, one label of each: a classifier that works finds all."""
    y, x = np.mgrid[0:16, 0:16] / 8.0 - 1
    kinds = np.stack([np.tanh(4 * x), np.tanh(4 * y), np.tanh(4 * (x * y))])[..., None]
    classes = RNG.integers(3, size=96)
    images = (0.8 * kinds[classes] + 0.1 * RNG.normal(size=(96, *SHAPE))).astype("float32")
    images = np.clip(images, -1, 1)
    labels = classes.astype("int32")
    gan = zoo.create("ssgan_k1", SHAPE, width=32, latent_dim=8, classes=3, seed=0)
    data = zoo.datasets.few_labels(images, labels, per_class=2, batch_size=32)
    assert len(data.chosen) == 6 and len(data) == 6
    batch, given = next(iter(data))
    assert batch.shape == (32, *SHAPE)
    assert np.all(np.array(given)[1::2] == -1) and set(np.array(given)[::2]) == {0, 1, 2}
    history = gan.fit(data, epochs=8, verbose=0, validation_data=(images, labels)).history
    assert history["val_accuracy"][-1] > 0.9
    logs = gan.evaluate(images, labels, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx((gan.classify(images).argmax(1) == classes).mean())
    gan.save(tmp_path / "gan.keras")
    loaded = zoo.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.classify(images), gan.classify(images))


def small(**options):
    tiny = {"width": 16, "latent_dim": 8, "classes": 4, "seed": 0}
    return zoo.create("ssgan_k1", SHAPE, **{**tiny, **options})


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (LABELS[:, None], ValueError, r", 1\); wanted ints of shape \(batch,\).*\[:, 0\]"),
        (np.eye(4, dtype="float32")[LABELS], ValueError, r"0 \.\. 3\. .*tf.argmax"),
        (LABELS.astype("float32"), TypeError, "float32 labels; wanted ints"),
        (LABELS + 1, ValueError, r"labels in \[0, 4\].*0 \.\. 3, and -1 .*with classes=5"),
        (LABELS - 1, ValueError, r"labels in \[-2, 2\]"),
    ],
)
def test_labels_that_cannot_be_used(labels, error, message):
    gan = small()
    for method in (gan.fit, gan.evaluate):
        with pytest.raises(error, match=message):
            method(tf.data.Dataset.from_tensors((IMAGES, labels)).repeat(2), verbose=0)
    with pytest.raises(error, match=message):
        gan.train_on_batch(IMAGES, labels)


def test_accuracy_is_that_of_images_with_labels():
    gan = small()
    assert "accuracy" not in gan.evaluate(IMAGES, verbose=0, return_dict=True)
    logs = gan.evaluate(IMAGES, 0 * LABELS - 1, verbose=0, return_dict=True)
    assert np.isnan(logs["accuracy"])
    logs = gan.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    hits = gan.classify(IMAGES).argmax(1) == LABELS
    assert logs["accuracy"] == pytest.approx(hits[LABELS >= 0].mean())


def test_points_are_not_bounded():
    gan = zoo.create("ssgan_k1", (2,), width=16, latent_dim=8, classes=4, seed=0)
    gan.generator.layers[-1].layer.bias.assign([5.0, -7.0])
    assert np.abs(gan.sample(8, seed=0).mean(axis=0)).min() > 3
    data = (5 * RNG.normal(size=(16, 2))).astype("float32")
    history = gan.fit(data, LABELS, batch_size=8, verbose=0).history
    assert np.isfinite(history["d_loss"]).all()


def test_options_it_cannot_follow_and_penalties_beside_feature_matching():
    with pytest.raises(ValueError, match="judge real and generated images apart"):
        small(loss="relativistic")
    with pytest.raises(ValueError, match="no num_classes. Its classifier's classes are `classes`"):
        small(num_classes=4)
    own = [zoo.penalties.FeatureMatching(2.0)]
    assert [p.weight for p in small(penalties=own).penalties] == [2.0]
    assert small(feature_matching=False).penalties == []
    gan = small(penalties=["gradient_penalty", "r1"])
    assert [p.name for p in gan.penalties] == ["feature_matching", "gradient_penalty", "r1"]
    history = gan.fit(IMAGES, LABELS, batch_size=8, verbose=0).history
    assert all(np.isfinite(v).all() for v in history.values())


def test_fit_leaves_weights_that_came_without_steps():
    """A classifier with trained weights, as a preset gives them, is not initialised again."""
    options = {"width": 64, "latent_dim": 8, "classes": 4, "learning_rate": 1e-9}
    other = zoo.create("ssgan_k1", SHAPE, seed=1, **options)
    weights = other.discriminator.get_weights()
    other.discriminator.set_weights([w + 0.01 for w in weights])
    before = other.classify(IMAGES, averaged=False)
    other.fit(IMAGES, np.abs(LABELS), batch_size=8, verbose=0)
    np.testing.assert_allclose(other.classify(IMAGES, averaged=False), before, atol=1e-4)

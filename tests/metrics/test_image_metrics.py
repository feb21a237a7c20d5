"""Keras metrics: streaming, reset, config, replicas; figures against algebra and `functional`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.metrics import functional

SHAPE = (2, 2, 1)


@pytest.fixture(scope="module")
def pixels():
    """An extractor whose features are the pixels, with class probabilities from their signs."""
    images = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(images)
    logits = keras.layers.Dense(2, use_bias=False)(flat)
    model = keras.Model(images, [flat, logits])
    weights = np.zeros((4, 2), np.float32)
    weights[0] = [1e7, -1e7]
    model.set_weights([weights])
    return zoo.metrics.Extractor(model, "pixels")


def draw(n, shift=0.0, seed=0):
    return (np.random.default_rng(seed).normal(size=(n, *SHAPE)) + shift).astype(np.float32)


def feed(metric, real, fake, batch=50):
    for i in range(0, len(real), batch):
        metric.update_state(real[i : i + batch], fake[i : i + batch])
    return metric.result()


def test_fid_of_a_shift_is_its_square_whatever_the_batches(pixels):
    real = draw(300)
    fake = real + np.float32(0.5)  # 4 pixels: |d mu|^2 = 4 * .25
    one = feed(zoo.metrics.FrechetDistance(pixels), real, fake, 300)
    many = feed(zoo.metrics.FrechetDistance(pixels), real, fake, 7)
    assert one == pytest.approx(1.0, rel=1e-5) and many == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e2, 1e5])
def test_fid_keeps_digits_far_from_zero_and_in_collapse(pixels, shift, collapsed):
    metric = zoo.metrics.FrechetDistance(pixels)
    real, fake = draw(400, shift), draw(400, shift, seed=1)
    if collapsed:
        fake[:] = fake[0] / 3
    flat = [x.reshape(400, 4).astype(np.float64) for x in (real, fake)]
    found = feed(metric, real, fake, 7)
    assert found == pytest.approx(functional.frechet_distance(*flat), rel=1e-9)


def test_memory_of_fid_does_not_grow_and_others_state_their_bound(pixels):
    metric = zoo.metrics.FrechetDistance(pixels)
    feed(metric, draw(50), draw(50))
    before = sum(int(np.prod(v.shape)) for v in metric.variables)
    feed(metric, draw(500), draw(500))
    assert sum(int(np.prod(v.shape)) for v in metric.variables) == before == 2 + 8 + 2 * 16
    kid = zoo.metrics.KernelDistance(pixels, capacity=60)
    real, fake = draw(100), draw(100, 0.3, 1)
    wanted = functional.kernel_distance(real[:60].reshape(60, 4), fake[:60].reshape(60, 4))
    assert feed(kid, real, fake, 25) == pytest.approx(wanted, rel=1e-5)


def test_every_metric_agrees_with_functional(pixels):
    real, fake = draw(120), draw(120, 0.4, 1)
    flat = [x.reshape(len(x), -1) for x in (real, fake)]
    figures = feed(zoo.metrics.PrecisionRecall(pixels, k=3), real, fake)
    assert figures == pytest.approx(functional.precision_recall_density_coverage(*flat, k=3))
    swd = feed(zoo.metrics.SlicedWasserstein(projections=16), real, fake)
    assert swd == pytest.approx(functional.sliced_wasserstein(*flat, projections=16), rel=1e-5)
    score = feed(zoo.metrics.InceptionScore(pixels), real, fake)
    share = (fake[:, 0, 0, 0] > 0).mean()  # certain answers: the exponential of their entropy
    assert score == pytest.approx(share**-share * (1 - share) ** (share - 1), rel=1e-4)


def test_mode_coverage_of_points():
    centres = [[0.0, 0.0], [10.0, 0.0]]
    metric = zoo.metrics.ModeCoverage(centres, sigma=0.1)
    metric.update_state(np.zeros((4, 2), np.float32), np.zeros((4, 2), np.float32))
    found = metric.result()
    assert found["modes"] == 1 and found["reverse_kl"] == pytest.approx(np.log(2))
    again = zoo.metrics.ModeCoverage.from_config(metric.get_config())
    assert again.centres.tolist() == centres


def test_reset_starts_anew(pixels):
    for metric in (zoo.metrics.FrechetDistance(pixels), zoo.metrics.KernelDistance(pixels)):
        first = feed(metric, draw(60), draw(60, 0.5, 1))
        metric.reset_state()
        assert feed(metric, draw(60), draw(60, 0.5, 1)) == pytest.approx(first, rel=1e-9)


def test_two_replicas_give_the_figure_of_one(pixels, two_replicas):
    real, fake = draw(44), draw(44, 0.3, 1)
    alone = [zoo.metrics.FrechetDistance(pixels), zoo.metrics.KernelDistance(pixels, capacity=40)]
    wanted = [feed(m, real, fake, 8) for m in alone]
    with two_replicas.scope():
        metrics = [type(m).from_config(m.get_config()) for m in alone]
        for metric in metrics:
            metric.build(SHAPE)

    @tf.function
    def step(pair):
        two_replicas.run(lambda x, y: [m.update_state(x, y) for m in metrics] and None, pair)

    data = tf.data.Dataset.from_tensor_slices((real, fake)).batch(8)
    for pair in two_replicas.experimental_distribute_dataset(data):
        step(pair)
    assert [m.result() for m in metrics] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["fid", "kid", "prdc", "swd", "ms_ssim", "inception_score"])
def test_names_make_metrics_that_survive_their_config(name):
    metric = zoo.metrics.get(name)
    assert metric.name == name
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.get_config() == metric.get_config()


def test_errors_say_what_came(pixels):
    with pytest.raises(ValueError, match='Did you mean "fid"'):
        zoo.metrics.get("fidd")
    metric = zoo.metrics.FrechetDistance(pixels)
    with pytest.raises(ValueError, match="same shape"):
        metric.update_state(draw(3), np.zeros((3, 4, 4, 1), np.float32))
    metric.update_state(draw(1), draw(1))
    with pytest.raises(ValueError, match="at least 2 real and 2 generated"):
        metric.result()
    with pytest.raises(ValueError, match="at least 6 real"):
        feed(zoo.metrics.PrecisionRecall(pixels), draw(4), draw(4))
    kid = zoo.metrics.KernelDistance(pixels)
    bad = draw(9)
    bad[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        feed(kid, draw(9), bad)
    with pytest.raises(ValueError, match="sample weights"):
        metric.update_state(draw(2), draw(2), sample_weight=1.0)


def test_an_unknown_extractor_and_wrong_images():
    with pytest.raises(ValueError, match='Did you mean "grey28"'):
        zoo.metrics.features.get("gray28")
    with pytest.raises(ValueError, match="image shape"):
        zoo.metrics.features.get(None)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    extractor = zoo.metrics.features.get(model)
    with pytest.raises(ValueError, match="1 channels"):
        extractor(np.zeros((2, 4, 4, 3), np.float32))
    assert extractor(np.zeros((2, 8, 8, 1), np.float32)).shape == (2, 16)  # resized
    assert extractor.resize == "4x4 bilinear antialias"
    assert len(extractor.sha256) == 64


def test_one_extractor_takes_images_of_all_sizes_and_channels():
    images = keras.Input((4, 4, 3))
    extractor = zoo.metrics.Extractor(keras.Model(images, keras.layers.Flatten()(images)), "m")
    for shape in [(4, 4, 1), (4, 4, 3), (6, 6, 3), (8, 5, 1)]:
        batch = np.resize(draw(30), (3, *shape))
        np.testing.assert_allclose(extractor.extract(batch, 2), extractor(batch), atol=1e-6)


def test_an_extractor_leaves_the_callers_model_alone():
    images = keras.Input((4, 4, 1))
    flat = keras.layers.BatchNormalization()(keras.layers.Flatten()(images))
    backbone = keras.Model(images, keras.layers.Dense(3)(flat))
    classifier = keras.Sequential([backbone, keras.layers.Dense(2)])
    classifier.compile("sgd", "mse")
    extractor, before = zoo.metrics.features.get(backbone), backbone.get_weights()
    first, sha256 = extractor.extract(draw(8).reshape(-1, 4, 4, 1)), extractor.sha256
    for value, old in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)
    assert backbone.trainable and len(classifier.trainable_weights) == 6
    classifier.fit(np.ones((8, 4, 4, 1)), np.ones((8, 2)), verbose=0)
    assert np.abs(extractor.extract(draw(8).reshape(-1, 4, 4, 1)) - first).max() > 1e-6
    assert extractor.sha256 != sha256


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_extractor_is_saved_with_its_metric_and_not_as_state_of_the_model(tmp_path, dtype):
    images = keras.Input((20, 20, 1))
    features = keras.layers.Dense(3, dtype=dtype)(keras.layers.Flatten()(images))
    network = keras.Model(images, features)
    extractor = zoo.metrics.Extractor(network, "mine", resize="by hand")
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    gan.save_weights(tmp_path / "bare.weights.h5")
    metrics = [zoo.metrics.FrechetDistance(extractor), zoo.metrics.KernelDistance(network)]
    gan.compile(metrics=metrics)
    gan.save_weights(tmp_path / "gan.weights.h5")
    sizes = [(tmp_path / f"{name}.weights.h5").stat().st_size for name in ("bare", "gan")]
    assert sizes[1] - sizes[0] < network.count_params()
    gan.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    for metric, old in zip(again._image_metrics, metrics, strict=True):
        for field in ("name", "sha256", "resize", "width"):
            assert getattr(metric.extractor, field) == getattr(old.extractor, field)
    data = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype(np.float32)
    figures = [g.evaluate(data, verbose=0, return_dict=True) for g in (gan, again)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


def test_a_model_is_named_by_its_weights():
    def build(value):
        model = keras.Sequential(
            [
                keras.Input((2, 2, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(value)),
            ]
        )
        return zoo.metrics.Extractor(model, "m").sha256

    assert build(1.0) == build(1.0) != build(2.0)

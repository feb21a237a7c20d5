"""`zoo.metrics.evaluate`, compiled metrics in `evaluate` and `fit`, and real images made worse."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo import reports
from keras_gan_zoo.hub.resolve import locate
from keras_gan_zoo.metrics import functional


@pytest.fixture(scope="module")
def gan():
    return zoo.create("dcgan", (28, 28, 1), width=4, latent_dim=4, ema=0.9, seed=0)


@pytest.fixture(scope="module")
def garments():
    """1,200 images with labels of the embedded set, in two halves."""
    data = zoo.datasets.load(
        "fashion_mnist_mini", "train[:2400]", 600, shuffle=False, drop_remainder=False
    )
    parts = list(data.as_numpy_iterator())
    images, labels = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    return images, labels


@pytest.fixture(scope="module")
def features(garments):
    return zoo.metrics.features.get("grey28").extract(garments[0])


def test_grey28_is_what_its_manifest_says():
    extractor = zoo.metrics.features.get(None, (32, 32, 1))
    folder, manifest = locate(zoo.metrics.features.GREY28_PRESET)
    assert extractor.name == "grey28" and extractor.width == 256 and extractor.classes == 20
    assert extractor.sha256 == manifest.file("classifier.weights.h5")["sha256"]
    assert manifest.bytes < 4 * 2**20
    stated = {m["name"]: m["value"] for m in manifest.metrics}
    assert stated["accuracy_mnist"] > 0.99 and stated["accuracy_fashion_mnist"] > 0.92
    with np.load(folder / "golden.npz") as golden:
        found, probabilities = extractor.outputs(golden["images"])
        np.testing.assert_allclose(found, golden["features"], atol=manifest.golden["atol"])
        assert (np.argmax(probabilities, 1) == golden["logits"].argmax(1)).all()


def test_grey28_knows_the_embedded_garments(garments):
    images, labels = garments
    answers = zoo.metrics.features.get("grey28").extract(images, probabilities=True)[1].argmax(1)
    assert (answers == labels + 10).mean() > 0.9


def test_an_extractor_is_no_generator():
    with pytest.raises(zoo.hub.ManifestError, match="zoo.metrics.features.get"):
        zoo.from_pretrained(zoo.metrics.features.GREY28_PRESET)
    assert zoo.metrics.features.GREY28_PRESET not in zoo.list_models(pretrained=True)


def test_records_carry_the_protocol(gan, garments):
    seen = []
    records = zoo.metrics.evaluate(
        gan,
        garments[0][:300],
        ["fid", "prdc", "swd", "inception_score"],
        n=200,
        seed=3,
        name="fashion_mnist_mini",
        split="train[:300]",
        progress=lambda *args: seen.append(args),
    )
    by_name = {r.name: r for r in records}
    wanted = {"fid", "precision", "recall", "density", "coverage", "swd", "inception_score"}
    assert set(by_name) == wanted
    protocol = by_name["fid"].protocol
    assert (protocol.extractor, protocol.n_real, protocol.n_fake) == ("grey28", 300, 200)
    assert protocol.ema is True and protocol.seed == 3 and protocol.version == zoo.__version__
    assert by_name["swd"].protocol.extractor is None
    with pytest.raises(zoo.metrics.ProtocolMismatchError, match="n_fake"):
        again = zoo.metrics.evaluate(gan, garments[0][:300], ["fid"], n=100, seed=3)
        by_name["fid"].minus(again[0])
    assert ("metrics", 4, 4) in seen


def test_a_record_says_the_split_that_was_measured(gan, garments):
    data = zoo.datasets.load("fashion_mnist_mini", "train[:50]", 25)
    for real, wanted in ((data, "train[:50]"), (garments[0][:50], "unknown")):
        assert zoo.metrics.evaluate(gan, real, ["swd"])[0].protocol.split == wanted
    assert zoo.metrics.evaluate(gan, data, ["swd"], split="some")[0].protocol.split == "some"
    assert zoo.datasets.load("ring", "test", 25).split == "test"


def test_figures_are_those_of_functional_and_repeat(gan, garments):
    real = garments[0][:300]
    extractor = zoo.metrics.features.get("grey28")
    pair = [extractor.extract(x) for x in (real, gan.sample(300, seed=0))]
    first = zoo.metrics.evaluate(gan, real, ["fid", "kid"])
    assert first[0].value == pytest.approx(functional.frechet_distance(*pair), rel=1e-4)
    assert first[1].value == pytest.approx(functional.kernel_distance(*pair), rel=1e-3)
    again = zoo.metrics.evaluate(gan, real, ["fid", "kid"])
    assert [r.value for r in again] == [r.value for r in first]


def test_real_images_keep_the_contract_of_fit(gan, garments):
    def swd(real, name="swd", **options):
        return zoo.metrics.evaluate(gan, real, [name], **options)[0].value

    def batches(x):
        return tf.data.Dataset.from_tensor_slices(x).batch(20)

    images = np.rint((garments[0][:50] + 1) * 127.5).astype(np.uint8)
    scaled = images.astype(np.float32) / 127.5 - 1
    wanted = swd(scaled)
    assert swd(images) == swd(batches((scaled,))) == swd((scaled, garments[1][:50])) == wanted
    bad = {
        "yields uint8 images": batches(images),
        r"wanted \[-1, 1\]": batches(images.astype(np.float32)),
        r"image_shape=\(14, 14, 1\)": scaled[:, ::2, ::2],
        "NaN": np.where(scaled > 0.5, np.nan, scaled),
        "is empty": batches(scaled[:0]),
        "wanted a tf.data.Dataset": [scaled] * 3,
    }
    for message, real in bad.items():
        with pytest.raises((TypeError, ValueError), match=message):
            swd(real)
        with pytest.raises((TypeError, ValueError), match=message):
            swd(scaled, "memorisation", train=real)
        measure = zoo.callbacks.GenerativeMetrics(real, ["swd"])
        measure.set_model(gan)
        with pytest.raises((TypeError, ValueError), match=message):
            measure.on_train_begin()


def test_intervals_on_request(gan, garments):
    record = zoo.metrics.evaluate(gan, garments[0][:100], ["fid"], bootstrap=10)[0]
    assert record.ci95[0] < record.value < record.ci95[1]


def test_errors(gan, garments):
    with pytest.raises(ValueError, match='Did you mean "fid"'):
        zoo.metrics.evaluate(gan, garments[0], ["fdi"])
    with pytest.raises(ValueError, match="Pass `train=`"):
        zoo.metrics.evaluate(gan, garments[0][:50], ["memorisation"])
    with pytest.raises(ValueError, match="conditional model"):
        zoo.metrics.evaluate(gan, garments[0][:50], ["cas"])
    with pytest.raises(ValueError, match="16, 16, 3"):
        reports.open_split("fashion_mnist_mini", "train", (16, 16, 3))


def test_compiled_metrics_drive_early_stopping(garments):
    gan = zoo.create("dcgan", (28, 28, 1), width=4, latent_dim=4, seed=0)
    gan.compile(metrics=["fid", zoo.metrics.PrecisionRecall(k=3)])
    data = tf.data.Dataset.from_tensor_slices(garments[0][:200]).batch(50)
    stop = keras.callbacks.EarlyStopping("val_fid", mode="min", restore_best_weights=True)
    history = gan.fit(data, epochs=2, validation_data=data, verbose=0, callbacks=[stop]).history
    assert {"val_fid", "val_precision", "val_coverage"} <= set(history)
    found = gan.evaluate(data, verbose=0, return_dict=True)
    assert gan.evaluate(data, verbose=0, return_dict=True) == found
    best = int(np.argmin(history["val_fid"]))
    assert found["fid"] == pytest.approx(history["val_fid"][best], rel=1e-5)
    assert keras.saving.deserialize_keras_object(gan.get_compile_config()["metrics"][0])


def test_each_compiled_metric_has_a_name_of_its_own_in_the_logs(images):
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    fid, prdc = zoo.metrics.FrechetDistance, zoo.metrics.PrecisionRecall
    for name in ("fid", "d_loss"):
        with pytest.raises(ValueError, match=rf"name='fid_2'.*Received twice: \['{name}'\]"):
            gan.compile(metrics=[fid(name=name), "fid"])
    gan.compile(metrics=["fid", fid(name="fid_2"), "prdc", prdc(k=2, name="mine")])
    found = gan.evaluate(images, verbose=0, return_dict=True)
    assert found["fid"] == found["fid_2"]
    assert {"precision", "mine_precision", "recall", "mine_recall"} < set(found)


def test_two_replicas_evaluate_like_one(garments, two_replicas):
    def figures(strategy):
        with strategy.scope():
            gan = zoo.create("dcgan", (28, 28, 1), width=4, latent_dim=4, seed=5)
            keras.utils.set_random_seed(0)
            for network in gan.networks():
                network.set_weights(
                    [abs(np.random.default_rng(1).normal(0, 0.1, w.shape)) for w in network.weights]
                )
            gan.compile(metrics=["fid", "kid"])
        data = tf.data.Dataset.from_tensor_slices(garments[0][:120]).batch(40)
        return gan.evaluate(data, verbose=0, return_dict=True)

    one, two = figures(tf.distribute.get_strategy()), figures(two_replicas)
    assert two["fid"] == pytest.approx(one["fid"], rel=1e-3)
    assert two["kid"] == pytest.approx(one["kid"], rel=1e-3)


# real images made worse: each metric must see what it is there to see


def blurred(images):
    return tf.image.resize(tf.image.resize(images, (9, 9), antialias=True), (28, 28)).numpy()


def noisy(images):
    return np.clip(images + np.random.default_rng(0).normal(0, 0.5, images.shape), -1, 1).astype(
        np.float32
    )


@pytest.mark.parametrize("worse", [blurred, noisy])
def test_damage_is_seen(garments, features, worse):
    real, fresh = features[:1200], features[1200:]
    bad = zoo.metrics.features.get("grey28").extract(worse(garments[0][1200:]))
    assert functional.frechet_distance(real, bad) > 2 * functional.frechet_distance(real, fresh)
    assert functional.kernel_distance(real, bad) > functional.kernel_distance(real, fresh)
    before = functional.precision_recall_density_coverage(real, fresh)
    after = functional.precision_recall_density_coverage(real, bad)
    assert after["precision"] < before["precision"] and after["coverage"] < before["coverage"]


def test_dropped_classes_cost_recall_and_coverage_not_precision(garments, features):
    labels = garments[1][1200:]
    real, fresh = features[:1200], features[1200:]
    few = fresh[labels < 5]
    before = functional.precision_recall_density_coverage(real, fresh)
    after = functional.precision_recall_density_coverage(real, few)
    assert after["recall"] < before["recall"] - 0.15
    assert after["coverage"] < before["coverage"] - 0.3
    assert after["precision"] > before["precision"] - 0.05
    assert functional.frechet_distance(real, few) > 2 * functional.frechet_distance(real, fresh)


def test_duplicated_images_cost_recall(features):
    real, fresh = features[:1200], features[1200:]
    before = functional.precision_recall_density_coverage(real, fresh)
    after = functional.precision_recall_density_coverage(real, np.repeat(fresh[:60], 20, axis=0))
    assert after["recall"] < 0.5 * before["recall"]
    assert after["coverage"] < 0.5 * before["coverage"]


def test_replayed_training_images_are_flagged_and_held_out_ones_are_not(features):
    train, held_out, other = features[:800], features[800:1600], features[1600:2400]
    copied = functional.memorisation(train[:400], train, held_out)
    assert copied["p_value"] < 0.01 and copied["train_share_p_value"] < 0.01
    fair = functional.memorisation(other, train, held_out)
    assert fair["p_value"] > 0.01 and fair["train_share_p_value"] > 0.01

"""`load`: embedded set, IDX files, TFDS, splits, toys, and what it refuses."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo import datasets
from keras_gan_zoo.datasets import embedded, idx, images, loading, splits, tfds_source
from keras_gan_zoo.datasets.embedded import make_fashion_mnist_mini as maker


@pytest.fixture(autouse=True)
def no_other_sources(monkeypatch):
    """Only what a test puts somewhere is found."""
    monkeypatch.delenv(loading.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(loading, "_SYSTEM_FOLDERS", {})


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + np.ascontiguousarray(array, np.uint8).tobytes()


def write_idx(folder, n_train=20, n_test=10, zipped=False, separator="-", first=0):
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        labels = np.arange(n) % 5
        pixels = np.broadcast_to((first + np.arange(n))[:, None, None], (n, 6, 6))
        for kind, rank, array in (("images", 3, pixels), ("labels", 1, labels)):
            name = f"{prefix}-{kind}{separator}idx{rank}-ubyte"
            content = idx_bytes(array)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return folder


def first_pixels(dataset):
    """The original value of the first pixel of every image."""
    values = []
    for batch in dataset:
        batch = batch[0] if isinstance(batch, tuple) else batch
        values += np.round((batch.numpy()[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()
    return values


# The embedded set


def test_embedded_set_is_small_verified_and_stratified():
    packed = embedded.FILE.read_bytes()
    assert len(packed) <= 6 * 2**20
    assert hashlib.sha256(packed).hexdigest() == embedded.SHA256
    arrays = embedded.read_arrays()
    assert arrays["train_images"].shape == (10000, 28, 28)
    assert arrays["test_images"].shape == (2000, 28, 28)
    assert np.bincount(arrays["train_labels"]).tolist() == [1000] * 10
    assert np.bincount(arrays["test_labels"]).tolist() == [200] * 10
    provenance = embedded.FILE.with_name("PROVENANCE.md").read_text()
    assert embedded.SHA256 in provenance
    assert maker.sha256_of_arrays(arrays) in provenance
    assert "Zalando" in embedded.FILE.with_name("LICENSE").read_text()
    # Real pictures: the training mean of all 60,000 is .2860 and their deviation .3530.
    assert arrays["train_images"].mean() / 255 == pytest.approx(0.286, abs=0.004)
    assert arrays["train_images"].std() / 255 == pytest.approx(0.353, abs=0.004)


def test_embedded_set_loads():
    dataset = datasets.load("fashion_mnist_mini", batch_size=100)
    pixels, labels = next(iter(dataset))
    assert pixels.shape == (100, 28, 28, 1) and pixels.dtype == tf.float32
    assert labels.shape == (100,) and labels.dtype == tf.int32
    assert float(tf.reduce_min(pixels)) == -1.0 and float(tf.reduce_max(pixels)) == 1.0
    assert (dataset.name, dataset.num_examples) == ("fashion_mnist_mini", 10000)
    assert (dataset.num_classes, dataset.image_shape) == (10, (28, 28, 1))
    assert len(dataset) == 100
    test = datasets.load("fashion_mnist_mini", split="test", batch_size=300, labels=False)
    assert test.num_classes is None and datasets.get_epoch(test) is None
    assert sum(len(batch) for batch in test) == 2000


def test_embedded_set_is_verified_on_load(tmp_path):
    packed = embedded.FILE.read_bytes()
    (tmp_path / "short").write_bytes(packed[:1000])
    (tmp_path / "altered").write_bytes(packed[:-1] + bytes([packed[-1] ^ 1]))
    for name in ("short", "altered"):
        with pytest.raises(ValueError, match="truncated or was altered.*Received"):
            embedded.read_arrays(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="Install keras_gan_zoo again"):
        embedded.read_arrays(tmp_path / "missing")


def test_maker_is_deterministic_and_takes_each_split_from_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "PER_CLASS", {"train": 3, "test": 1})
    monkeypatch.setattr(maker, "CLASSES", 5)
    folder = write_idx(tmp_path / "idx", n_train=40, n_test=10)
    for name in ("a", "b"):
        maker.main(["--data-dir", str(folder), "--output", str(tmp_path / name)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    arrays = maker.build(folder)
    assert np.bincount(arrays["train_labels"]).tolist() == [3] * 5
    assert np.bincount(arrays["test_labels"]).tolist() == [1] * 5
    assert (arrays["train_images"][:, 0, 0] % 5 == arrays["train_labels"]).all()
    assert len(set(arrays["train_images"][:, 0, 0].tolist())) == 15
    assert arrays["test_images"].max() < 10


# IDX files


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("separator", ["-", "."])
def test_idx_files_in_data_dir(tmp_path, zipped, separator):
    folder = write_idx(tmp_path, zipped=zipped, separator=separator)
    dataset = datasets.load("mnist", data_dir=folder, batch_size=5, shuffle=False)
    assert first_pixels(dataset) == list(range(20))
    assert [int(y) for _, labels in dataset for y in labels] == [i % 5 for i in range(20)]
    assert (dataset.name, dataset.num_classes, dataset.image_shape) == ("mnist", 5, (6, 6, 1))
    assert datasets.load("mnist", "test", 5, data_dir=folder).num_examples == 10


def test_order_of_the_sources(tmp_path, monkeypatch):
    given = write_idx(tmp_path / "given", first=10)
    parent = write_idx(tmp_path / "parent", first=20)
    write_idx(parent / "fashion_mnist", first=30)
    system = write_idx(tmp_path / "system", first=40)

    def first(**options):
        dataset = datasets.load("fashion_mnist", shuffle=False, batch_size=5, **options)
        return first_pixels(dataset)[0]

    monkeypatch.setattr(loading, "_SYSTEM_FOLDERS", {"fashion_mnist": system})
    assert first() == 40
    monkeypatch.setenv(loading.DATA_VARIABLE, str(tmp_path / "nothing"))
    assert first() == 40
    monkeypatch.setenv(loading.DATA_VARIABLE, str(parent))
    assert first() == 30
    monkeypatch.setenv(loading.DATA_VARIABLE, str(parent / "fashion_mnist"))
    assert first() == 30
    assert first(data_dir=given) == 10
    with pytest.raises(FileNotFoundError, match="existing folder.*nowhere"):
        first(data_dir=tmp_path / "nowhere")


def test_idx_files_are_not_taken_for_another_set(tmp_path, monkeypatch):
    folder = write_idx(tmp_path / "mine")
    monkeypatch.setattr(loading.tfds_source, "known_names", lambda: ["cifar10"])
    monkeypatch.setenv(loading.DATA_VARIABLE, str(folder))
    for name in ("mnits", "cifar_10"):
        with pytest.raises(ValueError, match="Unknown dataset. Did you mean '(mnist|cifar10)'"):
            datasets.load(name, data_dir=folder)
    assert datasets.load("mine", batch_size=5, data_dir=folder).num_examples == 20
    assert datasets.load("kmnist", batch_size=5).num_examples == 20


def test_idx_errors(tmp_path):
    good = idx_bytes(np.zeros((4, 3, 3)))

    def read(content):
        (tmp_path / "file").write_bytes(content)
        return idx.read_idx(tmp_path / "file")

    assert read(good).shape == (4, 3, 3)
    with pytest.raises(ValueError, match="start with the bytes 00 00 08.*Received: 89 50 4e 47"):
        read(b"\x89PNG....")
    with pytest.raises(ValueError, match="00 00 08.*00 00 0d"):
        read(b"\0\0\x0d\x01" + good[4:])
    with pytest.raises(ValueError, match="an empty file"):
        read(b"")
    with pytest.raises(ValueError, match="inside its header"):
        read(good[:10])
    with pytest.raises(ValueError, match=r"truncated.*\(4, 3, 3\).*36 bytes.*Received: 35 bytes"):
        read(good[:-1])
    with pytest.raises(ValueError, match="too long"):
        read(good + b"x")
    with pytest.raises(ValueError, match="gzip.*truncated or damaged"):
        read(gzip.compress(good)[:-9])
    with pytest.raises(FileNotFoundError):
        idx.read_idx(tmp_path / "none")


def test_idx_files_that_do_not_fit_together(tmp_path):
    write_idx(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(3)))
    with pytest.raises(ValueError, match=r"one label for each of the 20.*\(3,\)"):
        datasets.load("mnist", data_dir=tmp_path, batch_size=2)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match="labels=False"):
        datasets.load("mnist", data_dir=tmp_path, batch_size=2)
    dataset = datasets.load("mnist", data_dir=tmp_path, batch_size=2, labels=False)
    assert dataset.element_spec.shape == (2, 6, 6, 1)


def test_fashion_mnist_is_not_taken_for_mnist(tmp_path):
    write_idx(tmp_path)
    labels = np.array([9, 0, 0, 3, 0, 2, 7, 2, 5, 5] * 2)  # Fashion-MNIST begins like this
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(ValueError, match="those of 'fashion_mnist'"):
        datasets.load("mnist", data_dir=tmp_path)
    assert datasets.load("fashion_mnist", data_dir=tmp_path, batch_size=5).num_examples == 20


# Splits, sizes, channels


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train[:25%]", range(5)),
        ("train[50%:]", range(10, 20)),
        ("train[-10%:]", range(18, 20)),
        ("train[3:7]", range(3, 7)),
        ("train[:-15]", range(5)),
        ("train[10:75%]", range(10, 15)),
        ("train[:1_000]", range(20)),
        ("train[:12%]", range(2)),
        ("test[:2]+train[:2]", [0, 1, 0, 1]),
    ],
)
def test_slices(tmp_path, split, expected):
    write_idx(tmp_path)
    dataset = datasets.load("mnist", split, 3, data_dir=tmp_path, shuffle=False)
    assert first_pixels(dataset) == list(expected)
    assert dataset.num_examples == len(expected)


@pytest.mark.parametrize("size", [1, 7, 10, 60000])
def test_complementary_percentages_leave_nothing_out_and_nothing_twice(size):
    for percent in range(1, 100):
        bounds = [
            splits._boundary(text, None, size, "") for text in (f"{percent}%", f"-{100 - percent}%")
        ]
        assert 0 <= bounds[0] <= size
        assert abs(bounds[0] - bounds[1]) <= 1  # rounding from either end
        assert abs(bounds[0] - size * percent / 100) <= 0.5


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train[:0]", "empty: it runs from 0 to 0"),
        ("train[:101%]", "-100..100"),
        ("train[5]", "optional slice"),
        ("", "optional slice"),
        (None, "optional slice"),
        ("valid", "the splits 'train', 'test'.*'valid'"),
    ],
)
def test_bad_splits(split, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("fashion_mnist_mini", split)


def test_image_size_and_channels(tmp_path):
    write_idx(tmp_path, first=100)
    options = {"data_dir": tmp_path, "batch_size": 5, "shuffle": False}
    dataset = datasets.load("mnist", image_size=8, channels=3, **options)
    assert dataset.image_shape == (8, 8, 3)
    assert first_pixels(dataset) == list(range(100, 120))  # a constant image stays constant
    with pytest.raises(ValueError, match="image_size=\\(8, 8\\)"):
        datasets.load("mnist", image_size=(8, 8), **options)
    with pytest.raises(ValueError, match="1 \\(grey\\) or 3 \\(RGB\\).*channels=2"):
        datasets.load("mnist", channels=2, **options)


def test_resizing_before_and_in_the_pipeline_agree(tmp_path, monkeypatch):
    def batch():
        return next(iter(datasets.load("fashion_mnist_mini", "test[:8]", 8, 20, channels=3)))[0]

    before = batch()
    monkeypatch.setattr(images, "MEMORY_LIMIT", 0)
    np.testing.assert_array_equal(before, batch())


def test_resizing_is_antialiased_and_crops_the_centre():
    stripes = np.zeros((1, 32, 64, 1), np.uint8)
    stripes[:, :, ::2] = 255
    small = images.resize_square(tf.constant(stripes), 8).numpy()
    assert small.shape == (1, 8, 8, 1)
    np.testing.assert_allclose(small[:, :, 2:-2], 127.5, atol=4)
    halves = np.zeros((16, 48, 1), np.uint8)
    halves[:, 16:32] = 200
    assert (images.resize_square(tf.constant(halves), 8).numpy() == 200).all()


def test_channels():
    rgba = np.zeros((1, 1, 2, 4), np.uint8)
    rgba[0, 0, 0] = (255, 0, 0, 255)
    rgb = images.convert_channels(tf.constant(rgba), 3).numpy()
    assert rgb[0, 0].tolist() == [[255, 0, 0], [255, 255, 255]]
    grey = images.convert_channels(tf.constant(rgba), 1).numpy()
    assert grey.shape == (1, 1, 2, 1) and grey[0, 0, 1, 0] == 255
    assert grey[0, 0, 0, 0] == pytest.approx(0.299 * 255, abs=1)
    with pytest.raises(ValueError, match="2 channels"):
        images.convert_channels(tf.zeros((1, 1, 1, 2), tf.uint8), 3)


# Names


def test_names():
    known = datasets.names()
    assert known == sorted(known)
    assert {"fashion_mnist_mini", "fashion_mnist", "mnist", "ring", "grid"} < set(known)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fashon_mnist", "fashion_mnist"),
        ("Ring", "ring"),
        ("swiss-role", "swiss_roll"),
        ("cifar_10", "cifar10"),
    ],
)
def test_unknown_name_suggests_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"Did you mean .*'{near}'.*Received: name={name!r}"):
        datasets.load(name)


@pytest.mark.parametrize("name", [None, "", 3])
def test_names_that_are_no_names(name):
    with pytest.raises(ValueError, match="Unknown dataset"):
        datasets.load(name)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ring", {"image_size": 8}, "leave out `image_size`"),
        ("grid", {"channels": 3}, "leave out `channels`"),
        ("fashion_mnist_mini", {"data_dir": "."}, "leave out `data_dir`"),
        ("fashion_mnist_mini", {"batch_size": 10001}, "at most 10000"),
    ],
)
def test_arguments_without_meaning(name, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(name, **options)


# TFDS


def write_tfds_tree(folder, shape=(None, None, 3), sides=range(4, 14)):
    """A data set as TFDS keeps it: image i is (i + 4) x (i + 5) pixels of the value i."""
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=shape),
            "label": tfds.features.ClassLabel(num_classes=3),
        }
    )
    target = folder / "tiny_zoo" / "1.0.0"
    target.mkdir(parents=True)
    template = tfds.core.ShardedFileTemplate(
        data_dir=target, dataset_name="tiny_zoo", split="train", filetype_suffix="tfrecord"
    )
    infos = []
    for split, values in (("train", range(10)), ("test", range(3))):
        with tf.io.TFRecordWriter(
            str(target / f"tiny_zoo-{split}.tfrecord-00000-of-00001")
        ) as writer:
            for value in values:
                size = (sides[value], sides[value] + (shape[0] is None), 3)
                example = {"image": np.full(size, value, np.uint8), "label": value % 3}
                writer.write(features.serialize_example(example))
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(values)],
                num_bytes=0,
                filename_template=template.replace(split=split),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=str(target),
        features=features,
        split_infos=infos,
        filename_template=template,
        check_data=False,
    )
    return folder


@pytest.fixture(scope="module")
def tfds_tree(tmp_path_factory):
    return write_tfds_tree(tmp_path_factory.mktemp("tfds"))


@pytest.mark.parametrize("limit", [2**30, 0], ids=["memory", "stream"])
def test_tfds_data_set(tfds_tree, monkeypatch, limit):
    monkeypatch.setattr(tfds_source, "MEMORY_LIMIT", limit)
    options = {"data_dir": tfds_tree, "image_size": 8}
    plain = datasets.load("tiny_zoo", "train", 4, shuffle=False, **options)
    assert first_pixels(plain) == list(range(10))
    assert [int(y) for _, labels in plain for y in labels] == [i % 3 for i in range(10)]
    assert (plain.name, plain.num_examples, plain.num_classes) == ("tiny_zoo", 10, 3)
    assert plain.image_shape == (8, 8, 3)
    assert plain.options().autotune.enabled is False

    shuffled = datasets.load("tiny_zoo", "train", 5, **options)
    assert shuffled.element_spec[0].shape == (5, 8, 8, 3) and len(shuffled) == 2
    first, second = first_pixels(shuffled), first_pixels(shuffled)
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    assert datasets.set_epoch(shuffled, 0)
    assert first_pixels(shuffled) == first

    grey = datasets.load("tiny_zoo", "train[:50%]", 2, channels=1, labels=False, **options)
    assert grey.num_examples == 5 and grey.num_classes is None
    assert grey.element_spec.shape == (2, 8, 8, 1)
    assert len(grey) == 2 and set(first_pixels(grey)) < set(range(5))
    with pytest.raises(ValueError, match="at most 3"):
        datasets.load("tiny_zoo", "test", 4, drop_remainder=True, **options)
    with pytest.raises(ValueError, match="the splits 'test', 'train'|'train', 'test'"):
        datasets.load("tiny_zoo", "valid", 4, **options)


def test_tfds_images_of_different_sizes_need_a_size(tfds_tree):
    with pytest.raises(ValueError, match="Pass `image_size`"):
        datasets.load("tiny_zoo", data_dir=tfds_tree)


def test_unavailable_data_set_names_what_was_tried_and_the_ways_out(tmp_path, monkeypatch):
    def fail(name, data_dir):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(tfds_source, "prepare_builder", fail)
    with pytest.raises(datasets.DatasetUnavailableError) as caught:
        datasets.load("fashion_mnist", data_dir=tmp_path)
    message = str(caught.value)
    for part in (
        str(tmp_path),
        loading.DATA_VARIABLE,
        "ConnectionError: no route to host",
        "dataset-fashion-mnist",
        "(1)",
        "(2)",
        "(3)",
        "fashion_mnist_mini",
    ):
        assert part in message
    assert "\n" not in message


def test_no_network_is_noticed_before_tfds_tries_for_minutes(monkeypatch):
    asked = []

    def no_address(host, port):
        asked.append(host)
        raise OSError("no such host")

    class Builder:
        url_infos = {"https://data.example/a.gz": None, "https://data.example/b.gz": None}

    monkeypatch.setattr(tfds_source, "getproxies", dict)
    monkeypatch.setattr(tfds_source.socket, "getaddrinfo", no_address)
    with pytest.raises(ConnectionError, match="cannot resolve data.example"):
        tfds_source._check_network(Builder())
    assert asked == ["data.example"]
    monkeypatch.setattr(tfds_source, "getproxies", lambda: {"https": "proxy"})
    tfds_source._check_network(Builder())


# Toy distributions


def points_of(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def nearest(points, means):
    distances = np.linalg.norm(points[:, None] - means[None], axis=-1)
    return distances.argmin(axis=1), distances.min(axis=1)


def test_ring_has_distinct_evenly_spaced_modes():
    dataset = datasets.load("ring", batch_size=1000)
    assert dataset.element_spec.shape == (1000, 2) and dataset.element_spec.dtype == tf.float32
    assert dataset.image_shape == (2,) and dataset.num_classes is None
    means = dataset.means
    assert means.shape == (8, 2) and means.dtype == np.float32 and dataset.std == 0.01
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1.0, atol=1e-6)
    gaps = np.linalg.norm(means - np.roll(means, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * np.sin(np.pi / 8), atol=1e-6)
    assert dataset.num_examples == 100_000


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_mixture_statistics(name):
    dataset = getattr(datasets, name)(num_examples=20_000, batch_size=1000)
    points = points_of(dataset)
    modes, _ = nearest(points, dataset.means)
    counts = np.bincount(modes, minlength=len(dataset.means))
    share = 1 / len(dataset.means)
    tolerance = 5 * np.sqrt(share * (1 - share) / len(points))
    np.testing.assert_allclose(counts / len(points), share, atol=tolerance)
    noise = points - dataset.means[modes]
    assert noise.std() == pytest.approx(dataset.std, rel=0.03)
    assert np.abs(noise.mean(axis=0)).max() < 5 * dataset.std / np.sqrt(len(points))


def test_grid_means():
    means = {tuple(mean) for mean in datasets.grid(num_examples=200).means.tolist()}
    assert means == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}


def test_swiss_roll_lies_on_its_curve():
    dataset = datasets.swiss_roll(num_examples=5000, batch_size=500, points=2000)
    points = points_of(dataset)
    _, distance = nearest(points, dataset.means)
    # The distance from a curve is the noise across it: its root mean square is `std`.
    assert np.sqrt((distance**2).mean()) == pytest.approx(dataset.std, rel=0.05)
    radii = np.linalg.norm(dataset.means, axis=1)
    assert radii.min() == pytest.approx(1 / 3, abs=0.01)
    assert radii.max() == pytest.approx(1.0, abs=0.01)


def test_toy_splits_and_seeds_are_different_draws():
    def draw(**options):
        return points_of(
            datasets.ring(num_examples=50, batch_size=50, shuffle=False, **options)
        ).tolist()

    assert draw() == draw(split="train", seed=0)
    assert draw() != draw(split="test")
    assert draw() != draw(seed=1)
    assert draw(split="train[:10]") == draw()[:10]
    with pytest.raises(ValueError, match="the splits"):
        draw(split="valid")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (datasets.ring, {"modes": 0}, "modes=0"),
        (datasets.ring, {"std": -1.0}, "std=-1.0"),
        (datasets.ring, {"radius": float("nan")}, "radius=nan"),
        (datasets.grid, {"side": 2.5}, "side=2.5"),
        (datasets.swiss_roll, {"points": 0}, "points=0"),
        (datasets.swiss_roll, {"num_examples": 10}, "at most 10"),
    ],
)
def test_toy_arguments_out_of_range(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)

"""The order of the data, its counter, and the checks on a user's arrays."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo import datasets
from keras_gan_zoo.datasets import pipeline

ROOT = Path(__file__).resolve().parents[2]


def numbered(n=20, **options):
    """A dataset whose image i, and whose label, is i."""
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 2, 2, 1))
    return datasets.from_arrays(images, np.arange(n), **{"batch_size": 4, **options})


def order(dataset):
    return [int(label) for _, labels in dataset for label in labels]


def test_few_labels_are_in_another_order_in_each_pass():
    images = np.zeros((40, 2, 2, 1), np.uint8)
    dataset = datasets.few_labels(images, np.arange(40) % 4 + 3, per_class=2, batch_size=8)
    assert dataset.num_classes == 7
    passes = []
    for epoch in range(3):
        datasets.set_epoch(dataset, epoch)
        labels = np.concatenate([y.numpy()[::2] for _, y in dataset]).reshape(-1, 8)
        assert (np.sort(labels) == [3, 3, 4, 4, 5, 5, 6, 6]).all()
        passes += [tuple(row) for row in labels]
    assert len(passes) == 15 and len(set(passes)) > 10


def test_uint8_is_scaled_and_labels_follow_their_images():
    dataset = numbered(seed=3)
    for images, labels in dataset:
        assert images.dtype == tf.float32 and labels.dtype == tf.int32
        expected = labels.numpy()[:, None, None, None] / 127.5 - 1.0
        np.testing.assert_allclose(images, np.broadcast_to(expected, images.shape), atol=1e-6)
    ends = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    (batch,) = datasets.from_arrays(ends, batch_size=1)
    assert batch.numpy().ravel().tolist() == [-1.0, 1.0]


def test_each_epoch_is_a_permutation_of_its_own():
    dataset = numbered()
    first, second = order(dataset), order(dataset)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second and first != list(range(20))


def test_order_depends_on_seed_and_epoch_alone():
    tf.random.set_seed(1)
    used = numbered(seed=7)
    epochs = [order(used) for _ in range(3)]
    tf.random.set_seed(2)
    np.random.default_rng().random(3)
    fresh = numbered(seed=7)
    assert datasets.set_epoch(fresh, 2)
    assert order(fresh) == epochs[2]
    datasets.set_epoch(fresh, 0)
    assert order(fresh) == epochs[0]
    assert order(numbered(seed=8)) != epochs[0]


def test_without_shuffling_the_order_is_that_of_the_array_and_no_image_is_lost():
    dataset = numbered(n=10, shuffle=False)
    assert order(dataset) == order(dataset) == list(range(10))
    assert [len(labels) for _, labels in dataset] == [4, 4, 2]
    assert dataset.element_spec[0].shape.as_list() == [None, 2, 2, 1]
    assert datasets.get_epoch(dataset) is None
    assert datasets.set_epoch(dataset, 3) is False


def test_fixed_batches_when_shuffling():
    dataset = numbered(n=10)
    assert dataset.element_spec[0].shape == (4, 2, 2, 1)
    assert dataset.element_spec[1].shape == (4,)
    assert len(dataset) == 2 == len(list(dataset))
    assert len(numbered(n=10, drop_remainder=False)) == 3


def test_an_iterator_counts_once_when_it_starts():
    dataset = numbered()
    assert datasets.get_epoch(dataset) == 0
    iterator = iter(dataset)
    next(iterator)
    next(iterator)
    assert datasets.get_epoch(dataset) == 1
    order(dataset)
    assert datasets.get_epoch(dataset) == 2


def test_peeking_can_be_undone():
    dataset, untouched = numbered(), numbered()
    next(iter(dataset))
    datasets.set_epoch(dataset, 0)
    assert order(dataset) == order(untouched)


@pytest.mark.parametrize(
    "derive",
    [
        lambda d: d.map(lambda images, labels: images),
        lambda d: d.unbatch().batch(5),
        lambda d: d.prefetch(1).take(2),
        lambda d: d.with_options(tf.data.Options()),
        lambda d: tf.data.Dataset.zip((d, d.map(lambda images, labels: images))),
        lambda d: tf.data.Dataset.zip((tf.data.Dataset.range(3), d)),
        lambda d: (
            tf.data.Dataset.range(3).batch(1).concatenate(d.map(lambda x, y: tf.cast(y, "int64")))
        ),
        lambda d: d.repeat(2).filter(lambda images, labels: True).enumerate(),
    ],
    ids=["map", "batch", "take", "options", "zip", "second", "concatenate", "repeat"],
)
def test_epoch_is_found_in_derived_datasets(derive):
    source = numbered()
    derived = derive(source)
    assert datasets.get_epoch(derived) == 0
    assert datasets.set_epoch(derived, 5) is True
    assert datasets.get_epoch(derived) == datasets.get_epoch(source) == 5


def test_set_epoch_reaches_every_zipped_dataset():
    first, second = numbered(seed=1), numbered(seed=2)
    datasets.set_epoch(tf.data.Dataset.zip((first, second)), 4)
    assert datasets.get_epoch(first) == datasets.get_epoch(second) == 4


def test_repeat_goes_on_with_the_next_epoch():
    twice = order(numbered().repeat(2))
    once = numbered()
    assert twice == order(once) + order(once)


@pytest.mark.parametrize("epoch", [-1, 1.0, True, None])
def test_bad_epoch(epoch):
    with pytest.raises(ValueError, match="epoch"):
        datasets.set_epoch(numbered(), epoch)


def test_foreign_datasets_have_no_epoch():
    dataset = tf.data.Dataset.range(3)
    assert datasets.get_epoch(dataset) is None
    assert datasets.set_epoch(dataset, 1) is False


def test_autotune_is_off_in_every_pipeline(tmp_path):
    from PIL import Image

    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    made = [
        numbered(),
        numbered(shuffle=False),
        datasets.ring(num_examples=10, batch_size=2),
        datasets.load("fashion_mnist_mini", split="test[:4]"),
        datasets.image_folder(tmp_path, 4, batch_size=1),
    ]
    for dataset in made:
        assert dataset.options().autotune.enabled is False
        assert dataset.options().deterministic is True


def test_shuffled_stream_is_decided_by_seed_and_epoch():
    def epoch_of(seed, epoch):
        stream = pipeline.shuffled_stream(tf.data.Dataset.range(30), 30, seed)
        datasets.set_epoch(stream, epoch)
        return [int(value) for value in stream]

    assert epoch_of(0, 1) == epoch_of(0, 1)
    assert sorted(epoch_of(0, 1)) == list(range(30))
    assert epoch_of(0, 1) != epoch_of(0, 2)
    assert epoch_of(0, 1) != epoch_of(1, 1)


def test_from_arrays_accepts_the_usual_shapes_and_types():
    floats = np.random.default_rng(0).uniform(-1, 1, (6, 5, 4))
    dataset = datasets.from_arrays(floats, batch_size=6, shuffle=False)
    (batch,) = dataset
    assert batch.dtype == tf.float32 and batch.shape == (6, 5, 4, 1)
    np.testing.assert_allclose(batch[..., 0], floats, atol=1e-6)
    assert (dataset.num_examples, dataset.num_classes, dataset.name) == (6, None, "arrays")
    assert dataset.image_shape == (5, 4, 1)
    assert numbered().num_classes == 20


def test_from_arrays_copies():
    images = np.zeros((2, 2, 2, 1), np.float32)
    dataset = datasets.from_arrays(images, batch_size=2, shuffle=False)
    images[:] = 1.0
    assert float(tf.reduce_max(next(iter(dataset)))) == 0.0


NAN = np.zeros((3, 2, 2, 1), np.float32)
NAN[1, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 2, 2, 1), np.float32) + 255, r"images / 127.5 - 1.*255\.\.255"),
        (np.zeros((2, 2, 2, 1)) - 7, r"\[-1, 1\].*-7\.\.-7"),
        (NAN, "finite.*1 such images, the first at index 1"),
        (np.zeros((2, 2, 2, 1), np.int64), r"astype\('uint8'\).*int64"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 2), np.uint8), r"shape \(2, 2\)"),
        (np.zeros((0, 2, 2, 1), np.uint8), r"shape \(0, 2, 2, 1\)"),
    ],
    ids=["0..255", "range", "nan", "int64", "channels_first", "rank", "empty"],
)
def test_from_arrays_refuses(images, message):
    with pytest.raises(ValueError, match=message):
        datasets.from_arrays(images, batch_size=1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "each of the 4 images"),
        (np.eye(4, dtype=int), "argmax"),
        ([0.0, 1.0, 2.0, 3.0], "integers"),
        ([0, 1, -1, 2], "negative"),
    ],
)
def test_from_arrays_refuses_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        datasets.from_arrays(np.zeros((4, 2, 2, 1), np.uint8), labels, batch_size=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 21}, "at most 20.*batch_size=21 and 20 examples"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        numbered(**options)


def test_a_large_batch_is_fine_if_the_remainder_is_kept():
    assert [len(labels) for _, labels in numbered(batch_size=99, drop_remainder=False)] == [20]


_MIRRORED = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_gan_zoo import datasets
tf.config.experimental.enable_op_determinism()
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
make = lambda: datasets.from_arrays(np.zeros((20, 2, 2, 1), "uint8"), np.arange(20), batch_size=4)
alone = make()
expected = [[labels.numpy().tolist() for _, labels in alone] for _ in range(2)]
with strategy.scope():
    together = make()
assert isinstance(together, tf.data.Dataset)
distributed = strategy.experimental_distribute_dataset(together)
for epoch in range(2):
    assert datasets.get_epoch(distributed) == epoch
    seen = [strategy.experimental_local_results(labels) for _, labels in distributed]
    assert all([len(part) for part in parts] == [2, 2] for parts in seen)
    assert [sum([part.numpy().tolist() for part in parts], []) for parts in seen] == expected[epoch]
datasets.set_epoch(distributed, 0)
_, labels = next(iter(distributed))
first = strategy.experimental_local_results(labels)
assert sum([part.numpy().tolist() for part in first], []) == expected[0][0]
print("DONE")
"""


def run_script(script, *arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, err[-3000:]
    return out


def test_order_under_mirrored_strategy():
    assert "DONE" in finish(run_script(_MIRRORED))


_WORKER = """
import json, sys
import numpy as np, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
from keras_gan_zoo import datasets
policy = tf.data.experimental.AutoShardPolicy[sys.argv[1]]
with strategy.scope():
    dataset = datasets.from_arrays(np.zeros((20, 2, 2, 1), "uint8"), np.arange(20), batch_size=4)
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = policy
distributed = strategy.experimental_distribute_dataset(dataset.with_options(options))
seen = []
for _ in range(2):
    batches = [strategy.experimental_local_results(labels)[0] for _, labels in distributed]
    seen.append([batch.numpy().tolist() for batch in batches])
print("SEEN", json.dumps(seen), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["AUTO", "DATA"])
def test_two_workers_share_each_batch(policy):
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{end.getsockname()[1]}" for end in (one, two)]
    processes = [
        run_script(
            _WORKER,
            policy,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(2)
    ]
    seen = [json.loads(finish(process).partition("SEEN ")[2]) for process in processes]
    alone = datasets.from_arrays(np.zeros((20, 2, 2, 1), np.uint8), np.arange(20), batch_size=4)
    for epoch in range(2):
        expected = [labels.numpy().tolist() for _, labels in alone]
        together = [a + b for a, b in zip(seen[0][epoch], seen[1][epoch], strict=True)]
        assert together == expected

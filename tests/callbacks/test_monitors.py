"""CollapseMonitor and GenerativeMetrics."""

import keras
import numpy as np
import pytest

import keras_gan_zoo as zoo
from keras_gan_zoo.callbacks.monitors import mean_distance


class Stub(keras.Model):
    """A model whose samples are scripted."""

    def __init__(self, samples):
        super().__init__()
        self.samples, self.step, self.taken = samples, 0, []
        self.stop_training = False

    def sample(self, n, seed=None):
        self.taken.append((n, seed))
        return self.samples.pop(0)[:n]


def start(monitor, samples):
    monitor.set_model(Stub(samples))
    return monitor


RING = np.stack([np.cos(np.arange(64)), np.sin(np.arange(64))], 1).astype(np.float32)
POINT = np.ones((64, 2), np.float32) + 1e-3 * RING


def test_mean_distance_by_hand():
    assert mean_distance(np.array([[0.0], [3.0], [4.0]])) == pytest.approx(8 / 3)
    assert mean_distance(np.ones((5, 2))) == 0.0


def test_collapse_warns_once_and_variety_never():
    monitor = start(zoo.callbacks.CollapseMonitor(RING, n=64), [RING, POINT, POINT, RING])
    monitor.on_epoch_end(0)
    with pytest.warns(zoo.callbacks.CollapseWarning, match="0.00 times as far"):
        monitor.on_epoch_end(1)
    logs = {}
    monitor.on_epoch_end(2, logs)  # still collapsed: no second warning
    monitor.on_epoch_end(3)
    assert monitor.collapsed and not monitor.model.stop_training
    assert logs["diversity"] == pytest.approx(0.001, abs=1e-3)
    assert [v > 0.5 for _, v in monitor.history] == [True, False, False, True]
    assert set(monitor.model.taken) == {(64, 0)}  # the same z each time


def test_stop_waits_for_patience():
    monitor = zoo.callbacks.CollapseMonitor(RING, action="stop", patience=2, n=64)
    start(monitor, [POINT, RING, POINT, POINT])
    for epoch in range(3):
        monitor.on_epoch_end(epoch)
        assert not monitor.model.stop_training
    with pytest.warns(zoo.callbacks.CollapseWarning):
        monitor.on_epoch_end(3)
    assert monitor.model.stop_training


def test_cadence_in_steps():
    monitor = start(zoo.callbacks.CollapseMonitor(RING, every_steps=10, n=64), [RING] * 3)
    for step in range(1, 31):
        monitor.model.step = step
        monitor.on_train_batch_end(step - 1)
    monitor.on_epoch_end(0)
    assert [s for s, _ in monitor.history] == [10, 20, 30]


def test_each_training_begins_anew():
    monitor = zoo.callbacks.CollapseMonitor(RING, action="stop", n=64)
    for _ in range(2):
        start(monitor, [POINT]).on_train_begin()
        with pytest.warns(zoo.callbacks.CollapseWarning):
            monitor.on_epoch_end(0)
        assert monitor.model.stop_training
    monitor = zoo.callbacks.CollapseMonitor(RING, every_steps=10, n=64)
    for first in (12_341, 0):
        start(monitor, [RING]).model.step = first
        monitor.on_train_begin()
        for step in range(first + 1, first + 11):
            monitor.model.step = step
            monitor.on_train_batch_end(0)
    assert [s for s, _ in monitor.history] == [12_350, 10]


def test_images_as_fit_takes_them():
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), np.uint8)
    scaled = images.astype(np.float32) / 127.5 - 1.0
    for real in (images, scaled):
        monitor = start(zoo.callbacks.CollapseMonitor(real, n=16), [scaled])
        monitor.on_epoch_end(0)
        assert monitor.history[0][1] == pytest.approx(1.0) and not monitor.collapsed
    with pytest.raises(ValueError, match=r"in \[0, 25[0-9]\]; wanted \[-1, 1\]"):
        zoo.callbacks.CollapseMonitor(images.astype(np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.0}, "threshold must be in"),
        ({"action": "shout"}, "'warn' or 'stop'"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"n": 1}, "n must be at least 2"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.callbacks.CollapseMonitor(RING, **arguments)


def test_all_images_alike_is_an_error():
    with pytest.raises(ValueError, match="all the same"):
        zoo.callbacks.CollapseMonitor(np.ones((8, 2)), n=8)


def test_generative_metrics_reach_the_callbacks_behind_it(images):
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    measure = zoo.callbacks.GenerativeMetrics(images, ["swd"], every_epochs=2, n=32)
    best = keras.callbacks.EarlyStopping("swd", mode="min", patience=10)
    history = gan.fit(images, batch_size=32, epochs=3, verbose=0, callbacks=[measure, best]).history
    assert list(measure.records) == [0, 2]
    assert "swd" in history and best.best == min(r[0].value for r in measure.records.values())
    with pytest.raises(ValueError, match="every_epochs"):
        zoo.callbacks.GenerativeMetrics(images, every_epochs=0)


def test_the_last_epoch_of_every_fit_is_drawn(images, tmp_path):
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    grid = zoo.callbacks.SampleGrid(tmp_path, n=4, every_epochs=50)
    for _ in range(2):
        gan.fit(images, batch_size=32, epochs=1, verbose=0, callbacks=[grid])
        (tmp_path / "samples-0001.png").unlink()


def test_sample_grid_in_tensorboard(images, tmp_path):
    pytest.importorskip("tensorboard")
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    grid = zoo.callbacks.SampleGrid(tmp_path / "grids", n=4, tensorboard=tmp_path / "board")
    gan.fit(images, batch_size=32, epochs=1, verbose=0, callbacks=[grid])
    written = list((tmp_path / "board").iterdir())
    assert len(written) == 1 and b"PNG" in written[0].read_bytes()
    assert (tmp_path / "grids" / "samples-0001.png").is_file()


def test_tensorboard_missing_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        zoo.callbacks.SampleGrid(tmp_path, tensorboard=tmp_path / "board")

"""Save, resume, survive: in processes of their own, as users' runs are."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import keras_gan_zoo as zoo

RUN = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf, keras
tf.config.experimental.enable_op_determinism()
import keras_gan_zoo as zoo
folder, epochs, slow = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
gan = zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=8, ema=0.9, seed=1, d_steps=2,
                 penalties=[zoo.penalties.GradientPenalty(1.0)])
images = np.random.default_rng(0).uniform(-1, 1, (160, 16, 16, 1)).astype("f4")
data = zoo.datasets.from_arrays(images, batch_size=16, seed=2)
class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print("step", flush=True)
        time.sleep(slow)
gan.fit(data, epochs=epochs, verbose=0, callbacks=[zoo.callbacks.Resume(folder), Slow()])
state = [np.array(v.value) for v in gan.weights + gan.g_optimizer.variables
         + gan.d_optimizer.variables]
np.savez(folder + ".npz", *state)
"""


def start(folder, epochs, slow=0.0):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), str(epochs), str(slow)], stdout=subprocess.PIPE
    )


def finish(folder, epochs):
    process = start(folder, epochs)
    process.communicate()
    assert process.returncode == 0
    with np.load(f"{folder}.npz") as file:
        return [file[k] for k in file.files]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("whole") / "run", 4)


def assert_same_bits(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.tobytes() == b.tobytes()


def test_two_processes_equal_one_bit_for_bit(uninterrupted, tmp_path):
    finish(tmp_path / "run", 2)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["epoch-000001", "epoch-000002"]
    assert_same_bits(uninterrupted, finish(tmp_path / "run", 4))
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["epoch-000003", "epoch-000004"]


@pytest.mark.slow
def test_kill_in_the_middle_of_an_epoch_costs_that_epoch(uninterrupted, tmp_path):
    process = start(tmp_path / "run", 4, slow=0.3)
    for _ in range(5 + 5 + 2):  # two epochs of five steps, and two steps of the third
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    meta = json.loads((tmp_path / "run" / "epoch-000002" / "meta.json").read_text())
    assert meta["epoch"] == 2 and len(meta["history"]) == 2
    assert_same_bits(uninterrupted, finish(tmp_path / "run", 4))


@pytest.mark.slow
def test_kills_at_random_moments_never_leave_an_unreadable_folder(uninterrupted, tmp_path):
    """Kills aimed at the saves: as soon as a temporary folder shows."""
    folder, rng = tmp_path / "run", np.random.default_rng(0)
    for attempt in range(8):
        process = start(folder, 4, slow=0.02)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if list(folder.glob(".writing-*")):
                time.sleep(float(rng.uniform(0, 0.02)))
                os.kill(process.pid, signal.SIGKILL)
                break
        process.communicate()
        gan = zoo.create(
            "dcgan",
            (16, 16, 1),
            width=8,
            latent_dim=8,
            ema=0.9,
            seed=1,
            d_steps=2,
            penalties=[zoo.penalties.GradientPenalty(1.0)],
        )
        done = zoo.callbacks.Resume(folder).restore(gan)
        assert attempt == 0 or done is None or done >= 1
    assert_same_bits(uninterrupted, finish(folder, 4))


def tiny():
    return zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)


def test_damaged_checkpoints_are_passed_over(dataset, tmp_path):
    tiny().fit(dataset, epochs=3, verbose=0, callbacks=[zoo.callbacks.Resume(tmp_path)])
    newest = tmp_path / "epoch-000003" / "state.weights.h5"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.warns(UserWarning, match="epoch-000003.*sha256"):
        assert zoo.callbacks.Resume(tmp_path).restore(tiny()) == 2
    newest.write_bytes(data[:-100])
    with pytest.warns(UserWarning, match="bytes"):
        assert zoo.callbacks.Resume(tmp_path).restore(tiny()) == 2
    (tmp_path / "epoch-000003" / "meta.json").write_text("{")
    with pytest.warns(UserWarning, match="epoch-000003"):
        assert zoo.callbacks.Resume(tmp_path).restore(tiny()) == 2


def test_a_checkpoint_of_another_model_is_an_error(dataset, tmp_path):
    tiny().fit(dataset, verbose=0, callbacks=[zoo.callbacks.Resume(tmp_path)])
    other = zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=4, seed=0)
    with pytest.raises(ValueError, match="another model"):
        zoo.callbacks.Resume(tmp_path).restore(other)


def test_cadence_and_count(dataset, tmp_path):
    keeper = zoo.callbacks.Resume(tmp_path, every_epochs=2, keep=1)
    tiny().fit(dataset, epochs=5, verbose=0, callbacks=[keeper])
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-000005"]
    assert len(keeper.history) == 5
    again = tiny()
    assert again.fit(dataset, epochs=5, verbose=0, callbacks=[keeper]).epoch == []
    with pytest.raises(ValueError, match="at least 1"):
        zoo.callbacks.Resume(tmp_path, keep=0)


def test_time_limit_and_pictures(dataset, tmp_path):
    gan = tiny()
    limit = zoo.callbacks.TimeLimit(0.01)
    grids = zoo.callbacks.SampleGrid(tmp_path, n=4, every_epochs=50)
    walks = zoo.callbacks.LatentWalk(tmp_path, rows=2, steps=3, every_epochs=50)
    gan.fit(dataset, epochs=100, verbose=0, callbacks=[limit, grids, walks])
    assert int(gan.step.numpy()) < 100
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 2 and names[0].startswith("samples-") and names[1].startswith("walk-")

"""SavedModels: versions, signatures, a process that has only TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

import keras_gan_zoo as zoo
from keras_gan_zoo.pictures import to_uint8

CLIENT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_gan_zoo":
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures
for n in (1, 5):
    images = served["sample"](seed=tf.constant(7, tf.int64), n=tf.constant(n))["images"]
    assert images.shape == (n, 16, 16, 1) and images.dtype == tf.uint8
z = tf.zeros((3, 4))
floats = served["serving_default"](z=z)["images"]
assert served["discriminate"](images=floats)["logits"].shape == (3, 1)
try:
    served["sample"](seed=tf.constant(7, tf.int64), n=tf.constant(0))
    raise SystemExit("n = 0 was taken")
except tf.errors.InvalidArgumentError:
    pass
np.save(sys.argv[2], images.numpy())
"""


@pytest.fixture(scope="module")
def gan():
    return zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, ema=0.9, seed=0)


def test_it_loads_where_only_tensorflow_is(gan, tmp_path):
    folder = zoo.export(gan, tmp_path / "served")
    result = tmp_path / "images.npy"
    subprocess.run([sys.executable, "-c", CLIENT, str(folder), str(result)], check=True)
    difference = np.load(result).astype(int) - to_uint8(gan.sample(5, seed=7))
    assert np.abs(difference).max() <= 1


def test_versions_are_numbered_and_never_overwritten(gan, tmp_path):
    assert zoo.export(gan, tmp_path).name == "1"
    assert zoo.export(gan, tmp_path).name == "2"
    assert zoo.export(gan, tmp_path, version=7).name == "7"
    with pytest.raises(FileExistsError, match="version 8"):
        zoo.export(gan, tmp_path, version=7)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "7"]


def test_wrong_arguments(gan, tmp_path):
    with pytest.raises(ValueError, match="saved_model"):
        zoo.export(gan, tmp_path, formats=("saved_modell",))
    with pytest.raises(ValueError, match="at least 1"):
        zoo.export(gan, tmp_path, version=0)


def test_a_failed_export_leaves_nothing(gan, tmp_path, monkeypatch):
    from keras_gan_zoo.export import saved_model

    def broken(gan, folder):
        (folder / "half").write_text("")
        raise OSError("disk full")

    monkeypatch.setattr(saved_model, "_write", broken)
    with pytest.raises(OSError, match="disk full"):
        zoo.export(gan, tmp_path)
    assert list(tmp_path.iterdir()) == []

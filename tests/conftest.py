"""Two logical CPUs for the tests under strategies; small fixtures that many tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import tensorflow as tf

cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def two_replicas():
    """One strategy for all tests: TensorFlow's collectives allow no second one in a process."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def images():
    """64 smooth 16x16x1 images in [-1, 1]: blobs at random places."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:16, 0:16]
    centre = rng.uniform(4, 12, (64, 2, 1, 1))
    distance = (y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2
    return (2 * np.exp(-distance / 18) - 1).astype(np.float32)[..., None]


@pytest.fixture(scope="session")
def dataset(images):
    """The same images in batches of 8, with a static batch axis."""
    return tf.data.Dataset.from_tensor_slices(images).batch(8, drop_remainder=True)

"""Data sets as `tf.data` pipelines: float32 images `(batch, h, w, c)` in [-1, 1], with or without
labels.

`load` knows data sets by name, `image_folder` reads a user's own pictures, `from_arrays` takes
NumPy arrays. All of them end in the same pipeline (`pipeline.py`), whose order is decided by
`(seed, epoch)` alone: `get_epoch` and `set_epoch`.
"""

from keras_gan_zoo.datasets.arrays import from_arrays
from keras_gan_zoo.datasets.few_labels import few_labels
from keras_gan_zoo.datasets.folder import image_folder
from keras_gan_zoo.datasets.loading import DatasetUnavailableError, load, names
from keras_gan_zoo.datasets.pipeline import get_epoch, set_epoch
from keras_gan_zoo.datasets.toys import grid, ring, swiss_roll

__all__ = [
    "DatasetUnavailableError",
    "few_labels",
    "from_arrays",
    "get_epoch",
    "grid",
    "image_folder",
    "load",
    "names",
    "ring",
    "set_epoch",
    "swiss_roll",
]

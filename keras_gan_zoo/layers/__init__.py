"""Layers of the zoo: ordinary serialisable Keras layers."""

from keras_gan_zoo.layers.batch_norm import BatchNormalization
from keras_gan_zoo.layers.maxout import Maxout

__all__ = ["BatchNormalization", "Maxout"]

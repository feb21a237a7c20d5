"""Keras callbacks for GANs."""

from keras_gan_zoo.callbacks.pictures import LatentWalk, SampleGrid
from keras_gan_zoo.callbacks.resume import Resume
from keras_gan_zoo.callbacks.time_limit import TimeLimit

__all__ = ["LatentWalk", "Resume", "SampleGrid", "TimeLimit"]

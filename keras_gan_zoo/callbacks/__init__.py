"""Keras callbacks for GANs."""

from keras_gan_zoo.callbacks.monitors import CollapseMonitor, CollapseWarning, GenerativeMetrics
from keras_gan_zoo.callbacks.pictures import LatentWalk, SampleGrid
from keras_gan_zoo.callbacks.resume import Resume
from keras_gan_zoo.callbacks.time_limit import TimeLimit

__all__ = [
    "CollapseMonitor",
    "CollapseWarning",
    "GenerativeMetrics",
    "LatentWalk",
    "Resume",
    "SampleGrid",
    "TimeLimit",
]

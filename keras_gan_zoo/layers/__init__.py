"""Layers of the zoo: ordinary serialisable Keras layers."""

from keras_gan_zoo.layers.basis import LearnedBasis
from keras_gan_zoo.layers.batch_norm import BatchNormalization
from keras_gan_zoo.layers.grouped_conv import GroupedConv2D
from keras_gan_zoo.layers.maxout import Maxout
from keras_gan_zoo.layers.narrow_conv import NarrowConv2D
from keras_gan_zoo.layers.noise import InstanceNoise
from keras_gan_zoo.layers.reconstruction import ReconstructionError
from keras_gan_zoo.layers.replay import ReplayBuffer
from keras_gan_zoo.layers.spectral_norm import SpectralNormalization

__all__ = [
    "BatchNormalization",
    "GroupedConv2D",
    "InstanceNoise",
    "LearnedBasis",
    "Maxout",
    "NarrowConv2D",
    "ReconstructionError",
    "ReplayBuffer",
    "SpectralNormalization",
]

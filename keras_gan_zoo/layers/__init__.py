"""Layers of the zoo: ordinary serialisable Keras layers."""

from keras_gan_zoo.layers.basis import LearnedBasis
from keras_gan_zoo.layers.batch_norm import BatchNormalization
from keras_gan_zoo.layers.grouped_conv import GroupedConv2D
from keras_gan_zoo.layers.maxout import Maxout
from keras_gan_zoo.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from keras_gan_zoo.layers.narrow_conv import NarrowConv2D
from keras_gan_zoo.layers.noise import GaussianNoise, InstanceNoise
from keras_gan_zoo.layers.pack import Pack
from keras_gan_zoo.layers.reconstruction import ReconstructionError
from keras_gan_zoo.layers.replay import ReplayBuffer
from keras_gan_zoo.layers.spectral_norm import SpectralNormalization
from keras_gan_zoo.layers.virtual_batch_norm import (
    DropReference,
    ReferenceBatch,
    VirtualBatchNormalization,
)
from keras_gan_zoo.layers.weight_norm import WeightNormalization, initialise_weight_norm

__all__ = [
    "BatchNormalization",
    "DropReference",
    "GaussianNoise",
    "GroupedConv2D",
    "InstanceNoise",
    "LearnedBasis",
    "Maxout",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "NarrowConv2D",
    "Pack",
    "ReconstructionError",
    "ReferenceBatch",
    "ReplayBuffer",
    "SpectralNormalization",
    "VirtualBatchNormalization",
    "WeightNormalization",
    "initialise_weight_norm",
]

"""The trainer: `GAN` and what it is made of."""

from keras_gan_zoo.training.construct import construct
from keras_gan_zoo.training.cpu import enable_cpu_bfloat16
from keras_gan_zoo.training.ema import EMA
from keras_gan_zoo.training.gan import GAN, Batch, ForwardPass
from keras_gan_zoo.training.guard import NonFiniteLossError

__all__ = [
    "EMA",
    "GAN",
    "Batch",
    "ForwardPass",
    "NonFiniteLossError",
    "construct",
    "enable_cpu_bfloat16",
]

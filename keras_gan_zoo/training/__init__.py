"""The trainer: `GAN` and what it is made of."""

from keras_gan_zoo.training import checks, look_ahead
from keras_gan_zoo.training.construct import construct
from keras_gan_zoo.training.cpu import enable_cpu_bfloat16
from keras_gan_zoo.training.ema import EMA
from keras_gan_zoo.training.gan import GAN, Batch, ForwardPass, Together
from keras_gan_zoo.training.guard import NonFiniteLossError

__all__ = [
    "EMA",
    "GAN",
    "Batch",
    "ForwardPass",
    "NonFiniteLossError",
    "Together",
    "checks",
    "construct",
    "enable_cpu_bfloat16",
    "look_ahead",
]

"""Exports for serving."""

from keras_gan_zoo.export.saved_model import export

__all__ = ["export"]

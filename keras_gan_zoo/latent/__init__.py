"""Walks in latent space."""

from keras_gan_zoo.latent.walks import interpolate, lerp, slerp, walk

__all__ = ["interpolate", "lerp", "slerp", "walk"]

"""Generator and discriminator builders: functional Keras models, no training code."""

from keras_gan_zoo.networks import autoencoder, dcgan, mlp, r3gan, resnet
from keras_gan_zoo.networks.sizes import image_sizes

__all__ = ["autoencoder", "dcgan", "image_sizes", "mlp", "r3gan", "resnet"]

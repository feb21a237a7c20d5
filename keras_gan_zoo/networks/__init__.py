"""Generator and discriminator builders: functional Keras models, no training code."""

from keras_gan_zoo.networks import (
    autoencoder,
    dcgan,
    mlp,
    parts,
    r3gan,
    resnet,
    semi_supervised,
)
from keras_gan_zoo.networks.parts import with_head, with_virtual_batch_norm
from keras_gan_zoo.networks.sizes import image_sizes

__all__ = [
    "autoencoder",
    "dcgan",
    "image_sizes",
    "mlp",
    "parts",
    "r3gan",
    "resnet",
    "semi_supervised",
    "with_head",
    "with_virtual_batch_norm",
]

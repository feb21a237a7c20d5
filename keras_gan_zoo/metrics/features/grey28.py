"""The network of `grey28`: a small convolutional classifier of digits and garments.

| map | layers |
|---|---|
| 28x28x32 | 3x3 convolution |
| 14x14x64 | 3x3 convolution with stride 2, 3x3 convolution |
| 7x7x128 | 3x3 convolution with stride 2, 3x3 convolution |
| 4x4x128 | 3x3 convolution with stride 2 |
| 256 | dense: the features |
| 20 | dense: the logits; 0 to 9 MNIST's digits, 10 to 19 Fashion-MNIST's classes |

BatchNormalization and ReLU behind every layer but the last. One network for both data sets, so that
its features are not blind to what either leaves out; both classes of images at the usual 28x28.
"""

from __future__ import annotations

import keras

IMAGE_SHAPE = (28, 28, 1)
FEATURES, CLASSES = 256, 20


def network(dropout: float = 0.3) -> keras.Model:
    """Images `(b, 28, 28, 1)` in [-1, 1] -> [features `(b, 256)`, at least 0; logits `(b, 20)`].

    Args:
        dropout: rate between features and logits, in training.
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    x = images
    for channels, strides in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 2)):
        x = keras.layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(FEATURES, use_bias=False)(keras.layers.Flatten()(x))
    x = keras.layers.BatchNormalization()(x)
    features = keras.layers.ReLU(name="features", dtype="float32")(x)
    dropped = keras.layers.Dropout(dropout)(features)
    logits = keras.layers.Dense(CLASSES, name="logits", dtype="float32")(dropped)
    return keras.Model(images, [features, logits], name="grey28")

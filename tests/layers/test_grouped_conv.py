import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import GroupedConv2D


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("strides", [1, 2])
def test_each_group_is_a_convolution_of_its_own(groups, strides):
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 6)).astype("float32")
    layer = GroupedConv2D(9, 3, groups=groups, strides=strides, padding="same")
    y = layer(x)
    parts = [
        tf.nn.conv2d(a, b, strides, "SAME")
        for a, b in zip(
            np.split(x, groups, -1), np.split(layer.kernel.numpy(), groups, -1), strict=True
        )
    ]
    np.testing.assert_allclose(y, tf.concat(parts, -1), rtol=1e-4, atol=1e-5)


def test_grouped_conv_in_bfloat16_and_from_config():
    layer = GroupedConv2D(4, 3, groups=2, dtype="mixed_bfloat16")
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 4)).astype("float32")
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(tf.cast(y, tf.float32))
    assert y.dtype == tf.bfloat16
    assert tape.gradient(loss, layer.kernel.value).dtype == tf.float32
    copy = GroupedConv2D.from_config(layer.get_config())
    assert copy.groups == 2 and copy.filters == 4
    symbolic = layer(keras.Input((7, 7, 4)))
    assert symbolic.shape == (None, 5, 5, 4) and symbolic.dtype == "bfloat16"


def test_grouped_conv_is_channels_last():
    with pytest.raises(ValueError, match="channels_first"):
        GroupedConv2D(4, 3, groups=2, data_format="channels_first")

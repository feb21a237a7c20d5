"""Batch normalisation, fused on one device and synchronised over several."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` for the last axis: same weights, same mathematics.

    Two things differ. In training on one device it runs TensorFlow's fused kernel, in the dtype of
    the input (bfloat16 included, statistics in float32), where Keras computes moments and
    normalisation in separate passes over float32. Under a strategy of several replicas the
    moments are those of the whole batch: gradients equal one big batch's and the moving statistics
    stay identical on all replicas.

    Args:
        momentum: of the moving statistics.
        epsilon: added to the variance.
        **kwargs: as `keras.layers.BatchNormalization`.

    Source: Ioffe & Szegedy, "Batch Normalization", ICML 2015, Algorithm 1.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        plain = mask is None and not getattr(self, "renorm", False) and self.center
        plain = plain and self.compute_dtype != "float64"  # the kernel has no such version
        last = self.axis in (-1, len(inputs.shape) - 1)
        if not (training and self.trainable and plain and last):
            return super().call(inputs, training=training, mask=mask)
        if replicas > 1:
            self.synchronized = True
            return super().call(inputs, training=training, mask=mask)
        return self._fused(inputs)

    def _fused(self, inputs: Any) -> Any:
        x = tf.cast(inputs, self.compute_dtype)
        shape = tf.shape(x)
        flat = len(inputs.shape) != 4
        if flat:
            x = tf.reshape(x, [-1, 1, 1, inputs.shape[-1]])
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.convert_to_tensor(self.gamma.value) if self.scale else tf.ones(x.shape[-1]),
            offset=tf.convert_to_tensor(self.beta.value),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        n = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
        variance = variance * (n - 1.0) / n  # the kernel reports the unbiased variance
        rate = 1.0 - self.momentum
        self.moving_mean.assign(self.moving_mean + rate * (mean - self.moving_mean))
        self.moving_variance.assign(self.moving_variance + rate * (variance - self.moving_variance))
        if flat:
            y = tf.reshape(y, shape)
            y.set_shape(inputs.shape)
        return y

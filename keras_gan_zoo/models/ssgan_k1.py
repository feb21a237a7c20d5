"""Semi-supervised GAN: the discriminator is a classifier of K classes, and "generated" is one more.

With the K logits l(x), the (K+1)-th fixed at 0, Z(x) = sum_k exp l_k(x) and D(x) = Z / (Z + 1):

    L_supervised   = -E_{x, y} log p(y | x, y <= K) = -E (l_y(x) - log Z(x))
    L_unsupervised = -E_x log D(x) - E_z log(1 - D(G(z)))
    min_D  L_supervised + 1/2 L_unsupervised
    min_G  |E f(x) - E f(G(z))|^2                  feature matching (section 3.1)

log Z is the discriminator's logit in the sense of every other model. A label of -1 marks an image
without label. The supervised part sees the labelled images, the unsupervised part the others (all
of them, where a minibatch has no others).

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 5 (the loss) and the
authors' MNIST program: its networks (`networks.semi_supervised`), the factor 1/2, data-dependent
initialisation of the weight-normalised classifier, Adam with learning rate 3e-3 and beta_1 .5,
100 labelled and 100 unlabelled images in a step, 300 epochs. It classifies with averaged weights
and draws z uniformly; here the weights are the present ones and z is normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gan_zoo import datasets
from keras_gan_zoo.layers import initialise_weight_norm
from keras_gan_zoo.losses import FeatureMatching
from keras_gan_zoo.networks import semi_supervised as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN, Batch, checks
from keras_gan_zoo.training.trackers import TermMeans


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class SemiSupervisedGAN(GAN):
    """A GAN whose discriminator gives K class logits; trained on some labels.

    Datasets yield `(images, labels)`, int labels `(b,)` in 0 .. K-1 and -1 for none, or images
    alone. `evaluate` and validation log `accuracy` over the labelled images.

    Args:
        **options: as `GAN`, without `num_classes`: the generator is unconditional.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.classes = int(self.discriminator.outputs[0].shape[-1])
        self._hits = TermMeans(("accuracy",), "hits")

    # ------------------------------------------------------------------ classifying

    def class_logits(self, x: Any, training: bool = False) -> Any:
        """The classifier's logits `(b, K)`."""
        if self.instance_noise is not None:
            x = self.instance_noise(x, training=training)
        return self.discriminator(x, training=training)

    def classify(self, images: Any, batch_size: int = 256) -> np.ndarray:
        """Class probabilities of images, given that they are real.

        Args:
            images: `(n, h, w, c)`, float in [-1, 1].
            batch_size: images per forward pass.

        Returns:
            float32 `(n, K)`, rows that add up to 1.
        """
        images = np.asarray(images, np.float32)
        parts = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
        parts = [np.array(ops.softmax(self.class_logits(p))) for p in parts]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes), np.float32)

    def discriminate(self, x: Any, labels: Any = None, training: bool = False) -> Any:
        """log Z(x), `(b, 1)`: sigmoid of it is D(x)."""
        return ops.logsumexp(self.class_logits(x, training), axis=-1, keepdims=True)

    # ------------------------------------------------------------------ training

    def minibatches(self, data: Any) -> list[Batch]:
        batches = super().minibatches(data)
        _, labels = checks.split_element(data)
        if labels is not None:
            for batch, part in zip(batches, tf.split(labels, len(batches)), strict=True):
                batch.labels = part
        return batches

    def discriminator_terms(self, batch: Batch) -> dict[str, Any]:
        classes = self.class_logits(batch.real, training=True)
        batch.real_logits = ops.logsumexp(classes, axis=-1, keepdims=True)
        batch.fake_logits = self.discriminate(batch.fake, training=True)
        labels = -1 if batch.labels is None else tf.cast(batch.labels, tf.int32)
        labels = tf.broadcast_to(labels, tf.shape(classes)[:1])
        labelled = tf.cast(labels >= 0, tf.float32)
        given = tf.gather(classes, tf.maximum(labels, 0), batch_dims=1)
        supervised = tf.reduce_sum((batch.real_logits[:, 0] - given) * labelled)
        # the real half is for the images without label
        others = tf.where(tf.reduce_all(labels >= 0), tf.ones_like(labelled), 1.0 - labelled)
        real = self.loss_object.real_term(batch.real_logits)[:, 0] * others
        fake = self.loss_object.fake_term(batch.fake_logits)
        unsupervised = tf.reduce_sum(real) / tf.reduce_sum(others) + tf.reduce_mean(fake)
        return {
            "d_loss": 0.5 * unsupervised,
            "supervised": tf.math.divide_no_nan(supervised, tf.reduce_sum(labelled)),
            **self._penalty_terms("discriminator", batch),
        }

    def fit(self, x: Any = None, y: Any = None, *args: Any, **options: Any) -> Any:
        """As `GAN.fit`; before the first step the classifier is initialised on a minibatch."""
        if int(self.step.numpy()) == 0 and not isinstance(x, tf.distribute.DistributedDataset):
            batch_size = args[0] if args else options.get("batch_size")
            dataset = self._adapt(x, y, batch_size, False, "dataset")
            datasets.set_epoch(dataset, 0)  # whatever has read from it before
            images, _ = checks.split_element(next(iter(dataset.take(1))))
            initialise_weight_norm(self.discriminator, images[:500])
        return super().fit(x, y, *args, **options)

    # ------------------------------------------------------------------ evaluating

    def test_step(self, data: Any) -> dict[str, Any]:
        logs = super().test_step(data)
        images, labels = checks.split_element(data)
        if labels is not None:
            labels = tf.cast(labels, tf.int32)
            found = tf.argmax(self.class_logits(images), axis=-1, output_type=tf.int32)
            labelled = tf.cast(labels >= 0, tf.float32)
            hits = tf.reduce_sum(labelled * tf.cast(found == labels, tf.float32))
            count = tf.reduce_sum(labelled)
            self._hits.total.assign(self._hits.total + tf.stack([hits, count]))
        return {**logs, **self._reducible(self._hits.result())}

    def get_metrics_result(self) -> dict[str, Any]:
        hits = {f"val_{n}": v for n, v in self._hits.result().items()}
        return {**super().get_metrics_result(), **hits}

    @property
    def metrics(self) -> list[Any]:
        return [*super().metrics, self._hits]


@register(
    "ssgan_k1",
    paper="Salimans et al., 'Improved Techniques for Training GANs', NeurIPS 2016, section 5",
    year=2016,
    summary="A classifier with one more class for generated images learns from few labels",
    family="semi-supervised",
)
def ssgan_k1(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    width: int = 1000,
    classes: int = 10,
    loss: Any = "non_saturating",
    learning_rate: float = 3e-3,
    beta_1: float = 0.5,
    **options: Any,
) -> SemiSupervisedGAN:
    """The model of the paper. `classes`: K; `width`: units of the classifier's first layer, the
    generator's have half as many."""
    options.setdefault("penalties", [FeatureMatching(layer="features")])
    options.setdefault("g_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    options.setdefault("d_optimizer", keras.optimizers.Adam(learning_rate, beta_1=beta_1))
    return SemiSupervisedGAN(
        networks.generator(image_shape, latent_dim, max(1, width // 2)),
        networks.classifier(image_shape, classes, width),
        loss=loss,
        **options,
    )

"""Semi-supervised GAN: the discriminator is a classifier of K classes, and "generated" is one more.

With the K logits l(x), the (K+1)-th fixed at 0, Z(x) = sum_k exp l_k(x) and D(x) = Z / (Z + 1):

    L_supervised   = -E_{x, y} log p(y | x, y <= K) = -E (l_y(x) - log Z(x))
    L_unsupervised = -E_x log D(x) - E_z log(1 - D(G(z)))
    min_D  L_supervised + 1/2 L_unsupervised
    min_G  |E f(x) - E f(G(z))|^2                  feature matching (section 3.1)

log Z is the discriminator's logit in the sense of every other model. A label of -1 marks an image
without label. The supervised part sees the labelled images, the unsupervised part the others (all
of them, where a minibatch has no others).

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 5 (the loss), and
the authors' program, mnist_svhn_cifar10/train_mnist_feature_matching.py of openai/improved-gan.
Theirs are the networks (`networks.semi_supervised`), the factor 1/2, feature matching on the last
hidden layer's mean activations (the mean of the squares, noise on), the data-dependent start of the
classifier on 500 images, Adam with learning rate 3e-3 (constant), beta_1 .5 and an epsilon that
counts (1e-8 under the root), and the classifier with averaged weights, decay .9999; 100 labelled,
100 unlabelled and 100 generated images in a step, 300 epochs of 600 steps.

What differs:

- z is normal, theirs uniform on [0, 1]; the first layer's sums are nearly normal either way, and
  BatchNormalization follows.
- Feature matching takes the unlabelled and the generated images of the classifier's update, theirs
  takes new ones of both. Its real and its generated images get the same noise, theirs different.
- The average ramps up (`EMA`): its decay is (1 + t) / (10 + t) until that is .9999, after 90,000
  updates. Theirs begins at 0 with .9999 and is not corrected: in the first epochs biases and output
  lengths are too small. It covers trained weights only; here that of the constant ones is constant.
- Adam adds 1e-4 outside the root of the second moment, before its correction for the start:
  steps are the same where gradients are much larger or much smaller, at most 30 % smaller between,
  and smaller for the first hundreds of updates.
- The 500 images of the initialisation are the first unlabelled ones of the first epoch.
- The norm of a weight has 1e-12 added to its square; theirs nothing, in the generator 1e-6.
- The generator's moving variance (sampling only) is that of the minibatch, theirs is unbiased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gan_zoo import datasets
from keras_gan_zoo.layers import WeightNormalization, initialise_weight_norm
from keras_gan_zoo.losses import FeatureMatching, penalties
from keras_gan_zoo.networks import semi_supervised as networks
from keras_gan_zoo.registry import register
from keras_gan_zoo.training import GAN, Batch, checks
from keras_gan_zoo.training.ema import EMA
from keras_gan_zoo.training.trackers import TermMeans


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class SemiSupervisedGAN(GAN):
    """A GAN whose discriminator gives K class logits; trained on some labels.

    Datasets yield `(images, labels)`, int labels `(b,)` in 0 .. K-1 and -1 for none, or images
    alone. `evaluate` and validation on images with labels log `accuracy` over those that have one
    (NaN if none has).

    Args:
        classifier_ema: decay in [0, 1) or an `EMA`: keep a twin of the classifier with averaged
            weights, and classify with it.
        **options: as `GAN`, without `num_classes`: the generator is unconditional. Penalties see
            the images of the unsupervised part.

    Attributes:
        ema_classifier: the twin, or None.

    Raises:
        ValueError: a loss that compares real with generated images.
    """

    def __init__(self, *args: Any, classifier_ema: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.supports_jit = False  # how many images have no label is known in the step only
        self.classes = int(self.discriminator.outputs[0].shape[-1])
        self.optional_classes = self.classes
        if self.loss_object.needs_real:
            raise ValueError(
                "The loss must judge real and generated images apart: there is a different number "
                "of each. Take loss='non_saturating' (the paper's), 'minimax' or 'hinge'. "
                f"Received: loss={self.loss_object.name!r}"
            )
        self.classifier_ema = EMA.get(classifier_ema)
        self.ema_classifier = None
        if self.classifier_ema is not None:
            self.ema_classifier = keras.models.clone_model(self.discriminator)
            self.ema_classifier.trainable = False
            self._start_average()
        self._hits = TermMeans(("accuracy",), "hits")

    def _start_average(self) -> None:
        if self.ema_classifier is not None:
            self.ema_classifier.set_weights(self.discriminator.get_weights())

    def twins(self) -> dict[str, keras.Model]:
        own = {} if self.ema_classifier is None else {"discriminator": self.ema_classifier}
        return {**super().twins(), **own}

    # ------------------------------------------------------------------ classifying

    def class_logits(self, x: Any, training: bool = False) -> Any:
        """The classifier's logits `(b, K)`, with its present weights."""
        if self.instance_noise is not None:
            x = self.instance_noise(x, training=training)
        return self.discriminator(x, training=training)

    def classify(self, images: Any, batch_size: int = 256, averaged: bool = True) -> np.ndarray:
        """Class probabilities of images, given that they are real.

        Args:
            images: `(n, h, w, c)`, float in [-1, 1].
            batch_size: images per forward pass.
            averaged: with the averaged weights where there are any, else with the present ones.

        Returns:
            float32 `(n, K)`, rows that add up to 1.
        """
        images = np.asarray(images, np.float32)
        parts = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
        parts = [np.array(ops.softmax(self._best_logits(p, averaged))) for p in parts]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes), np.float32)

    def _best_logits(self, x: Any, averaged: bool = True) -> Any:
        twin = self.ema_classifier if averaged else None
        return self.class_logits(x) if twin is None else twin(x, training=False)

    def discriminate(self, x: Any, labels: Any = None, training: bool = False) -> Any:
        """log Z(x), `(b, 1)`: sigmoid of it is D(x)."""
        return ops.logsumexp(self.class_logits(x, training), axis=-1, keepdims=True)

    # ------------------------------------------------------------------ training

    def minibatches(self, data: Any) -> list[Batch]:
        batches = super().minibatches(data)
        _, labels = checks.split_element(data)
        if labels is not None:
            for batch, part in zip(batches, tf.split(labels, len(batches)), strict=True):
                batch.labels = tf.cast(part, tf.int32)
                # as many generated images as images without label
                batch.z = batch.z[: tf.reduce_sum(tf.cast(_others(batch.labels), tf.int32))]
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
        others = tf.cast(_others(labels), tf.float32)
        real = self.loss_object.real_term(batch.real_logits)[:, 0] * others
        fake = self.loss_object.fake_term(batch.fake_logits)
        unsupervised = tf.reduce_sum(real) / tf.reduce_sum(others) + tf.reduce_mean(fake)
        return {
            "d_loss": 0.5 * unsupervised,
            "supervised": tf.math.divide_no_nan(supervised, tf.reduce_sum(labelled)),
            **self._penalty_terms("discriminator", _without_labelled(batch)),
        }

    def generator_terms(self, batch: Batch) -> dict[str, Any]:
        batch = _without_labelled(batch)
        if self._matches_features():
            return self._penalty_terms("generator", batch)
        return super().generator_terms(batch)

    def _matches_features(self) -> bool:
        return any(getattr(p, "replaces_loss", False) for p in self.penalties)

    def _scores(self, batch: Batch) -> dict[str, Any]:
        scores = super()._scores(batch)
        if self._matches_features():  # not followed: that of the discriminator's pass is logged
            scores["g_loss"] = ops.mean(self.loss_object.generator_loss(batch.fake_logits))
        return scores

    def after_discriminator(self) -> None:
        if self.ema_classifier is not None:
            self.classifier_ema.update(self.ema_classifier, self.discriminator, self.step)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **options: Any) -> Any:
        """As `GAN.fit`; a new classifier is initialised on 500 images before the first step."""
        fresh = int(self.step.numpy()) == 0 and _as_built(self.discriminator)
        if fresh and not isinstance(x, tf.distribute.DistributedDataset):
            batch_size = args[0] if args else options.get("batch_size")
            dataset = self._adapt(x, y, batch_size, False, "dataset")
            datasets.set_epoch(dataset, 0)  # whatever has read from it before
            initialise_weight_norm(self.discriminator, _first_others(dataset, 500))
            self._start_average()
        return super().fit(x, y, *args, **options)

    # ------------------------------------------------------------------ evaluating

    def test_step(self, data: Any) -> dict[str, Any]:
        logs = super().test_step(data)
        images, labels = checks.split_element(data)
        if labels is not None:
            labels = tf.cast(labels, tf.int32)
            found = tf.argmax(self._best_logits(images), axis=-1, output_type=tf.int32)
            labelled = tf.cast(labels >= 0, tf.float32)
            hits = tf.reduce_sum(labelled * tf.cast(found == labels, tf.float32))
            count = tf.reduce_sum(labelled)
            self._hits.total.assign(self._hits.total + tf.stack([hits, count]))
            hits, count = tf.unstack(tf.convert_to_tensor(self._hits.total))
            nothing = tf.constant(np.nan)  # no image of this pass had a label
            accuracy = tf.where(count > 0, tf.math.divide_no_nan(hits, count), nothing)
            logs = {**logs, **self._reducible({"accuracy": accuracy})}
        return logs

    def get_metrics_result(self) -> dict[str, Any]:
        hits = {f"val_{n}": v for n, v in self._hits.result().items()}
        return {**super().get_metrics_result(), **hits}

    @property
    def metrics(self) -> list[Any]:
        return [*super().metrics, self._hits]

    # ------------------------------------------------------------------ saving

    def get_config(self) -> dict[str, Any]:
        ema = self.classifier_ema
        ema = None if ema is None else keras.saving.serialize_keras_object(ema)
        return {**super().get_config(), "classifier_ema": ema}


def _as_built(classifier: keras.Model) -> bool:
    """Whether lengths and biases of the weight-normalised layers are those of a new network."""
    found = [x for x in classifier.layers if isinstance(x, WeightNormalization)]
    biases = [x.layer.bias for x in found if x.layer.bias is not None]
    return all(np.all(np.asarray(x.scale) == 1) for x in found) and not any(
        np.any(np.asarray(b)) for b in biases
    )


def _others(labels: Any) -> Any:
    """Which images are the unsupervised part's: those without label; if there are none, all."""
    return tf.logical_or(labels < 0, tf.reduce_all(labels >= 0))


def _without_labelled(batch: Batch) -> Batch:
    """The minibatch with the images of the unsupervised part only: as many as generated ones."""
    if batch.labels is None:
        return batch
    return replace(batch, real=tf.boolean_mask(batch.real, _others(batch.labels)), labels=None)


def _first_others(dataset: Any, number: int) -> Any:
    """At most that many images of the unsupervised part, from the beginning of a dataset."""
    parts, found = [], 0
    for element in dataset:
        images, labels = checks.split_element(element)
        if labels is not None:
            images = tf.boolean_mask(images, _others(labels))
        parts.append(images)
        found += len(images)
        if found >= number:
            break
    return tf.concat(parts, 0)[:number]


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
    epsilon: float = 1e-4,
    classifier_ema: Any = 0.9999,
    feature_matching: bool = True,
    **options: Any,
) -> SemiSupervisedGAN:
    """The model of the paper. `classes`: K; `width`: units of the classifier's first layer, the
    generator's have half as many; without `feature_matching` the generator follows `loss`.
    `penalties` are added to feature matching; one that replaces the loss takes its place."""
    classifier = networks.classifier(image_shape, classes, width)
    units = int(classifier.get_layer("features").output.shape[-1])
    given = [penalties.get(p) for p in options.get("penalties") or ()]
    if feature_matching and not any(getattr(p, "replaces_loss", False) for p in given):
        given.insert(0, FeatureMatching(1.0 / units, layer="features"))
    options["penalties"] = given
    adam = {"learning_rate": learning_rate, "beta_1": beta_1, "epsilon": epsilon}
    options.setdefault("g_optimizer", keras.optimizers.Adam(**adam))
    options.setdefault("d_optimizer", keras.optimizers.Adam(**adam))
    return SemiSupervisedGAN(
        networks.generator(image_shape, latent_dim, max(1, width // 2)),
        classifier,
        loss=loss,
        classifier_ema=classifier_ema,
        **options,
    )

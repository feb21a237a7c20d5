"""The metrics as `keras.metrics.Metric`: `update_state(real_images, fake_images)`.

    gan.compile(metrics=["fid", zoo.metrics.PrecisionRecall(k=5)])
    gan.fit(dataset, validation_data=test, callbacks=[EarlyStopping("val_fid", mode="min")])

| state | metrics |
|---|---|
| mean and scatter matrix of features: independent of the number of images | `fid` |
| the features of at most `capacity` real and generated images | `kid`, `prdc`, `inception_score` |
| at most `capacity` images or points | `swd`, `ms_ssim`, `mode_coverage` |

Under a `tf.distribute` strategy every replica collects the features of all, in the order of the
global batch: the figure is that of one device. The mathematics is `zoo.metrics.functional`.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import features as extractors
from keras_gan_zoo.metrics import functional

_shared: list[tuple[Any, Any, Any]] = []  # the last features: several metrics ask for the same


def _outputs(extractor: extractors.Extractor, images: Any) -> tuple[Any, Any]:
    """Features and probabilities; computed once for all metrics of a step."""
    for network, tensor, found in _shared:
        if network() is extractor and tensor() is images:
            return found
    found = extractor.outputs(images)
    _shared[:] = [entry for entry in _shared if entry[1]() is not None][-3:]
    _shared.append((weakref.ref(extractor), weakref.ref(images), found))
    return found


def _all_replicas(rows: Any) -> Any:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return rows
    return context.all_gather(rows, axis=0)


def _state(value: Any) -> np.ndarray:
    """A variable's value, also where a strategy keeps one for each replica."""
    value = value.value if isinstance(value, keras.Variable) else value
    parts = getattr(value, "values", None)
    return np.asarray(parts[0] if parts else value)


class ImageMetric(keras.metrics.Metric):
    """Base: what real and generated images are turned into, and where it is kept.

    Subclasses set `default_name` and define `rows(images)` and `make_state(width)`.

    Args:
        name: of the metric in logs; in front of the names of several figures, if it is not the
            default: `mine_precision`.
    """

    default_name = "image_metric"

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name or self.default_name, dtype=dtype)
        self._built = False

    def rows(self, images: Any) -> Any:
        """What is kept of a batch: `(b, width)`."""
        return tf.reshape(images, [tf.shape(images)[0], int(np.prod(images.shape[1:]))])

    def make_state(self, width: int) -> None:
        """Make the variables for rows of this width."""
        raise NotImplementedError

    def keep(self, which: int, rows: Any) -> None:
        """Add rows of real (0) or generated (1) images to the state."""
        raise NotImplementedError

    def build(self, image_shape: Sequence[int]) -> None:
        """Make the state for images of this shape; `GAN.compile` calls it.

        Raises:
            ValueError: images that the metric cannot take.
        """
        if self._built:
            return
        self.image_shape = tuple(int(d) for d in image_shape)
        self.make_state(self.row_width(self.image_shape))
        self._built = True

    def row_width(self, image_shape: tuple[int, ...]) -> int:
        return int(np.prod(image_shape))

    def update_state(self, real: Any, fake: Any, sample_weight: Any = None) -> None:
        """Add a batch of real and one of generated images.

        Args:
            real, fake: `(b, h, w, c)`, float in [-1, 1]; the numbers may differ.
            sample_weight: not supported.

        Raises:
            ValueError: shapes that differ, sample weights.
        """
        if sample_weight is not None:
            raise ValueError(f"The metric {self.name!r} takes no sample weights.")
        real, fake = (tf.convert_to_tensor(x, tf.float32) for x in (real, fake))
        if real.shape[1:] != fake.shape[1:] or real.shape.rank < 2:
            raise ValueError(
                "Real and generated images must have the same shape (b, ...). "
                f"Received: {tuple(real.shape)} and {tuple(fake.shape)}"
            )
        if not self._built:
            with tf.init_scope():
                self.build(real.shape[1:])
        if tuple(real.shape[1:]) != self.image_shape:
            raise ValueError(
                f"The metric {self.name!r} has seen images of shape {self.image_shape}. "
                f"Received: {tuple(real.shape[1:])}. Call reset_state() on a new metric."
            )
        for which, images in enumerate((real, fake)):
            self.keep(which, _all_replicas(self.rows(images)))

    def reset_state(self) -> None:
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))

    def own_variable(self, shape: Sequence[int], dtype: str, name: str) -> Any:
        return self.add_variable(
            tuple(shape), "zeros", dtype=dtype, aggregation="only_first_replica", name=name
        )

    def _need(self, count: int, least: int) -> None:
        if count < least:
            raise ValueError(
                f"The metric {self.name!r} needs at least {least} real and {least} generated "
                f"images. Received: {count}. Evaluate on more images."
            )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


class FeatureMetric(ImageMetric):
    """Base of the metrics on features of an extractor.

    Args:
        extractor: a name of `zoo.metrics.features.names()`, an `Extractor`, a Keras model; None:
            the default for the images.
        name: of the metric in logs.
    """

    def __init__(self, extractor: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        network = isinstance(extractor, keras.Model)  # a model here would be saved as our state
        self._wanted = extractors.get(extractor) if network else extractor
        self.extractor = None

    def row_width(self, image_shape: tuple[int, ...]) -> int:
        self.extractor = extractors.get(self._wanted, image_shape)
        return self.extractor.width

    def rows(self, images: Any) -> Any:
        return _outputs(self.extractor, images)[0]

    def get_config(self) -> dict[str, Any]:
        wanted = self._wanted
        if isinstance(wanted, extractors.Extractor):
            known = wanted.name in extractors.names()
            wanted = wanted.name if known else keras.saving.serialize_keras_object(wanted)
        return {**super().get_config(), "extractor": wanted}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        if isinstance(config.get("extractor"), dict):
            config["extractor"] = keras.saving.deserialize_keras_object(config["extractor"])
        return cls(**config)


class _Moments:
    """State: n, mean and scatter matrix in float64, of real and of generated rows.

    Batches are joined as in `functional.Moments`, so a mean far from zero costs no digits.
    """

    def make_state(self, width: int) -> None:
        self._counts = self.own_variable((2,), "int64", "counts")
        self._means = self.own_variable((2, width), "float64", "means")
        self._scatter = [self.own_variable((width, width), "float64", f"scat_{i}") for i in (0, 1)]

    def keep(self, which: int, rows: Any) -> None:
        rows = tf.cast(rows, tf.float64)
        one = tf.one_hot(which, 2, dtype=tf.float64)
        seen, mean = tf.cast(self._counts, tf.float64)[which], self._means[which]
        n = tf.cast(tf.shape(rows)[0], tf.float64)
        share = tf.math.divide_no_nan(n, seen + n)
        batch_mean = tf.math.divide_no_nan(tf.reduce_sum(rows, 0), n)
        rows, shift = rows - batch_mean, batch_mean - mean
        between = seen * share * shift[:, None] * shift
        scatter = self._scatter[which]
        scatter.assign(scatter + tf.matmul(rows, rows, transpose_a=True) + between)
        self._means.assign(self._means + one[:, None] * share * shift)
        self._counts.assign(self._counts + tf.cast(n * one, tf.int64))

    def moments(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        n = int(_state(self._counts)[which])
        self._need(n, 2)
        return _state(self._means)[which], _state(self._scatter[which]) / (n - 1)


class _Rows:
    """State: the first `capacity` rows of each kind."""

    def make_state(self, width: int) -> None:
        self._counts = self.own_variable((2,), "int64", "counts")
        shape = (self.capacity + 1, width)  # the last row takes what is over
        self._kept = [self.own_variable(shape, "float32", n) for n in ("real", "fake")]

    def keep(self, which: int, rows: Any) -> None:
        n, kept = tf.shape(rows, out_type=tf.int64)[0], self._kept[which]
        start = tf.convert_to_tensor(self._counts)[which]
        places = tf.minimum(start + tf.range(n), self.capacity)
        filled = tf.tensor_scatter_nd_update(tf.convert_to_tensor(kept), places[:, None], rows)
        kept.assign(filled)
        self._counts.assign(self._counts + n * tf.one_hot(which, 2, dtype=tf.int64))

    def kept(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        counts = np.minimum(_state(self._counts), self.capacity)
        self._need(int(counts.min()), least)
        return tuple(_state(k)[:n] for k, n in zip(self._kept, counts, strict=True))


class _BoundedFeatures(_Rows, FeatureMetric):
    """Features of at most `capacity` images of each kind; later images are left out."""

    def __init__(
        self,
        extractor: Any = None,
        capacity: int = 10_000,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(extractor, name, dtype)
        self.capacity = whole_number("capacity", capacity, at_least=2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity}


class _BoundedImages(_Rows, ImageMetric):
    """At most `capacity` images of each kind; later images are left out."""

    def __init__(self, capacity: int = 2_000, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.capacity = whole_number("capacity", capacity, at_least=2)

    def images(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        return tuple(rows.reshape(-1, *self.image_shape) for rows in self.kept(least))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity}


_register = keras.saving.register_keras_serializable(package="keras_gan_zoo")


@_register
class FrechetDistance(_Moments, FeatureMetric):
    """The Frechet distance between features; "fid" with Inception features. Lower is better.

    Heusel et al., 2017; see `functional.frechet_distance`. Memory: 2 (width^2 + width) float64
    numbers, whatever the number of images.

    Args:
        extractor: see `FeatureMetric`.

    Example:

    ```python
    metric = zoo.metrics.FrechetDistance()
    metric.update_state(real_images, fake_images)   # float32 (b, 28, 28, 1) in [-1, 1]
    metric.result()
    ```
    """

    default_name = "fid"

    def result(self) -> float:
        return functional.frechet_distance_from_moments(*self.moments(0), *self.moments(1))


@_register
class KernelDistance(_BoundedFeatures):
    """The unbiased kernel distance between features; "kid" with Inception features.

    Binkowski et al., 2018; see `functional.kernel_distance`. About 0 for equal distributions.

    Args:
        extractor: see `FeatureMetric`.
        capacity: at most so many images of each kind are kept, the first ones.
    """

    default_name = "kid"

    def result(self) -> float:
        return functional.kernel_distance(*self.kept(2))


@_register
class PrecisionRecall(_BoundedFeatures):
    """`precision`, `recall`, `density` and `coverage` of generated images, higher is better.

    Kynkaanniemi et al., 2019; Naeem et al., 2020; see
    `functional.precision_recall_density_coverage`.

    Args:
        extractor, capacity: as for `KernelDistance`.
        k: neighbours.
    """

    default_name = "prdc"

    def __init__(
        self,
        extractor: Any = None,
        k: int = 5,
        capacity: int = 10_000,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(extractor, capacity, name, dtype)
        self.k = whole_number("k", k, at_least=1)

    def result(self) -> dict[str, float]:
        return functional.precision_recall_density_coverage(*self.kept(self.k + 1), k=self.k)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


@_register
class InceptionScore(_BoundedFeatures):
    """The inception score of generated images by the extractor's classes, higher is better.

    Salimans et al., 2016; see `functional.inception_score`. Real images are not looked at.

    Args:
        extractor, capacity: as for `KernelDistance`; the extractor must have classes.
    """

    default_name = "inception_score"

    def row_width(self, image_shape: tuple[int, ...]) -> int:
        super().row_width(image_shape)
        if self.extractor.classes is None:
            raise ValueError(
                "The inception score needs an extractor with class probabilities. "
                f"Received: {self.extractor.name!r}, which has features only"
            )
        return self.extractor.classes

    def rows(self, images: Any) -> Any:
        return _outputs(self.extractor, images)[1]

    def result(self) -> float:
        return functional.inception_score(self.kept(1)[1])


@_register
class SlicedWasserstein(_BoundedImages):
    """The sliced Wasserstein distance between pixels, lower is better.

    See `functional.sliced_wasserstein`.

    Args:
        capacity: at most so many images of each kind are kept, the first ones.
        projections: random directions.
        seed: of the directions.
    """

    default_name = "swd"

    def __init__(
        self,
        capacity: int = 2_000,
        projections: int = 128,
        seed: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(capacity, name, dtype)
        self.projections, self.seed = whole_number("projections", projections, at_least=1), seed

    def result(self) -> float:
        kept = self.kept(2)
        return functional.sliced_wasserstein(*kept, projections=self.projections, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "projections": self.projections, "seed": self.seed}


@_register
class MultiScaleSSIM(_BoundedImages):
    """The mean MS-SSIM of pairs of generated images: lower means more diverse.

    Odena et al., 2017; see `functional.ms_ssim_diversity`.

    Args:
        capacity: at most so many images of each kind are kept, the first ones.
        pairs: number of pairs.
        seed: of the pairs.
    """

    default_name = "ms_ssim"

    def __init__(
        self,
        capacity: int = 2_000,
        pairs: int = 1_000,
        seed: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(capacity, name, dtype)
        self.pairs, self.seed = whole_number("pairs", pairs, at_least=1), seed

    def result(self) -> float:
        return functional.ms_ssim_diversity(self.images(2)[1], self.pairs, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pairs": self.pairs, "seed": self.seed}


@_register
class ModeCoverage(_BoundedImages):
    """`modes`, `high_quality` and `reverse_kl` of points from a known mixture.

    See `functional.mode_coverage`.

    Args:
        centres: `(modes, width)`, such as `dataset.means` of `zoo.datasets.load("ring")`.
        sigma: the modes' standard deviation.
        capacity: at most so many points of each kind are kept, the first ones.
    """

    default_name = "mode_coverage"

    def __init__(
        self,
        centres: Any,
        sigma: float,
        capacity: int = 10_000,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(capacity, name, dtype)
        self.centres = np.asarray(centres, np.float64)
        self.sigma = float(sigma)

    def result(self) -> dict[str, float]:
        return functional.mode_coverage(self.kept(1)[1], self.centres, self.sigma)

    def get_config(self) -> dict[str, Any]:
        own = {"centres": self.centres.tolist(), "sigma": self.sigma}
        return {**super().get_config(), **own}

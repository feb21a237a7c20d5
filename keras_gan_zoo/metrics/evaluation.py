"""`evaluate`: a trained model's figures, each with its protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_gan_zoo._text import suggest
from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import features as extractors
from keras_gan_zoo.metrics import functional
from keras_gan_zoo.metrics.protocol import Protocol, Record
from keras_gan_zoo.training import checks, pipeline

_BATCH = 500


class Measurement:
    """Real and generated images and what has been computed of them.

    Attributes:
        real, fake: images `(n, h, w, c)`, or points `(n, d)`.
        real_labels, fake_labels: ints `(n,)` or None.
        train: training images or None.
        extractor: or None for points, which are their own features.
        seed: of the metrics' random choices.
    """

    def __init__(
        self,
        real: tuple[np.ndarray, Any],
        fake: tuple[np.ndarray, Any],
        train: np.ndarray | None,
        extractor: extractors.Extractor | None,
        seed: int,
        progress: Callable[[str, int, int], None],
    ) -> None:
        (self.real, self.real_labels), (self.fake, self.fake_labels) = real, fake
        self.train, self.extractor, self.seed = train, extractor, seed
        self._progress = progress

    @functools.cached_property
    def real_outputs(self) -> tuple[np.ndarray, Any]:
        return self._extract("real features", self.real)

    @functools.cached_property
    def fake_outputs(self) -> tuple[np.ndarray, Any]:
        return self._extract("generated features", self.fake)

    @functools.cached_property
    def train_features(self) -> np.ndarray:
        if self.train is None:
            raise ValueError(
                "The metric 'memorisation' compares with the training images. Pass `train=`."
            )
        return self._extract("training features", self.train)[0]

    def _extract(self, what: str, images: np.ndarray) -> tuple[np.ndarray, Any]:
        if self.extractor is None:
            return images, None
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._progress(what, done, len(images))

        return self.extractor.extract(images, _BATCH, probabilities=True, progress=progress)

    @property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        return self.real_outputs[0], self.fake_outputs[0]

    def probabilities(self) -> np.ndarray:
        if self.fake_outputs[1] is None:
            name = None if self.extractor is None else self.extractor.name
            raise ValueError(
                "The inception score needs an extractor with class probabilities. "
                f"Received: extractor={name!r}"
            )
        return self.fake_outputs[1]

    def labelled(self) -> tuple[Any, Any]:
        if self.real_labels is None or self.fake_labels is None:
            raise ValueError(
                "The classifier accuracy score needs a conditional model and labelled real "
                "images. Leave 'cas' out."
            )
        return (self.features[1], self.fake_labels), (self.features[0], self.real_labels)


def _kid(real: np.ndarray, fake: np.ndarray) -> float:
    return functional.kernel_distance(real, fake)


def _memorisation(m: Measurement) -> tuple[Any, tuple[Any, ...]]:
    def statistic(fake: Any, train: Any, real: Any) -> dict[str, float]:
        found = functional.memorisation(fake, train, real, seed=m.seed)
        return {f"memorisation_{k}": v for k, v in found.items()}

    return statistic, (m.features[1], m.train_features, m.features[0])


def _cas(m: Measurement) -> tuple[Any, tuple[Any, ...]]:
    return (lambda f, r: {"cas": functional.classifier_accuracy_score(*f, *r)}), m.labelled()


# Name -> (statistic of arrays -> dict of figures, those arrays); neighbour metrics are resampled
# without replacement, see `functional.bootstrap`
FIGURES: dict[str, Callable[[Measurement], tuple[Any, tuple[Any, ...]]]] = {
    "fid": lambda m: ((lambda r, f: {"fid": functional.frechet_distance(r, f)}), m.features),
    "kid": lambda m: ((lambda r, f: {"kid": _kid(r, f)}), m.features),
    "prdc": lambda m: (functional.precision_recall_density_coverage, m.features),
    "inception_score": lambda m: (
        (lambda p: {"inception_score": functional.inception_score(p)}),
        (m.probabilities(),),
    ),
    "swd": lambda m: (
        (lambda r, f: {"swd": functional.sliced_wasserstein(r, f, seed=m.seed)}),
        tuple(x.reshape(len(x), -1) for x in (m.real, m.fake)),
    ),
    "laplacian_swd": lambda m: (
        lambda r, f: {
            f"swd_{size}": v for size, v in functional.laplacian_swd(r, f, seed=m.seed).items()
        },
        (m.real, m.fake),
    ),
    "ms_ssim": lambda m: (
        (lambda f: {"ms_ssim": functional.ms_ssim_diversity(f, seed=m.seed)}),
        (m.fake,),
    ),
    "cas": _cas,
    "memorisation": _memorisation,
}
_ON_PIXELS = ("swd", "laplacian_swd", "ms_ssim")
_NEIGHBOURS = ("prdc", "memorisation")


def evaluate(
    gan: Any,
    dataset: Any,
    metrics: Sequence[str] = ("fid", "kid", "prdc"),
    *,
    n: int | None = None,
    seed: int = 0,
    extractor: Any = None,
    train: Any = None,
    bootstrap: int = 0,
    name: str | None = None,
    split: str | None = None,
    command: str = "",
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Record]:
    """Measure a model against held-out images.

    Real images, generated images and their features are kept in memory.

    Args:
        gan: a `GAN`; samples come from `gan.sample(n, seed)`, that is from the averaged generator
            where there is one.
        dataset: real images, or images with labels, of a split the model was not trained on; a
            `tf.data.Dataset` or arrays, in [-1, 1] or uint8, as for `fit`.
        metrics: names of `FIGURES`.
        n: number of generated images; None: as many as real ones.
        seed: of the latent vectors and the metrics' random choices.
        extractor: see `features.get`; None: the default for the images. Points need none.
        train: the training images, for `memorisation`; as `dataset`.
        bootstrap: resamples for 95 % intervals; 0 leaves them out.
        name, split: of the real images, for the protocol; None: what the dataset says, or "unnamed"
            and "unknown".
        command: for the records.
        progress: called with (what, done, all).

    Returns:
        A `Record` for each figure, in the order of `metrics`.

    Raises:
        TypeError, ValueError: data that breaks the contract, as in `fit`.
        ValueError: an unknown metric, too few images, a metric that the model or extractor cannot
            give.

    Example:

    ```python
    test = zoo.datasets.load("fashion_mnist", split="test", shuffle=False)
    records = zoo.metrics.evaluate(gan, test, ["fid", "prdc"])
    {r.name: r.value for r in records}
    ```
    """
    for metric in metrics:
        if metric not in FIGURES:
            raise ValueError(
                f"Unknown metric. {suggest(metric, FIGURES)} Known: {', '.join(FIGURES)}. "
                f"Received: {metric!r}"
            )
    bootstrap = whole_number("bootstrap", bootstrap, at_least=0)
    progress = progress or (lambda what, done, total: None)
    real = _collect(gan, dataset, "real images", progress)
    n = len(real[0]) if n is None else whole_number("n", n, at_least=2)
    network = None
    if len(gan.image_shape) == 3 and set(metrics) - set(_ON_PIXELS):
        network = extractors.get(extractor, gan.image_shape)
    measured = Measurement(
        real,
        _generate(gan, n, seed, progress),
        None if train is None else _collect(gan, train, "training images", progress)[0],
        network,
        seed,
        progress,
    )
    common = {
        "dataset": name or getattr(dataset, "name", None) or "unnamed",
        "split": split or getattr(dataset, "split", None) or "unknown",
        "n_real": len(real[0]),
        "n_fake": n,
        "ema": None if "preset" in (gan.recipe or {}) else gan.ema_generator is not None,
        "seed": seed,
        "version": _version(),
    }
    records = []
    for i, metric in enumerate(metrics):
        progress("metrics", i, len(metrics))
        own = None if metric in _ON_PIXELS else network
        protocol = Protocol(
            extractor=own and own.name,
            extractor_sha256=own and own.sha256,
            resize=own and own.resize,
            **common,
        )
        statistic, arrays = FIGURES[metric](measured)
        values: Mapping[str, float] = statistic(*arrays)
        intervals: Mapping[str, Any] = {}
        if bootstrap:
            fraction = 0.5 if metric in _NEIGHBOURS else None
            intervals = functional.bootstrap(
                statistic, *arrays, n=bootstrap, seed=seed, fraction=fraction
            )
        records += [
            Record(k, float(v), protocol, intervals.get(k), command) for k, v in values.items()
        ]
    progress("metrics", len(metrics), len(metrics))
    return records


def _version() -> str:
    from keras_gan_zoo import __version__

    return __version__


def adapt(gan: Any, x: Any, what: str) -> Any:
    """The pipeline that `gan.fit` would make of real images; labels may be missing.

    Raises:
        TypeError, ValueError: data that breaks the contract.
    """
    return pipeline.adapt(
        x,
        batch_size=None,
        shuffle=False,
        seed=0,
        image_shape=gan.image_shape,
        num_classes=None,
        what=f"dataset of {what}",
        optional_classes=gan.num_classes,
    )


def _collect(gan: Any, dataset: Any, what: str, progress: Any) -> tuple[np.ndarray, Any]:
    images, labels, done = [], [], 0
    total = int(getattr(dataset, "num_examples", 0) or 0)
    for element in adapt(gan, dataset, what):
        batch, label = checks.split_element(element)
        images.append(np.asarray(batch))
        if gan.num_classes is not None and label is not None:
            labels.append(np.asarray(label))
        done += len(images[-1])
        progress(what, done, max(done, total))
    return np.concatenate(images), np.concatenate(labels) if labels else None


def _generate(gan: Any, n: int, seed: int, progress: Any) -> tuple[np.ndarray, Any]:
    labels = None
    if gan.num_classes is not None:
        labels = np.random.default_rng(seed).integers(gan.num_classes, size=n)
    images = gan.sample(n, seed=seed, labels=labels, batch_size=_BATCH)
    progress("generated images", n, n)
    return images, labels

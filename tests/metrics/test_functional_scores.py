"""Inception score and classifier accuracy score."""

import math

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_certain_and_uniform(classes):
    assert functional.inception_score(np.eye(classes)) == pytest.approx(classes, rel=1e-12)
    several = np.tile(np.eye(classes, dtype="float32"), (3, 1))
    assert functional.inception_score(several, splits=3) == pytest.approx(classes, rel=1e-12)


def test_constant_rows():
    rows = np.tile([[0.7, 0.2, 0.1, 0.0]], (20, 1))
    assert functional.inception_score(rows) == pytest.approx(1.0, abs=1e-12)


def test_a_value_by_hand():
    # p(y) = (3/4, 1/4)
    first = math.log(1 / 0.75)
    second = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    value = functional.inception_score([[1.0, 0.0], [0.5, 0.5]])
    assert value == pytest.approx(math.exp((first + second) / 2), rel=1e-12)


def test_certain_but_unequal_classes_give_the_exponential_entropy():
    rows = np.eye(3)[[0] * 5 + [1] * 3 + [2] * 2]
    entropy = -sum(p * math.log(p) for p in (0.5, 0.3, 0.2))
    assert functional.inception_score(rows) == pytest.approx(math.exp(entropy), rel=1e-12)


def test_splits_are_consecutive_and_averaged():
    rows = np.concatenate([np.eye(4), np.tile(np.eye(4)[:1], (4, 1))])
    assert functional.inception_score(rows, splits=2) == pytest.approx((4 + 1) / 2)


@pytest.mark.parametrize(
    "rows, splits, message",
    [
        ([[2.0, -1.0]], 1, "least entry -1"),
        ([[0.5, 0.5], [3.0, 2.0]], 1, "row 1 with sum 5"),
        ([[1.0, 0.0]], 2, "at least 2 rows"),
        ([[1.0, 0.0]], 0, "`splits`"),
        ([[math.nan, 0.0]], 1, "finite"),
    ],
)
def test_inception_score_errors(rows, splits, message):
    with pytest.raises(ValueError, match=message):
        functional.inception_score(rows, splits)


# ---------------------------------------------------------------- classifier accuracy score


def two_gaussians(n, distance, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    x = rng.normal(size=(n, 8)).astype("float32")
    x[:, 3] += distance * labels
    return x * 5 + 20, labels  # neither scale nor place matter


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_the_bayes_rate_of_two_gaussians(distance):
    bayes = 0.5 * math.erfc(-distance / 2 / math.sqrt(2))
    fake, real = two_gaussians(4000, distance, 0), two_gaussians(20_000, distance, 1)
    assert functional.classifier_accuracy_score(*fake, *real) == pytest.approx(bayes, abs=0.015)


def test_separable_classes_dropped_classes_and_swapped_labels():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 60)
    x = 10 * np.eye(5)[labels] + rng.normal(size=(300, 5))
    assert functional.classifier_accuracy_score(x, labels, x, labels) == 1.0
    kept = labels < 3
    assert functional.classifier_accuracy_score(x[kept], labels[kept], x, labels) == 0.6
    assert functional.classifier_accuracy_score(x, (labels + 1) % 5, x, labels) == 0.0
    renamed = labels * 7 + 2  # class numbers need not be consecutive
    assert functional.classifier_accuracy_score(x, renamed, x, renamed) == 1.0


def test_the_fit_is_the_minimum():
    # At the minimum of the ridge regression the mean residual of each class is 0 (the bias has
    # no penalty): the mean predicted probability is the class's share. Seen through accuracy: a
    # constant feature predicts the most frequent class.
    labels = np.array([0] * 30 + [1] * 50 + [2] * 20)
    x = np.zeros((100, 2))
    assert functional.classifier_accuracy_score(x, labels, x, labels) == 0.5


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[1.0], [2.0]], [0, 0], [[1.0]], [0]), "at least two classes. Received: only 0"),
        (([[1.0], [2.0]], [0, 1, 1], [[1.0]], [0]), "`fake_labels` must be 2 integers"),
        (([[1.0], [2.0]], [0, -1], [[1.0]], [0]), "least -1"),
        (([[1.0], [2.0]], [0.0, 1.0], [[1.0]], [0]), "Received: float64"),
        (([[1.0], [2.0]], [0, 1], [[1.0, 2.0]], [0]), "the same width"),
    ],
)
def test_accuracy_score_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        functional.classifier_accuracy_score(*arguments)

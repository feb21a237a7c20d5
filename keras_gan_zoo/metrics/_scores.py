"""Scores that a classifier gives: the inception score and the classifier accuracy score."""

import math
from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import _checks

_RIDGE = 1e-2
_STEPS = 100
_TOLERANCE = 1e-4  # largest entry of the gradient


def inception_score(probabilities: Any, splits: int = 1) -> float:
    """Return the inception score of a classifier's predictions for generated images.

        IS = exp( mean_i KL( p(y | x_i) || p(y) ) ),    p(y) = mean_i p(y | x_i)

    (Salimans et al. 2016, "Improved Techniques for Training GANs", section 4), in [1, classes]: 1
    if all predictions are the same, the number of classes if each is certain and classes are
    equally frequent. It never looks at real images.

    Args:
        probabilities: `(n, classes)`; non-negative rows that sum to 1 within 1e-3.
        splits: the score is the mean over that many consecutive parts, each with a p(y) of its
            own. Papers use 10 parts of 5,000.

    Raises:
        ValueError: another rank, a negative entry, a row that does not sum to 1, NaN, fewer rows
            than `splits`.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> round(functional.inception_score(np.eye(10)), 6)
    10.0
    """
    splits = whole_number("splits", splits, at_least=1)
    p = _checks.features("probabilities", probabilities, at_least=splits).astype(np.float64)
    sums = p.sum(axis=1)
    worst = int(np.abs(sums - 1.0).argmax())
    if p.min() < 0.0 or abs(sums[worst] - 1.0) > 1e-3:
        raise ValueError(
            "`probabilities` must have non-negative rows that sum to 1 (logits? apply a softmax). "
            f"Received: least entry {p.min():g}, row {worst} with sum {sums[worst]:g}"
        )
    scores = []
    for part in np.array_split(p, splits):
        marginal = np.broadcast_to(part.mean(axis=0), part.shape)
        some = part > 0.0
        divergence = np.sum(part[some] * np.log(part[some] / marginal[some])) / len(part)
        scores.append(math.exp(divergence))
    return float(np.mean(scores))


def classifier_accuracy_score(
    fake_features: Any, fake_labels: Any, real_features: Any, real_labels: Any
) -> float:
    r"""Return the accuracy on real samples of a classifier trained on generated ones.

    The classification accuracy score of Ravuri and Vinyals (2019, "Classification Accuracy Score
    for Conditional Generative Models") trains a ResNet-50 on images. Here the classifier is
    multinomial logistic regression on features, standardised with the generated samples' mean and
    deviation, with the L2 penalty 0.005 |W|^2: quick and the same on every run, but a figure of its
    own kind, to be compared with the same call on real training features only.

    The regression is fitted by up to 100 steps of bound optimisation: the Hessian of the mean
    cross-entropy is at most X^T X / 2n for each class (Bohning 1992), so that one factorisation
    serves all steps and no step goes up.

    Args:
        fake_features: `(n, width)`, n >= 2: of generated samples.
        fake_labels: `(n,)` integers >= 0 of at least two classes: what they were generated as.
        real_features: `(m, width)`, of real samples.
        real_labels: `(m,)` integers >= 0. A class that no generated sample has counts as wrong.

    Returns:
        The accuracy, in [0, 1].

    Raises:
        ValueError: another rank, widths that differ, labels that do not fit the features or are of
            one class only, NaN or infinite features.

    Example:

    >>> from keras_gan_zoo.metrics import functional
    >>> functional.classifier_accuracy_score(
    ...     [[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1], [[-1.0], [0.2], [2.0], [0.3]], [0, 0, 1, 1]
    ... )
    0.75
    """
    fake = _checks.features("fake_features", fake_features, at_least=2)
    real = _checks.features("real_features", real_features)
    _checks.same_width(fake_features=fake, real_features=real)
    fake_labels = _checks.labels("fake_labels", fake_labels, len(fake))
    real_labels = _checks.labels("real_labels", real_labels, len(real))
    classes, targets = np.unique(fake_labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"`fake_labels` must hold at least two classes. Received: only {classes[0]}"
        )
    mean = fake.mean(axis=0, dtype=np.float64)
    deviation = fake.std(axis=0, dtype=np.float64)
    deviation[deviation == 0.0] = 1.0
    weights = _logistic_regression(_with_bias((fake - mean) / deviation), targets, len(classes))
    predicted = classes[(_with_bias((real - mean) / deviation) @ weights).argmax(axis=1)]
    return float(np.mean(predicted == real_labels))


def _with_bias(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def _logistic_regression(x: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """Return the weights `(width + 1, classes)`; the last column of `x` is the bias's."""
    n, width = x.shape
    ridge = np.full(width, _RIDGE)
    ridge[-1] = 0.0
    bound = np.linalg.inv(x.T @ x / (2 * n) + np.diag(ridge))
    one_hot = np.zeros((n, classes))
    one_hot[np.arange(n), targets] = 1.0
    weights = np.zeros((width, classes))
    for _ in range(_STEPS):
        logits = x @ weights
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = x.T @ (p - one_hot) / n + ridge[:, None] * weights
        if np.abs(gradient).max() < _TOLERANCE:
            break
        weights -= bound @ gradient
    return weights

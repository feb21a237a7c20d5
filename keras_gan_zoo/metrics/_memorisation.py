"""Does a generator copy its training data? Two tests with calibrated p-values."""

import math
from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import whole_number
from keras_gan_zoo.metrics import _checks
from keras_gan_zoo.metrics._neighbours import nearest_neighbours

_LEAST = 8  # rows from which the normal approximation of the rank test is good


def memorisation(
    generated: Any, train: Any, held_out: Any, *, permutations: int = 9999, seed: int = 0
) -> dict[str, float]:
    r"""Return two tests of whether generated samples lie closer to the training data than they may.

    **Distances** (Meehan, Chaudhuri and Dasgupta 2020, "A Non-Parametric Test to Detect
    Data-Copying in Generative Models", section 3, without the partition into cells). Every
    generated and every held-out row has a distance to its nearest training row. Were generated
    samples fresh draws of the data's distribution, both kinds of distances would have one
    distribution; the Mann-Whitney U statistic compares them:

        statistic = (U - mn/2) / sqrt(mn (m + n + 1) / 12)       (variance corrected for ties)

    Well below 0: generated rows are nearer to the training data than unseen real ones are. That is
    what copying does, but also a generator of smooth or typical images only, or one that has
    collapsed.

    **Neighbours.** `train_share` is the share of generated rows whose nearest row, of training and
    held-out data together, is a training row. If the generator has not seen the one more than the
    other, the roles could be swapped: the p-value is exact under random exchange of training and
    held-out rows, for any generator, smooth, collapsed or bad. It asks for copying alone, but needs
    held-out rows from the same distribution as the training data.

    Args:
        generated: `(m, width)`, m >= 8: features, or flattened images, of generated samples.
        train: `(t, width)`: of the data the generator was trained on.
        held_out: `(n, width)`, n >= 8: of data it was not trained on.
        permutations: random exchanges, behind `train_share_p_value`; its smallest value is
            1 / (permutations + 1).
        seed: of the exchanges, and of the choice between equally near rows.

    Returns:
        - `statistic`: z-score of the distances, standard normal under the null hypothesis;
        - `p_value`: one-sided, small if generated rows are too near;
        - `generated_distance`, `held_out_distance`: median distances to the nearest training row;
        - `train_share`, `expected_train_share`: the latter t / (t + n);
        - `train_share_p_value`: one-sided, small if training rows attract too many.

    Raises:
        ValueError: another rank, widths that differ, too few rows, NaN or infinite features.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.metrics import functional
    >>> train, held_out, fresh = np.random.default_rng(0).normal(size=(3, 200, 5))
    >>> copies = functional.memorisation(train[:100], train, held_out)
    >>> copies["p_value"] < 1e-6, copies["train_share_p_value"] < 1e-3
    (True, True)
    >>> functional.memorisation(fresh, train, held_out)["p_value"] > 0.01
    True
    """
    generated = _checks.features("generated", generated, at_least=_LEAST)
    train = _checks.features("train", train, at_least=1)
    held_out = _checks.features("held_out", held_out, at_least=_LEAST)
    _checks.same_width(generated=generated, train=train, held_out=held_out)
    permutations = whole_number("permutations", permutations, at_least=1)
    rng = np.random.default_rng(seed)

    to_train, near_train = (a[:, 0] for a in nearest_neighbours(generated, train))
    unseen_to_train = nearest_neighbours(held_out, train)[0][:, 0]
    statistic = _mann_whitney(to_train, unseen_to_train)

    to_held_out, near_held_out = (a[:, 0] for a in nearest_neighbours(generated, held_out))
    heads = rng.integers(2, size=len(generated)).astype(bool)
    in_train = (to_train < to_held_out) | ((to_train == to_held_out) & heads)
    pulls = np.bincount(
        np.where(in_train, near_train, len(train) + near_held_out),
        minlength=len(train) + len(held_out),
    )
    return {
        "statistic": statistic,
        "p_value": 0.5 * math.erfc(-statistic / math.sqrt(2.0)),
        "generated_distance": float(np.median(to_train)),
        "held_out_distance": float(np.median(unseen_to_train)),
        "train_share": float(in_train.mean()),
        "expected_train_share": len(train) / (len(train) + len(held_out)),
        "train_share_p_value": _exchange(pulls, len(train), permutations, rng),
    }


def _mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    """Return the z-score of U = #{a > b} + #{a = b} / 2, negative if `a` is smaller."""
    m, n = len(a), len(b)
    _, places, ties = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2.0)[places]
    u = ranks[:m].sum() - m * (m + 1) / 2.0
    total = m + n
    tied = float(np.sum(ties.astype(np.float64) ** 3 - ties)) / (total * (total - 1.0))
    variance = m * n / 12.0 * (total + 1.0 - tied)
    return float((u - m * n / 2.0) / math.sqrt(variance)) if variance > 0.0 else 0.0


def _exchange(pulls: np.ndarray, train: int, permutations: int, rng: np.random.Generator) -> float:
    """Return the p-value of the pulls on the first `train` rows, under exchange of all rows.

    The rows that attract equally many are alike, so how many of each kind an exchange puts among
    the training rows is multivariate hypergeometric: no row has to be moved.
    """
    observed = pulls[:train].sum()
    values, rows = np.unique(pulls, return_counts=True)
    drawn = rng.multivariate_hypergeometric(rows, train, size=permutations) @ values
    return float((1 + np.count_nonzero(drawn >= observed)) / (1 + permutations))

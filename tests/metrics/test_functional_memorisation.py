"""Memorisation: calibrated when nothing is copied, certain when something is."""

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


@pytest.fixture(scope="module")
def under_the_null():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        rows = rng.normal(size=(60 + 50 + 40, 3)).astype("float32")
        train, held_out, generated = np.split(rows, [60, 110])
        found.append(
            functional.memorisation(
                generated, train, held_out, permutations=499, seed=int(rng.integers(2**31))
            )
        )
    return found


@pytest.mark.parametrize("key", ["p_value", "train_share_p_value"])
def test_p_values_are_uniform_under_the_null(under_the_null, key):
    p = np.sort([f[key] for f in under_the_null])
    n = len(p)
    # Kolmogorov-Smirnov at the .1 % level, one-sided where discreteness makes the test safer
    excess = np.max(np.arange(1, n + 1) / n - p)
    assert excess < 1.95 / np.sqrt(n)
    if key == "p_value":
        assert np.max(p - np.arange(n) / n) < 1.95 / np.sqrt(n)
    for level in (0.01, 0.05, 0.1):
        assert np.mean(p <= level) < level + 4 * np.sqrt(level / n)
    assert np.mean(p <= 0.1) > 0.03


def test_the_statistic_is_standard_normal_under_the_null(under_the_null):
    z = np.array([f["statistic"] for f in under_the_null])
    assert abs(z.mean()) < 0.2 and 0.85 < z.std() < 1.15


@pytest.fixture
def data():
    rows = np.random.default_rng(1).normal(size=(900, 16)).astype("float32")
    return np.split(rows, [500, 700])  # train, held out, fresh


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-2])
def test_replayed_training_rows(data, noise):
    train, held_out, _ = data
    rng = np.random.default_rng(2)
    copies = train[rng.integers(500, size=150)] + np.float32(noise) * rng.normal(size=(150, 16))
    found = functional.memorisation(copies, train, held_out)
    assert found["p_value"] < 1e-10 and found["statistic"] < -6
    assert found["train_share_p_value"] < 0.01 and found["train_share"] == 1.0
    assert found["generated_distance"] < 0.1 < found["held_out_distance"]


def test_some_replayed_rows(data):
    train, held_out, fresh = data
    found = functional.memorisation(np.concatenate([train[:60], fresh[60:]]), train, held_out)
    assert found["p_value"] < 0.01 and found["train_share"] > found["expected_train_share"]


def test_held_out_and_fresh_rows_are_not_flagged(data):
    train, held_out, fresh = data
    found = functional.memorisation(fresh, train, held_out)
    assert found["p_value"] > 0.01 and found["train_share_p_value"] > 0.01
    copies_of_held_out = functional.memorisation(held_out, train, held_out)
    assert copies_of_held_out["statistic"] == 0.0 and copies_of_held_out["p_value"] == 0.5
    assert copies_of_held_out["train_share"] == 0.0
    assert copies_of_held_out["train_share_p_value"] == 1.0


def test_typical_samples_fool_distances_but_not_neighbours():
    # Samples pulled towards the mean lie nearer to any data, seen or not.
    rng = np.random.default_rng(3)
    p = []
    for seed in range(30):
        train, held_out, fresh = rng.normal(size=(3, 100, 8))
        found = functional.memorisation(0.5 * fresh, train, held_out, permutations=999, seed=seed)
        assert found["p_value"] < 0.01
        p.append(found["train_share_p_value"])
    assert np.mean(np.array(p) < 0.05) <= 0.2


def test_underfitting_has_a_large_statistic(data):
    train, held_out, fresh = data
    found = functional.memorisation(3 * fresh, train, held_out)
    assert found["statistic"] > 10 and found["p_value"] > 0.999


def test_the_statistic_against_loops():
    rng = np.random.default_rng(4)
    train = rng.integers(6, size=(20, 2)).astype(float)
    held_out, generated = (rng.integers(6, size=(n, 2)).astype(float) for n in (15, 11))

    def nearest(x):
        return [min(float(np.sum((row - t) ** 2)) for t in train) for row in x]

    a, b = nearest(generated), nearest(held_out)
    u = sum((p > q) + 0.5 * (p == q) for p in a for q in b)
    both = a + b
    ties = sum(both.count(v) ** 3 - both.count(v) for v in set(both))
    variance = 11 * 15 / 12 * (27 - ties / (26 * 25))
    found = functional.memorisation(generated, train, held_out)
    assert found["statistic"] == pytest.approx((u - 11 * 15 / 2) / np.sqrt(variance))
    assert found["generated_distance"] == pytest.approx(np.sqrt(np.median(a)))
    assert found["expected_train_share"] == 20 / 35


def test_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    train, held_out, generated = rng.normal(size=(3, 200, 4))
    a, b = (functional.nearest_neighbours(x, train)[0][:, 0] for x in (generated, held_out))
    expected = stats.mannwhitneyu(
        a, b, alternative="less", method="asymptotic", use_continuity=False
    ).pvalue
    found = functional.memorisation(generated, train, held_out)
    assert found["p_value"] == pytest.approx(expected, rel=1e-9)


def test_the_exchange_against_moved_rows():
    # Counts of attracted rows (3, 0, 1, 2 of 4 rows, 2 of them train): all 6 exchanges by hand.
    from keras_gan_zoo.metrics._memorisation import _exchange

    pulls = np.array([3, 0, 1, 2])  # sums of two: 3, 4, 5, 1, 2, 3
    p = _exchange(pulls, 2, 100_000, np.random.default_rng(0))  # observed 3
    assert p == pytest.approx(4 / 6, abs=0.01)


def test_seed(data):
    train, held_out, fresh = data
    first = functional.memorisation(fresh, train, held_out, seed=1)
    assert functional.memorisation(fresh, train, held_out, seed=1) == first


@pytest.mark.parametrize(
    "sizes, message",
    [
        ((7, 50, 50), "`generated` must have at least 8 rows"),
        ((50, 0, 50), "`train` must have at least 1 rows"),
        ((50, 50, 7), "`held_out` must have at least 8 rows"),
    ],
)
def test_errors(sizes, message):
    with pytest.raises(ValueError, match=message):
        functional.memorisation(*(np.zeros((n, 2)) for n in sizes))
    with pytest.raises(ValueError, match="`permutations`"):
        functional.memorisation(*np.zeros((3, 9, 2)), permutations=0)

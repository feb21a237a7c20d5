"""Bootstrap intervals: of means in closed form, of biased metrics, of rows that belong together."""

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


@pytest.mark.parametrize("fraction", [None, 0.5, 0.3, 0.8])
def test_the_interval_of_a_mean(fraction):
    x = np.random.default_rng(0).normal(size=500) * 3.0
    low, high = functional.bootstrap(np.mean, x, n=2000, fraction=fraction)
    half = 1.96 * x.std() / np.sqrt(500)
    assert low == pytest.approx(x.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(x.mean() + half, abs=0.15 * half)
    narrow = functional.bootstrap(np.mean, x, n=2000, fraction=fraction, confidence=0.5)
    assert narrow[1] - narrow[0] == pytest.approx(2 * half * 0.6745 / 1.96, rel=0.15)


@pytest.mark.parametrize("fraction", [None, 0.5])
def test_the_truth_is_inside_as_often_as_claimed(fraction):
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(300):
        low, high = functional.bootstrap(
            np.mean, rng.normal(size=80), n=100, confidence=0.9, seed=seed, fraction=fraction
        )
        inside += low < 0 < high
    assert 0.84 < inside / 300 < 0.95


def test_arrays_are_resampled_independently():
    x, y = np.random.default_rng(2).normal(size=(2, 400))
    low, high = functional.bootstrap(lambda a, b: a.mean() - b.mean(), x, y, n=1000)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(2 / 400), rel=0.15)
    low, high = functional.bootstrap(lambda a, b: a.mean() - b.mean(), x, x, n=1000)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(2 / 400), rel=0.15)


def test_rows_of_a_tuple_stay_together():
    features, labels = np.arange(50.0)[:, None], np.arange(50)

    def statistic(pair):
        assert np.array_equal(pair[0][:, 0], pair[1])
        return float(pair[1].mean())

    low, high = functional.bootstrap(statistic, (features, labels))
    assert low < 24.5 < high


def test_a_dict_of_numbers():
    x = np.random.default_rng(3).normal(size=200)
    found = functional.bootstrap(lambda a: {"mean": a.mean(), "std": a.std()}, x)
    assert found["mean"] == functional.bootstrap(np.mean, x)
    assert found["std"][0] < x.std() < found["std"][1]


def test_the_frechet_distance_is_inside_its_own_interval():
    # A plain percentile interval lies above it altogether: duplicates raise the distance.
    x, y = np.random.default_rng(4).normal(size=(2, 300, 30))
    y += 0.1
    value = functional.frechet_distance(x, y)
    low, high = functional.bootstrap(functional.frechet_distance, x, y, n=50)
    assert low < value < high
    rng = np.random.default_rng(0)
    plain = [
        functional.frechet_distance(x[rng.integers(300, size=300)], y[rng.integers(300, size=300)])
        for _ in range(20)
    ]
    assert min(plain) > value


def test_neighbours_by_subsampling():
    # Duplicates have neighbours at distance 0: resampling with replacement shrinks the balls.
    rng = np.random.default_rng(5)
    real, fake = rng.normal(size=(2, 300, 3))

    def coverage(a, b):
        return functional.precision_recall_density_coverage(a, b)["coverage"]

    value = coverage(real, fake)
    low, high = functional.bootstrap(coverage, real, fake, n=40, fraction=0.5)
    assert low < value < high and high - low < 0.2
    again = [coverage(*rng.normal(size=(2, 300, 3))) for _ in range(40)]
    assert high - low == pytest.approx(4 * np.std(again), rel=0.6)


def test_seed():
    x = np.arange(30.0)
    first = functional.bootstrap(np.mean, x, n=20, seed=1)
    assert functional.bootstrap(np.mean, x, n=20, seed=1) == first
    assert functional.bootstrap(np.mean, x, n=20, seed=2) != first


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: functional.bootstrap(np.mean), "at least one array"),
        (lambda: functional.bootstrap(np.mean, [1.0]), "Array 0 must have at least 2 rows"),
        (lambda: functional.bootstrap(np.mean, 3.0), "Array 0"),
        (lambda: functional.bootstrap(np.mean, [1, 2], ([1, 2], [1, 2, 3])), "Array 1 .* \\(3,\\)"),
        (lambda: functional.bootstrap(np.mean, [1, 2], n=1), "`n` must be an integer >= 2"),
        (lambda: functional.bootstrap(np.mean, [1, 2], confidence=1.0), "`confidence`"),
        (lambda: functional.bootstrap(np.mean, [1, 2], fraction=1.0), "`fraction`"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

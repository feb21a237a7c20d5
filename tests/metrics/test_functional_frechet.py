"""Moments and the Frechet distance: closed forms, other factorisations, scipy."""

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


def rotation(width, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def with_spectrum(values, basis):
    covariance = (basis * values) @ basis.T
    return (covariance + covariance.T) / 2


def test_equal_covariances_leave_the_squared_shift():
    x = np.random.default_rng(0).normal(size=(200, 5))
    shift = np.array([1.0, -2.0, 0.0, 0.5, 3.0])
    assert functional.frechet_distance(x, x + shift) == pytest.approx(shift @ shift, rel=1e-12)


def test_diagonal_covariances():
    a, b = np.array([1.0, 4.0, 0.0, 2.0]), np.array([9.0, 1.0, 3.0, 2.0])
    mu = np.array([1.0, 0.0, 2.0, 0.0])
    value = functional.frechet_distance_from_moments(mu, np.diag(a), np.zeros(4), np.diag(b))
    assert value == pytest.approx(5.0 + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-12)


def test_one_dimension():
    x, y = np.random.default_rng(1).normal(size=(2, 50, 1)) * [[[3.0]], [[0.5]]]
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert functional.frechet_distance(x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rank", [3, 20, 64])
def test_commuting_covariances_of_any_rank(rank):
    rng = np.random.default_rng(rank)
    basis = rotation(64)
    a, b = (np.where(np.arange(64) < rank, rng.uniform(0.1, 50.0, 64), 0.0) for _ in range(2))
    value = functional.frechet_distance_from_moments(
        np.zeros(64), with_spectrum(a, basis), np.zeros(64), with_spectrum(b, basis)
    )
    assert value == pytest.approx(np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-6)


def test_covariances_on_orthogonal_subspaces():
    first = np.arange(32) < 16
    a, b = (with_spectrum(np.where(half, 4.0, 0.0), rotation(32)) for half in (first, ~first))
    value = functional.frechet_distance_from_moments(np.zeros(32), a, np.zeros(32), b)
    assert value == pytest.approx(2 * 16 * 4.0, rel=1e-6)


@pytest.mark.parametrize("n", [2, 10, 100])
def test_fewer_rows_than_columns(n):
    # tr (C1 C2)^1/2 is also the nuclear norm of the product of the centred data matrices.
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 120)), rng.normal(size=(n + 3, 120)) * 2.0
    a, b = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    shift = x.mean(0) - y.mean(0)
    nuclear = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = shift @ shift + np.sum(a * a) + np.sum(b * b) - 2 * nuclear
    assert functional.frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_a_set_with_itself_is_zero_and_never_below():
    for n in (2, 30, 300):
        x = np.random.default_rng(n).normal(size=(n, 64)).astype("float32") * 100
        assert 0.0 <= functional.frechet_distance(x, x) < 1e-6


def test_samples_approach_the_distance_of_their_distributions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 3)) * [1.0, 2.0, 3.0]
    y = rng.normal(size=(40_000, 3)) * [2.0, 2.0, 1.0] + [0.0, 1.0, 0.0]
    assert functional.frechet_distance(x, y) == pytest.approx(1.0 + 1.0 + 4.0, rel=0.03)


def test_symmetry_and_invariance():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(80, 6)), rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6))
    value = functional.frechet_distance(x, y)
    assert functional.frechet_distance(y, x) == pytest.approx(value, rel=1e-10)
    turn = rotation(6)
    assert functional.frechet_distance(x @ turn + 7, y @ turn + 7) == pytest.approx(value, rel=1e-9)
    assert functional.frechet_distance(3 * x, 3 * y) == pytest.approx(9 * value, rel=1e-10)


def test_against_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(500, 40)) @ rng.normal(size=(40, 40))
    y = rng.gamma(2.0, size=(400, 40)) @ rng.normal(size=(40, 40))
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(c1 + c2) - 2 * np.trace(linalg.sqrtm(c1 @ c2)).real
    assert functional.frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


# ---------------------------------------------------------------- moments


def two_pass(x):
    x = x.astype(np.float64)
    centred = x - x.mean(0)
    return x.mean(0), centred.T @ centred / (len(x) - 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_moments_with_an_offset(dtype, offset):
    x = (np.random.default_rng(0).normal(size=(9000, 7)) + offset).astype(dtype)
    mean, covariance = functional.moments(x)
    expected_mean, expected = two_pass(x)
    assert mean.dtype == covariance.dtype == np.float64
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-9)


def test_moments_in_batches_and_merged():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1000, 5)) * [1, 10, 100, 1e-3, 1] + [0, 5, 1e5, 0, -3]
    parts = [functional.Moments(5) for _ in range(3)]
    for i, batch in enumerate(np.array_split(x, [1, 2, 40, 41, 300, 900])):
        parts[i % 3].update(batch)
    parts[0].update(np.empty((0, 5)))
    whole = functional.Moments(5)
    for part in parts:
        whole.merge(part)
    whole.merge(functional.Moments(5))
    assert whole.count == 1000
    for found, expected in zip(whole.result(), two_pass(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    whole.reset()
    whole.update([[1.0] * 5, [3.0] * 5])
    assert whole.result()[0].tolist() == [2.0] * 5
    assert whole.result()[1].tolist() == [[2.0] * 5] * 5


def test_the_memory_of_moments_does_not_depend_on_the_rows():
    tracemalloc = pytest.importorskip("tracemalloc")
    moments = functional.Moments(16)
    batch = np.ones((1000, 16))
    moments.update(batch)
    tracemalloc.start()
    for _ in range(50):
        moments.update(batch)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert moments.count == 51_000 and held < 10 * 8 * 16 * 17


def test_a_result_is_a_copy():
    moments = functional.Moments(1)
    moments.update([[0.0], [2.0]])
    moments.result()[0][:] = 9.0
    assert moments.result()[0].tolist() == [1.0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: functional.Moments(0), "`width` must be an integer >= 1"),
        (lambda: functional.Moments(2).result(), "at least 2 rows. Received: 0"),
        (lambda: functional.Moments(2).update([[1.0]]), "2 columns. Received: shape \\(1, 1\\)"),
        (lambda: functional.Moments(2).merge(functional.Moments(3)), "Received: 2, 3"),
        (lambda: functional.moments([[1.0]]), "at least 2 rows. Received: shape \\(1, 1\\)"),
        (
            lambda: functional.frechet_distance_from_moments(
                [0, 0], np.eye(3), [0, 0, 0], np.eye(3)
            ),
            "Received: \\(2,\\), \\(3, 3\\)",
        ),
        (
            lambda: functional.frechet_distance_from_moments([0], [[1]], [0, 0], np.eye(2)),
            "the same width",
        ),
        (
            lambda: functional.frechet_distance_from_moments(
                [0, 0], [[1, 1], [0, 1]], [0, 0], np.eye(2)
            ),
            "`cov1` must be symmetric",
        ),
        (
            lambda: functional.frechet_distance_from_moments(
                [0, 0], np.eye(2), [0, 0], [[1, 0], [0, -1]]
            ),
            "`cov2` must be positive semi-definite. Received: eigenvalues from -1",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

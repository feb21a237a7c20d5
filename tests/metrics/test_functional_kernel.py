"""The kernel distance: naive loops, the linear kernel's closed form, unbiasedness."""

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


def naive(x, y, degree=3, gamma=None, coef=1.0):
    gamma = 1.0 / x.shape[1] if gamma is None else gamma

    def kernel(a, b):
        return (gamma * float(np.dot(a.astype("float64"), b.astype("float64"))) + coef) ** degree

    def within(z):
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(kernel(z[i], z[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * between


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options", [{}, {"degree": 1}, {"degree": 2, "gamma": 0.3}, {"degree": 4, "coef": 0.0}]
)
def test_against_loops(dtype, options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 6)).astype(dtype)
    y = (rng.normal(size=(41, 6)) + 1.0).astype(dtype)
    value = functional.kernel_distance(x, y, **options)
    rel = 1e-5 if dtype == "float32" else 1e-12
    assert isinstance(value, float)
    assert value == pytest.approx(naive(x, y, **options), rel=rel)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tiles_and_the_linear_kernel(dtype):
    # mean_{i != j} x_i.x_j = |mean|^2 - tr cov / n: more rows than a tile has
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(5000, 3)) + [1.0, 0.0, -1.0]).astype(dtype)
    y = (rng.normal(size=(2100, 3)) * 2.0).astype(dtype)
    (mx, cx), (my, cy) = functional.moments(x), functional.moments(y)
    expected = (mx - my) @ (mx - my) - np.trace(cx) / 5000 - np.trace(cy) / 2100
    value = functional.kernel_distance(x, y, degree=1, gamma=1.0, coef=0.0)
    assert value == pytest.approx(expected, rel=1e-6 if dtype == "float32" else 1e-11)


def test_a_difference_of_means_in_closed_form():
    # k = (x.y + 1)^3 in one dimension: E k = 1 + 3 m1^2 + 3 m2^2 + m3^2 of the raw moments
    x, y = np.float64([[0.0], [1.0]]), np.float64([[2.0], [3.0]])
    # x: pair (0, 1) gives 1; y: pair (2, 3) gives 343; between: 1, 1, 27, 64
    assert functional.kernel_distance(x, y) == pytest.approx(1 + 343 - 2 * 93 / 4)


def test_unbiased_and_sometimes_negative():
    rng = np.random.default_rng(2)
    values = [
        functional.kernel_distance(*rng.normal(size=(2, 40, 3)).astype("float32"))
        for _ in range(300)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * error
    assert min(values) < 0 < max(values)


def test_it_does_not_depend_on_the_number_of_rows():
    rng = np.random.default_rng(3)
    few, many = (
        [
            functional.kernel_distance(rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 0.5)
            for _ in range(repeats)
        ]
        for n, repeats in ((10, 2000), (400, 50))
    )
    error = np.hypot(np.std(few) / np.sqrt(2000), np.std(many) / np.sqrt(50))
    assert abs(np.mean(few) - np.mean(many)) < 4 * error


def test_float32_keeps_a_small_distance_between_large_features():
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(1500, 64)) + 3.0).astype("float32")
    y = (rng.normal(size=(1500, 64)) + 3.002).astype("float32")
    double = functional.kernel_distance(x.astype("float64"), y.astype("float64"))
    assert functional.kernel_distance(x, y) == pytest.approx(double, rel=1e-3)


def test_equal_blocks_have_no_error():
    x, y = np.zeros((100, 1)), np.ones((130, 1))
    assert functional.kernel_distance_blocks(x, y, block_size=30) == (7.0, 0.0)  # 1 + 8 - 2


def test_the_standard_error_is_honest():
    rng = np.random.default_rng(5)
    scores = []
    for _ in range(200):
        x, y = rng.normal(size=(2, 600, 2)).astype("float32")
        mean, error = functional.kernel_distance_blocks(x, y, block_size=30)
        scores.append(mean / error)
    # About standard normal: 20 blocks, Student's t with 19 degrees of freedom has deviation 1.06.
    assert 0.9 < np.std(scores) < 1.25
    assert abs(np.mean(scores)) < 0.3


def test_blocks_repeat_with_their_seed():
    x, y = np.random.default_rng(6).normal(size=(2, 100, 3))
    first = functional.kernel_distance_blocks(x, y, 20, n_blocks=3, seed=1)
    assert functional.kernel_distance_blocks(x, y, 20, n_blocks=3, seed=1) == first
    assert functional.kernel_distance_blocks(x, y, 20, n_blocks=3, seed=2) != first


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: functional.kernel_distance([[1.0]], [[1.0], [2.0]]),
            "`real` must have at least 2 rows",
        ),
        (lambda: functional.kernel_distance(np.eye(2), np.eye(2), degree=0), "`degree`"),
        (lambda: functional.kernel_distance(np.eye(2), np.eye(2), gamma=0.0), "`gamma`"),
        (lambda: functional.kernel_distance(np.eye(2), np.eye(2), coef=-1.0), "`coef`"),
        (
            lambda: functional.kernel_distance_blocks(np.zeros((99, 2)), np.zeros((200, 2)), 50),
            "`real` must have at least 100 rows",
        ),
        (
            lambda: functional.kernel_distance_blocks(
                np.zeros((100, 2)), np.zeros((200, 2)), 40, n_blocks=3
            ),
            "3 disjoint blocks of 40 need 120 rows",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

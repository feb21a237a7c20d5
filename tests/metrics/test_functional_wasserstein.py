"""Sliced Wasserstein distances and the Laplacian pyramid."""

import math

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


def test_one_dimension_is_the_wasserstein_distance():
    x, y = np.random.default_rng(0).normal(size=(2, 300, 1))
    expected = np.abs(np.sort(x[:, 0]) - np.sort(y[:, 0])).mean()
    assert functional.sliced_wasserstein(x, y, projections=3) == pytest.approx(expected)
    assert functional.sliced_wasserstein(x, x + 2.5) == pytest.approx(2.5)
    assert functional.sliced_wasserstein(x, x[::-1]) == 0.0


@pytest.mark.parametrize("width", [2, 3, 10])
def test_a_shift(width):
    x = np.random.default_rng(width).normal(size=(20, width))
    shift = np.arange(1.0, width + 1)
    mean = math.gamma(width / 2) / (math.sqrt(math.pi) * math.gamma((width + 1) / 2))
    value = functional.sliced_wasserstein(x, x + shift, projections=20_000)
    assert value == pytest.approx(np.linalg.norm(shift) * mean, rel=0.02)


def test_gaussians_of_other_widths():
    # W_1(N(0, 1), N(0, s^2)) = |s - 1| sqrt(2 / pi), whatever the direction
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20_000, 4)), 3.0 * rng.normal(size=(20_000, 4))
    value = functional.sliced_wasserstein(x, y, projections=16)
    assert value == pytest.approx(2.0 * math.sqrt(2 / math.pi), rel=0.02)


@pytest.mark.parametrize("n, m", [(3, 7), (4, 6), (1, 5), (100, 99)])
def test_unequal_numbers_of_rows(n, m):
    # Repeating every row does not change a distribution.
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 5)), rng.normal(size=(m, 5)) + 1.0
    value = functional.sliced_wasserstein(x, y, projections=16)
    equal = functional.sliced_wasserstein(
        np.repeat(x, m, axis=0), np.repeat(y, n, axis=0), projections=16
    )
    assert value == pytest.approx(equal, rel=1e-12)
    assert functional.sliced_wasserstein(y, x, projections=16) == pytest.approx(value, rel=1e-12)


def test_seed_and_dtype():
    x, y = np.random.default_rng(0).normal(size=(2, 200, 30))
    value = functional.sliced_wasserstein(x, y, seed=1)
    assert functional.sliced_wasserstein(x, y, seed=1) == value
    assert functional.sliced_wasserstein(x, y, seed=2) != value
    single = functional.sliced_wasserstein(x.astype("float32"), y.astype("float32"), seed=1)
    assert single == pytest.approx(value, rel=1e-5)


def test_projections_in_parts(monkeypatch):
    from keras_gan_zoo.metrics import _wasserstein

    x, y = np.random.default_rng(0).normal(size=(2, 50, 4))
    whole = functional.sliced_wasserstein(x, y)
    monkeypatch.setattr(_wasserstein, "_ENTRIES", 350)
    assert functional.sliced_wasserstein(x, y) == pytest.approx(whole, rel=1e-12)


# ---------------------------------------------------------------- pyramid


def mirrored(i, size):
    i = abs(i)
    return i if i < size else 2 * (size - 1) - i


def up_matrix(size):
    """From the halved signal to `size` values: zeros between, then twice the binomial filter."""
    matrix = np.zeros((size, (size + 1) // 2))
    for row in range(size):
        for tap, weight in zip(range(-2, 3), (1, 4, 6, 4, 1), strict=True):
            source = mirrored(row + tap, size)
            if source % 2 == 0:
                matrix[row, source // 2] += 2 * weight / 16
    return matrix


def down_matrix(size):
    matrix = np.zeros(((size + 1) // 2, size))
    for row in range(len(matrix)):
        for tap, weight in zip(range(-2, 3), (1, 4, 6, 4, 1), strict=True):
            matrix[row, mirrored(2 * row + tap, size)] += weight / 16
    return matrix


@pytest.mark.parametrize(
    "height, width, levels", [(28, 28, 2), (32, 32, 3), (15, 22, 3), (9, 5, 2)]
)
def test_pyramid_against_matrices(height, width, levels):
    images = np.random.default_rng(0).uniform(-1, 1, size=(2, height, width, 3))
    pyramid = functional.laplacian_pyramid(images, levels)
    assert len(pyramid) == levels and all(level.dtype == np.float32 for level in pyramid)
    current = images
    for level in pyramid[:-1]:
        h, w = current.shape[1:3]
        coarse = np.einsum("ph,nhwc,qw->npqc", down_matrix(h), current, down_matrix(w))
        restored = np.einsum("hp,npqc,wq->nhwc", up_matrix(h), coarse, up_matrix(w))
        np.testing.assert_allclose(level, current - restored, atol=1e-6)
        current = coarse
    np.testing.assert_allclose(pyramid[-1], current, atol=1e-6)


def test_pyramid_restores_the_images():
    images = np.random.default_rng(1).uniform(-1, 1, size=(3, 28, 30, 1))
    restored = (pyramid := functional.laplacian_pyramid(images, 4))[-1]
    for level in pyramid[-2::-1]:
        up = np.einsum(
            "hp,npqc,wq->nhwc", up_matrix(level.shape[1]), restored, up_matrix(level.shape[2])
        )
        restored = up + level
    np.testing.assert_allclose(restored, images, atol=2e-6)


def test_constant_images_have_empty_levels():
    pyramid = functional.laplacian_pyramid(np.full((1, 17, 64, 2), 0.3), 3)
    assert [level.shape[1:3] for level in pyramid] == [(17, 64), (9, 32), (5, 16)]
    assert max(np.abs(level).max() for level in pyramid[:-1]) < 1e-6
    np.testing.assert_allclose(pyramid[-1], 0.3, atol=1e-6)


# ---------------------------------------------------------------- SWD of patches


@pytest.mark.parametrize(
    "shape, sides",
    [
        ((28, 28, 1), [28, 14]),
        ((32, 32, 3), [32, 16]),
        ((64, 96, 1), [64, 32, 16]),
        ((16, 20, 1), [16]),
        ((7, 7, 1), [7]),
        ((33, 33, 1), [33, 17, 9]),
    ],
)
def test_levels(shape, sides):
    real, fake = np.random.default_rng(0).uniform(-1, 1, size=(2, 4, *shape))
    found = functional.laplacian_swd(real, fake, projections=8)
    assert list(found) == sides
    assert all(isinstance(v, float) and 0 < v < 1 for v in found.values())
    same = functional.laplacian_swd(real, real.copy(), projections=8)
    assert same == dict.fromkeys(sides, 0.0)


@pytest.fixture(scope="module")
def smooth_images():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(-1, 1, size=(400, 8, 8, 1)).repeat(4, 1).repeat(4, 2)
    return np.float32(np.clip(0.8 * coarse + 0.1 * rng.normal(size=coarse.shape), -1, 1))


def test_brightness_and_contrast_do_not_count(smooth_images):
    changed = functional.laplacian_swd(smooth_images, 0.5 * smooth_images + 0.25)
    assert max(changed.values()) < 1e-4


def test_fine_noise_is_seen_at_the_fine_level(smooth_images):
    rng = np.random.default_rng(1)
    noisy = np.clip(smooth_images + 0.3 * rng.normal(size=smooth_images.shape), -1, 1)
    found = functional.laplacian_swd(smooth_images[:200], noisy[200:])
    floor = functional.laplacian_swd(smooth_images[:200], smooth_images[200:])
    assert found[32] > 2 * floor[32] and found[16] < 2 * floor[16]


def test_more_blur_is_further_away(smooth_images):
    def blurred(times):
        images = smooth_images[200:]
        for _ in range(times):
            images = (images + np.roll(images, 1, 1) + np.roll(images, 1, 2)) / 3
        return functional.laplacian_swd(smooth_images[:200], images)[32]

    values = [blurred(times) for times in range(4)]
    assert values == sorted(values)


def test_images_in_parts_and_of_unequal_numbers(smooth_images, monkeypatch):
    from keras_gan_zoo.metrics import _wasserstein

    floor = functional.laplacian_swd(smooth_images[:300], smooth_images[300:])
    monkeypatch.setattr(_wasserstein, "_IMAGES", 64)
    assert functional.laplacian_swd(smooth_images, smooth_images) == {32: 0.0, 16: 0.0}
    parts = functional.laplacian_swd(smooth_images[:300], smooth_images[300:])
    assert parts == pytest.approx(floor, rel=0.5)  # other patches


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: functional.sliced_wasserstein([[1.0]], [[1.0]], projections=0), "`projections`"),
        (lambda: functional.sliced_wasserstein([[1.0]], [[1.0, 2.0]]), "the same width"),
        (lambda: functional.sliced_wasserstein(np.empty((0, 1)), [[1.0]]), "at least 1 rows"),
        (lambda: functional.laplacian_pyramid(np.zeros((1, 4, 4)), 1), "shape \\(n, height"),
        (lambda: functional.laplacian_pyramid(np.zeros((1, 4, 4, 1)), 3), "2x2 cannot be halved"),
        (
            lambda: functional.laplacian_swd(np.zeros((1, 6, 9, 1)), np.zeros((1, 6, 9, 1))),
            "at least 7 pixels",
        ),
        (
            lambda: functional.laplacian_swd(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 3))),
            "The images must have the same shape",
        ),
        (
            lambda: functional.laplacian_swd(np.full((1, 8, 8, 1), 255), np.zeros((1, 8, 8, 1))),
            "`real_images` must lie in \\[-1, 1\\]. Received: values from 0 to 255",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

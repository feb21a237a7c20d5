"""MS-SSIM against a direct evaluation, and diversity."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.metrics import functional

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def terms(a, b, window, sigma):
    """Mean of l * cs and of cs over all windows of one channel, values in [0, 1]."""
    offsets = np.arange(window) - (window - 1) / 2
    line = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    full, cs = [], []
    for y in range(a.shape[0] - window + 1):
        for x in range(a.shape[1] - window + 1):
            p, q = a[y : y + window, x : x + window], b[y : y + window, x : x + window]
            mp, mq = np.sum(kernel * p), np.sum(kernel * q)
            vp, vq = np.sum(kernel * (p - mp) ** 2), np.sum(kernel * (q - mq) ** 2)
            cov = np.sum(kernel * (p - mp) * (q - mq))
            cs.append((2 * cov + 0.03**2) / (vp + vq + 0.03**2))
            full.append(cs[-1] * (2 * mp * mq + 0.01**2) / (mp**2 + mq**2 + 0.01**2))
    return np.mean(full), np.mean(cs)


def halved(image):
    h, w = image.shape
    return image.reshape(h // 2, 2, w // 2, 2).mean((1, 3))


def naive(a, b, scales, window=11, sigma=1.5):
    a, b = (a + 1) / 2, (b + 1) / 2
    weights = WEIGHTS[:scales] / WEIGHTS[:scales].sum()
    value = 1.0
    for scale, weight in enumerate(weights):
        full, cs = terms(a, b, window, sigma)
        value *= max(full if scale == scales - 1 else cs, 0.0) ** weight
        if scale < scales - 1:
            a, b = halved(a), halved(b)
    return value


def pair(side, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, size=(2, side, side, 1))
    return a, np.clip(a + 0.4 * rng.normal(size=a.shape), -1, 1)


@pytest.mark.parametrize(
    "side, scales, window", [(7, 1, 7), (8, 1, 7), (16, 1, 11), (28, 2, 11), (44, 3, 11)]
)
def test_against_a_direct_evaluation(side, scales, window):
    a, b = pair(side)
    expected = [
        naive(p[..., 0], q[..., 0], scales, window, 1.5 * window / 11)
        for p, q in zip(a, b, strict=True)
    ]
    found = functional.ms_ssim(a, b)
    assert found.shape == (2,) and found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-7)  # float32 images


@pytest.mark.parametrize("side, scales", [(32, 2), (45, 3), (63, 3), (176, 5), (181, 5)])
def test_against_tensorflow(side, scales):
    a, b = pair(side)
    factors = list(WEIGHTS[:scales] / WEIGHTS[:scales].sum())
    expected = tf.image.ssim_multiscale(
        (a + 1) / 2, (b + 1) / 2, max_val=1.0, power_factors=factors
    )
    np.testing.assert_allclose(functional.ms_ssim(a, b), expected, rtol=3e-4)


def test_constant_images_differ_in_luminance_only():
    a, b = np.full((1, 28, 28, 3), 0.0), np.full((1, 28, 28, 3), 1.0)  # 1/2 and 1 of 1
    luminance = (2 * 0.5 + 1e-4) / (0.25 + 1.0 + 1e-4)
    expected = luminance ** (WEIGHTS[1] / WEIGHTS[:2].sum())
    assert functional.ms_ssim(a, b)[0] == pytest.approx(expected, rel=1e-9)


def test_identical_symmetric_and_decreasing():
    a, b = pair(28)
    np.testing.assert_allclose(functional.ms_ssim(a, a), 1.0, atol=1e-12)
    np.testing.assert_allclose(functional.ms_ssim(a, b), functional.ms_ssim(b, a), rtol=1e-9)
    noise = np.random.default_rng(1).normal(size=a.shape)
    values = [functional.ms_ssim(a, np.clip(a + s * noise, -1, 1))[0] for s in (0.05, 0.2, 0.8)]
    assert 1 > values[0] > values[1] > values[2] >= 0
    assert functional.ms_ssim(a, -a).max() == 0.0  # negative structure


def test_channels_are_averaged_and_parts_do_not_matter(monkeypatch):
    from keras_gan_zoo.metrics import _ssim

    a, b = np.random.default_rng(0).uniform(-1, 1, size=(2, 5, 16, 20, 3))
    whole = functional.ms_ssim(a, b)
    grey = [functional.ms_ssim(a[..., c : c + 1], b[..., c : c + 1]) for c in range(3)]
    np.testing.assert_allclose(whole, np.mean(grey, axis=0), rtol=1e-12)
    monkeypatch.setattr(_ssim, "_VALUES", 2000)
    np.testing.assert_allclose(functional.ms_ssim(a, b), whole, rtol=1e-12)


def test_diversity_of_two_images_is_their_similarity():
    a, b = pair(28)
    images = np.stack([a[0], b[0]])
    expected = functional.ms_ssim(images[:1], images[1:])[0]
    assert functional.ms_ssim_diversity(images, pairs=300) == pytest.approx(expected, rel=1e-6)


def test_diversity_falls_with_collapse():
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, size=(40, 28, 28, 1))
    collapsed = np.repeat(images[:4], 10, axis=0)  # a pair is equal with probability 9/39
    all_different = functional.ms_ssim_diversity(images, pairs=400)
    value = functional.ms_ssim_diversity(collapsed, pairs=4000)
    different = np.mean(
        [
            functional.ms_ssim(images[i : i + 1], images[j : j + 1])[0]
            for i in range(4)
            for j in range(i)
        ]
    )
    assert value == pytest.approx(9 / 39 + 30 / 39 * different, abs=0.03)
    assert value > all_different
    assert functional.ms_ssim_diversity(np.repeat(images[:1], 5, 0)) == pytest.approx(1, abs=1e-6)


def test_diversity_repeats_with_its_seed():
    images = np.random.default_rng(0).uniform(-1, 1, size=(30, 28, 28, 1))
    values = [functional.ms_ssim_diversity(images, pairs=50, seed=s) for s in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: functional.ms_ssim(np.zeros((2, 8, 8, 1)), np.zeros((3, 8, 8, 1))),
            "must pair up. Received: shapes \\(2, 8, 8, 1\\), \\(3, 8, 8, 1\\)",
        ),
        (lambda: functional.ms_ssim(np.zeros((2, 8, 8)), np.zeros((2, 8, 8))), "shape \\(n, hei"),
        (
            lambda: functional.ms_ssim(np.zeros((0, 8, 8, 1)), np.zeros((0, 8, 8, 1))),
            "at least 1 images",
        ),
        (lambda: functional.ms_ssim_diversity(np.zeros((1, 8, 8, 1))), "at least 2 images"),
        (lambda: functional.ms_ssim_diversity(np.zeros((2, 8, 8, 1)), pairs=0), "`pairs`"),
        (lambda: functional.ms_ssim_diversity(np.full((2, 8, 8, 1), np.nan)), "finite"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Mode coverage: floors, ceilings and collapse in closed form."""

import math

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional


def ring(modes=8):
    angles = 2 * np.pi * np.arange(modes) / modes
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid():
    axis = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)


def draw(centres, sigma, n, rng):
    return centres[rng.integers(len(centres), size=n)] + sigma * rng.normal(size=(n, 2))


@pytest.mark.parametrize("centres, sigma", [(ring(), 0.01), (grid(), 0.05)])
def test_a_perfect_sampler(centres, sigma):
    # Within 3 sigma in two dimensions: 1 - exp(-9/2). Reverse KL: about (modes - 1) / 2n.
    rng = np.random.default_rng(0)
    found = [
        functional.mode_coverage(draw(centres, sigma, 2500, rng), centres, sigma)
        for _ in range(100)
    ]
    assert {f["modes"] for f in found} == {len(centres)}
    assert np.mean([f["high_quality"] for f in found]) == pytest.approx(
        1 - math.exp(-4.5), abs=1e-3
    )
    floor = (len(centres) - 1) / (2 * 2500)
    assert np.mean([f["reverse_kl"] for f in found]) == pytest.approx(floor, rel=0.2)


@pytest.mark.parametrize("centres", [ring(), grid()])
def test_total_collapse(centres):
    found = functional.mode_coverage(np.repeat(centres[:1], 2500, axis=0), centres, 0.01)
    assert found["modes"] == 1 and found["high_quality"] == 1.0
    assert found["reverse_kl"] == pytest.approx(math.log(len(centres)), rel=1e-12)


def test_half_of_the_modes():
    samples = np.repeat(ring()[::2], 100, axis=0)
    found = functional.mode_coverage(samples, ring(), 0.01)
    assert found == {"modes": 4, "high_quality": 1.0, "reverse_kl": pytest.approx(math.log(2))}


def test_bad_samples_count_towards_the_divergence_but_cover_no_mode():
    samples = np.concatenate([np.repeat([[0.0, 0.0]], 3, 0), [[9.9, 0.0]]])
    found = functional.mode_coverage(samples, [[0.0, 0.0], [10.0, 0.0]], 0.01)
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert found == {"modes": 1, "high_quality": 0.75, "reverse_kl": pytest.approx(kl)}


def test_the_threshold_is_in_standard_deviations_of_each_mode():
    samples, centres = [[0.25], [10.25]], [[0.0], [10.0]]
    assert functional.mode_coverage(samples, centres, [0.05, 0.1])["modes"] == 1
    assert functional.mode_coverage(samples, centres, 0.1)["modes"] == 2
    assert functional.mode_coverage(samples, centres, 0.1, threshold=2.0)["modes"] == 0
    # 4 is nearer to 0 in units of its deviation
    found = functional.mode_coverage([[6.0]], centres, [5.0, 1.0])
    assert found["high_quality"] == 1.0


def test_weights():
    labels = [0] * 30 + [1] * 10
    for weights in ([0.75, 0.25], [300, 100]):
        found = functional.mode_coverage_from_labels(labels, 2, weights=weights)
        assert found["reverse_kl"] == pytest.approx(0.0, abs=1e-12)
    assert functional.mode_coverage_from_labels(labels, 2, weights=[1, 0])["reverse_kl"] == math.inf
    found = functional.mode_coverage_from_labels([0] * 5, 3, weights=[0.5, 0.5, 0.0])
    assert found["reverse_kl"] == pytest.approx(math.log(2))


def test_stacked_mnist():
    rng = np.random.default_rng(0)
    found = functional.mode_coverage_from_labels(rng.integers(1000, size=26_000), 1000)
    assert found["modes"] == 1000 and found["high_quality"] == 1.0
    assert found["reverse_kl"] == pytest.approx(999 / 52_000, rel=0.2)
    assert functional.mode_coverage_from_labels([7] * 26_000, 1000)["reverse_kl"] == pytest.approx(
        6.908, abs=1e-3
    )


def test_min_count_and_high_quality():
    labels = np.array([0, 0, 0, 1, 1, 2])
    assert functional.mode_coverage_from_labels(labels, 4, min_count=2)["modes"] == 2
    good = np.array([True, False, False, True, True, False])
    found = functional.mode_coverage_from_labels(labels, 4, high_quality=good)
    assert found["modes"] == 2 and found["high_quality"] == 0.5
    everything = functional.mode_coverage_from_labels(labels, 4)
    assert found["reverse_kl"] == everything["reverse_kl"]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: functional.mode_coverage([[0.0]], [[0.0, 0.0]], 1.0), "the same width"),
        (lambda: functional.mode_coverage([[0.0]], [[0.0]], 0.0), "`sigma` must be positive"),
        (lambda: functional.mode_coverage([[0.0]], [[0.0]], [1.0, 1.0]), "one for each of the 1"),
        (lambda: functional.mode_coverage([[0.0]], [[0.0]], 1.0, threshold=0), "`threshold`"),
        (lambda: functional.mode_coverage([[0.0]], [[0.0]], 1.0, weights=[-1]), "`weights`"),
        (
            lambda: functional.mode_coverage_from_labels([], 2),
            "Received: float64 of shape \\(0,\\)",
        ),
        (lambda: functional.mode_coverage_from_labels([0, 2], 2), "from 0 to 2"),
        (lambda: functional.mode_coverage_from_labels([0.5], 2), "Received: float64"),
        (
            lambda: functional.mode_coverage_from_labels([0, 1], 2, high_quality=[1, 0]),
            "must be booleans",
        ),
        (lambda: functional.mode_coverage_from_labels([0], 2, min_count=0), "`min_count`"),
        (lambda: functional.mode_coverage_from_labels([0], 2, weights=[0, 0]), "not all 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

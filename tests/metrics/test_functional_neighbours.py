"""Nearest neighbours, precision, recall, density, coverage: naive loops and known sets."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_gan_zoo.metrics import functional

prdc = functional.precision_recall_density_coverage


def distances(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.sqrt(np.stack([np.sum((row - y) ** 2, axis=1) for row in x]))


def naive(real, fake, k):
    def radii(x):
        away = distances(x, x)
        np.fill_diagonal(away, np.inf)
        return np.sort(away, axis=1)[:, k - 1]

    between = distances(real, fake)
    in_real = between < radii(real)[:, None]
    in_fake = between < radii(fake)[None, :]
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": in_fake.any(axis=1).mean(),
        "density": in_real.sum() / (k * len(fake)),
        "coverage": in_real.any(axis=1).mean(),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n, m, width, k", [(400, 400, 16, 5), (700, 90, 3, 1), (7, 2000, 40, 6)])
def test_against_loops(dtype, n, m, width, k):
    rng = np.random.default_rng(n)
    real = rng.normal(size=(n, width)).astype(dtype)
    fake = (0.8 * rng.normal(size=(m, width)) + 0.2).astype(dtype)
    found = prdc(real, fake, k=k)
    assert found == pytest.approx(naive(real, fake, k), abs=1e-12)
    assert all(isinstance(v, float) for v in found.values())


def hard_sets():
    """Pairs of sets whose distances float32 cannot tell apart from |x|^2 + |y|^2 - 2 x.y."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 8))
    modes = centres[rng.integers(5, size=300)]
    noise = rng.normal(size=(300, 8))
    smooth = rng.normal(size=(300, 8))
    return {
        "far from the origin": (np.float32(smooth + 1000.0), np.float32(noise + 1000.0)),
        "tight clusters": (modes + 1e-6 * noise, modes[::-1] + 1e-6 * smooth),
        "tight clusters, float32": (np.float32(modes + 1e-4 * noise), np.float32(modes)),
        "clusters that float64's product cannot tell apart": (
            np.sign(smooth[:, :1]) + 1e-9 * noise,
            np.sign(noise[:, :1]) + 1e-9 * smooth,
        ),
        "an outlier": (
            np.concatenate([smooth, [[1e6] * 8]]),
            np.concatenate([noise, [[-1e7] * 8]]),
        ),
        "copies of real rows": (smooth, smooth[rng.integers(300, size=250)]),
        "total collapse": (smooth, np.repeat(smooth[:1], 300, axis=0)),
        "collapse on both sides": (np.repeat(smooth[:2], 150, axis=0), smooth[:60]),
        "huge": (np.float32(smooth * 1e18), np.float32(noise * 1e18)),
        "tiny": (np.float32(smooth * 1e-18), np.float32(noise * 1e-18)),
        "constant columns": (smooth * [1, 0, 0, 0, 0, 0, 0, 0], noise * [1, 0, 0, 0, 0, 0, 0, 0]),
    }


HARD = hard_sets()


@pytest.mark.parametrize("name", HARD)
def test_no_cancellation(name):
    real, fake = HARD[name]
    expected = naive(real, fake, 4)
    found = prdc(real, fake, k=4)
    assert found == pytest.approx(expected, abs=1e-12)
    to_real, index = functional.nearest_neighbours(fake, real, k=3)
    np.testing.assert_allclose(to_real, np.sort(distances(fake, real), 1)[:, :3], rtol=1e-9)
    np.testing.assert_allclose(
        np.take_along_axis(distances(fake, real), index, 1), to_real, rtol=1e-9
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [1, 5, 50])
def test_a_set_with_itself(dtype, k):
    x = np.random.default_rng(k).normal(size=(1500, 24)).astype(dtype)
    assert prdc(x, x, k) == dict.fromkeys(("precision", "recall", "density", "coverage"), 1.0)
    shuffled = x[np.random.default_rng(1).permutation(len(x))]
    assert prdc(x, shuffled, k) == prdc(x, x, k)


def test_disjoint_sets():
    x, y = np.random.default_rng(0).normal(size=(2, 200, 4))
    assert set(prdc(x, y + 1000.0).values()) == {0.0}


@pytest.mark.parametrize("kept", [1, 4, 9])
def test_dropped_modes(kept):
    # Ten far-apart modes of 60 samples; the fakes are the real samples of some of the modes. A
    # fake lies in the balls of its own mode only, k of them on average.
    rng = np.random.default_rng(kept)
    real = (rng.normal(size=(10, 60, 2)) + 1000.0 * np.arange(10)[:, None, None]).reshape(-1, 2)
    found = prdc(real, real[: 60 * kept])
    assert found["precision"] == 1.0
    assert found["recall"] == pytest.approx(kept / 10)
    assert found["coverage"] == pytest.approx(kept / 10)
    assert found["density"] == pytest.approx(1.0)


def test_half_of_the_fakes_are_rubbish():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 4))
    rubbish = rng.normal(size=(300, 4)) + np.arange(1, 301)[:, None] * 1e4
    found = prdc(real, np.concatenate([real, rubbish]))
    assert found["precision"] == 0.5 and found["density"] == pytest.approx(0.5)
    assert found["coverage"] == 1.0 and found["recall"] == 1.0


def test_expected_coverage_of_a_perfect_generator():
    # The k nearest of the other N - 1 real and M fake rows are all real: the row is not covered.
    rng = np.random.default_rng(0)
    n, m, k = 120, 60, 3
    found = [prdc(*np.split(rng.normal(size=(n + m, 2)), [n]), k=k) for _ in range(150)]
    missed = math.prod((n - i) / (m + n - i) for i in range(1, k + 1))
    coverage = [f["coverage"] for f in found]
    error = np.std(coverage) / np.sqrt(len(coverage))
    assert abs(np.mean(coverage) - (1 - missed)) < 4 * error
    # A fake row falls into the ball of a real one with probability k / n on average.
    density = [f["density"] for f in found]
    assert abs(np.mean(density) - 1.0) < 4 * np.std(density) / np.sqrt(len(density))


def test_against_the_package_prdc():
    peer = pytest.importorskip("prdc")
    rng = np.random.default_rng(0)
    real = rng.gamma(1.0, size=(600, 32)).astype("float32")
    fake = (rng.gamma(1.1, size=(500, 32)) * 0.95).astype("float32")
    assert prdc(real, fake) == pytest.approx(peer.compute_prdc(real, fake, 5), rel=1e-6)


# ---------------------------------------------------------------- nearest neighbours


@pytest.mark.parametrize("n, m, k", [(1, 1, 1), (50, 3000, 4), (3000, 50, 50), (300, 400, 1)])
def test_neighbours_against_loops(n, m, k):
    rng = np.random.default_rng(n)
    queries, references = rng.normal(size=(n, 10)), rng.normal(size=(m, 10)).astype("float32")
    found, indices = functional.nearest_neighbours(queries, references, k)
    away = distances(queries, references)
    assert found.shape == indices.shape == (n, k)
    np.testing.assert_array_equal(indices, np.argsort(away, axis=1, kind="stable")[:, :k])
    np.testing.assert_allclose(found, np.sort(away, axis=1)[:, :k], rtol=1e-12)


def test_equally_near_references_come_by_index():
    references = np.zeros((100, 3))
    references[50:] = 1.0
    found, indices = functional.nearest_neighbours(np.ones((2, 3)), references, k=3)
    assert found.tolist() == [[0.0] * 3] * 2 and indices.tolist() == [[50, 51, 52]] * 2


def test_a_copy_is_at_distance_zero_among_far_and_near():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(2000, 20)).astype("float32") * 100 + 1e4
    noisy = train[:100].astype("float64") + 1e-9
    found, indices = functional.nearest_neighbours(np.concatenate([train[:100], noisy]), train)
    np.testing.assert_array_equal(indices[:, 0], np.tile(np.arange(100), 2))
    assert not found[:100].any()
    np.testing.assert_allclose(found[100:, 0], 1e-9 * np.sqrt(20), rtol=1e-2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: prdc(np.eye(5), np.eye(6)[:, :5]), "`real` must have at least 6 rows"),
        (lambda: prdc(np.zeros((9, 2)), np.zeros((5, 2))), "`fake` must have at least 6 rows"),
        (lambda: prdc(np.zeros((9, 2)), np.zeros((9, 2)), k=0), "`k` must be an integer >= 1"),
        (lambda: prdc(np.zeros((9, 2)), np.zeros((9, 2)), k=2.0), "`k` must be an integer"),
        (
            lambda: functional.nearest_neighbours(np.zeros((3, 2)), np.zeros((3, 2)), k=4),
            "`references` must have at least 4 rows",
        ),
        (
            lambda: functional.nearest_neighbours(np.zeros((0, 2)), np.zeros((3, 2))),
            "`queries` must have at least 1 rows",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------- cost

COST = """
import time
from pathlib import Path
import numpy as np
from keras_gan_zoo.metrics import functional as f

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith(field))

rng = np.random.default_rng(0)
real, fake = (rng.standard_normal((10_000, 512), dtype="float32") for _ in range(2))
for call in (f.precision_recall_density_coverage, f.kernel_distance, f.frechet_distance):
    call(real[:600], fake[:600])
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        call(real, fake)
        seconds.append(time.perf_counter() - start)
    print(min(seconds), status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.slow
def test_cost_of_ten_thousand_rows():
    """On 2 idle cores, 10,000 against 10,000 rows of width 512: seconds, GiB above the inputs."""
    ran = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, check=True)
    lines = [[float(v) for v in line.split()] for line in ran.stdout.splitlines()]
    for (seconds, gib), limit in zip(lines, (4.0, 3.0, 0.7), strict=True):
        assert seconds <= limit and gib <= 0.5

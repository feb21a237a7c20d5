"""The lecture examples of the theory side: their numbers against algebra, and their pictures."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LOG2, LOG4 = math.log(2), math.log(4)
# D_f(N(0, 1) from N(1, 1)); total variation is 2 Phi(1/2) - 1, alpha = 1/2
DIVERGENCES = {
    "kl": 0.5,
    "reverse_kl": 0.5,
    "pearson": math.e - 1,
    "neyman": math.e - 1,
    "squared_hellinger": 2 - 2 * math.exp(-1 / 8),
    "jensen_shannon": 0.222843,
    "gan": 0.222843 - LOG4,
    "total_variation": math.erf(0.5 / math.sqrt(2)),
    "alpha": 4 * (1 - math.exp(-1 / 8)),
}


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports an example by its path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def run(load, tmp_path):
    """Return a function that runs an example and checks that it made its one picture."""

    def run(name):
        numbers = load(name).main(["--output", str(tmp_path)])
        assert [path.name for path in tmp_path.iterdir()] == [f"{name}.png"]
        image = pytest.importorskip("PIL.Image").open(tmp_path / f"{name}.png")
        assert min(image.size) >= 500
        pixels = np.asarray(image.convert("RGB"), dtype=float)
        assert (pixels.min(axis=2) < 250).mean() > 0.02  # there is ink
        assert (np.ptp(pixels, axis=2) > 50).mean() > 0.002  # and colour
        return numbers

    return run


def test_divergences(run):
    numbers = run("divergences")
    mean = 0.6 * -2 + 0.4 * 2
    variance = 0.6 * (0.6**2 + 4) + 0.4 * (0.9**2 + 4) - mean**2
    kl, js, reverse = (numbers[name] for name in ("kl", "js", "reverse_kl"))
    # forward KL matches the moments, as maximum likelihood does
    assert kl["mean"] == pytest.approx(mean, abs=1e-3)
    assert kl["std"] == pytest.approx(math.sqrt(variance), abs=1e-3)
    assert numbers["likelihood"]["mean"] == pytest.approx(mean, abs=0.03)
    assert numbers["likelihood"]["std"] == pytest.approx(math.sqrt(variance), abs=0.03)
    # reverse KL sits on the larger mode: about -log 0.6, what dropping the other costs
    assert reverse["mean"] == pytest.approx(-2, abs=0.05)
    assert reverse["std"] == pytest.approx(0.6, abs=0.05)
    assert reverse["value"] == pytest.approx(-math.log(0.6), abs=0.02)
    # each fit is the best of the three by its own measure
    for name, fit in (("kl", kl), ("js", js), ("reverse_kl", reverse)):
        assert fit[name] == min(numbers[other][name] for other in ("kl", "js", "reverse_kl"))
        assert fit[name] == pytest.approx(fit["value"], abs=1e-4)
    stds = numbers["stds"]
    assert stds["kl"][-1] > 3 and stds["js"][-1] < 0.7 and stds["reverse_kl"][-1] < 0.7


def test_generator_losses(run):
    numbers = run("generator_losses")
    for name, loss, slope in (
        ("saturating", lambda v: -np.logaddexp(0, v), lambda v: -1 / (1 + np.exp(-v))),
        ("non-saturating", lambda v: np.logaddexp(0, -v), lambda v: -1 / (1 + np.exp(v))),
        ("maximum likelihood", lambda v: -np.exp(v), lambda v: -np.exp(v)),
    ):
        v = np.array([-5.0, 0.0, 5.0])
        np.testing.assert_allclose(numbers[name]["loss"], loss(v), rtol=1e-4)
        np.testing.assert_allclose(numbers[name]["gradient"], slope(v), rtol=1e-4)


def test_distances_of_disjoint_supports(load):
    example = load("vanishing_gradients")
    for theta in (0.25, 0.5, 1.0, 2.0):
        assert example.js(theta, 0.0) == pytest.approx(LOG2, abs=1e-9)
        assert example.wasserstein(theta) == pytest.approx(theta, abs=1e-3)
    # halfway in, half of the mass overlaps: JS is half of log 2
    assert example.js(0.125, 0.0) == pytest.approx(LOG2 / 2, abs=1e-3)
    noisy = [example.js(theta, example.SIGMA) for theta in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert noisy[0] == pytest.approx(0, abs=1e-12)
    assert np.diff(noisy).min() > 0.05 and noisy[-1] < LOG2


def test_dirac_gan_eigenvalues(load):
    example = load("dirac_gan")
    penalty = example.zoo.penalties.R1
    for loss in ("minimax", "non_saturating"):
        for gamma in (0.0, 0.3, 1.25):
            found = example.DiracGAN(loss, penalty(gamma)).eigenvalues()
            root = np.sqrt(gamma**2 / 4 - 0.25 + 0j)
            expected = np.array([-gamma / 2 - root, -gamma / 2 + root])
            np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(example.DiracGAN("wasserstein").eigenvalues(), [-1j, 1j], atol=1e-6)


@pytest.mark.slow
def test_dirac_gan(run):
    distance = run("dirac_gan")["distance"]
    for name, ends in distance.items():
        converges = name.startswith(("R1", "instance noise"))
        assert (max(ends) < 0.05) if converges else (min(ends) > 0.25), name
    simultaneous, alternating = distance["minimax, no penalty"]
    assert simultaneous > 1.5 * math.sqrt(2)  # spirals out
    assert alternating == pytest.approx(math.sqrt(2), rel=0.1)  # circles


@pytest.mark.slow
def test_optimal_discriminator(run):
    rows = run("optimal_discriminator")["rows"]
    for row in rows:
        assert row["distance"] < 0.03
        assert row["weighted"] < 0.03
        assert row["value"] <= row["optimum"] + 1e-4  # D* is the best
        assert row["value"] == pytest.approx(row["optimum"], abs=0.01)
    assert rows[-1]["shift"] == 0
    assert rows[-1]["optimum"] == pytest.approx(-LOG4, abs=1e-6)
    assert rows[-1]["value"] == pytest.approx(-LOG4, abs=2e-3)


@pytest.mark.slow
def test_f_gan_bounds(run):
    numbers = run("f_gan_bounds")
    assert set(numbers) == set(DIVERGENCES)
    for name, truth in DIVERGENCES.items():
        assert numbers[name]["truth"] == pytest.approx(truth, abs=1e-5)
        assert numbers[name]["bound"] == pytest.approx(truth, rel=0.05), name
        assert numbers[name]["bound"] <= truth + 1e-5, name
        assert numbers[name].get("off", 0) < 0.25, name  # of the log ratio within 2.5 of the centre


@pytest.mark.slow
def test_vanishing_gradients(run):
    numbers = run("vanishing_gradients")
    assert numbers["gradient"][-1] < 0.01 < 0.1 < max(numbers["gradient"])
    assert numbers["gradient_noise"][-1] == pytest.approx(numbers["limit"], rel=0.15)

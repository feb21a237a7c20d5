"""The f-divergence table against the f-GAN paper's tables and against brute force."""

import math
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

from keras_gan_zoo.losses import divergences

ROWS = [(name, None) for name in divergences.names()] + [
    ("alpha", a) for a in (-3.0, -1.0, 0.1, 0.9, 1.1, 2.0, 5.0)
]
LOG2 = math.log(2.0)


def paper_f(name, alpha, u):
    """Table 1 and 5 of Nowozin et al. (2016), written down a second time."""
    a = 0.5 if alpha is None else alpha
    return {
        "kl": lambda: u * np.log(u),
        "reverse_kl": lambda: -np.log(u),
        "pearson": lambda: (u - 1) ** 2,
        "neyman": lambda: (1 - u) ** 2 / u,
        "squared_hellinger": lambda: (np.sqrt(u) - 1) ** 2,
        "jensen_shannon": lambda: -(u + 1) * np.log((1 + u) / 2) + u * np.log(u),
        "gan": lambda: u * np.log(u) - (u + 1) * np.log(u + 1),
        "total_variation": lambda: 0.5 * np.abs(u - 1),
        "alpha": lambda: (u**a - 1 - a * (u - 1)) / (a * (a - 1)),
    }[name]()


@pytest.mark.parametrize("name, alpha", ROWS)
def test_f_is_the_papers_and_convex(name, alpha):
    row = divergences.get(name, alpha)
    u = np.exp(np.linspace(-4, 4, 801))
    np.testing.assert_allclose(row.f(u), paper_f(name, alpha, u), rtol=1e-11, atol=1e-12)
    assert row.f(1.0) == pytest.approx(-math.log(4) if name == "gan" else 0.0, abs=1e-15)
    slopes = np.diff(row.f(u)) / np.diff(u)
    assert np.all(np.diff(slopes) > -1e-9)


@pytest.mark.parametrize("name, alpha", ROWS)
def test_optimal_critic_is_the_derivative_of_f(name, alpha):
    row = divergences.get(name, alpha)
    u = np.array([0.05, 0.3, 0.9, 1.2, 4.0, 20.0])
    h = 1e-5 * u
    slope = (paper_f(name, alpha, u + h) - paper_f(name, alpha, u - h)) / (2 * h)
    np.testing.assert_allclose(row.f_prime(u), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name, alpha", ROWS)
def test_conjugate_is_the_supremum(name, alpha):
    row = divergences.get(name, alpha)
    u = np.exp(np.linspace(-16, 16, 400_001))
    f = paper_f(name, alpha, u)
    # Critics of density ratios between 1/20 and 20; for total variation any number inside.
    t = row.f_prime(np.exp(np.linspace(-3, 3, 13)))
    if name == "total_variation":
        t = np.linspace(-0.5, 0.5, 11)
    for value in t:
        supremum = np.max(u * value - f)
        assert row.conjugate(value) == pytest.approx(supremum, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name, alpha", ROWS)
def test_fenchel_equality_and_inequality(name, alpha):
    row = divergences.get(name, alpha)
    u = np.exp(np.linspace(-3, 3, 25))
    t = row.f_prime(u)
    np.testing.assert_allclose(row.conjugate(t), u * t - row.f(u), rtol=1e-9, atol=1e-11)
    gap = row.f(u)[:, None] + row.conjugate(t)[None, :] - u[:, None] * t[None, :]
    assert gap.min() > -1e-10


@pytest.mark.parametrize("name, alpha", ROWS)
def test_closed_form_of_conjugate_of_activation(name, alpha):
    row = divergences.get(name, alpha)
    v = np.linspace(-6, 6, 121)
    t = row.activation(v)
    lower, upper = row.domain
    assert np.all((t >= lower) & (t <= upper))
    assert np.all(np.diff(t) > 0)
    np.testing.assert_allclose(
        row.conjugate_of_activation(v), row.conjugate(t), rtol=1e-8, atol=1e-10
    )


def test_printed_rows_of_the_table():
    """shared/algebra.md: activation and conjugate, at v = 0.7 and at t = g(v)."""
    v = 0.7
    s = math.log1p(math.exp(-v))
    table = {
        "kl": (v, lambda t: math.exp(t - 1)),
        "reverse_kl": (-math.exp(-v), lambda t: -1 - math.log(-t)),
        "pearson": (v, lambda t: t * t / 4 + t),
        "neyman": (1 - math.exp(-v), lambda t: 2 - 2 * math.sqrt(1 - t)),
        "squared_hellinger": (1 - math.exp(-v), lambda t: t / (1 - t)),
        "jensen_shannon": (LOG2 - s, lambda t: -math.log(2 - math.exp(t))),
        "gan": (-s, lambda t: -math.log(1 - math.exp(t))),
    }
    for name, (t, conjugate) in table.items():
        row = divergences.get(name)
        assert row.activation(v) == pytest.approx(t, rel=1e-14), name
        assert row.conjugate(t) == pytest.approx(conjugate(t), rel=1e-13), name


@pytest.mark.parametrize("name, alpha", ROWS)
def test_limits(name, alpha):
    row = divergences.get(name, alpha)
    tiny, huge = 1e-300, 1e12
    if math.isinf(row.f_at_zero):
        assert row.f(tiny) > 500 or row.f(0.0) == math.inf
    else:
        assert row.f(0.0) == pytest.approx(row.f_at_zero, abs=1e-14)
    slope = row.f(huge) / huge
    if math.isinf(row.slope_at_infinity):
        assert slope > 20
    elif alpha == 0.9 or alpha == 0.1:
        assert slope < row.slope_at_infinity
    else:
        assert slope == pytest.approx(row.slope_at_infinity, abs=1e-5)
    assert row.dual.f_at_zero == pytest.approx(row.slope_at_infinity)


@pytest.mark.parametrize("name", ["jensen_shannon", "gan"])
def test_denormal_and_huge_ratios(name):
    """Where 1/u overflows, f(u) is still f(0) and f'(u) still log u up to a constant."""
    row = divergences.get(name)
    assert row.f(1e-310) == pytest.approx(row.f_at_zero, abs=1e-14)
    offset = LOG2 if name == "jensen_shannon" else 0.0
    assert row.f_prime(1e-310) == pytest.approx(offset + math.log(1e-310), rel=1e-6)
    assert row.f_prime(0.0) == -math.inf
    assert row.f_prime(math.inf) == offset
    assert divergences.get("gan").f(1e15) == pytest.approx(-1 - math.log(1e15), rel=1e-12)
    tiny = row.f(ops.convert_to_tensor(np.float32([1e-39, 1e-30, 0.0])))
    np.testing.assert_allclose(tiny.numpy(), row.f_at_zero, atol=1e-6)


@pytest.mark.parametrize("name, alpha", ROWS)
def test_dual_swaps_the_arguments(name, alpha):
    row = divergences.get(name, alpha)
    u = np.exp(np.linspace(-3, 3, 31))
    np.testing.assert_allclose(row.dual.f(u), u * row.f(1 / u), rtol=1e-9, atol=1e-12)


def test_relatives_of_alpha():
    u = np.array([0.2, 0.7, 1.0, 3.0])
    np.testing.assert_allclose(
        divergences.get("alpha", 2.0).f(u), divergences.get("pearson").f(u) / 2
    )
    np.testing.assert_allclose(
        divergences.get("alpha", -1.0).f(u), divergences.get("neyman").f(u) / 2
    )
    hellinger = divergences.get("squared_hellinger").f(u)
    np.testing.assert_allclose(divergences.get("alpha", 0.5).f(u), 2 * hellinger, atol=1e-14)
    # The critic's output and its price approach those of KL and reverse KL at the ends.
    v = np.linspace(-5, 5, 11)
    for a in (1 - 1e-7, 1 + 1e-7):
        row = divergences.get("alpha", a)
        np.testing.assert_allclose(row.activation(v), v, rtol=1e-5)
        np.testing.assert_allclose(row.conjugate_of_activation(v), np.expm1(v), rtol=1e-4)
    for a in (-1e-7, 1e-7):
        row = divergences.get("alpha", a)
        np.testing.assert_allclose(row.activation(v), -np.expm1(-v), rtol=1e-5)
        np.testing.assert_allclose(row.conjugate_of_activation(v), v, rtol=1e-5)


@pytest.mark.parametrize("name, alpha", ROWS)
def test_numpy_and_keras_agree(name, alpha):
    row = divergences.get(name, alpha)
    v = np.linspace(-3, 3, 13)
    u = np.exp(v)
    t = row.activation(v)
    for function, x in (
        (row.f, u),
        (row.f_prime, u),
        (row.conjugate, t),
        (row.activation, v),
        (row.conjugate_of_activation, v),
    ):
        tensor = function(ops.convert_to_tensor(x.astype("float32")))
        assert tensor.dtype == "float32"
        np.testing.assert_allclose(tensor.numpy(), function(x), rtol=2e-4, atol=2e-5)


def test_conjugate_is_infinite_above_its_domain():
    for name in ("reverse_kl", "neyman", "squared_hellinger", "jensen_shannon", "gan"):
        row = divergences.get(name)
        assert row.conjugate(row.domain[1] + 0.1) == math.inf
    assert divergences.get("total_variation").conjugate(0.6) == math.inf


@pytest.mark.parametrize("alpha", [0, 1, math.inf, math.nan, "x", True])
def test_alpha_range(alpha):
    with pytest.raises(ValueError, match="`alpha` must be a finite number"):
        divergences.get("alpha", alpha)


def test_unknown_names():
    with pytest.raises(ValueError, match="squared_hellinger"):
        divergences.get("hellinger")
    with pytest.raises(ValueError, match="'alpha' only"):
        divergences.get("kl", alpha=2.0)


def test_importing_theory_and_table_loads_no_framework():
    code = (
        "import sys, keras_gan_zoo.theory, keras_gan_zoo.losses.divergences\n"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

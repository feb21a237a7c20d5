"""The closed-form side against the theorems it states."""

import math

import numpy as np
import pytest

from keras_gan_zoo import theory
from keras_gan_zoo.losses import divergences

X = np.linspace(-12, 13, 5001)
P, Q = theory.gaussian(X, 0, 1), theory.gaussian(X, 1, 1)
NAMES = divergences.names()
GAUSSIAN = {
    "kl": 0.5,
    "reverse_kl": 0.5,
    "pearson": math.e - 1,
    "neyman": math.e - 1,
    "squared_hellinger": 2 - 2 * math.exp(-1 / 8),
    "jensen_shannon": 0.222843,
    "gan": -1.163451,
    "total_variation": math.erf(0.5 / math.sqrt(2)),
    "alpha": 4 * (1 - math.exp(-1 / 8)),
}


def random_pairs(count, size, zeros=False):
    rng = np.random.default_rng(0)
    for _ in range(count):
        p, q = rng.dirichlet(np.full(size, 0.5), size=2)
        if zeros:
            p, q = (np.where(rng.uniform(size=size) < 0.4, 0, d) for d in (p, q))
            p, q = (d / d.sum() if d.sum() else np.eye(size)[0] for d in (p, q))
        yield p, q


@pytest.mark.parametrize("name", NAMES)
def test_divergence_of_two_gaussians(name):
    assert theory.f_divergence(P, Q, name, x=X) == pytest.approx(GAUSSIAN[name], abs=1e-6)
    assert theory.f_divergence(P, Q, name, dx=X[1] - X[0]) == pytest.approx(
        GAUSSIAN[name], abs=1e-6
    )


@pytest.mark.parametrize("alpha", [-2.0, -1.0, 0.1, 0.5, 0.9, 1.1, 2.0, 3.0])
def test_alpha_divergence_of_two_gaussians(alpha):
    """E_q[(p/q)^a] = exp(a (a - 1) / 2) for unit Gaussians one apart."""
    expected = (math.exp(alpha * (alpha - 1) / 2) - 1) / (alpha * (alpha - 1))
    found = theory.f_divergence(P, Q, "alpha", alpha=alpha, x=X)
    assert found == pytest.approx(expected, rel=1e-5)


def test_named_divergences():
    assert theory.kl(P, Q, x=X) == pytest.approx(0.5, abs=1e-8)
    wide = theory.gaussian(X, 1, 2)
    # KL(N(0,1) || N(1,4)) = log 2 + (1 + 1)/8 - 1/2; the reverse -log 2 + (4 + 1)/2 - 1/2.
    assert theory.kl(P, wide, x=X) == pytest.approx(math.log(2) + 0.25 - 0.5, abs=1e-7)
    assert theory.reverse_kl(P, wide, x=X) == pytest.approx(2 - math.log(2), abs=1e-6)
    assert theory.js(P, Q, x=X) == pytest.approx(0.222843 / 2, abs=1e-6)
    assert theory.total_variation(P, Q, x=X) == pytest.approx(0.3829249, abs=1e-6)
    assert theory.entropy(P, x=X) == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=1e-8)


def test_two_dimensional_density():
    grid = np.linspace(-8, 9, 341)
    a, b = theory.gaussian(grid, 0, 1), theory.gaussian(grid, 1, 1)
    dx = (grid[1] - grid[0]) ** 2
    found = theory.kl(np.outer(a, a), np.outer(b, b), dx=dx)
    assert found == pytest.approx(1.0, abs=1e-7)  # twice .5: independent parts add


@pytest.mark.parametrize("zeros", [False, True])
def test_value_at_the_optimal_discriminator(zeros):
    """V(G, D*) = -log 4 + 2 JSD(p, q), and no other D does better."""
    rng = np.random.default_rng(1)
    for p, q in random_pairs(50, 7, zeros):
        best = theory.optimal_discriminator(p, q)
        value = theory.value(p, q, best)
        assert value == pytest.approx(-math.log(4) + 2 * theory.js(p, q), abs=1e-12)
        assert theory.virtual_criterion(p, q) == pytest.approx(value, abs=1e-12)
        assert theory.f_divergence(p, q, "gan") == pytest.approx(value, abs=1e-12)
        other = np.clip(best + rng.normal(size=7) * 0.1, 0, 1)
        assert theory.value(p, q, other) <= value + 1e-12


def test_value_at_the_optimum():
    p = np.array([0.1, 0.0, 0.9])
    assert theory.value(p, p, theory.optimal_discriminator(p, p)) == pytest.approx(-math.log(4))
    assert theory.virtual_criterion(p, p) == pytest.approx(-math.log(4), abs=1e-15)
    assert theory.virtual_criterion([1, 0], [0, 1]) == pytest.approx(0.0, abs=1e-15)
    assert theory.value([1, 0], [0, 1], [1, 0]) == 0.0
    assert theory.value([1, 0], [0, 1], [0, 0.5]) == -math.inf


def test_jsd_is_symmetric_and_bounded():
    for p, q in random_pairs(50, 5, zeros=True):
        m = (p + q) / 2
        js = theory.js(p, q)
        assert js == pytest.approx(theory.js(q, p), abs=1e-14)
        assert js == pytest.approx(0.5 * theory.kl(p, m) + 0.5 * theory.kl(q, m), abs=1e-12)
        assert -1e-15 <= js <= math.log(2) + 1e-15
    assert theory.js([1, 0, 0], [0, 0.5, 0.5]) == pytest.approx(math.log(2), abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_zeros(name):
    """p = 0 costs q f(0), q = 0 costs p f'(inf), both cost nothing."""
    expected = {
        "kl": math.inf,
        "reverse_kl": math.inf,
        "pearson": math.inf,
        "neyman": math.inf,
        "squared_hellinger": 1.0,  # disjoint halves: 2 - 2 (1/2)
        "jensen_shannon": math.log(2),
        "gan": math.log(2) - math.log(4),
        "total_variation": 0.5,
        "alpha": 2.0,
    }
    p, q = [0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]
    assert theory.f_divergence(p, q, name) == pytest.approx(expected[name], abs=1e-14)
    assert theory.f_divergence(p, p, name) == pytest.approx(
        -math.log(4) if name == "gan" else 0.0, abs=1e-14
    )


def test_one_sided_zeros():
    assert theory.kl([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert theory.kl([0.5, 0.5], [1, 0]) == math.inf
    assert theory.reverse_kl([1, 0], [0.5, 0.5]) == math.inf
    # The ratio p/q overflows here, the divergence does not.
    assert theory.kl([0.5, 0.5], [1e-310, 1.0]) == pytest.approx(
        0.5 * math.log(0.5e300) + 0.5 * math.log(1e10) + 0.5 * math.log(0.5), rel=1e-6
    )


@pytest.mark.parametrize("name, alpha", [(n, None) for n in NAMES] + [("alpha", -1), ("alpha", 2)])
def test_bound_is_attained_by_the_optimal_critic(name, alpha):
    critic = theory.optimal_critic(P, Q, name, alpha=alpha)
    bound = theory.variational_bound(P, Q, critic, name, alpha=alpha, x=X)
    true = theory.f_divergence(P, Q, name, alpha=alpha, x=X)
    assert bound == pytest.approx(true, abs=1e-7)
    # Any other critic stays below.
    lower, upper = divergences.get(name, alpha).domain
    for other in (critic - 0.1, critic + 0.1 * np.sin(X), 0.5 * critic):
        if name == "total_variation" or not math.isinf(upper):
            other = np.clip(other, lower, critic.max())
        assert theory.variational_bound(P, Q, other, name, alpha=alpha, x=X) <= true + 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_bound_is_attained_on_discrete_distributions(name):
    for p, q in random_pairs(10, 6):
        critic = theory.optimal_critic(p, q, name)
        assert theory.variational_bound(p, q, critic, name) == pytest.approx(
            theory.f_divergence(p, q, name), rel=1e-8, abs=1e-10
        )


def test_optimal_critic_limits():
    critic = theory.optimal_critic([0, 0.5, 0.5, 0], [0.5, 0, 0.5, 0], "jensen_shannon")
    np.testing.assert_allclose(critic, [-math.inf, math.log(2), 0.0, 0.0], atol=1e-15)
    bound = theory.variational_bound([1, 0], [0, 1], [math.log(2), -math.inf], "jensen_shannon")
    assert bound == pytest.approx(2 * math.log(2))


def test_optimal_discriminator():
    p, q = np.array([0.2, 0.8, 0.0, 0.0]), np.array([0.6, 0.0, 0.4, 0.0])
    np.testing.assert_allclose(theory.optimal_discriminator(p, q), [0.25, 1, 0, 0.5])
    smooth = theory.optimal_discriminator(p, q, real_label=0.9, fake_label=0.1)
    np.testing.assert_allclose(smooth, [(0.18 + 0.06) / 0.8, 0.9, 0.1, 0.5])
    tiny = theory.optimal_discriminator([3e-320], [1e-320])
    np.testing.assert_allclose(tiny, [0.75], rtol=1e-3)  # denormal densities keep few digits


# --- fits -------------------------------------------------------------------------------------

BIMODAL_X = np.linspace(-8, 8, 801)
BIMODAL = 0.6 * theory.gaussian(BIMODAL_X, -2, 0.6) + 0.4 * theory.gaussian(BIMODAL_X, 3, 0.5)


def test_forward_kl_covers():
    fit = theory.fit_gaussian(BIMODAL, "kl", x=BIMODAL_X)
    variance = 0.6 * (0.36 + 4) + 0.4 * (0.25 + 9)
    assert fit.mean == pytest.approx(0.0, abs=1e-6)
    assert fit.std == pytest.approx(math.sqrt(variance), abs=1e-6)
    density = theory.gaussian(BIMODAL_X, fit.mean, fit.std)
    np.testing.assert_array_equal(fit.density(BIMODAL_X), density)
    # Moments minimise: every neighbour is worse.
    for mean, std in ((0.1, fit.std), (-0.1, fit.std), (0, fit.std + 0.1), (0, fit.std - 0.1)):
        q = theory.gaussian(BIMODAL_X, mean, std)
        cross = -np.sum(BIMODAL * np.log(q)) * 0.02
        assert cross - theory.entropy(BIMODAL, x=BIMODAL_X) > fit.value


def test_reverse_kl_seeks_the_heavier_mode():
    fit = theory.fit_gaussian(BIMODAL, "reverse_kl", x=BIMODAL_X)
    # The modes hardly overlap, so the fit is one mode and costs -log of its weight.
    assert fit.mean == pytest.approx(-2.0, abs=0.01)
    assert fit.std == pytest.approx(0.6, abs=0.01)
    assert fit.value == pytest.approx(-math.log(0.6), abs=1e-3)
    assert fit.value == pytest.approx(
        theory.reverse_kl(BIMODAL, fit.density(BIMODAL_X), x=BIMODAL_X), abs=1e-6
    )


def test_jsd_fit():
    fit = theory.fit_gaussian(BIMODAL, "js", x=BIMODAL_X)
    assert fit.value < theory.js(BIMODAL, theory.gaussian(BIMODAL_X, 0, 2.4), x=BIMODAL_X)
    assert fit.value == pytest.approx(
        theory.js(BIMODAL, fit.density(BIMODAL_X), x=BIMODAL_X), abs=1e-6
    )
    double = theory.fit_gaussian(BIMODAL, "jensen_shannon", x=BIMODAL_X)
    assert double.value == pytest.approx(2 * fit.value, rel=1e-9)


@pytest.mark.parametrize("name", ["js", *NAMES])
def test_a_gaussian_is_fitted_by_itself(name):
    x = np.linspace(-10, 10, 401)
    fit = theory.fit_gaussian(theory.gaussian(x, 0.7, 1.3), name, x=x)
    assert (fit.mean, fit.std) == pytest.approx((0.7, 1.3), abs=2e-3)
    assert fit.value == pytest.approx(-math.log(4) if name == "gan" else 0.0, abs=2e-3)
    assert fit.divergence == name


def test_reverse_kl_with_zeros_stays_on_the_support():
    x = np.linspace(-5, 5, 501)
    p = np.where(np.abs(np.abs(x) - 3) < 0.5, 1.0, 0.0)
    p /= np.trapezoid(p, x)
    fit = theory.fit_gaussian(p, "reverse_kl", x=x)
    assert abs(abs(fit.mean) - 3) < 0.3 and fit.std < 0.3
    assert math.isfinite(fit.value)
    assert theory.fit_gaussian(p, "kl", x=x).std > 2.9


def test_maximum_likelihood_is_minimum_kl():
    rng = np.random.default_rng(0)
    n = 200_000
    samples = np.where(rng.uniform(size=n) < 0.6, rng.normal(-2, 0.6, n), rng.normal(3, 0.5, n))
    fit = theory.maximum_likelihood_gaussian(samples)
    kl = theory.fit_gaussian(BIMODAL, "kl", x=BIMODAL_X)
    assert (fit.mean, fit.std) == pytest.approx((kl.mean, kl.std), abs=0.02)
    # -E log q = H(p) + KL(p || q)
    entropy = theory.entropy(BIMODAL, x=BIMODAL_X)
    assert fit.value == pytest.approx(entropy + kl.value, abs=0.01)
    log_q = np.log(theory.gaussian(samples, fit.mean, fit.std))
    assert fit.value == pytest.approx(-log_q.mean(), rel=1e-10)
    for p, q in random_pairs(5, 4):
        assert theory.cross_entropy(p, q) == pytest.approx(theory.entropy(p) + theory.kl(p, q))


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: theory.kl([0.5, 0.6], [0.5, 0.5]), "`p` must be normalised: its sum is 1.1"),
        (lambda: theory.kl([0.5, 0.5], [0.5, 0.4]), "`q` must be normalised: its sum is 0.9"),
        (lambda: theory.js(P, 2 * Q, x=X), "`q` must be normalised: its integral is 2"),
        (lambda: theory.js(P, Q), "give `x` or `dx`"),
        (lambda: theory.kl([1.5, -0.5], [0.5, 0.5]), "non-negative.* -0.5"),
        (lambda: theory.kl([math.nan, 1], [0.5, 0.5]), "finite"),
        (lambda: theory.kl([1.0], [0.5, 0.5]), "same shape"),
        (lambda: theory.kl(1.0, 1.0), "non-empty array"),
        (lambda: theory.kl(P, Q, x=X, dx=0.1), "not both"),
        (lambda: theory.kl(P, Q, x=X[::-1]), "strictly increasing"),
        (lambda: theory.kl(P, Q, dx=0), "`dx`"),
        (lambda: theory.f_divergence(P, Q, "hellinger", x=X), "squared_hellinger"),
        (lambda: theory.f_divergence(P, Q, "alpha", alpha=0, x=X), "other than 0"),
        (lambda: theory.value([0.5, 0.5], [0.5, 0.5], [0.5, 1.5]), r"`D` must lie in \[0, 1\]"),
        (lambda: theory.optimal_discriminator([1], [1], real_label=1.2), "`real_label`"),
        (
            lambda: theory.variational_bound([0.5, 0.5], [0.5, 0.5], [0.1, -1], "gan"),
            "domain of the conjugate",
        ),
        (lambda: theory.gaussian(X, 0, 0), "`std`"),
        (lambda: theory.fit_gaussian(P, "jsd", x=X), "'js'"),
        (lambda: theory.fit_gaussian(P, "kl", x=X[:-1]), "strictly increasing"),
        (lambda: theory.maximum_likelihood_gaussian([1.0, 1.0]), "not all alike"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

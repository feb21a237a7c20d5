r"""The closed-form side of GANs: optimal discriminator, value and divergences of known densities.

NumPy only; neither Keras nor TensorFlow is imported. A density is an array:

- a discrete distribution (neither `x` nor `dx`): non-negative, sums to 1;
- a density on a 1-D grid (`x`, increasing, same length): integrates to 1 by the trapezoidal rule;
- a density on any regular grid (`dx`, the volume of a cell; arrays of any rank): sum times `dx`
  is 1.

Discrete sums must be right to 1e-5 and integrals to 1e-3; nothing is renormalised. Limits are
those of the mathematics: 0 log 0 = 0, and a divergence is `inf` where p > 0 = q (or the other way
round) makes it so. A Gaussian that underflows to 0 in float64 (beyond 38 standard deviations) is
such a zero: choose the grid accordingly.

Logarithms are natural, values are in nats.

Example:

>>> import numpy as np
>>> from keras_gan_zoo import theory
>>> x = np.linspace(-10, 11, 4001)
>>> p, q = theory.gaussian(x, 0, 1), theory.gaussian(x, 1, 1)
>>> round(theory.kl(p, q, x=x), 6)
0.5
>>> round(theory.virtual_criterion(p, p, x=x), 6)  # -log 4
-1.386294
"""

import math
from typing import Any, NamedTuple

import numpy as np

from keras_gan_zoo.losses import divergences
from keras_gan_zoo.losses._checks import choice, number

__all__ = [
    "GaussianFit",
    "cross_entropy",
    "entropy",
    "f_divergence",
    "fit_gaussian",
    "gaussian",
    "js",
    "kl",
    "maximum_likelihood_gaussian",
    "optimal_critic",
    "optimal_discriminator",
    "reverse_kl",
    "total_variation",
    "value",
    "variational_bound",
    "virtual_criterion",
]

Array = Any
_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def _array(name: str, values: Array) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or values.size == 0:
        raise ValueError(f"`{name}` must be a non-empty array. Received: shape {values.shape}")
    return values


def _non_negative(name: str, values: Array) -> np.ndarray:
    values = _array(name, values)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"`{name}` must be finite. It has {np.sum(~np.isfinite(values))} others.")
    if np.any(values < 0):
        raise ValueError(
            f"`{name}` must be non-negative. Received: {np.sum(values < 0)} negative entries, the "
            f"smallest {values.min():g}"
        )
    return values


def _same_shape(**arrays: np.ndarray) -> None:
    if len({a.shape for a in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"The arrays must have the same shape. Received: {shapes}")


def _weights(shape: tuple[int, ...], x: Array | None, dx: float | None) -> np.ndarray | float:
    """Return what each entry's value is multiplied by in a sum over the space."""
    if x is not None and dx is not None:
        raise ValueError("Give either `x` (grid points) or `dx` (cell volume), not both.")
    if dx is not None:
        return number("dx", dx, above=0)
    if x is None:
        return 1.0
    x = _array("x", x)
    if x.ndim != 1 or x.shape != shape or x.size < 2 or np.any(np.diff(x) <= 0):
        raise ValueError(
            "`x` must be a strictly increasing 1-D grid of the densities' shape. Received: shape "
            f"{x.shape} for densities of shape {shape}"
        )
    steps = np.diff(x)
    weights = np.zeros_like(x)
    weights[:-1] += 0.5 * steps
    weights[1:] += 0.5 * steps
    return weights


def _density(
    name: str, values: Array, x: Array | None, dx: float | None
) -> tuple[np.ndarray, np.ndarray | float]:
    values = _non_negative(name, values)
    weights = _weights(values.shape, x, dx)
    total = float(np.sum(weights * values))
    discrete = x is None and dx is None
    if abs(total - 1.0) > (1e-5 if discrete else 1e-3):
        hint = " For densities on a grid give `x` or `dx`." if discrete else ""
        raise ValueError(
            f"`{name}` must be normalised: its {'sum' if discrete else 'integral'} is {total:.6g}, "
            f"not 1.{hint}"
        )
    return values, weights


def _pair(
    p: Array, q: Array, x: Array | None, dx: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | float]:
    p, weights = _density("p", p, x, dx)
    q, _ = _density("q", q, x, dx)
    _same_shape(p=p, q=q)
    return p, q, weights


def _expectation(p: np.ndarray, values: np.ndarray, weights: np.ndarray | float) -> float:
    """E_p[values], where values may be infinite wherever p is zero."""
    return float(np.sum(weights * p * np.where(p > 0, values, 0.0)))


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(values)


def gaussian(x: Array, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Return the density of N(mean, std^2) at `x`, an array of any shape.

    Raises:
        ValueError: std not positive.

    Example:

    >>> from keras_gan_zoo import theory
    >>> theory.gaussian([0.0]).round(4)  # 1 / sqrt(2 pi)
    array([0.3989])
    """
    std = number("std", std, above=0)
    z = (np.asarray(x, dtype=np.float64) - mean) / std
    with np.errstate(under="ignore"):
        return np.exp(-0.5 * z * z - _LOG_SQRT_2PI) / std


def entropy(p: Array, *, x: Array | None = None, dx: float | None = None) -> float:
    """Return H(p) = -E_p[log p], differential for densities on a grid.

    Args:
        p: distribution or density (see the module for `x` and `dx`).

    Raises:
        ValueError: `p` negative, not finite, not normalised, or of another shape than the grid.

    Example:

    >>> from keras_gan_zoo import theory
    >>> round(theory.entropy([0.5, 0.5]), 4)
    0.6931
    """
    p, weights = _density("p", p, x, dx)
    return -_expectation(p, _log(p), weights)


def cross_entropy(p: Array, q: Array, *, x: Array | None = None, dx: float | None = None) -> float:
    """Return -E_p[log q] = H(p) + KL(p || q), in [H(p), inf].

    It is the expected negative log-likelihood of a model q under data p; H(p) does not depend on
    the model, so maximum likelihood is minimum KL.

    Args:
        p, q: distributions or densities (see the module for `x` and `dx`).

    Raises:
        ValueError: as `kl`.

    Example:

    >>> from keras_gan_zoo import theory
    >>> p, q = [0.5, 0.5], [0.25, 0.75]
    >>> abs(theory.cross_entropy(p, q) - theory.entropy(p) - theory.kl(p, q)) < 1e-12
    True
    """
    p, q, weights = _pair(p, q, x, dx)
    return -_expectation(p, _log(q), weights)


def f_divergence(
    p: Array,
    q: Array,
    name: str,
    *,
    alpha: float | None = None,
    x: Array | None = None,
    dx: float | None = None,
) -> float:
    """Return D_f(P || Q) = E_q[f(p/q)] for a divergence of the table.

    Conventions are those of `losses.divergences`: `jensen_shannon` is twice the JSD of `js`, `gan`
    the same minus log 4, `squared_hellinger` has no factor 1/2.

    Args:
        p, q: distributions or densities (see the module for `x` and `dx`).
        name: `kl`, `reverse_kl`, `pearson`, `neyman`, `squared_hellinger`, `jensen_shannon`, `gan`,
            `total_variation` or `alpha`.
        alpha: for `alpha` only, any finite number except 0 and 1.

    Returns:
        float, `inf` where the mathematics says so.

    Raises:
        ValueError: unknown name, alpha out of range, or densities as in `kl`.

    Example:

    >>> from keras_gan_zoo import theory
    >>> round(theory.f_divergence([0.5, 0.5], [0.25, 0.75], "pearson"), 4)  # 1/4 + 1/12
    0.3333
    """
    row = divergences.get(name, alpha)
    p, q, weights = _pair(p, q, x, dx)
    return float(np.sum(weights * row.perspective(p, q)))


def kl(p: Array, q: Array, *, x: Array | None = None, dx: float | None = None) -> float:
    """Return KL(p || q) = E_p[log(p/q)] in [0, inf]; inf where q = 0 < p.

    Args:
        p, q: distributions or densities (see the module for `x` and `dx`).

    Raises:
        ValueError: a density negative, not finite, not normalised (the message has the sum or
            integral), or of another shape.

    Example:

    >>> from keras_gan_zoo import theory
    >>> theory.kl([1.0, 0.0], [0.0, 1.0])
    inf
    """
    return f_divergence(p, q, "kl", x=x, dx=dx)


def reverse_kl(p: Array, q: Array, *, x: Array | None = None, dx: float | None = None) -> float:
    """Return KL(q || p) = E_q[log(q/p)] in [0, inf]; arguments and errors as `kl`."""
    return f_divergence(p, q, "reverse_kl", x=x, dx=dx)


def js(p: Array, q: Array, *, x: Array | None = None, dx: float | None = None) -> float:
    """Return JSD = KL(p || m)/2 + KL(q || m)/2, m = (p + q)/2, in [0, log 2]; arguments as `kl`.

    Symmetric, and log 2 exactly for disjoint supports.

    Example:

    >>> from keras_gan_zoo import theory
    >>> round(theory.js([1.0, 0.0], [0.0, 1.0]), 6)
    0.693147
    """
    return 0.5 * f_divergence(p, q, "jensen_shannon", x=x, dx=dx)


def total_variation(
    p: Array, q: Array, *, x: Array | None = None, dx: float | None = None
) -> float:
    """Return half the integral of |p - q|, in [0, 1]; arguments and errors as `kl`."""
    return f_divergence(p, q, "total_variation", x=x, dx=dx)


def optimal_discriminator(
    p: Array, q: Array, *, real_label: float = 1.0, fake_label: float = 0.0
) -> np.ndarray:
    """Return D* = (a p + b q) / (p + q), with a = real_label and b = fake_label.

    With the labels 1 and 0 it is p / (p + q) (Goodfellow et al. 2014, proposition 1); with
    others that of label smoothing (Salimans et al. 2016, section 3.4).

    Args:
        p: density of the data at some points, any shape; need not be normalised.
        q: density of the generator at the same points.
        real_label: the discriminator's target for data, in [0, 1].
        fake_label: the target for generated samples, in [0, 1].

    Returns:
        float64 array. Where p = q = 0 every value is optimal; (a + b) / 2 is returned.

    Raises:
        ValueError: densities negative, not finite or of different shapes; a label outside [0, 1].

    Example:

    >>> from keras_gan_zoo import theory
    >>> theory.optimal_discriminator([0.2, 0.8], [0.6, 0.4]).round(4)
    array([0.25  , 0.6667])
    """
    a = number("real_label", real_label, at_least=0, at_most=1)
    b = number("fake_label", fake_label, at_least=0, at_most=1)
    p, q = _non_negative("p", p), _non_negative("q", q)
    _same_shape(p=p, q=q)
    larger = np.maximum(p, q)
    safe = np.where(larger > 0, larger, 1.0)  # scaled first: no overflow, no denormal sums
    p, q = p / safe, q / safe
    return np.where(larger > 0, (a * p + b * q) / np.where(larger > 0, p + q, 1.0), 0.5 * (a + b))


def value(
    p: Array, q: Array, D: Array, *, x: Array | None = None, dx: float | None = None
) -> float:
    """Return V(G, D) = E_p[log D] + E_q[log(1 - D)] (Goodfellow et al. 2014, equation 1).

    Args:
        p: density of the data (see the module for `x` and `dx`).
        q: density of the generator.
        D: discriminator in [0, 1] at the same points.

    Returns:
        float in [-inf, 0].

    Raises:
        ValueError: D outside [0, 1] or of another shape; densities as in `kl`.

    Example:

    >>> from keras_gan_zoo import theory
    >>> round(theory.value([0.5, 0.5], [0.5, 0.5], [0.5, 0.5]), 6)  # -log 4
    -1.386294
    """
    p, q, weights = _pair(p, q, x, dx)
    D = _array("D", D)
    _same_shape(p=p, D=D)
    if not np.all((D >= 0) & (D <= 1)):
        raise ValueError(
            f"`D` must lie in [0, 1]. Received: values from {D.min():g} to {D.max():g}"
        )
    with np.errstate(divide="ignore"):
        return _expectation(p, np.log(D), weights) + _expectation(q, np.log1p(-D), weights)


def virtual_criterion(
    p: Array, q: Array, *, x: Array | None = None, dx: float | None = None
) -> float:
    """Return C(G) = max_D V(G, D) = -log 4 + 2 JSD(p, q), in [-log 4, 0].

    Goodfellow et al. (2014), theorem 1. Arguments and errors as `kl`.

    Example:

    >>> from keras_gan_zoo import theory
    >>> p, q = [0.2, 0.8], [0.6, 0.4]
    >>> best = theory.value(p, q, theory.optimal_discriminator(p, q))
    >>> abs(theory.virtual_criterion(p, q) - best) < 1e-12
    True
    """
    return -math.log(4.0) + 2.0 * js(p, q, x=x, dx=dx)


def optimal_critic(
    p: Array, q: Array, divergence: str, *, alpha: float | None = None
) -> np.ndarray:
    """Return T* = f'(p/q), the critic that attains the f-GAN bound.

    Args:
        p: density of the data at some points, any shape; need not be normalised.
        q: density of the generator at the same points.
        divergence: a name of `losses.divergences.names()`.
        alpha: for `alpha` only.

    Returns:
        float64 array, with the limits f'(0) where p = 0 and f'(inf) where q = 0 (possibly
        infinite), and f'(1) where both are.

    Raises:
        ValueError: unknown divergence; densities negative, not finite or of different shapes.

    Example:

    >>> from keras_gan_zoo import theory
    >>> theory.optimal_critic([0.2, 0.8], [0.4, 0.6], "pearson").round(4)  # 2 (p/q - 1)
    array([-1.    ,  0.6667])
    """
    row = divergences.get(divergence, alpha)
    p, q = _non_negative("p", p), _non_negative("q", q)
    _same_shape(p=p, q=q)
    with np.errstate(over="ignore"):
        ratio = np.where(q > 0, p / np.where(q > 0, q, 1.0), np.where(p > 0, np.inf, 1.0))
    return row.f_prime(ratio)


def variational_bound(
    p: Array,
    q: Array,
    T: Array,
    divergence: str,
    *,
    alpha: float | None = None,
    x: Array | None = None,
    dx: float | None = None,
) -> float:
    """Return E_p[T] - E_q[f*(T)], at most D_f(P || Q), with equality at `optimal_critic`.

    Args:
        p, q: distributions or densities (see the module for `x` and `dx`).
        T: critic at the same points, in the domain of the conjugate (its ends included) wherever
            p or q is positive.
        divergence: a name of `losses.divergences.names()`.
        alpha: for `alpha` only.

    Raises:
        ValueError: T of another shape or outside the domain; unknown divergence; densities as
            in `kl`.

    Example:

    >>> from keras_gan_zoo import theory
    >>> p, q = [0.2, 0.8], [0.4, 0.6]
    >>> best = theory.variational_bound(p, q, theory.optimal_critic(p, q, "kl"), "kl")
    >>> abs(best - theory.kl(p, q)) < 1e-12
    True
    """
    row = divergences.get(divergence, alpha)
    p, q, weights = _pair(p, q, x, dx)
    T = _array("T", T)
    _same_shape(p=p, T=T)
    lower, upper = row.domain
    somewhere = T[(p > 0) | (q > 0)]
    if not np.all((somewhere >= lower) & (somewhere <= upper)):
        raise ValueError(
            f"`T` must lie in the domain of the conjugate of {row.name!r}, [{lower:g}, {upper:g}]. "
            f"Received: values from {somewhere.min():g} to {somewhere.max():g}"
        )
    return _expectation(p, T, weights) - _expectation(q, row.conjugate(T), weights)


class GaussianFit(NamedTuple):
    """A fitted Gaussian and what it was fitted by."""

    mean: float
    std: float
    value: float
    divergence: str

    def density(self, x: Array) -> np.ndarray:
        """Return the fitted density at `x`."""
        return gaussian(x, self.mean, self.std)


def maximum_likelihood_gaussian(samples: Array) -> GaussianFit:
    """Return the Gaussian of maximum likelihood: sample mean and (1/n) standard deviation.

    `value` is the mean negative log-likelihood, log(std) + log(2 pi e) / 2: the cross-entropy
    between the samples and the model. It differs from KL(samples' density || model) by the entropy
    of that density, which no model can change, so with growing n the fit is
    `fit_gaussian(p, "kl")`.

    Args:
        samples: 1-D array with at least two different finite numbers.

    Raises:
        ValueError: samples of another rank, not finite, or all alike.

    Example:

    >>> from keras_gan_zoo import theory
    >>> theory.maximum_likelihood_gaussian([-1.0, 1.0])[:2]
    (0.0, 1.0)
    """
    samples = _array("samples", samples)
    if samples.ndim != 1 or not np.all(np.isfinite(samples)) or np.ptp(samples) == 0:
        raise ValueError(
            "`samples` must be a 1-D array of finite numbers that are not all alike. Received: "
            f"shape {samples.shape}"
        )
    std = float(samples.std())
    nll = math.log(std) + _LOG_SQRT_2PI + 0.5
    return GaussianFit(float(samples.mean()), std, nll, "likelihood")


def fit_gaussian(
    p: Array, divergence: str = "kl", *, x: Array, alpha: float | None = None
) -> GaussianFit:
    """Return the Gaussian q that minimises a divergence D(p || q) from a density on a grid.

    - `"kl"`: KL(p || q) is least where mean and variance agree with those of p: the fit covers all
      of p, at the price of mass where p has none (zero-avoiding). It is maximum likelihood.
    - `"reverse_kl"`: KL(q || p) punishes mass where p has none: the fit seeks one mode
      (zero-forcing).
    - `"js"`, the JSD in [0, log 2], and every name of `losses.divergences.names()` lie between.

    Divergences other than `"kl"` are minimised by a coarse search over mean and standard
    deviation and a pattern search from its best local minima; q is normalised on the grid, and p
    is floored at 1e-300, which makes mass at p = 0 very dear rather than impossible to compare.
    Of two equally good modes either may be returned.

    Args:
        p: density on the grid, `(n,)`.
        divergence: see above.
        x: strictly increasing grid `(n,)` that covers p; at least 8 points.
        alpha: for `alpha` only.

    Returns:
        `GaussianFit(mean, std, value, divergence)`; mean inside the grid, std between its finest
        step and its length.

    Raises:
        ValueError: unknown divergence; density or grid as in `kl`; too few points.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo import theory
    >>> x = np.linspace(-8, 8, 401)
    >>> p = 0.5 * theory.gaussian(x, -2, 0.5) + 0.5 * theory.gaussian(x, 2, 0.5)
    >>> theory.fit_gaussian(p, "kl", x=x).std.__round__(3)  # sqrt(2^2 + .5^2): covers both
    2.062
    >>> round(abs(theory.fit_gaussian(p, "reverse_kl", x=x).mean), 2)  # seeks one
    2.0
    """
    choice("divergence", divergence, ["js", *divergences.names()])
    halved = divergence == "js"
    row = divergences.get("jensen_shannon" if halved else divergence, alpha)
    p, weights = _density("p", p, x, None)
    x = _array("x", x)
    if x.size < 8:
        raise ValueError(f"`x` must have at least 8 points. Received: {x.size}")

    if divergence == "kl":
        total = np.sum(weights * p)
        mean = float(np.sum(weights * p * x) / total)
        std = math.sqrt(float(np.sum(weights * p * (x - mean) ** 2) / total))
        std = max(std, float(np.diff(x).min()))
        log_q = -0.5 * ((x - mean) / std) ** 2 - math.log(std) - _LOG_SQRT_2PI
        return GaussianFit(mean, std, _expectation(p, _log(p) - log_q, weights), divergence)

    floored = np.maximum(p, 1e-300)
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)

    def divergence_from(theta: np.ndarray) -> np.ndarray:
        """Divergences of p from the Gaussians with rows (mean, log std) of theta."""
        found = np.empty(len(theta))
        size = max(1, 400_000 // x.size)
        for start in range(0, len(theta), size):
            mean, log_std = theta[start : start + size].T[:, :, None]
            log_q = -0.5 * ((x - mean) / np.exp(log_std)) ** 2
            log_mass = log_q + log_weights
            top = log_mass.max(axis=1, keepdims=True)
            with np.errstate(under="ignore"):
                log_q -= top + np.log(np.exp(log_mass - top).sum(axis=1, keepdims=True))
                q = np.exp(log_q)
                terms = weights * row.perspective(floored, q)
            found[start : start + size] = terms.sum(axis=1)
        return found * (0.5 if halved else 1.0)

    lower = np.array([x[0], math.log(np.diff(x).min())])
    upper = np.array([x[-1], math.log(x[-1] - x[0])])
    shape = (49, 25)
    axes = [np.linspace(lower[i], upper[i], shape[i]) for i in range(2)]
    coarse = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = divergence_from(coarse.reshape(-1, 2)).reshape(shape)
    padded = np.pad(values, 1, constant_values=np.inf)
    neighbours = [
        padded[1 + i : 1 + i + shape[0], 1 + j : 1 + j + shape[1]]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if (i, j) != (0, 0)
    ]
    minima = np.flatnonzero((values <= np.minimum.reduce(neighbours)).ravel())
    starts = minima[np.argsort(values.ravel()[minima], kind="stable")][:4]

    compass = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], dtype=np.float64)
    best_theta, best = coarse.reshape(-1, 2)[starts[0]], np.inf
    for start in starts:
        theta, lowest = coarse.reshape(-1, 2)[start], values.ravel()[start]
        step = 0.5 * (upper - lower) / (np.array(shape) - 1)
        for _ in range(400):
            candidates = np.clip(theta + compass * step, lower, upper)
            found = divergence_from(candidates)
            index = int(np.argmin(found))
            if found[index] < lowest:
                theta, lowest = candidates[index], found[index]
            else:
                step = 0.5 * step
                if np.all(step < 1e-8 * (upper - lower)):
                    break
        if lowest < best:
            best_theta, best = theta, lowest
    return GaussianFit(float(best_theta[0]), math.exp(best_theta[1]), float(best), divergence)

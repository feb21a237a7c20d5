r"""The one table of f-divergences: generator f, conjugate, output activation, optimal critic.

For densities p and q and a convex f,

    D_f(P || Q) = E_q[ f(p/q) ]  >=  E_p[ T ] - E_q[ f*(T) ]           for every critic T,

with equality at T*(x) = f'(p(x)/q(x)), where f*(t) = sup_u { u t - f(u) } (Nguyen, Wainwright and
Jordan 2010; Nowozin, Cseke and Tomioka 2016, "f-GAN", equation 4 and tables 1, 2 and 6).
A network's free real output v becomes a critic through an output activation T = g_f(v) that
maps onto the domain of f*.

| name | f(u) | T*(u) = f'(u) | f*(t) | domain | g_f(v) | f*(g_f(v)) |
|---|---|---|---|---|---|---|
| kl | u log u | 1 + log u | e^(t-1) | all t | v | e^(v-1) |
| reverse_kl | -log u | -1/u | -1 - log(-t) | t < 0 | -e^-v | v - 1 |
| pearson | (u-1)^2 | 2(u-1) | t^2/4 + t | all t | v | v^2/4 + v |
| neyman | (1-u)^2/u | 1 - 1/u^2 | 2 - 2 sqrt(1-t) | t < 1 | 1 - e^-v | 2 - 2 e^(-v/2) |
| squared_hellinger | (sqrt u - 1)^2 | 1 - 1/sqrt u | t/(1-t) | t < 1 | 1 - e^-v | e^v - 1 |
| jensen_shannon | u log u - (u+1) log((u+1)/2) | log(2u/(1+u)) | -log(2 - e^t) | t < log 2 \
| log 2 - sp(-v) | sp(v) - log 2 |
| gan | u log u - (u+1) log(u+1) | log(u/(1+u)) | -log(1 - e^t) | t < 0 | -sp(-v) | sp(v) |
| total_variation | abs(u-1)/2 | sign(u-1)/2 | t | abs(t) <= 1/2 | tanh(v)/2 | tanh(v)/2 |
| alpha < 1 | (u^a - 1 - a(u-1))/(a(a-1)) | (u^(a-1) - 1)/(a-1) | ((1+(a-1)t)^(a/(a-1)) - 1)/a \
| t < 1/(1-a) | (1 - e^(-cv))/(1-a) | (e^(acv/(1-a)) - 1)/a |
| alpha > 1 | as above | as above | as above, base clipped at 0 | all t | v | f*(v) |

(sp = softplus, c = min(1, 1-a).) Conventions worth knowing: the squared Hellinger distance has no
factor 1/2; `jensen_shannon` is the f-GAN paper's, twice the usual JSD; `gan` is the same minus
log 4; `total_variation` has the factor 1/2. f*(g_f(v)) is written in v directly: composing the two
would overflow or cancel. The activation of `alpha` below 1 differs from the paper's table 6
(1/(1-a) - softplus(-v)): that one overflows float32 for alpha near 1, this one does not for any
alpha with logits in [-50, 50], and it meets `kl` and `reverse_kl` continuously at the ends.

Every function takes NumPy arrays and Python numbers (result: float64 NumPy) or Keras tensors
(result: a tensor of the same dtype). Nothing here imports Keras before it is handed a tensor.

Example:

>>> from keras_gan_zoo.losses import divergences
>>> kl = divergences.get("kl")
>>> float(kl.f(1.0)), float(kl.f_prime(1.0)), float(kl.conjugate(1.0))
(0.0, 1.0, 1.0)
"""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_gan_zoo.losses._checks import choice, number

__all__ = ["Divergence", "get", "names"]

_LOG2 = math.log(2.0)
_INF = math.inf


class _NumpyOps:
    """NumPy under the names of `keras.ops`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def softplus(x: Any) -> Any:
        return np.logaddexp(0.0, x)


_NUMPY = _NumpyOps()


def _evaluate(function: Callable[[Any, Any], Any], x: Any) -> Any:
    if isinstance(x, np.ndarray | numbers.Number | np.generic | list | tuple):
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            return function(_NUMPY, np.asarray(x, dtype=np.float64))
    from keras import ops

    return function(ops, ops.convert_to_tensor(x))


@dataclasses.dataclass(frozen=True, eq=False)
class Divergence:
    """One row of the table. Get one from `divergences.get`.

    Attributes:
        name: the row's name.
        domain: (lower, upper) end of the domain of the conjugate.
        f_at_zero: the limit of f(u) for u -> 0, possibly `inf`: what p = 0 costs where q > 0.
        f: the convex generator f(u), u >= 0 and finite.
        f_prime: the optimal critic T* = f'(u) as a function of u = p/q in [0, inf].
        conjugate: f*(t); `inf` above the domain.
        activation: g_f(v), from any real v onto the domain.
        conjugate_of_activation: f*(g_f(v)), finite in float32 for v in [-50, 50], like its
            gradient.
        alpha: the parameter of `alpha`, None for the others.
    """

    name: str
    domain: tuple[float, float]
    f_at_zero: float
    f: Callable[[Any], Any]
    f_prime: Callable[[Any], Any]
    conjugate: Callable[[Any], Any]
    activation: Callable[[Any], Any]
    conjugate_of_activation: Callable[[Any], Any]
    dual_name: str
    alpha: float | None = None

    def __post_init__(self) -> None:
        for field in ("f", "f_prime", "conjugate", "activation", "conjugate_of_activation"):
            self._accept_both(field)

    def _accept_both(self, field: str) -> None:
        row = getattr(self, field)
        object.__setattr__(self, field, lambda x: _evaluate(row, x))

    @property
    def slope_at_infinity(self) -> float:
        """The limit of f(u)/u for u -> inf: what p > 0 costs where q = 0."""
        return self.domain[1]

    @property
    def dual(self) -> "Divergence":
        """The row of u f(1/u), for which D_dual(Q || P) = D(P || Q)."""
        return get(self.dual_name, alpha=None if self.alpha is None else 1.0 - self.alpha)

    def perspective(self, p: Any, q: Any) -> np.ndarray:
        """Return q f(p/q) for NumPy densities, with its limits where p or q is zero.

        Args:
            p: non-negative array, any shape.
            q: non-negative array that broadcasts with `p`.

        Returns:
            float64 array of the broadcast shape; may be `inf` where the divergence is.
        """
        p, q = np.broadcast_arrays(np.asarray(p, np.float64), np.asarray(q, np.float64))
        larger = np.maximum(p, q)
        # The ratio is always the smaller over the larger: it cannot overflow.
        ratio = np.minimum(p, q) / np.where(larger > 0, larger, 1.0)
        value = np.where(p <= q, self.f(ratio), self.dual.f(ratio))
        with np.errstate(over="ignore"):
            return np.where(larger > 0, larger, 0.0) * np.where(larger > 0, value, 0.0)

    def __repr__(self) -> str:
        alpha = "" if self.alpha is None else f", alpha={self.alpha:g}"
        return f"<Divergence {self.name}{alpha}>"


def _positive(o: Any, u: Any) -> Any:
    """u where it is positive, 1 elsewhere: for terms that vanish with u."""
    return o.where(u > 0, u, o.ones_like(u))


def _inside(o: Any, t: Any, upper: float, function: Callable[[Any], Any]) -> Any:
    """function(t) up to the end of the domain, inf above it, without a NaN on the way."""
    inside = t <= upper
    safe = o.where(inside, t, o.full_like(t, upper - 1.0))
    return o.where(inside, function(safe), o.full_like(t, _INF))


def _log1p_inverse(o: Any, u: Any) -> Any:
    """log(1 + 1/u) without overflow for denormal u nor cancellation for large u."""
    below = o.where(u < 1, u, o.ones_like(u))
    above = o.where(u < 1, o.ones_like(u), u)
    return o.where(u < 1, o.log1p(below) - o.log(below), o.log1p(1.0 / above))


def _u_log1p_inverse(o: Any, u: Any) -> Any:
    """u log(1 + 1/u), 0 at u = 0."""
    return u * _log1p_inverse(o, _positive(o, u))


_ROWS = {
    row.name: row
    for row in (
        Divergence(
            name="kl",
            domain=(-_INF, _INF),
            f_at_zero=0.0,
            f=lambda o, u: u * o.log(_positive(o, u)),
            f_prime=lambda o, u: 1.0 + o.log(u),
            conjugate=lambda o, t: o.exp(t - 1.0),
            activation=lambda o, v: v,
            conjugate_of_activation=lambda o, v: o.exp(v - 1.0),
            dual_name="reverse_kl",
        ),
        Divergence(
            name="reverse_kl",
            domain=(-_INF, 0.0),
            f_at_zero=_INF,
            f=lambda o, u: -o.log(u),
            f_prime=lambda o, u: -1.0 / u,
            conjugate=lambda o, t: _inside(o, t, 0.0, lambda s: -1.0 - o.log(-s)),
            activation=lambda o, v: -o.exp(-v),
            conjugate_of_activation=lambda o, v: v - 1.0,
            dual_name="kl",
        ),
        Divergence(
            name="pearson",
            domain=(-_INF, _INF),
            f_at_zero=1.0,
            f=lambda o, u: o.square(u - 1.0),
            f_prime=lambda o, u: 2.0 * (u - 1.0),
            conjugate=lambda o, t: 0.25 * o.square(t) + t,
            activation=lambda o, v: v,
            conjugate_of_activation=lambda o, v: 0.25 * o.square(v) + v,
            dual_name="neyman",
        ),
        Divergence(
            name="neyman",
            domain=(-_INF, 1.0),
            f_at_zero=_INF,
            f=lambda o, u: o.square(1.0 - u) / u,
            f_prime=lambda o, u: 1.0 - 1.0 / o.square(u),
            conjugate=lambda o, t: _inside(o, t, 1.0, lambda s: 2.0 - 2.0 * o.sqrt(1.0 - s)),
            activation=lambda o, v: -o.expm1(-v),
            conjugate_of_activation=lambda o, v: -2.0 * o.expm1(-0.5 * v),
            dual_name="pearson",
        ),
        Divergence(
            name="squared_hellinger",
            domain=(-_INF, 1.0),
            f_at_zero=1.0,
            f=lambda o, u: o.square(o.sqrt(u) - 1.0),
            f_prime=lambda o, u: 1.0 - 1.0 / o.sqrt(u),
            conjugate=lambda o, t: _inside(o, t, 1.0, lambda s: 1.0 / (1.0 - s) - 1.0),
            activation=lambda o, v: -o.expm1(-v),
            conjugate_of_activation=lambda o, v: o.expm1(v),
            dual_name="squared_hellinger",
        ),
        Divergence(
            name="jensen_shannon",
            domain=(-_INF, _LOG2),
            f_at_zero=_LOG2,
            f=lambda o, u: _LOG2 * (1.0 + u) - _u_log1p_inverse(o, u) - o.log1p(u),
            f_prime=lambda o, u: _LOG2 - _log1p_inverse(o, u),
            conjugate=lambda o, t: _inside(
                o, t, _LOG2, lambda s: -_LOG2 - o.log(-o.expm1(s - _LOG2))
            ),
            activation=lambda o, v: _LOG2 - o.softplus(-v),
            conjugate_of_activation=lambda o, v: o.softplus(v) - _LOG2,
            dual_name="jensen_shannon",
        ),
        Divergence(
            name="gan",
            domain=(-_INF, 0.0),
            f_at_zero=0.0,
            f=lambda o, u: -_u_log1p_inverse(o, u) - o.log1p(u),
            f_prime=lambda o, u: -_log1p_inverse(o, u),
            conjugate=lambda o, t: _inside(o, t, 0.0, lambda s: -o.log(-o.expm1(s))),
            activation=lambda o, v: -o.softplus(-v),
            conjugate_of_activation=lambda o, v: o.softplus(v),
            dual_name="gan",
        ),
        Divergence(
            name="total_variation",
            domain=(-0.5, 0.5),
            f_at_zero=0.5,
            f=lambda o, u: 0.5 * o.abs(u - 1.0),
            f_prime=lambda o, u: 0.5 * o.sign(u - 1.0),
            conjugate=lambda o, t: o.where(o.abs(t) <= 0.5, t, o.full_like(t, _INF)),
            activation=lambda o, v: 0.5 * o.tanh(v),
            conjugate_of_activation=lambda o, v: 0.5 * o.tanh(v),
            dual_name="total_variation",
        ),
    )
}


def _alpha(a: float) -> Divergence:
    """Return the row of the alpha-divergence."""
    power = a / (a - 1.0)

    def f(o: Any, u: Any) -> Any:
        return (o.power(u, a) - 1.0 - a * (u - 1.0)) / (a * (a - 1.0))

    def f_prime(o: Any, u: Any) -> Any:
        return o.expm1((a - 1.0) * o.log(u)) / (a - 1.0)

    def conjugate_above_one(o: Any, t: Any) -> Any:
        slack = (a - 1.0) * t
        inside = slack > -1.0
        log = o.log1p(o.where(inside, slack, o.zeros_like(t)))
        return o.where(inside, o.expm1(power * log), -o.ones_like(t)) / a

    def conjugate_below_one(o: Any, t: Any) -> Any:
        return _inside(
            o, t, 1.0 / (1.0 - a), lambda s: o.expm1(power * _log1p_floor(o, (a - 1.0) * s)) / a
        )

    if a > 1.0:
        return Divergence(
            name="alpha",
            domain=(-_INF, _INF),
            f_at_zero=1.0 / a,
            f=f,
            f_prime=f_prime,
            conjugate=conjugate_above_one,
            activation=lambda o, v: v,
            conjugate_of_activation=conjugate_above_one,
            dual_name="alpha",
            alpha=a,
        )
    c = min(1.0, 1.0 - a)
    return Divergence(
        name="alpha",
        domain=(-_INF, 1.0 / (1.0 - a)),
        f_at_zero=1.0 / a if a > 0.0 else _INF,
        f=f,
        f_prime=f_prime,
        conjugate=conjugate_below_one,
        activation=lambda o, v: -o.expm1(-c * v) / (1.0 - a),
        conjugate_of_activation=lambda o, v: o.expm1((a * c / (1.0 - a)) * v) / a,
        dual_name="alpha",
        alpha=a,
    )


def _log1p_floor(o: Any, x: Any) -> Any:
    """log(1 + x), -inf at -1 and where rounding went a hair below it."""
    return o.log1p(o.maximum(x, -1.0))


def names() -> list[str]:
    """Return the names of the nine divergences, in the table's order."""
    return [*_ROWS, "alpha"]


def get(name: "str | Divergence", alpha: float | None = None) -> Divergence:
    """Return one row of the table.

    Args:
        name: one of `names()`, or a `Divergence`, which is returned as it is.
        alpha: for `"alpha"` only (default 0.5): any finite real number except 0 and 1, where the
            family becomes `reverse_kl` and `kl`. alpha = -1, 0.5 and 2 are half of `neyman`,
            twice `squared_hellinger` and half of `pearson`.

    Raises:
        ValueError: unknown name (the nearest are named); alpha of 0, 1 or not finite; alpha for a
            divergence that has none.

    Example:

    >>> from keras_gan_zoo.losses import divergences
    >>> divergences.get("alpha", alpha=3.0)
    <Divergence alpha, alpha=3>
    """
    if isinstance(name, Divergence):
        return name
    choice("divergence", name, names())
    if name != "alpha":
        if alpha is not None:
            raise ValueError(
                f"`alpha` belongs to the divergence 'alpha' only. Received: alpha={alpha!r} "
                f"with divergence={name!r}"
            )
        return _ROWS[name]
    alpha = number("alpha", 0.5 if alpha is None else alpha)
    if alpha in (0.0, 1.0):
        raise ValueError(
            "`alpha` must be a finite number other than 0 (use 'reverse_kl') and 1 (use 'kl'). "
            f"Received: alpha={alpha!r}"
        )
    return _alpha(alpha)

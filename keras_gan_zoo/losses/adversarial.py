"""Adversarial losses: what discriminator and generator minimise, given the critic's logits.

A `Loss` works on *logits* (a discriminator's raw output, before any sigmoid) of shape `(batch,)`,
`(batch, 1)`, or PatchGAN-like `(batch, h, w, 1)`, in float16, bfloat16 or float32. It returns one
float32 number **per example**, shape `(batch,)`: the elementwise loss, averaged over every axis
but the first. The mean over the batch is the paper's objective.

A new loss is three one-line methods:

>>> import keras
>>> from keras_gan_zoo.losses import Loss
>>> @keras.saving.register_keras_serializable(package="my_package")
... class Linear(Loss):
...     name = "linear"
...     def real_term(self, logits): return 1.0 - logits
...     def fake_term(self, logits): return 1.0 + logits
...     def generator_term(self, logits): return -logits
>>> Linear().discriminator_loss([2.0, 3.0], [-1.0, 1.0]).numpy()
array([-1.,  0.], dtype=float32)
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_gan_zoo.losses import divergences
from keras_gan_zoo.losses._checks import choice, number
from keras_gan_zoo.losses._objects import Configurable, register, resolve, serialize
from keras_gan_zoo.losses.replicas import mean_over_batch, of_replica

__all__ = [
    "BoundaryEquilibrium",
    "Energy",
    "FDivergence",
    "Hinge",
    "LeastSquares",
    "Loss",
    "Minimax",
    "NonSaturating",
    "Relativistic",
    "RelativisticAverage",
    "Wasserstein",
    "get",
    "names",
    "serialize",
]

Tensor = Any


def _as_logits(logits: Tensor, argument: str) -> Tensor:
    logits = ops.cast(ops.convert_to_tensor(logits), "float32")
    if len(logits.shape) == 0:
        raise ValueError(
            f"`{argument}` must have a batch axis: shape (batch,), (batch, 1) or (batch, h, w, 1). "
            "Received a scalar."
        )
    return logits


def _per_example(values: Tensor) -> Tensor:
    """Average everything but the first axis."""
    rank = len(values.shape)
    return values if rank == 1 else ops.mean(values, axis=tuple(range(1, rank)))


def _add_halves(first: Tensor, second: Tensor) -> Tensor:
    """Add two per-example halves; if their batches differ, so that the mean of the sum is right."""
    if None not in (first.shape[0], second.shape[0]) and first.shape[0] != second.shape[0]:
        second = ops.mean(second)
    return first + second


class Loss(Configurable):
    """Base class of the adversarial losses.

    A subclass whose two halves do not mix defines `real_term`, `fake_term` and `generator_term`
    on elements; one that compares real with fake overrides `discriminator_loss` and
    `generator_loss`. Constructor arguments are kept as attributes of the same names.

    Attributes:
        name: short name, as `get` takes it.
        needs_real: True where `generator_loss` needs `real_logits`.
        variables: non-trainable state (list of `keras.Variable`) that a checkpoint must keep.
    """

    needs_real: bool = False

    def real_term(self, logits: Tensor) -> Tensor:
        """Return the discriminator's elementwise loss on float32 logits of real images."""
        raise NotImplementedError(f"{type(self).__name__} must define `real_term`.")

    def fake_term(self, logits: Tensor) -> Tensor:
        """Return the discriminator's elementwise loss on float32 logits of generated images."""
        raise NotImplementedError(f"{type(self).__name__} must define `fake_term`.")

    def generator_term(self, logits: Tensor) -> Tensor:
        """Return the generator's elementwise loss on float32 logits of generated images."""
        raise NotImplementedError(f"{type(self).__name__} must define `generator_term`.")

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator minimises, per example.

        Args:
            real_logits: the discriminator's logits of real images, `(batch, ...)`.
            fake_logits: the same of generated images. Its batch may have another size: then the
                fake half enters as its mean, so that the mean of the result is still the sum
                of the two halves' means. (`Relativistic` needs equal shapes.)

        Returns:
            float32 tensor `(batch,)`, real half plus fake half.

        Raises:
            ValueError: logits without a batch axis.
        """
        real = self.real_term(_as_logits(real_logits, "real_logits"))
        fake = self.fake_term(_as_logits(fake_logits, "fake_logits"))
        return _add_halves(_per_example(real), _per_example(fake))

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return what the generator minimises, per example.

        Args:
            fake_logits: the discriminator's logits of generated images, `(batch, ...)`.
            real_logits: the same of real images; used, and then required, where `needs_real`.

        Returns:
            float32 tensor `(batch,)`.

        Raises:
            ValueError: logits without a batch axis; `real_logits` missing where `needs_real`.
        """
        return _per_example(self.generator_term(_as_logits(fake_logits, "fake_logits")))

    def without_noise(self) -> "Loss":
        """The same loss without random targets, for evaluation."""
        return self

    def update(self, real_logits: Tensor, fake_logits: Tensor) -> Any:
        """Advance the loss's own controller after a discriminator step. Most have none."""
        return None

    def _both(self, fake_logits: Tensor, real_logits: Tensor | None) -> tuple[Tensor, Tensor]:
        if real_logits is None:
            raise ValueError(
                f"The generator's loss of {type(self).__name__} compares fake with real logits "
                "(`needs_real` is True): call `generator_loss(fake_logits, "
                "real_logits=discriminator(real_images))`. Received: real_logits=None"
            )
        return _as_logits(fake_logits, "fake_logits"), _as_logits(real_logits, "real_logits")


class _CrossEntropy(Loss):
    """The discriminator's side that `Minimax` and `NonSaturating` share."""

    def __init__(
        self,
        label_smoothing: float = 0.0,
        fake_smoothing: float = 0.0,
        label_noise: float = 0.0,
        flip: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self.label_smoothing = number("label_smoothing", label_smoothing, at_least=0, below=0.5)
        self.fake_smoothing = number("fake_smoothing", fake_smoothing, at_least=0, below=0.5)
        self.label_noise = number("label_noise", label_noise, at_least=0, at_most=1)
        self.flip = number("flip", flip, at_least=0, at_most=0.5)
        self.seed = seed
        random = self.label_noise > 0 or self.flip > 0
        self.seed_generator = keras.random.SeedGenerator(seed) if random else None

    def without_noise(self) -> "Loss":
        if self.seed_generator is None:
            return self
        return type(self)(self.label_smoothing, self.fake_smoothing)

    def targets(self, logits: Tensor, target: float) -> Tensor:
        """Return the labels of one batch: `target`, flipped and made noisy, never outside [0, 1].

        One label per example, shape `(batch, 1, ...)` of the rank of `logits`.
        """
        shape = (ops.shape(logits)[0],) + (1,) * (len(logits.shape) - 1)
        labels = ops.full(shape, target, dtype="float32")

        def uniform() -> Tensor:
            seed = of_replica(tf.cast(self.seed_generator.next(), tf.int32))
            return tf.random.stateless_uniform(shape, seed)

        if self.flip > 0:
            labels = ops.where(uniform() < self.flip, 1.0 - labels, labels)
        if self.label_noise > 0:
            labels = labels + self.label_noise * (2.0 * uniform() - 1.0)
        return ops.clip(labels, 0.0, 1.0)

    def _cross_entropy(self, logits: Tensor, target: float) -> Tensor:
        if self.seed_generator is None:
            if target in (0.0, 1.0):
                return ops.softplus(logits if target == 0.0 else -logits)
            labels = target
        else:
            labels = self.targets(logits, target)
        return labels * ops.softplus(-logits) + (1.0 - labels) * ops.softplus(logits)

    def real_term(self, logits: Tensor) -> Tensor:
        return self._cross_entropy(logits, 1.0 - self.label_smoothing)

    def fake_term(self, logits: Tensor) -> Tensor:
        return self._cross_entropy(logits, self.fake_smoothing)


_CROSS_ENTROPY_ARGUMENTS = """
    Args:
        label_smoothing: s in [0, 0.5): the target of real images is 1 - s (one-sided smoothing,
            Salimans et al. 2016, section 3.4). The optimal D becomes
            ((1-s) p + b q) / (p + q), with b the fake target.
        fake_smoothing: b in [0, 0.5): the target of generated images. Setting both makes the
            smoothing two-sided; Salimans et al. advise against it.
        label_noise: half-width in [0, 1] of uniform noise added to each example's target, which
            is then clipped to [0, 1].
        flip: probability in [0, 0.5] that an example's label is swapped.
        seed: int, makes `label_noise` and `flip` repeatable. Their random state is
            `seed_generator.state`, the only entry of `variables`.

    Raises:
        ValueError: an argument outside its range.
"""


@register
class Minimax(_CrossEntropy):
    __doc__ = f"""The minimax game of Goodfellow et al. (2014), equation 1 (saturating).

    With v the logit and D = sigmoid(v),

        L_D = -log D(x) - log(1 - D(G(z))) = softplus(-v_real) + softplus(v_fake)
        L_G = log(1 - D(G(z)))             = -softplus(v_fake)

    The generator's gradient -sigmoid(v) vanishes where its sample is obviously fake (v -> -inf).
    Both losses are finite for any finite logit.
{_CROSS_ENTROPY_ARGUMENTS}
    Example:

    >>> from keras_gan_zoo.losses import Minimax
    >>> Minimax().discriminator_loss([0.0], [0.0]).numpy().round(4)  # 2 log 2
    array([1.3863], dtype=float32)
    """

    name = "minimax"

    def generator_term(self, logits: Tensor) -> Tensor:
        return -ops.softplus(logits)


@register
class NonSaturating(_CrossEntropy):
    __doc__ = f"""The non-saturating loss of Goodfellow et al. (2014), section 3, last paragraph.

        L_D = softplus(-v_real) + softplus(v_fake)     as `Minimax`
        L_G = -log D(G(z)) = softplus(-v_fake)

    The generator's gradient -sigmoid(-v) is largest where its sample is obviously fake.
{_CROSS_ENTROPY_ARGUMENTS}
    Example:

    >>> from keras_gan_zoo.losses import NonSaturating
    >>> NonSaturating(label_smoothing=0.1).generator_loss([0.0, 1.0]).numpy().round(4)
    array([0.6931, 0.3133], dtype=float32)
    """

    name = "non_saturating"

    def generator_term(self, logits: Tensor) -> Tensor:
        return ops.softplus(-logits)


@register
class LeastSquares(Loss):
    """Least-squares GAN, Mao et al. (2017), equation 2.

        L_D = (v_real - b)^2 / 2 + (v_fake - a)^2 / 2
        L_G = (v_fake - c)^2 / 2

    The defaults are the paper's 0-1 coding. With b - c = 1 and b - a = 2, e.g. a = -1, b = 1,
    c = 0, the game minimises the Pearson chi^2 divergence between p + q and 2 q. The logit is the
    prediction itself: no sigmoid.

    Args:
        a: target of generated images for the discriminator, finite, different from `b`.
        b: target of real images, finite.
        c: what the generator wants the discriminator to say, finite.

    Raises:
        ValueError: a target that is not finite, or a = b.

    Example:

    >>> from keras_gan_zoo.losses import LeastSquares
    >>> LeastSquares(a=-1, b=1, c=0).discriminator_loss([0.0], [0.0]).numpy()
    array([1.], dtype=float32)
    """

    name = "least_squares"

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        self.a, self.b, self.c = number("a", a), number("b", b), number("c", c)
        if self.a == self.b:
            raise ValueError(
                "`a` (target of fakes) and `b` (target of reals) must differ, or there is nothing "
                f"to tell apart. Received: a={a!r}, b={b!r}"
            )

    def real_term(self, logits: Tensor) -> Tensor:
        return 0.5 * ops.square(logits - self.b)

    def fake_term(self, logits: Tensor) -> Tensor:
        return 0.5 * ops.square(logits - self.a)

    def generator_term(self, logits: Tensor) -> Tensor:
        return 0.5 * ops.square(logits - self.c)


@register
class Wasserstein(Loss):
    """Wasserstein GAN, Arjovsky, Chintala and Bottou (2017), equation 3 and theorem 3.

        L_D = v_fake - v_real,     L_G = -v_fake

    -L_D estimates the Wasserstein-1 distance (times the Lipschitz constant) only if the critic is
    Lipschitz: combine with `penalties.GradientPenalty`, `penalties.WeightClipping` or spectral
    normalisation.

    Example:

    >>> from keras_gan_zoo.losses import Wasserstein
    >>> Wasserstein().discriminator_loss([3.0], [1.0]).numpy()
    array([-2.], dtype=float32)
    """

    name = "wasserstein"

    def real_term(self, logits: Tensor) -> Tensor:
        return -logits

    def fake_term(self, logits: Tensor) -> Tensor:
        return logits

    def generator_term(self, logits: Tensor) -> Tensor:
        return -logits


@register
class Hinge(Loss):
    """Hinge loss, Lim and Ye (2017), section 3; Miyato et al. (2018), equations 16 and 17.

        L_D = max(0, 1 - v_real) + max(0, 1 + v_fake),     L_G = -v_fake

    Example:

    >>> from keras_gan_zoo.losses import Hinge
    >>> Hinge().discriminator_loss([2.0, 0.0], [-2.0, 0.0]).numpy()
    array([0., 2.], dtype=float32)
    """

    name = "hinge"

    def real_term(self, logits: Tensor) -> Tensor:
        return ops.relu(1.0 - logits)

    def fake_term(self, logits: Tensor) -> Tensor:
        return ops.relu(1.0 + logits)

    def generator_term(self, logits: Tensor) -> Tensor:
        return -logits


_RELATIVISTIC_BASES = {
    "non_saturating": lambda difference: ops.softplus(-difference),
    "least_squares": lambda difference: ops.square(difference - 1.0),
    "hinge": lambda difference: ops.relu(1.0 - difference),
}


@register
class RelativisticAverage(Loss):
    """Relativistic average GAN (RaGAN), Jolicoeur-Martineau (2018).

    A real image should look more real than the average fake one, and the other way round. With
    r = v_real - mean(v_fake), s = v_fake - mean(v_real) and h(d) = softplus(-d):

        L_D = h(r) + h(-s)
        L_G = h(s) + h(-r)

    The means run over the batch, all replicas' parts of it (and over the patches of PatchGAN
    logits); gradients pass through them. `base` picks h: the RaSGAN above, RaLSGAN (d - 1)^2, or
    RaHingeGAN max(0, 1 - d).

    Args:
        base: `"non_saturating"`, `"least_squares"` or `"hinge"`.

    Raises:
        ValueError: unknown `base`; `generator_loss` without `real_logits`.

    Example:

    >>> from keras_gan_zoo.losses import RelativisticAverage
    >>> RelativisticAverage().generator_loss([0.0], real_logits=[0.0]).numpy().round(4)
    array([1.3863], dtype=float32)
    """

    name = "relativistic_average"
    needs_real = True

    def __init__(self, base: str = "non_saturating") -> None:
        self.base = choice("base", base, _RELATIVISTIC_BASES)

    def _loss(self, higher: Tensor, lower: Tensor) -> tuple[Tensor, Tensor]:
        h = _RELATIVISTIC_BASES[self.base]
        first, second = h(higher - mean_over_batch(lower)), h(mean_over_batch(higher) - lower)
        return _per_example(first), _per_example(second)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        fake, real = self._both(fake_logits, real_logits)
        return _add_halves(*self._loss(real, fake))

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        fake, real = self._both(fake_logits, real_logits)
        return _add_halves(*self._loss(fake, real))


@register
class Relativistic(Loss):
    """Relativistic paired GAN (RpGAN; there RSGAN), Jolicoeur-Martineau (2018).

        L_D = softplus(-(v_real - v_fake)),     L_G = softplus(-(v_fake - v_real))

    Each fake image is compared with the real one in the same place of the batch. With `R1` and
    `R2` it is the objective of R3GAN (Huang et al. 2024, section 2).

    Raises:
        ValueError: real and fake logits of different shapes; `generator_loss` without
            `real_logits`.

    Example:

    >>> from keras_gan_zoo.losses import Relativistic
    >>> Relativistic().discriminator_loss([1.0], [1.0]).numpy().round(4)  # log 2
    array([0.6931], dtype=float32)
    """

    name = "relativistic"
    needs_real = True

    def _pair(self, fake: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        fake, real = self._both(fake, real)
        same_rank = len(fake.shape) == len(real.shape)
        if not same_rank or any(
            a != b and None not in (a, b) for a, b in zip(fake.shape, real.shape, strict=True)
        ):
            raise ValueError(
                "Relativistic pairs every real logit with a fake one and needs equal shapes. "
                f"Received: real_logits of shape {tuple(real.shape)} and fake_logits of shape "
                f"{tuple(fake.shape)}. `RelativisticAverage` takes batches of different sizes."
            )
        return fake, real

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        fake, real = self._pair(fake_logits, real_logits)
        return _per_example(ops.softplus(fake - real))

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        fake, real = self._pair(fake_logits, real_logits)
        return _per_example(ops.softplus(real - fake))


@register
class Energy(Loss):
    """Energy-based GAN, Zhao, Mathieu and LeCun (2017), equations 1 and 2.

    The "logit" is an energy e >= 0, low for real images: the reconstruction error of an
    auto-encoder.

        L_D = e_real + max(0, margin - e_fake),     L_G = e_fake

    Args:
        margin: the energy above which a fake no longer matters to the discriminator, > 0. It is
            on the scale of the energies: the paper uses 10 and more for the norm of the error,
            about 1 suits squared errors averaged over pixels in [-1, 1].

    Raises:
        ValueError: margin not positive.

    Example:

    >>> from keras_gan_zoo.losses import Energy
    >>> Energy(margin=2.0).discriminator_loss([0.5], [1.5]).numpy()
    array([1.], dtype=float32)
    """

    name = "energy"

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = number("margin", margin, above=0)

    def real_term(self, logits: Tensor) -> Tensor:
        return logits

    def fake_term(self, logits: Tensor) -> Tensor:
        return ops.relu(self.margin - logits)

    def generator_term(self, logits: Tensor) -> Tensor:
        return logits


@register
class BoundaryEquilibrium(Loss):
    """BEGAN, Berthelot, Schumm and Metz (2017), section 3.4.

    The "logit" is the reconstruction error e of an auto-encoder.

        L_D = e_real - k e_fake,     L_G = e_fake
        k <- clip(k + lambda_k (gamma e_real - e_fake), 0, 1)      after every step: `update`

    so that the expected errors settle at E[e_fake] = gamma E[e_real]. `convergence` is the
    measure M that shows how training goes.

    Args:
        gamma: diversity ratio in (0, 1]; lower gives cleaner and less varied images.
        lambda_k: step of the controller, in (0, 1].

    Attributes:
        k: the controller's state, a non-trainable float32 `keras.Variable` that starts at 0 and
            stays in [0, 1]; the only entry of `variables`. Under `tf.distribute` create the
            loss in the strategy's scope: `k` is averaged over the replicas.

    Raises:
        ValueError: gamma or lambda_k outside (0, 1].

    Example:

    >>> from keras_gan_zoo.losses import BoundaryEquilibrium
    >>> loss = BoundaryEquilibrium(gamma=0.5, lambda_k=0.1)
    >>> round(float(loss.update([4.0], [1.0])), 4)  # 0 + .1 (.5 * 4 - 1)
    0.1
    >>> loss.discriminator_loss([4.0], [1.0]).numpy()
    array([3.9], dtype=float32)
    """

    name = "began"

    def __init__(self, gamma: float = 0.5, lambda_k: float = 0.001) -> None:
        self.gamma = number("gamma", gamma, above=0, at_most=1)
        self.lambda_k = number("lambda_k", lambda_k, above=0, at_most=1)
        self.k = keras.Variable(
            0.0, trainable=False, dtype="float32", autocast=False, aggregation="mean", name="k"
        )

    @property
    def variables(self) -> list[keras.Variable]:
        return [self.k]

    def real_term(self, logits: Tensor) -> Tensor:
        return logits

    def fake_term(self, logits: Tensor) -> Tensor:
        return -ops.convert_to_tensor(self.k) * logits

    def generator_term(self, logits: Tensor) -> Tensor:
        return logits

    def _balance(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        real = ops.mean(ops.cast(ops.convert_to_tensor(real_logits), "float32"))
        fake = ops.mean(ops.cast(ops.convert_to_tensor(fake_logits), "float32"))
        return real, self.gamma * real - fake

    def update(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Move `k` by lambda_k (gamma E[e_real] - E[e_fake]), clipped to [0, 1].

        Args:
            real_logits: energies of real images, any shape (they are averaged).
            fake_logits: energies of generated images, any shape.

        Returns:
            the new k, a float32 scalar tensor.
        """
        _, balance = self._balance(real_logits, fake_logits)
        self.k.assign(ops.clip(self.k + self.lambda_k * balance, 0.0, 1.0))
        return ops.convert_to_tensor(self.k)

    def convergence(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return M = E[e_real] + |gamma E[e_real] - E[e_fake]|, a float32 scalar."""
        real, balance = self._balance(real_logits, fake_logits)
        return real + ops.abs(balance)


@register
class FDivergence(Loss):
    """f-GAN for any divergence of the table, Nowozin, Cseke and Tomioka (2016), equation 7.

    With v the logit, g_f the output activation and f* the conjugate (see `losses.divergences`):

        L_D = -g_f(v_real) + f*(g_f(v_fake))
        L_G = -f*(g_f(v_fake))       generator_objective="minimax" (equation 7)
        L_G = -g_f(v_fake)           generator_objective="non_saturating"

    -E[L_D] is a lower bound of D_f(data || generator), reached where g_f(v) = f'(p/q). Values and
    gradients are finite in float32 for logits in [-50, 50].

    Args:
        divergence: a name of `losses.divergences.names()`: `kl`, `reverse_kl`, `pearson`, `neyman`,
            `squared_hellinger`, `jensen_shannon`, `gan`, `total_variation`, `alpha`.
        alpha: for `divergence="alpha"` only, default 0.5: any finite number except 0 and 1.
        generator_objective: `"minimax"` or `"non_saturating"`.

    Raises:
        ValueError: unknown divergence or objective; alpha out of range or without `"alpha"`.

    Example:

    >>> from keras_gan_zoo.losses import FDivergence
    >>> FDivergence("pearson").discriminator_loss([1.0], [2.0]).numpy()  # -1 + (1 + 2)
    array([2.], dtype=float32)
    """

    def __init__(
        self,
        divergence: str = "jensen_shannon",
        alpha: float | None = None,
        generator_objective: str = "minimax",
    ) -> None:
        self._row = divergences.get(divergence, alpha)
        self.divergence = self._row.name
        self.alpha = self._row.alpha
        self.generator_objective = choice(
            "generator_objective", generator_objective, ("minimax", "non_saturating")
        )
        self.name = f"f_{self.divergence}"

    def critic(self, logits: Tensor) -> Tensor:
        """Return T = g_f(v), elementwise in float32: the estimate of f'(p/q)."""
        return self._row.activation(_as_logits(logits, "logits"))

    def real_term(self, logits: Tensor) -> Tensor:
        return -self._row.activation(logits)

    def fake_term(self, logits: Tensor) -> Tensor:
        return self._row.conjugate_of_activation(logits)

    def generator_term(self, logits: Tensor) -> Tensor:
        if self.generator_objective == "minimax":
            return -self._row.conjugate_of_activation(logits)
        return -self._row.activation(logits)


_NAMES: dict[str, tuple[type[Loss], dict[str, Any]]] = {
    cls.name: (cls, {})
    for cls in (
        Minimax,
        NonSaturating,
        LeastSquares,
        Wasserstein,
        Hinge,
        RelativisticAverage,
        Relativistic,
        Energy,
        BoundaryEquilibrium,
    )
} | {f"f_{name}": (FDivergence, {"divergence": name}) for name in divergences.names()}


def names() -> list[str]:
    """Return the sorted names that `get` knows."""
    return sorted(_NAMES)


def get(identifier: Any) -> Loss:
    """Return a `Loss` from a name, a config or an object, as `keras.losses.get` does.

    Args:
        identifier: one of `names()`; `{"class_name": ..., "config": {...}}`, with a name or a class
            name, or what `serialize` returned; or a `Loss`, which is returned as it is.

    Raises:
        ValueError: unknown name (the message has the nearest), or something else altogether.

    Example:

    >>> from keras_gan_zoo import losses
    >>> losses.get({"class_name": "f_alpha", "config": {"alpha": 2.0}})
    FDivergence(divergence='alpha', alpha=2.0, generator_objective='minimax')
    """
    return resolve(identifier, _NAMES, Loss, "loss")

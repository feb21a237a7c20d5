"""Penalties and constraints: what keeps a player, usually the critic, in bounds.

A `Penalty` is called as `penalty(critic, real, fake)` and returns an **unweighted** float32
scalar; the trainer multiplies it by `weight`, and by `interval` when it is computed only every
`interval` steps. A `Constraint` changes variables after an optimizer step.

Rules all gradient penalties here keep:

- the gradient is taken in float32 with respect to float32 images, whatever the critic computes in;
- its norm is per sample, over everything but the batch axis; the penalty is the batch mean;
- logits with more than one element per sample (PatchGAN) are **summed** per sample before the
  gradient is taken, so that D(x) is one number;
- interpolation draws one uniform number per sample;
- the norm is sqrt(|g|^2 + 1e-10): a zero gradient costs (1e-5 - target)^2 and has a finite
  derivative.

They assume that the critic treats the samples of a batch independently: no BatchNormalization.

**Randomness.** `penalty(critic, real, fake, rng=rng)` takes an object with `uniform(shape)` in
[0, 1) and `normal(shape)`, both returning float32 tensors. Without one, the penalty's own
`seed_generator` is used; its state is in `variables`. Either way the replicas of a strategy draw
different numbers.

Example:

>>> import numpy as np, tensorflow as tf
>>> from keras_gan_zoo.losses import R1
>>> R1(weight=10.0)(lambda x: tf.reduce_sum(2.0 * x, axis=-1), np.ones((4, 3), "float32"), None)
<tf.Tensor: shape=(), dtype=float32, numpy=6.0>
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from keras_gan_zoo.losses._checks import choice, number, whole_number
from keras_gan_zoo.losses._objects import Configurable, register, resolve, serialize
from keras_gan_zoo.losses.replicas import mean_over_batch, of_replica

__all__ = [
    "Constraint",
    "DRAGAN",
    "Drift",
    "FeatureMatching",
    "GradientPenalty",
    "HistoricalAveraging",
    "LazyAdam",
    "LeCam",
    "Penalty",
    "R1",
    "R2",
    "RandomSource",
    "WeightClipping",
    "ZeroCentered",
    "get",
    "lazy_adam",
    "names",
    "serialize",
]

Critic = Callable[[tf.Tensor], tf.Tensor]
_EPSILON = 1e-10


class RandomSource(Protocol):
    """Where a penalty gets its random numbers; shapes may hold scalar tensors."""

    def uniform(self, shape: Sequence[Any]) -> tf.Tensor:
        """Return float32 numbers in [0, 1)."""
        ...

    def normal(self, shape: Sequence[Any]) -> tf.Tensor:
        """Return float32 standard normal numbers."""
        ...


class _SeedGeneratorSource:
    """A `RandomSource` on a Keras `SeedGenerator`."""

    def __init__(self, seed_generator: keras.random.SeedGenerator) -> None:
        self._next = lambda: of_replica(tf.cast(seed_generator.next(), tf.int32))

    def uniform(self, shape: Sequence[Any]) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, seed=self._next())

    def normal(self, shape: Sequence[Any]) -> tf.Tensor:
        return tf.random.stateless_normal(shape, seed=self._next())


def _batch(images: Any, argument: str, penalty: str) -> tf.Tensor:
    if images is None:
        raise ValueError(f"{penalty} needs `{argument}` images. Received: {argument}=None")
    images = tf.cast(tf.convert_to_tensor(images), tf.float32)
    if images.shape.rank is not None and images.shape.rank < 2:
        raise ValueError(
            f"`{argument}` must be a batch of points (batch, n) or images (batch, h, w, c). "
            f"Received: shape {tuple(images.shape)}"
        )
    return images


def _squared_gradient_norm(critic: Critic, images: tf.Tensor) -> tf.Tensor:
    """Return |d sum(critic(x)) / dx|^2 for each sample, float32 `(batch,)`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        # Samples do not see each other, so the gradient of the batch's sum holds each sample's own.
        total = tf.reduce_sum(tf.cast(critic(images), tf.float32))
    gradient = tape.gradient(total, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return tf.reduce_sum(tf.square(gradient), axis=list(range(1, images.shape.rank)))


def _one_per_sample(images: tf.Tensor) -> list[Any]:
    return [tf.shape(images)[0]] + [1] * (images.shape.rank - 1)


class Penalty(Configurable):
    """Base class of the penalties.

    A subclass defines `compute(critic, real, fake, rng)`; constructor arguments are kept as
    attributes of the same names.

    Args:
        weight: factor that the trainer multiplies the penalty by, >= 0.
        interval: compute the penalty every `interval` steps only, an integer >= 1; the trainer
            multiplies it by `interval` in turn, and `lazy_adam` gives the optimizer's part.

    Attributes:
        name: snake_case, the name in the logs and for `get`.
        player: `"discriminator"` or `"generator"`: to whose loss the penalty is added.
        needs_variables: True if the trainer must call `build(network.trainable_variables)`, with
            the network of `player`, before the first step.
        variables: non-trainable state (list of `keras.Variable`) that a checkpoint must keep.
        over_replicas: True if `compute` reduces over the replicas of a strategy; the trainer then
            computes it in every step, whatever the interval: no branch can hold a reduction.
    """

    player: str = "discriminator"
    needs_variables: bool = False
    over_replicas: bool = False

    def __init__(self, weight: float = 1.0, interval: int = 1) -> None:
        self.weight = number("weight", weight, at_least=0)
        self.interval = whole_number("interval", interval, at_least=1)

    @property
    def keeps_state(self) -> bool:
        """Whether a call changes what the next one gives, but for random numbers of its own."""
        generator = getattr(self, "seed_generator", None)
        return any(generator is None or v is not generator.state for v in self.variables)

    def build(self, variables: Iterable[Any]) -> None:
        """Receive the trainable variables of the penalised network. Most need none."""

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        """Return the unweighted penalty, a float32 scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define `compute`.")

    def __call__(
        self, critic: Critic, real: Any, fake: Any, *, rng: RandomSource | None = None
    ) -> tf.Tensor:
        """Return the unweighted penalty.

        Args:
            critic: callable from float32 images to logits of shape `(batch, ...)`.
            real: real images `(batch, h, w, c)` or points `(batch, n)`; None where unused.
            fake: generated images, likewise. Their gradient is not blocked here.
            rng: random numbers (see the module); None uses the penalty's own.

        Returns:
            float32 scalar, neither weighted by `weight` nor by `interval`.

        Raises:
            ValueError: images missing, of too low a rank, or real and fake that should be
                interpolated and differ in shape.
        """
        if rng is None and getattr(self, "seed_generator", None) is not None:
            rng = _SeedGeneratorSource(self.seed_generator)
        return self.compute(critic, real, fake, rng)

    def _interpolate(self, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        real = _batch(real, "real", type(self).__name__)
        fake = _batch(fake, "fake", type(self).__name__)
        if not real.shape.is_compatible_with(fake.shape):
            raise ValueError(
                f"{type(self).__name__} interpolates between real and fake samples one by one and "
                f"needs equal shapes. Received: real {tuple(real.shape)}, fake {tuple(fake.shape)}"
            )
        weight = rng.uniform(_one_per_sample(real))
        return weight * real + (1.0 - weight) * fake


@register
class GradientPenalty(Penalty):
    """Gradient penalty of WGAN-GP, Gulrajani et al. (2017), equation 3.

        E[ (|grad_x D(x)| - target)^2 ],   x = e real + (1 - e) fake,   e ~ U[0, 1) per sample

    `one_sided=True` gives max(0, |grad| - target)^2 (their appendix; Petzka et al. 2018).

    Args:
        weight: lambda, >= 0 (the paper's 10).
        interval: see `Penalty`.
        target: the norm aimed at, >= 0.
        one_sided: punish only norms above the target.
        seed: int, makes the interpolation repeatable where no `rng` is handed over.

    Raises:
        ValueError: an argument out of range; see also `Penalty.__call__`.

    Example:

    >>> import numpy as np, tensorflow as tf
    >>> from keras_gan_zoo.losses import GradientPenalty
    >>> x = np.ones((8, 4), "float32")
    >>> penalty = GradientPenalty(weight=10.0, seed=0)(lambda x: tf.reduce_sum(x, axis=1), x, 0 * x)
    >>> round(float(penalty), 4)  # |(1, 1, 1, 1)| = 2
    1.0
    """

    name = "gradient_penalty"

    def __init__(
        self,
        weight: float = 10.0,
        interval: int = 1,
        *,
        target: float = 1.0,
        one_sided: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__(weight, interval)
        self.target = number("target", target, at_least=0)
        self.one_sided = bool(one_sided)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def points(self, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        """Return the float32 samples at which the gradient is taken."""
        return self._interpolate(real, fake, rng)

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        points = self.points(real, fake, rng)
        excess = tf.sqrt(_squared_gradient_norm(critic, points) + _EPSILON) - self.target
        return tf.reduce_mean(tf.square(tf.nn.relu(excess) if self.one_sided else excess))


@register
class DRAGAN(GradientPenalty):
    """DRAGAN, Kodali et al. (2017): the gradient penalty around the data only.

        E[ (|grad_x D(x)| - target)^2 ],   x = real + scale * std(real) * N(0, I)

    The paper perturbs with N(0, c I); as in its released code the size is relative to the
    standard deviation of the batch. (That code draws uniform noise in [0, 1) with scale .5 and
    then a uniform point between each image and the perturbed one: smaller steps, to one side.)
    Fake images are not used and may be None.

    Args:
        weight: lambda, >= 0 (the paper's 10).
        interval: see `Penalty`.
        target: k of the paper, >= 0.
        one_sided: punish only norms above the target.
        scale: size of the perturbation relative to std(real), > 0.
        seed: int, makes the perturbation repeatable where no `rng` is handed over.

    Raises:
        ValueError: an argument out of range.

    Example:

    >>> import numpy as np, tensorflow as tf
    >>> from keras_gan_zoo.losses import DRAGAN
    >>> x = np.eye(4, dtype="float32")
    >>> round(float(DRAGAN(seed=0)(lambda x: tf.reduce_sum(x, axis=1), x, None)), 4)
    1.0
    """

    name = "dragan"

    def __init__(
        self,
        weight: float = 10.0,
        interval: int = 1,
        *,
        target: float = 1.0,
        one_sided: bool = False,
        scale: float = 0.5,
        seed: int | None = None,
    ) -> None:
        super().__init__(weight, interval, target=target, one_sided=one_sided, seed=seed)
        self.scale = number("scale", scale, above=0)

    def points(self, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        real = _batch(real, "real", type(self).__name__)
        return real + self.scale * tf.math.reduce_std(real) * rng.normal(tf.shape(real))


@register
class R1(Penalty):
    """R1, Mescheder, Geiger and Nowozin (2018), equation 9.

        weight * E[ |grad_x D(real)|^2 / 2 ],   so that `weight` is the paper's gamma

    Fake images are not used and may be None.

    Args:
        weight: gamma, >= 0 (the paper's 10; its released code has 10 without the factor 1/2).
        interval: see `Penalty`; StyleGAN2 uses 16.

    Raises:
        ValueError: an argument out of range.

    Example:

    >>> import numpy as np, tensorflow as tf
    >>> from keras_gan_zoo.losses import R1
    >>> float(R1()(lambda x: 2.0 * x, np.ones((4, 1), "float32"), None))
    2.0
    """

    name = "r1"

    def __init__(self, weight: float = 10.0, interval: int = 1) -> None:
        super().__init__(weight, interval)

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        points = _batch(real, "real", type(self).__name__)
        return 0.5 * tf.reduce_mean(_squared_gradient_norm(critic, points))


@register
class R2(Penalty):
    """R2, Mescheder, Geiger and Nowozin (2018), equation 10: `R1` at the generated images.

        weight * E[ |grad_x D(fake)|^2 / 2 ]

    Real images are not used and may be None.

    Args:
        weight: gamma, >= 0.
        interval: see `Penalty`.

    Raises:
        ValueError: an argument out of range.

    Example:

    >>> import numpy as np, tensorflow as tf
    >>> from keras_gan_zoo.losses import R2
    >>> float(R2()(lambda x: 2.0 * x, None, np.ones((4, 1), "float32")))
    2.0
    """

    name = "r2"

    def __init__(self, weight: float = 10.0, interval: int = 1) -> None:
        super().__init__(weight, interval)

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        points = _batch(fake, "fake", type(self).__name__)
        return 0.5 * tf.reduce_mean(_squared_gradient_norm(critic, points))


@register
class ZeroCentered(Penalty):
    """Zero-centred gradient penalty on interpolates, Thanh-Tung, Tran and Venkatesh (2019).

        E[ |grad_x D(x)|^2 ],   x = e real + (1 - e) fake,   e ~ U[0, 1) per sample

    Without the factor 1/2 of `R1`.

    Args:
        weight: lambda, >= 0.
        interval: see `Penalty`.
        seed: int, makes the interpolation repeatable where no `rng` is handed over.

    Raises:
        ValueError: an argument out of range; see also `Penalty.__call__`.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.losses import ZeroCentered
    >>> x = np.ones((4, 1), "float32")
    >>> float(ZeroCentered()(lambda x: 2.0 * x, x, -x))
    4.0
    """

    name = "zero_centered"

    def __init__(self, weight: float = 10.0, interval: int = 1, *, seed: int | None = None) -> None:
        super().__init__(weight, interval)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        points = self._interpolate(real, fake, rng)
        return tf.reduce_mean(_squared_gradient_norm(critic, points))


@register
class Drift(Penalty):
    """Drift penalty of progressive GANs, Karras et al. (2018): keeps a critic near zero.

        E[ D(real)^2 ]

    Args:
        weight: epsilon_drift, >= 0 (the paper's 0.001).
        interval: see `Penalty`.

    Raises:
        ValueError: an argument out of range.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.losses import Drift
    >>> float(Drift()(lambda x: 3.0 * x, np.ones((4, 1), "float32"), None))
    9.0
    """

    name = "drift"

    def __init__(self, weight: float = 0.001, interval: int = 1) -> None:
        super().__init__(weight, interval)

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        return tf.reduce_mean(tf.square(tf.cast(critic(real), tf.float32)))


def _state(value: Any, name: str) -> keras.Variable:
    return keras.Variable(
        value, trainable=False, dtype="float32", autocast=False, aggregation="mean", name=name
    )


@register
class LeCam(Penalty):
    """LeCam regularisation for little data, Tseng et al. (2021).

        E[ (D(real) - a_fake)^2 ] + E[ (D(fake) - a_real)^2 ]

    with a_real, a_fake exponential moving averages of the mean logits. (The authors' code squares
    only the positive parts of D(real) - a_fake and a_real - D(fake).) Each call first moves the
    averages (the first call sets them), so a call changes state. Gradients do not pass through
    the averages. The critic is called with `real` and `fake` as they came: a trainer may hand
    over a critic that remembers the logits it has computed already.

    Args:
        weight: lambda, >= 0 (0.3 in the authors' scripts for BigGAN on CIFAR).
        interval: see `Penalty`; the averages move only when the penalty is computed. `GAN` takes
            1 only.
        decay: of the averages, in [0, 1); the authors take .99 with StyleGAN2, .9 with BigGAN.

    Attributes:
        ema_real, ema_fake, count: float32 `keras.Variable`s, the entries of `variables`. Under
            `tf.distribute` create the penalty in the strategy's scope.

    Raises:
        ValueError: an argument out of range.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.losses import LeCam
    >>> x = np.ones((4, 1), "float32")
    >>> float(LeCam()(lambda x: x, x, -x))  # (1 - -1)^2 + (-1 - 1)^2
    8.0
    """

    name = "lecam"

    def __init__(self, weight: float = 0.3, interval: int = 1, *, decay: float = 0.99) -> None:
        super().__init__(weight, interval)
        self.decay = number("decay", decay, at_least=0, below=1)
        self.ema_real = _state(0.0, "ema_real")
        self.ema_fake = _state(0.0, "ema_fake")
        self.count = _state(0.0, "count")

    @property
    def variables(self) -> list[keras.Variable]:
        return [self.ema_real, self.ema_fake, self.count]

    def compute(self, critic: Critic, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        real_logits = tf.cast(critic(real), tf.float32)
        fake_logits = tf.cast(critic(fake), tf.float32)
        decay = tf.where(tf.convert_to_tensor(self.count) > 0.0, self.decay, 0.0)
        for average, logits in ((self.ema_real, real_logits), (self.ema_fake, fake_logits)):
            mean = tf.stop_gradient(tf.reduce_mean(logits))
            average.assign(decay * tf.convert_to_tensor(average) + (1.0 - decay) * mean)
        self.count.assign_add(1.0)
        return tf.reduce_mean(
            tf.square(real_logits - tf.convert_to_tensor(self.ema_fake))
        ) + tf.reduce_mean(tf.square(fake_logits - tf.convert_to_tensor(self.ema_real)))


@register
class HistoricalAveraging(Penalty):
    """Historical averaging, Salimans et al. (2016), section 3.3, for either player.

        |theta - mean_i theta[i]|^2        summed over all parameters

    The mean runs over the values at `build` and at every call since; a call takes the distance
    from the mean of the *past* values first and then adds the present one, so a call changes
    state. `critic`, `real` and `fake` are not used and may be None.

    Args:
        weight: factor, >= 0.
        interval: see `Penalty`; history advances only when the penalty is computed. `GAN` takes
            1 only.
        player: `"discriminator"` or `"generator"`.

    Attributes:
        averages: float32 `keras.Variable`s, one for each variable, and `count`, how many values
            they average; together the entries of `variables`. Empty before `build`.

    Raises:
        ValueError: an argument out of range; a call before `build`; `build` twice with variables
            of other shapes.

    Example:

    >>> import keras
    >>> from keras_gan_zoo.losses import HistoricalAveraging
    >>> theta = keras.Variable([1.0, 2.0])
    >>> penalty = HistoricalAveraging()
    >>> penalty.build([theta])
    >>> _ = theta.assign([4.0, 6.0])
    >>> float(penalty(None, None, None))  # 3^2 + 4^2
    25.0
    """

    name = "historical_averaging"
    needs_variables = True

    def __init__(
        self, weight: float = 1.0, interval: int = 1, *, player: str = "discriminator"
    ) -> None:
        super().__init__(weight, interval)
        self.player = choice("player", player, ("discriminator", "generator"))
        self.averages: list[keras.Variable] = []
        self.count: keras.Variable | None = None
        self._watched: list[Any] = []

    @property
    def variables(self) -> list[keras.Variable]:
        return [] if self.count is None else [*self.averages, self.count]

    def build(self, variables: Iterable[Any]) -> None:
        """Start the history at the present values; a second call only swaps the variables.

        Args:
            variables: the trainable variables of the player's network, built already.
        """
        variables = list(variables)
        if self.count is None:
            self.averages = [
                _state(tf.cast(tf.convert_to_tensor(v), tf.float32), f"average_{i}")
                for i, v in enumerate(variables)
            ]
            self.count = _state(1.0, "count")
        elif [tuple(a.shape) for a in self.averages] != [tuple(v.shape) for v in variables]:
            raise ValueError(
                "HistoricalAveraging was built for variables of other shapes: use one object for "
                f"each network. Received: {[tuple(v.shape) for v in variables]}, built for "
                f"{[tuple(a.shape) for a in self.averages]}"
            )
        self._watched = variables

    def compute(
        self, critic: Critic | None, real: Any, fake: Any, rng: RandomSource | None
    ) -> tf.Tensor:
        if self.count is None:
            raise ValueError(
                "HistoricalAveraging does not know its network yet: call "
                "`penalty.build(network.trainable_variables)` first."
            )
        self.count.assign_add(1.0)
        step = 1.0 / tf.convert_to_tensor(self.count)
        total = tf.zeros(())
        for variable, average in zip(self._watched, self.averages, strict=True):
            present = tf.cast(tf.convert_to_tensor(variable), tf.float32)
            past = tf.convert_to_tensor(average)
            total += tf.reduce_sum(tf.square(present - past))
            average.assign(past + step * tf.stop_gradient(present - past))
        return total


@register
class FeatureMatching(Penalty):
    """Feature matching, Salimans et al. (2016), section 3.1: an objective of the generator.

        | E f(x) - E f(G(z)) |^2        f: the activations of a layer of the discriminator

    The mean runs over the minibatch (all replicas' parts of it), the squares are summed over all
    features. As in the paper it takes the place of the generator's adversarial loss, which is then
    only logged; `replaces_loss=False` adds it instead. A trainer's critic must take `features=`,
    the name of a layer, and return that layer's output: that of `GAN` does, whatever the model.

    Args:
        weight: factor, >= 0.
        interval: see `Penalty`.
        layer: name of the discriminator's layer; "" takes what its last layer takes.
        replaces_loss: the generator follows this objective alone.

    Raises:
        ValueError: an argument out of range; when called, real or fake images missing.

    Example:

    >>> import numpy as np
    >>> from keras_gan_zoo.losses import FeatureMatching
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    >>> float(FeatureMatching()(lambda x, features: x, x, x + 2.0))  # 2^2 + 2^2
    8.0
    """

    name = "feature_matching"
    player = "generator"
    over_replicas = True

    def __init__(
        self,
        weight: float = 1.0,
        interval: int = 1,
        *,
        layer: str = "",
        replaces_loss: bool = True,
    ) -> None:
        super().__init__(weight, interval)
        self.layer = str(layer)
        self.replaces_loss = bool(replaces_loss)

    def compute(self, critic: Any, real: Any, fake: Any, rng: RandomSource | None) -> tf.Tensor:
        means = []
        for images, argument in ((real, "real"), (fake, "fake")):
            images = _batch(images, argument, type(self).__name__)
            features = tf.cast(critic(images, features=self.layer), tf.float32)
            means.append(mean_over_batch(features, axis=0))
        return tf.reduce_sum(tf.square(means[0] - means[1]))


class Constraint(Configurable):
    """Base class of what is imposed on a network's variables after each of its optimizer steps.

    A subclass defines `apply(variables)`.

    Attributes:
        name: snake_case, the name for `get`.
        player: `"discriminator"` or `"generator"`: whose variables.
    """

    player: str = "discriminator"

    def apply(self, variables: Iterable[Any]) -> None:
        """Change the variables in place.

        Args:
            variables: the trainable variables of the player's network.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `apply`.")


@register
class WeightClipping(Constraint):
    """Weight clipping of WGAN, Arjovsky, Chintala and Bottou (2017), algorithm 1, line 7.

        w <- clip(w, -limit, limit)       after every critic step, biases included

    Args:
        limit: c of the paper, > 0.

    Raises:
        ValueError: limit not positive.

    Example:

    >>> import keras
    >>> from keras_gan_zoo.losses import WeightClipping
    >>> w = keras.Variable([-1.0, 0.005])
    >>> WeightClipping(0.01).apply([w])
    >>> w.numpy()
    array([-0.01 ,  0.005], dtype=float32)
    """

    name = "weight_clipping"

    def __init__(self, limit: float = 0.01) -> None:
        self.limit = number("limit", limit, above=0)

    def apply(self, variables: Iterable[Any]) -> None:
        for variable in variables:
            variable.assign(keras.ops.clip(variable, -self.limit, self.limit))


class LazyAdam(NamedTuple):
    """Adam's settings for a lazily penalised player."""

    learning_rate: float
    beta_1: float
    beta_2: float


def lazy_adam(learning_rate: float, beta_1: float, beta_2: float, interval: int) -> LazyAdam:
    """Correct Adam for a penalty that is computed every `interval` steps.

    With k = interval and c = k / (k + 1): learning rate c * lr, betas beta^c (Karras et al. 2020,
    "StyleGAN2"). There the main loss and the penalty are stepped *separately*, k + 1
    steps instead of k; the correction keeps the pace and the memory of the optimizer. The
    penalty itself is multiplied by k. interval = 1 stands for no lazy penalty and changes nothing.

    Args:
        learning_rate: > 0.
        beta_1: in [0, 1).
        beta_2: in [0, 1).
        interval: an integer >= 1.

    Returns:
        `(learning_rate, beta_1, beta_2)`, a named tuple of floats.

    Raises:
        ValueError: an argument out of range.

    Example:

    >>> from keras_gan_zoo.losses import lazy_adam
    >>> rate, _, _ = lazy_adam(0.0017, 0.0, 0.99, interval=16)
    >>> round(rate, 7)  # 0.0017 * 16 / 17
    0.0016
    """
    learning_rate = number("learning_rate", learning_rate, above=0)
    beta_1 = number("beta_1", beta_1, at_least=0, below=1)
    beta_2 = number("beta_2", beta_2, at_least=0, below=1)
    interval = whole_number("interval", interval, at_least=1)
    c = 1.0 if interval == 1 else interval / (interval + 1.0)
    return LazyAdam(learning_rate * c, beta_1**c, beta_2**c)


_NAMES: dict[str, tuple[type[Configurable], dict[str, Any]]] = {
    cls.name: (cls, {})
    for cls in (
        GradientPenalty,
        DRAGAN,
        R1,
        R2,
        ZeroCentered,
        Drift,
        LeCam,
        HistoricalAveraging,
        FeatureMatching,
        WeightClipping,
    )
}


def names() -> list[str]:
    """Return the sorted names that `get` knows: penalties and constraints."""
    return sorted(_NAMES)


def get(identifier: Any) -> "Penalty | Constraint":
    """Return a `Penalty` or `Constraint` from a name, a config or an object.

    Args:
        identifier: one of `names()`; `{"class_name": ..., "config": {...}}`, with a name or a class
            name, or what `serialize` returned; or an object, which is returned as it is.

    Raises:
        ValueError: unknown name (the message has the nearest), or something else altogether.

    Example:

    >>> from keras_gan_zoo.losses import penalties
    >>> penalties.get("r1")
    R1(weight=10.0, interval=1)
    """
    return resolve(identifier, _NAMES, (Penalty, Constraint), "penalty")

"""Every loss against its paper's formula: values, gradients, shapes, dtypes, configs."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo import losses, theory
from keras_gan_zoo.losses import divergences

LOG2 = math.log(2.0)
F_NAMES = [f"f_{name}" for name in divergences.names()]
ALPHAS = (-3.0, -1.0, 0.1, 0.9, 1.1, 2.0, 5.0)
CASES = (
    [losses.get(name) for name in losses.names()]
    + [losses.RelativisticAverage(base) for base in ("least_squares", "hinge")]
    + [losses.FDivergence("alpha", alpha=a) for a in ALPHAS]
    + [losses.FDivergence(n, generator_objective="non_saturating") for n in divergences.names()]
    + [losses.NonSaturating(label_smoothing=0.1, fake_smoothing=0.2)]
    + [losses.Minimax(label_noise=0.3, flip=0.2, seed=1)]
)
each_loss = pytest.mark.parametrize("loss", CASES, ids=repr)


def softplus(v):
    return np.logaddexp(0.0, v)


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def both(loss, real, fake):
    real, fake = np.float32(real), np.float32(fake)
    return (
        loss.discriminator_loss(real, fake).numpy(),
        loss.generator_loss(fake, real_logits=real).numpy(),
    )


def test_names_are_those_of_the_issue():
    assert losses.names() == sorted(
        [
            "minimax",
            "non_saturating",
            "least_squares",
            "wasserstein",
            "hinge",
            "relativistic_average",
            "relativistic",
            "energy",
            "began",
            *F_NAMES,
        ]
    )
    assert len(F_NAMES) == 9
    for name in losses.names():
        assert losses.get(name).name == name


@pytest.mark.parametrize(
    "loss, discriminator, generator",
    [
        ("minimax", 2 * LOG2, -LOG2),
        ("non_saturating", 2 * LOG2, LOG2),
        ("hinge", 2.0, 0.0),
        ("relativistic", LOG2, LOG2),
        ("relativistic_average", 2 * LOG2, 2 * LOG2),
        ("least_squares", 0.5, 0.5),
        ("wasserstein", 0.0, 0.0),
        ("energy", 1.0, 0.0),
        ("began", 0.0, 0.0),
        ("f_kl", math.exp(-1), -math.exp(-1)),
        ("f_reverse_kl", 0.0, 1.0),
        ("f_pearson", 0.0, 0.0),
        ("f_neyman", 0.0, 0.0),
        ("f_squared_hellinger", 0.0, 0.0),
        ("f_jensen_shannon", 0.0, 0.0),
        ("f_gan", 2 * LOG2, -LOG2),
        ("f_total_variation", 0.0, 0.0),
        ("f_alpha", 0.0, 0.0),
    ],
)
def test_values_at_zero_logits(loss, discriminator, generator):
    d, g = both(losses.get(loss), [0.0], [0.0])
    assert d[0] == pytest.approx(discriminator, abs=1e-6)
    assert g[0] == pytest.approx(generator, abs=1e-6)


def test_softplus_of_one():
    assert float(losses.NonSaturating().generator_loss([1.0])[0]) == pytest.approx(0.3132617)
    assert float(losses.NonSaturating().generator_loss([-1.0])[0]) == pytest.approx(1.3132617)


REAL = np.array([1.5, -0.5, 3.0, 0.2])
FAKE = np.array([-2.0, 0.7, 1.2, -0.3])


@pytest.mark.parametrize(
    "loss, discriminator, generator",
    [
        (losses.Minimax(), softplus(-REAL) + softplus(FAKE), -softplus(FAKE)),
        (losses.NonSaturating(), softplus(-REAL) + softplus(FAKE), softplus(-FAKE)),
        (
            losses.NonSaturating(label_smoothing=0.1, fake_smoothing=0.05),
            -0.9 * np.log(sigmoid(REAL))
            - 0.1 * np.log(1 - sigmoid(REAL))
            - 0.05 * np.log(sigmoid(FAKE))
            - 0.95 * np.log(1 - sigmoid(FAKE)),
            softplus(-FAKE),
        ),
        (
            losses.LeastSquares(),
            0.5 * (REAL - 1) ** 2 + 0.5 * FAKE**2,
            0.5 * (FAKE - 1) ** 2,
        ),
        (
            losses.LeastSquares(a=-1, b=1, c=0),
            0.5 * (REAL - 1) ** 2 + 0.5 * (FAKE + 1) ** 2,
            0.5 * FAKE**2,
        ),
        (losses.Wasserstein(), FAKE - REAL, -FAKE),
        (losses.Hinge(), np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
        (losses.Relativistic(), softplus(FAKE - REAL), softplus(REAL - FAKE)),
        (
            losses.RelativisticAverage(),
            softplus(-(REAL - FAKE.mean())) + softplus(FAKE - REAL.mean()),
            softplus(-(FAKE - REAL.mean())) + softplus(REAL - FAKE.mean()),
        ),
        (
            losses.RelativisticAverage("least_squares"),
            (REAL - FAKE.mean() - 1) ** 2 + (FAKE - REAL.mean() + 1) ** 2,
            (FAKE - REAL.mean() - 1) ** 2 + (REAL - FAKE.mean() + 1) ** 2,
        ),
        (
            losses.RelativisticAverage("hinge"),
            np.maximum(0, 1 - REAL + FAKE.mean()) + np.maximum(0, 1 + FAKE - REAL.mean()),
            np.maximum(0, 1 - FAKE + REAL.mean()) + np.maximum(0, 1 + REAL - FAKE.mean()),
        ),
        (losses.Energy(margin=1.0), REAL + np.maximum(0, 1 - FAKE), FAKE),
        (losses.FDivergence("gan"), softplus(-REAL) + softplus(FAKE), -softplus(FAKE)),
        (
            losses.FDivergence("gan", generator_objective="non_saturating"),
            softplus(-REAL) + softplus(FAKE),
            softplus(-FAKE),
        ),
        (losses.FDivergence("kl"), -REAL + np.exp(FAKE - 1), -np.exp(FAKE - 1)),
        (losses.FDivergence("reverse_kl"), np.exp(-REAL) + FAKE - 1, 1 - FAKE),
        (losses.FDivergence("pearson"), -REAL + FAKE**2 / 4 + FAKE, -(FAKE**2) / 4 - FAKE),
        (
            losses.FDivergence("neyman"),
            np.exp(-REAL) - 1 + 2 - 2 * np.exp(-FAKE / 2),
            2 * np.exp(-FAKE / 2) - 2,
        ),
        (
            losses.FDivergence("squared_hellinger"),
            np.exp(-REAL) - 1 + np.exp(FAKE) - 1,
            1 - np.exp(FAKE),
        ),
        (
            losses.FDivergence("jensen_shannon"),
            softplus(-REAL) + softplus(FAKE) - 2 * LOG2,
            LOG2 - softplus(FAKE),
        ),
        (
            losses.FDivergence("total_variation"),
            0.5 * np.tanh(FAKE) - 0.5 * np.tanh(REAL),
            -0.5 * np.tanh(FAKE),
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, losses.Loss) else "",
)
def test_formulas(loss, discriminator, generator):
    d, g = both(loss, REAL, FAKE)
    np.testing.assert_allclose(d, discriminator, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(g, generator, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    "loss, d_real, d_fake, generator",
    [
        ("minimax", lambda v: -sigmoid(-v), sigmoid, lambda v: -sigmoid(v)),
        ("non_saturating", lambda v: -sigmoid(-v), sigmoid, lambda v: -sigmoid(-v)),
        ("wasserstein", lambda v: -np.ones_like(v), np.ones_like, lambda v: -np.ones_like(v)),
        ("least_squares", lambda v: v - 1, lambda v: v, lambda v: v - 1),
        ("hinge", lambda v: -1.0 * (v < 1), lambda v: 1.0 * (v > -1), lambda v: -np.ones_like(v)),
        ("energy", np.ones_like, lambda v: -(v < 1.0).astype(float), np.ones_like),
        (
            "f_kl",
            lambda v: -np.ones_like(v),
            lambda v: np.exp(v - 1),
            lambda v: -np.exp(v - 1),
        ),
        ("f_reverse_kl", lambda v: -np.exp(-v), np.ones_like, lambda v: -np.ones_like(v)),
        ("f_neyman", lambda v: -np.exp(-v), lambda v: np.exp(-v / 2), lambda v: -np.exp(-v / 2)),
        ("f_squared_hellinger", lambda v: -np.exp(-v), np.exp, lambda v: -np.exp(v)),
        ("f_jensen_shannon", lambda v: -sigmoid(-v), sigmoid, lambda v: -sigmoid(v)),
    ],
)
def test_gradients(loss, d_real, d_fake, generator):
    loss = losses.get(loss)
    real, fake = tf.constant(REAL, tf.float32), tf.constant(FAKE, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        d, g = loss.discriminator_loss(real, fake), loss.generator_loss(fake)
    np.testing.assert_allclose(tape.gradient(d, real), d_real(REAL), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(d, fake), d_fake(FAKE), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(g, fake), generator(FAKE), rtol=2e-6, atol=1e-6)


def test_relativistic_gradients():
    real, fake = tf.constant(REAL, tf.float32), tf.constant(FAKE, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(real)
        d = losses.Relativistic().discriminator_loss(real, fake)
    np.testing.assert_allclose(tape.gradient(d, real), -sigmoid(FAKE - REAL), rtol=1e-6)
    # Average: the mean of the other half carries a gradient too.
    with tf.GradientTape() as tape:
        tape.watch(real)
        d = losses.RelativisticAverage().discriminator_loss(real, fake)
    expected = -sigmoid(-(REAL - FAKE.mean())) - sigmoid(FAKE - REAL.mean()).mean()
    np.testing.assert_allclose(tape.gradient(d, real), expected, rtol=1e-5)


@each_loss
def test_finite_for_logits_up_to_50(loss):
    grid = np.linspace(-50, 50, 201).astype("float32")
    fake, real = (tf.constant(a.ravel()) for a in np.meshgrid(grid, grid))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        d = loss.discriminator_loss(real, fake)
        g = loss.generator_loss(fake, real_logits=real)
    values = [d, g, *tape.gradient(d, [real, fake]), tape.gradient(g, fake)]
    for value in values:
        assert np.all(np.isfinite(value))


@pytest.mark.parametrize("name", F_NAMES)
def test_f_losses_match_float64_for_logits_up_to_50(name):
    loss = losses.get(name)
    row = divergences.get(name.removeprefix("f_"))
    v = np.linspace(-50, 50, 101)
    d, g = both(loss, v, v)
    np.testing.assert_allclose(
        d, row.conjugate_of_activation(v) - row.activation(v), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(g, -row.conjugate_of_activation(v), rtol=1e-5, atol=1e-5)


@each_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(loss, dtype):
    real, fake = (tf.cast(tf.constant(v), dtype) for v in ([1.0, 2.0], [-1.0, 0.5]))
    for value in (loss.discriminator_loss(real, fake), loss.generator_loss(fake, real)):
        assert value.dtype == "float32"
        assert value.shape == (2,)


def test_half_precision_logits_are_computed_in_float32():
    d = losses.get("f_kl").discriminator_loss(np.float16([20.0]), np.float16([20.0]))
    assert float(d[0]) == pytest.approx(math.exp(19) - 20, rel=1e-6)  # far beyond float16


@each_loss
@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 5, 4, 1)])
def test_per_example_shapes(loss, shape):
    if getattr(loss, "seed_generator", None) is not None:
        pytest.skip("random targets")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, *shape)).astype("float32")
    d, g = both(loss, real, fake)
    assert d.shape == g.shape == (3,)
    if loss.name == "relativistic_average":
        return  # its means run over the patches too
    # The elementwise loss is averaged, not the logits.
    flat_d, flat_g = both(loss, real.ravel(), fake.ravel())
    np.testing.assert_allclose(d, flat_d.reshape(3, -1).mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(g, flat_g.reshape(3, -1).mean(1), rtol=1e-5, atol=1e-6)


@each_loss
def test_column_against_vector_does_not_broadcast(loss):
    real, fake = np.zeros((4, 1), "float32"), np.zeros(4, "float32")
    if loss.name == "relativistic":
        with pytest.raises(ValueError, match="equal shapes"):
            loss.discriminator_loss(real, fake)
    else:
        assert loss.discriminator_loss(real, fake).shape == (4,)


@each_loss
def test_batches_of_different_sizes(loss):
    if getattr(loss, "seed_generator", None) is not None:
        pytest.skip("random targets")
    real, fake = np.float32([1.0, -2.0, 0.5, 3.0]), np.float32([0.3, -0.7])
    if loss.name == "relativistic":
        with pytest.raises(ValueError, match="RelativisticAverage"):
            loss.discriminator_loss(real, fake)
        return
    d = loss.discriminator_loss(real, fake)
    same = loss.discriminator_loss(real, np.tile(fake, 2))
    assert d.shape == (4,)
    assert float(tf.reduce_mean(d)) == pytest.approx(float(tf.reduce_mean(same)), rel=1e-5)


@each_loss
def test_in_a_graph_with_unknown_batch(loss):
    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 1]), tf.TensorSpec([None, 2, 2, 1])])
    def step(real, fake):
        return loss.discriminator_loss(real, fake), loss.generator_loss(fake, real)

    d, g = step(tf.zeros((3, 2, 2, 1)), tf.ones((3, 2, 2, 1)))
    assert d.shape == g.shape == (3,)


@each_loss
def test_needs_real_says_what_to_do(loss):
    if loss.needs_real:
        with pytest.raises(ValueError, match="real_logits="):
            loss.generator_loss(np.zeros(2, "float32"))
    else:
        assert loss.generator_loss(np.zeros(2, "float32")).shape == (2,)
    assert loss.needs_real == (loss.name in ("relativistic", "relativistic_average"))


@each_loss
def test_scalar_logits_are_refused(loss):
    with pytest.raises(ValueError, match="batch axis"):
        loss.discriminator_loss(np.float32(0.0), np.float32(0.0))


@each_loss
def test_config_round_trip(loss):
    config = loss.get_config()
    json.dumps(config)
    again = type(loss).from_config(config)
    assert again == loss and hash(again) == hash(loss) and repr(again) == repr(loss)
    assert losses.get(losses.serialize(loss)) == loss
    assert losses.get({"class_name": type(loss).__name__, "config": config}) == loss
    assert losses.get({"class_name": loss.name, "config": config}) == loss
    assert losses.get(loss) is loss
    keras_way = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert keras_way == loss
    assert eval(repr(loss), vars(losses) | {type(loss).__name__: type(loss)}) == loss


def test_equality_is_by_type_and_config():
    assert losses.LeastSquares(a=-1) != losses.LeastSquares()
    assert losses.get("wasserstein") != losses.get("hinge")
    assert losses.get("hinge") != "hinge"


def test_get_errors():
    with pytest.raises(ValueError, match="wasserstein"):
        losses.get("waserstein")
    with pytest.raises(ValueError, match="f_reverse_kl"):
        losses.get("reverse_kl")
    with pytest.raises(ValueError, match="Unknown loss 'Hing'"):
        losses.get({"class_name": "Hing", "config": {}})
    with pytest.raises(ValueError, match="a name, a config dict"):
        losses.get(3)


def test_a_loss_of_the_users_own():
    @keras.saving.register_keras_serializable(package="test_adversarial")
    class Linear(losses.Loss):
        name = "linear"

        def __init__(self, slope=1.0):
            self.slope = slope

        def real_term(self, logits):
            return -self.slope * logits

        def fake_term(self, logits):
            return self.slope * logits

        def generator_term(self, logits):
            return -self.slope * logits

    assert losses.get(losses.serialize(Linear(slope=2.0))) == Linear(slope=2.0)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: losses.Energy(margin=0), "`margin` must be a finite number > 0"),
        (lambda: losses.Energy(margin=math.nan), "finite"),
        (lambda: losses.LeastSquares(a=1, b=1), "must differ"),
        (lambda: losses.LeastSquares(c=math.inf), "`c` must be a finite number"),
        (lambda: losses.BoundaryEquilibrium(gamma=0), "`gamma` .* > 0 and <= 1"),
        (lambda: losses.BoundaryEquilibrium(gamma=1.1), "`gamma` .* > 0 and <= 1"),
        (lambda: losses.BoundaryEquilibrium(lambda_k=0), "`lambda_k`"),
        (lambda: losses.NonSaturating(label_smoothing=0.5), "`label_smoothing` .* >= 0 and < 0.5"),
        (lambda: losses.NonSaturating(fake_smoothing=-0.1), "`fake_smoothing`"),
        (lambda: losses.Minimax(label_noise=1.5), "`label_noise` .* >= 0 and <= 1"),
        (lambda: losses.Minimax(flip=0.6), "`flip` .* >= 0 and <= 0.5"),
        (lambda: losses.RelativisticAverage("lsgan"), "'least_squares'"),
        (lambda: losses.FDivergence("pearsn"), "'pearson'"),
        (lambda: losses.FDivergence("alpha", alpha=1), "other than 0"),
        (lambda: losses.FDivergence("kl", alpha=0.3), "'alpha' only"),
        (lambda: losses.FDivergence(generator_objective="max"), "generator_objective"),
    ],
)
def test_ranges(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# --- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [losses.Minimax, losses.NonSaturating])
@pytest.mark.parametrize("smoothing, fake_target", [(0.0, 0.0), (0.1, 0.0), (0.2, 0.3)])
def test_label_smoothing_moves_the_optimal_discriminator(cls, smoothing, fake_target):
    """The best logit at a point where the densities are p and q gives D* = (a p + b q)/(p + q)."""
    loss = cls(label_smoothing=smoothing, fake_smoothing=fake_target)
    p, q = np.float32([0.3, 0.5, 0.9]), np.float32([0.7, 0.5, 0.2])
    best = (p * (1 - smoothing) + q * fake_target) / (p + q)
    low, high = np.full(3, -20.0), np.full(3, 20.0)
    for _ in range(40):  # bisection on the derivative of the convex p L_real(v) + q L_fake(v)
        v = tf.constant((low + high) / 2, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(v)
            total = p * loss.real_term(v) + q * loss.fake_term(v)
        rising = tape.gradient(total, v).numpy() > 0
        low, high = np.where(rising, low, v), np.where(rising, v, high)
    np.testing.assert_allclose(sigmoid(low), best, atol=1e-5)
    expected = theory.optimal_discriminator(p, q, real_label=1 - smoothing, fake_label=fake_target)
    np.testing.assert_allclose(best, expected, rtol=1e-6)


def test_noisy_targets_stay_inside_zero_and_one():
    loss = losses.NonSaturating(label_smoothing=0.1, label_noise=0.3, flip=0.05, seed=3)
    logits = tf.zeros((4000, 2, 2, 1))
    targets = loss.targets(logits, 0.9)
    assert targets.shape == (4000, 1, 1, 1)  # one label per example
    targets = targets.numpy()
    assert targets.max() == 1.0 and targets.min() >= 0.0
    assert np.mean(targets < 0.5) == pytest.approx(0.05, abs=0.015)  # flipped ones
    assert not np.allclose(targets, loss.targets(logits, 0.9))
    # The cross-entropy of a logit with targets in [0, 1] is never negative.
    assert float(tf.reduce_min(loss.discriminator_loss(logits + 9.0, logits - 9.0))) >= 0.0


def test_label_noise_is_repeatable_and_its_state_is_listed():
    first, second = (losses.Minimax(label_noise=0.2, seed=5) for _ in range(2))
    z = np.zeros(6, "float32") + 2
    np.testing.assert_array_equal(first.discriminator_loss(z, z), second.discriminator_loss(z, z))
    assert first.variables == [first.seed_generator.state]
    assert losses.Minimax().variables == []
    # Restoring the state repeats the numbers.
    state = first.seed_generator.state.numpy()
    once = first.discriminator_loss(z, z).numpy()
    first.seed_generator.state.assign(state)
    np.testing.assert_array_equal(first.discriminator_loss(z, z), once)


def test_noise_differs_between_calls_of_a_graph():
    loss = losses.NonSaturating(label_noise=0.5, seed=0)
    step = tf.function(lambda v: loss.discriminator_loss(v, v))
    v = tf.fill([8], 2.0)
    assert not np.allclose(step(v), step(v))


# --- BEGAN ------------------------------------------------------------------------------------


def test_began_controller():
    loss = losses.BoundaryEquilibrium(gamma=0.5, lambda_k=0.1)
    assert loss.variables == [loss.k] and loss.k.dtype == "float32" and not loss.k.trainable
    k = loss.update(np.float32([1.0, 3.0]), np.float32([0.5]))  # 0 + .1 (.5 * 2 - .5)
    assert float(k) == pytest.approx(0.05)
    d = loss.discriminator_loss(np.float32([2.0]), np.float32([4.0]))
    assert float(d[0]) == pytest.approx(2.0 - 0.05 * 4.0)
    assert float(loss.convergence([2.0], [0.25])) == pytest.approx(2.0 + abs(1.0 - 0.25))
    for _ in range(50):
        loss.update([10.0], [0.0])
    assert float(loss.k.numpy()) == 1.0
    for _ in range(50):
        loss.update([0.0], [10.0])
    assert float(loss.k.numpy()) == 0.0


def test_began_controller_in_a_graph():
    loss = losses.BoundaryEquilibrium(gamma=0.5, lambda_k=0.1)

    @tf.function
    def step(real, fake):
        d = loss.discriminator_loss(real, fake)
        return d, loss.update(real, fake)

    one = tf.ones((2, 1))
    np.testing.assert_allclose(step(4 * one, one)[0], 4.0)
    d, k = step(4 * one, one)
    np.testing.assert_allclose(d, 4.0 - 0.1, rtol=1e-6)
    assert float(k) == pytest.approx(0.2)


def test_update_is_harmless_elsewhere():
    assert losses.get("hinge").update([0.0], [0.0]) is None


# --- bounds -----------------------------------------------------------------------------------

TRUE = {
    "kl": 0.5,
    "reverse_kl": 0.5,
    "pearson": math.e - 1,
    "neyman": math.e - 1,
    "squared_hellinger": 2 - 2 * math.exp(-1 / 8),
    "jensen_shannon": 0.222843,
    "gan": -1.163451,
    "total_variation": math.erf(0.5 / math.sqrt(2)),
    "alpha": (math.exp(-1 / 8) - 1) / -0.25,
}


@pytest.mark.parametrize("name", divergences.names())
def test_a_trained_critic_reaches_the_divergence(name):
    """Issue 3: N(0, 1) against N(1, 1), within 5 %, by gradient descent on the loss."""
    loss = losses.FDivergence(name)
    x = np.linspace(-6, 7, 261)
    p, q = (theory.gaussian(x, m, 1) * (x[1] - x[0]) for m in (0, 1))
    p, q, features = np.float32(p), np.float32(q), np.float32(np.stack([np.ones_like(x), x], 1))
    rng = np.random.default_rng(0)
    hidden = tf.Variable(rng.normal(size=(2, 32)), dtype="float32")
    output = tf.Variable(0.1 * rng.normal(size=(33, 1)), dtype="float32")
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build([hidden, output])

    @tf.function
    def descend(steps):
        bound = 0.0
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                h = tf.concat([tf.tanh(features @ hidden), features[:, :1]], axis=1)
                v = (h @ output)[:, 0]
                total = tf.reduce_sum(p * loss.real_term(v)) + tf.reduce_sum(q * loss.fake_term(v))
            gradients = tape.gradient(total, [hidden, output])
            optimizer.apply(gradients, [hidden, output])
            bound = -total
        return bound

    bound = float(descend(tf.constant(400)))
    assert bound == pytest.approx(TRUE[name], rel=0.05)
    assert bound <= TRUE[name] + 1e-4  # it is a lower bound

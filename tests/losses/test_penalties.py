"""Penalties and constraints against closed forms."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo import losses
from keras_gan_zoo.losses import penalties

W = np.float32([[1.0], [-2.0], [0.5]])
NORM = float(np.linalg.norm(W))
RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(2, 6, 3)).astype("float32")
CASES = [penalties.get(name) for name in penalties.names()] + [
    losses.GradientPenalty(3.0, 4, target=2.0, one_sided=True, seed=1),
    losses.DRAGAN(scale=0.1),
    losses.LeCam(decay=0.5),
    losses.HistoricalAveraging(player="generator"),
]
GRADIENT = ["gradient_penalty", "dragan", "r1", "r2", "zero_centered"]


def linear(x):
    return x @ W


class Recorder:
    """A source of random numbers that remembers which shapes were asked for."""

    def __init__(self, seed=0):
        self.numbers = np.random.default_rng(seed)
        self.shapes = []

    def _keep(self, kind, shape):
        shape = tuple(int(n) for n in shape)
        self.shapes.append((kind, shape))
        return shape

    def uniform(self, shape):
        return tf.constant(self.numbers.uniform(size=self._keep("uniform", shape)), tf.float32)

    def normal(self, shape):
        return tf.constant(self.numbers.normal(size=self._keep("normal", shape)), tf.float32)


@pytest.mark.parametrize(
    "penalty, expected",
    [
        (losses.GradientPenalty(), (NORM - 1) ** 2),
        (losses.GradientPenalty(target=0.3), (NORM - 0.3) ** 2),
        (losses.GradientPenalty(target=3.0), (NORM - 3) ** 2),
        (losses.GradientPenalty(one_sided=True), (NORM - 1) ** 2),
        (losses.GradientPenalty(target=3.0, one_sided=True), 0.0),
        (losses.DRAGAN(), (NORM - 1) ** 2),
        (losses.R1(), 0.5 * NORM**2),
        (losses.R2(), 0.5 * NORM**2),
        (losses.ZeroCentered(), NORM**2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("batch", [1, 6])
def test_linear_critic(penalty, expected, batch):
    value = penalty(linear, REAL[:batch], FAKE[:batch])
    assert value.dtype == "float32" and value.shape == ()
    assert float(value) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "penalty, gradient",
    [
        (losses.GradientPenalty(), 2 * (NORM - 1) * W / NORM),
        (losses.GradientPenalty(target=3.0, one_sided=True), 0 * W),
        (losses.DRAGAN(target=0.5), 2 * (NORM - 0.5) * W / NORM),
        (losses.R1(), W),
        (losses.R2(), W),
        (losses.ZeroCentered(), 2 * W),
    ],
    ids=repr,
)
@pytest.mark.parametrize("graph", [False, True])
def test_gradient_with_respect_to_the_critics_weights(penalty, gradient, graph):
    w = tf.Variable(W)

    def step():
        with tf.GradientTape() as tape:
            value = penalty(lambda x: x @ w, REAL, FAKE)
        return tape.gradient(value, w)

    found = (tf.function(step) if graph else step)()
    np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("player, points", [("r1", REAL), ("r2", FAKE)])
def test_quadratic_critic(player, points):
    """D(x) = a |x|^2 / 2: gradient a x, so R = a^2 E|x|^2 / 2 and dR/da = a E|x|^2."""
    a = tf.Variable(1.7)
    with tf.GradientTape() as tape:
        value = penalties.get(player)(lambda x: 0.5 * a * tf.reduce_sum(x**2, axis=1), REAL, FAKE)
    second_moment = np.mean(np.sum(points**2, axis=1))
    assert float(value) == pytest.approx(0.5 * 1.7**2 * second_moment, rel=1e-5)
    assert float(tape.gradient(value, a)) == pytest.approx(1.7 * second_moment, rel=1e-5)


def test_gradient_penalty_of_a_quadratic_critic_at_known_points():
    """With the weight e of each sample known, x = e real + (1 - e) fake and |grad| = |x|."""
    e = Recorder(seed=4).uniform((6, 1)).numpy()
    x = e * REAL + (1 - e) * FAKE
    value = losses.GradientPenalty()(
        lambda x: 0.5 * tf.reduce_sum(x**2, axis=1), REAL, FAKE, rng=Recorder(seed=4)
    )
    expected = np.mean((np.linalg.norm(x, axis=1) - 1) ** 2)
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_norm_is_per_sample(batch):
    """A critic of slope 1 costs nothing, whatever the batch size."""
    x = RNG.normal(size=(batch, 4, 4, 3)).astype("float32")
    slope = tf.constant(np.full((4, 4, 3), 1 / math.sqrt(48)), tf.float32)
    value = losses.GradientPenalty()(lambda x: tf.reduce_sum(slope * x, axis=[1, 2, 3]), x, -x)
    assert float(value) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
def test_critic_with_zero_gradient(name):
    w = tf.Variable(tf.zeros((3, 1)))
    with tf.GradientTape() as tape:
        value = penalties.get(name)(lambda x: x @ w, REAL, FAKE)
    assert float(value) == pytest.approx(1.0, abs=1e-4)
    assert np.all(np.isfinite(tape.gradient(value, w)))


@pytest.mark.parametrize("name", GRADIENT)
def test_constant_critic_is_not_an_error(name):
    value = penalties.get(name)(lambda x: tf.ones((6, 1)), REAL, FAKE)
    expected = 1.0 if name in ("gradient_penalty", "dragan") else 0.0
    assert float(value) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["gradient_penalty", "zero_centered"])
@pytest.mark.parametrize("shape", [(5, 2), (5, 4, 4, 3)])
def test_interpolation_is_on_the_segment_with_one_uniform_per_sample(name, shape):
    real, fake = RNG.normal(size=(2, *shape)).astype("float32")
    seen = []

    def critic(x):
        seen.append(x)
        return tf.reduce_sum(x, axis=list(range(1, len(shape))))

    rng = Recorder()
    penalties.get(name)(critic, real, fake, rng=rng)
    assert rng.shapes == [("uniform", (5,) + (1,) * (len(shape) - 1))]
    weight = (seen[0].numpy() - fake) / (real - fake)
    for w in weight.reshape(5, -1):
        np.testing.assert_allclose(w, np.median(w), atol=2e-2)
        assert 0 <= np.median(w) < 1
    assert np.ptp(np.median(weight.reshape(5, -1), axis=1)) > 0.05


def test_dragan_perturbs_the_data():
    seen = []

    def critic(x):
        seen.append(x)
        return x

    data = 3.0 * RNG.normal(size=(4000, 2)).astype("float32")
    losses.DRAGAN(scale=0.5, seed=0)(critic, data, None)
    noise = seen[0].numpy() - data
    assert noise.std() == pytest.approx(1.5, rel=0.05)
    assert noise.mean() == pytest.approx(0.0, abs=0.05)
    assert abs(np.corrcoef(noise.ravel(), data.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("name", GRADIENT)
def test_patch_logits_are_summed(name):
    """Two patches of slope w are one critic of slope 2 w."""
    once = penalties.get(name)(lambda x: 2 * linear(x), REAL, FAKE)
    patches = penalties.get(name)(
        lambda x: tf.reshape(tf.repeat(linear(x), 2, axis=1), (-1, 2, 1, 1)), REAL, FAKE
    )
    assert float(patches) == pytest.approx(float(once), rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", GRADIENT)
def test_reduced_precision_critic(name, policy):
    layer = keras.layers.Dense(1, use_bias=False, dtype=policy)
    layer.build((None, 3))
    layer.kernel.assign(W)
    seen = []

    def critic(x):
        seen.append(x.dtype)
        return layer(x)

    real = tf.cast(REAL, policy.removeprefix("mixed_"))
    value = penalties.get(name)(critic, real, FAKE)
    assert value.dtype == "float32" and seen == [tf.float32]
    exact = penalties.get(name)(linear, REAL, FAKE)
    assert float(value) == pytest.approx(float(exact), rel=1e-2)


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan", "zero_centered"])
def test_own_randomness(name):
    def critic(x):
        return tf.reduce_sum(x**2, axis=1)

    first, second = (type(penalties.get(name))(seed=7) for _ in range(2))
    once = float(first(critic, REAL, FAKE))
    assert once == float(second(critic, REAL, FAKE))
    assert once != float(first(critic, REAL, FAKE))
    assert first.variables == [first.seed_generator.state]
    step = tf.function(lambda: first(critic, REAL, FAKE))
    assert float(step()) != float(step())


def test_dynamic_batch():
    @tf.function(input_signature=[tf.TensorSpec([None, 3])] * 2)
    def step(real, fake):
        return [penalties.get(name)(linear, real, fake) for name in ("r1", "r2")]

    assert float(step(REAL, FAKE)[0]) == pytest.approx(0.5 * NORM**2, rel=1e-5)
    penalty = losses.GradientPenalty()
    graph = tf.function(
        lambda r, f: penalty(linear, r, f), input_signature=[tf.TensorSpec([None, 3])] * 2
    )
    assert float(graph(REAL, FAKE)) == pytest.approx((NORM - 1) ** 2, rel=1e-5)


@pytest.mark.parametrize("name", ["gradient_penalty", "zero_centered"])
def test_shapes_must_agree(name):
    with pytest.raises(ValueError, match=r"equal shapes.*\(6, 3\).*\(4, 3\)"):
        penalties.get(name)(linear, REAL, FAKE[:4])
    with pytest.raises(ValueError, match="needs `fake` images"):
        penalties.get(name)(linear, REAL, None)


@pytest.mark.parametrize("name", GRADIENT)
def test_rank_one_is_refused(name):
    with pytest.raises(ValueError, match="batch of points"):
        penalties.get(name)(linear, REAL[0], FAKE[0])


def test_dirac_gan_eigenvalues():
    """Mescheder et al. (2018): R1 gives -g/2 +- sqrt(g^2/4 - 1/4), no penalty +- i/2."""
    loss = losses.NonSaturating()
    penalty = losses.R1()

    def field(theta, psi, gamma):
        theta, psi = tf.Variable([[theta]], dtype="float32"), tf.Variable(psi, dtype="float32")
        zero = tf.zeros((1, 1))
        with tf.GradientTape(persistent=True) as tape:
            d = tf.reduce_mean(loss.discriminator_loss(psi * zero, psi * theta))
            d += gamma * penalty(lambda x: psi * x, zero, theta)
            g = tf.reduce_mean(loss.generator_loss(psi * theta))
        return -np.float64([tape.gradient(g, theta)[0, 0], tape.gradient(d, psi)])

    for gamma in (0.0, 0.5, 1.0, 2.0):
        h = 1e-2
        jacobian = np.stack(
            [
                (field(h, 0.0, gamma) - field(-h, 0.0, gamma)) / (2 * h),
                (field(0.0, h, gamma) - field(0.0, -h, gamma)) / (2 * h),
            ],
            axis=1,
        )
        root = np.sqrt(complex(gamma**2 / 4 - 1 / 4))
        # Sum and product: the roots themselves coincide at gamma = 1, ill-conditioned.
        expected = np.array([-gamma / 2 + root, -gamma / 2 - root])
        assert np.trace(jacobian) == pytest.approx(expected.sum().real, abs=1e-4)
        assert np.linalg.det(jacobian) == pytest.approx(np.prod(expected).real, abs=1e-4)


def test_drift():
    value = losses.Drift()(lambda x: 2.0 * x, REAL, None)
    assert float(value) == pytest.approx(4 * np.mean(REAL**2), rel=1e-5)


# --- LeCam and historical averaging -------------------------------------------------------------


@pytest.mark.parametrize("graph", [False, True])
def test_lecam(graph):
    penalty = losses.LeCam(decay=0.9)
    call = lambda r, f: penalty(lambda x: x, r, f)  # noqa: E731
    call = tf.function(call) if graph else call
    r1, f1 = np.float32([[1.0], [3.0]]), np.float32([[-1.0], [0.0]])
    r2, f2 = np.float32([[4.0], [6.0]]), np.float32([[1.0], [1.0]])
    # First call: averages are the batch means 2 and -.5.
    first = np.mean((r1 + 0.5) ** 2) + np.mean((f1 - 2) ** 2)
    assert float(call(r1, f1)) == pytest.approx(first, rel=1e-5)
    real, fake = 0.9 * 2 + 0.1 * 5, 0.9 * -0.5 + 0.1 * 1
    second = np.mean((r2 - fake) ** 2) + np.mean((f2 - real) ** 2)
    assert float(call(r2, f2)) == pytest.approx(second, rel=1e-5)
    assert float(penalty.ema_real.numpy()) == pytest.approx(real, rel=1e-6)
    assert float(penalty.ema_fake.numpy()) == pytest.approx(fake, rel=1e-5)
    assert penalty.variables == [penalty.ema_real, penalty.ema_fake, penalty.count]
    assert all(v.dtype == "float32" and not v.trainable for v in penalty.variables)


def test_lecam_gradient_does_not_pass_through_the_averages():
    penalty = losses.LeCam()
    w = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        value = penalty(lambda x: w * x, np.float32([[1.0]]), np.float32([[-1.0]]))
    # D(real) = 2, a_fake = -2; D(fake) = -2, a_real = 2: d/dw = 2 * 4 * 1 + 2 * -4 * -1.
    assert float(tape.gradient(value, w)) == pytest.approx(16.0)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("kind", [keras.Variable, tf.Variable])
def test_historical_averaging(kind, graph):
    a, b = kind(np.float32([1.0, 2.0])), kind(np.float32(5.0))
    penalty = losses.HistoricalAveraging(player="generator")
    assert penalty.needs_variables and penalty.player == "generator"
    with pytest.raises(ValueError, match="build"):
        penalty(None, None, None)
    penalty.build([a, b])
    call = tf.function(lambda: penalty(None, None, None)) if graph else lambda: penalty(*[None] * 3)
    history = [(np.array([1.0, 2.0]), 5.0)]
    for new in [(np.array([1.0, 2.0]), 5.0), (np.array([4.0, 0.0]), 3.0), (np.zeros(2), 1.0)]:
        a.assign(np.float32(new[0])), b.assign(np.float32(new[1]))
        mean_a = np.mean([h[0] for h in history], axis=0)
        mean_b = np.mean([h[1] for h in history])
        expected = np.sum((new[0] - mean_a) ** 2) + (new[1] - mean_b) ** 2
        assert float(call()) == pytest.approx(expected, abs=1e-5)
        history.append(new)
    np.testing.assert_allclose(
        penalty.averages[0].numpy(), np.mean([h[0] for h in history], axis=0), rtol=1e-5
    )
    assert len(penalty.variables) == 3
    penalty.build([a, b])  # again: history is kept
    assert float(penalty.count.numpy()) == 4.0
    with pytest.raises(ValueError, match="other shapes"):
        penalty.build([a])


def test_historical_averaging_gradient():
    theta = keras.Variable(np.float32([1.0, 2.0]))
    penalty = losses.HistoricalAveraging()
    penalty.build([theta])
    theta.assign(np.float32([2.0, 5.0]))
    with tf.GradientTape() as tape:
        value = penalty(None, None, None)
    np.testing.assert_allclose(tape.gradient(value, theta.value), [2.0, 6.0])


def test_state_survives_a_copy():
    """What `variables` lists is enough to continue."""
    first = losses.LeCam()
    first(linear, REAL, FAKE)
    second = penalties.get(penalties.serialize(first))
    for old, new in zip(first.variables, second.variables, strict=True):
        new.assign(old)
    assert float(first(linear, FAKE, REAL)) == float(second(linear, FAKE, REAL))


# --- constraint, lazy Adam, configs ---------------------------------------------------------------


@pytest.mark.parametrize("kind", [keras.Variable, tf.Variable])
def test_weight_clipping(kind):
    w = kind(np.float32([-3.0, -0.01, 0.005, 0.02]))
    losses.WeightClipping(0.01).apply([w])
    np.testing.assert_allclose(w.numpy(), np.float32([-0.01, -0.01, 0.005, 0.01]))
    v = kind(np.float32([2.0]))
    tf.function(lambda: losses.WeightClipping(0.5).apply([v]))()
    np.testing.assert_allclose(v.numpy(), [0.5])


def test_lazy_adam():
    found = losses.lazy_adam(0.002, 0.5, 0.99, interval=4)
    assert found == pytest.approx((0.0016, 0.5**0.8, 0.99**0.8))
    assert losses.lazy_adam(0.002, 0.0, 0.99, 16) == pytest.approx(
        (0.002 * 16 / 17, 0.0, 0.99 ** (16 / 17))
    )
    assert losses.lazy_adam(0.002, 0.5, 0.99, 1) == (0.002, 0.5, 0.99)
    with pytest.raises(ValueError, match="`interval` must be an integer >= 1"):
        losses.lazy_adam(0.002, 0.5, 0.99, 0)
    with pytest.raises(ValueError, match="`beta_2`"):
        losses.lazy_adam(0.002, 0.5, 1.0, 2)


@pytest.mark.parametrize("penalty", CASES, ids=repr)
def test_config_round_trip(penalty):
    config = penalty.get_config()
    json.dumps(config)
    again = type(penalty).from_config(config)
    assert again == penalty and repr(again) == repr(penalty) and hash(again) == hash(penalty)
    assert penalties.get(penalties.serialize(penalty)) == penalty
    assert penalties.get({"class_name": penalty.name, "config": config}) == penalty
    assert penalties.get({"class_name": type(penalty).__name__, "config": config}) == penalty
    assert penalties.get(penalty) is penalty
    assert (
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(penalty))
        == penalty
    )
    assert penalty.player in ("discriminator", "generator")
    if isinstance(penalty, losses.Penalty):
        assert {"weight", "interval"} <= set(config)


def test_names_and_defaults():
    assert penalties.names() == sorted(
        [
            "feature_matching",
            "gradient_penalty",
            "dragan",
            "r1",
            "r2",
            "zero_centered",
            "drift",
            "lecam",
            "historical_averaging",
            "weight_clipping",
        ]
    )
    assert penalties.get("gradient_penalty").weight == 10.0
    assert penalties.get("weight_clipping").limit == 0.01
    assert losses.penalties is penalties


def test_get_errors():
    with pytest.raises(ValueError, match="gradient_penalty"):
        penalties.get("gradient_penalt")
    with pytest.raises(ValueError, match="Penalty or Constraint"):
        penalties.get(10.0)
    with pytest.raises(AttributeError, match="Hing"):
        losses.Hing  # noqa: B018


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: losses.R1(-1.0), "`weight` must be a finite number >= 0"),
        (lambda: losses.R1("10"), "`weight`"),
        (lambda: losses.R1(1.0, 0), "`interval` must be an integer >= 1"),
        (lambda: losses.R1(1.0, 1.5), "`interval`"),
        (lambda: losses.GradientPenalty(target=-1), "`target`"),
        (lambda: losses.DRAGAN(scale=0), "`scale` must be a finite number > 0"),
        (lambda: losses.LeCam(decay=1.0), "`decay` must be a finite number >= 0 and < 1"),
        (lambda: losses.HistoricalAveraging(player="critic"), "'discriminator'"),
        (lambda: losses.WeightClipping(0.0), "`limit` must be a finite number > 0"),
    ],
)
def test_ranges(build, message):
    with pytest.raises(ValueError, match=message):
        build()

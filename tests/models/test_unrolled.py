"""The look-ahead: the exact gradient through it, and what it leaves alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo.models.unrolled import Unrolled
from keras_gan_zoo.networks import mlp
from keras_gan_zoo.training import Batch, look_ahead
from keras_gan_zoo.training.construct import reproducible
from keras_gan_zoo.training.latents import StepRandom

SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam
POINTS = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")


def tiny(cls=Unrolled, *, d_optimizer=None, ema=None, **options):
    """A game of two small networks on points; the same weights each time."""
    with reproducible(3):
        networks = (
            mlp.generator((2,), 3, 5, activation="tanh"),
            mlp.discriminator((2,), 4, activation="tanh"),
        )
    gan = cls(*networks, seed=0, ema=ema, **options)
    gan.compile(g_optimizer=Adam(1e-2), d_optimizer=d_optimizer or Adam(1e-2, beta_1=0.5))
    return gan


def steps(gan, n=4):
    for i in range(n):
        gan.train_on_batch(POINTS[8 * i : 8 * i + 8])
    return gan


def values(network):
    return [np.array(v) for v in network.trainable_variables]


def same(first, second):
    pairs = zip(values(first), values(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_no_steps_are_the_plain_model_bit_for_bit(update):
    ahead = steps(tiny(unroll_steps=0, update=update))
    plain = steps(tiny(zoo.GAN, update=update))
    assert same(ahead.generator, plain.generator)
    assert same(ahead.discriminator, plain.discriminator)


@pytest.mark.parametrize(("zero_sum", "plain"), [(False, "nsgan"), (True, "gan")])
def test_no_steps_are_the_zoo_s_models_bit_for_bit(zero_sum, plain):
    expected = zoo.create(plain, (2,), latent_dim=4, width=20, seed=5)
    networks = [keras.models.clone_model(n) for n in expected.networks()]
    for copy, network in zip(networks, expected.networks(), strict=True):
        copy.set_weights(network.get_weights())
        for layer, source in zip(copy.layers, network.layers, strict=True):
            if hasattr(layer, "seed_generator"):  # dropout
                layer.seed_generator.state.assign(source.seed_generator.state)
    loss = "minimax" if zero_sum else "non_saturating"
    gan = Unrolled(*networks, unroll_steps=0, zero_sum=zero_sum, loss=loss, seed=5)
    gan.compile()
    steps(gan)
    steps(expected)
    assert same(gan.discriminator, expected.discriminator)
    assert same(gan.generator, expected.generator)


OPTIMIZERS = {
    "sgd": lambda: SGD(0.5),
    "momentum": lambda: SGD(0.3, momentum=0.8),
    "nesterov": lambda: SGD(0.3, momentum=0.8, nesterov=True),
    "adam": lambda: Adam(0.05, beta_1=0.5, epsilon=1e-3),
    "clipped": lambda: SGD(0.5, clipvalue=0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_looking_ahead_is_what_the_optimizer_would_do(name):
    """The weights k steps ahead are those after k real steps on the same minibatch."""
    gan = steps(tiny(d_optimizer=OPTIMIZERS[name](), unroll_steps=3, penalties=["r1"]), 2)
    batch = Batch(tf.constant(POINTS[:8]), None, tf.zeros((8, 3)), fake=tf.constant(POINTS[8:16]))
    gan.random = None
    ahead = [np.array(v) for _, v in gan.discriminator_ahead(batch)]
    before = values(gan.discriminator)
    for _ in range(3):
        gan.minimise(gan.d_optimizer, gan.discriminator, lambda: gan.discriminator_terms(batch))
    for expected, mine, start in zip(values(gan.discriminator), ahead, before, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(expected - start).max() > 5e-4


def objective(gan, z, real):
    """The generator's loss k steps ahead, by the trainer's own code."""
    batch = Batch(real, None, z, fake=gan.generate(z, training=True))
    return sum(gan.generator_terms(batch).values())


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("zero_sum", [False, True])
def test_gradient_against_finite_differences(name, zero_sum):
    """d L_G(theta_G, theta^k(theta_G)) / d theta_G along random directions, in float64."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        rng = np.random.default_rng(1)
        gan = float64_game(OPTIMIZERS[name](), rng)
        gan.zero_sum = zero_sum
        z, real = tf.constant(rng.normal(size=(6, 2))), tf.constant(rng.normal(size=(6, 2)))
        weights = gan.generator.trainable_variables
        with tf.GradientTape() as tape:
            loss = objective(gan, z, real)
        exact = tape.gradient(loss, [w.value for w in weights])
        gan.first_order = True
        with tf.GradientTape() as tape:
            loss = objective(gan, z, real)
        short = tape.gradient(loss, [w.value for w in weights])
        gan.first_order = False
        for _ in range(3):
            direction = [rng.normal(size=w.shape) for w in weights]
            difference = slope(gan, z, real, direction)
            product = dot(exact, direction)
            np.testing.assert_allclose(product, difference, rtol=1e-5, atol=1e-9)
            assert abs(dot(short, direction) - difference) > 1e-3 * abs(difference)
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def dot(tensors, direction):
    return sum(float(np.sum(np.array(t) * d)) for t, d in zip(tensors, direction, strict=True))


def slope(gan, z, real, direction, eps=1e-5):
    """Central difference of the objective along a direction of the generator's weights."""
    start = values(gan.generator)
    losses = []
    for sign in (1, -1):
        for w, s, d in zip(gan.generator.trainable_variables, start, direction, strict=True):
            w.assign(s + sign * eps * d)
        losses.append(float(objective(gan, z, real)))
    for w, s in zip(gan.generator.trainable_variables, start, strict=True):
        w.assign(s)
    return (losses[0] - losses[1]) / (2 * eps)


class Float64Loss(zoo.losses.Loss):
    """The non-saturating loss without the casts to float32."""

    name = "float64"

    def discriminator_loss(self, real_logits, fake_logits):
        return tf.nn.softplus(-real_logits) + tf.nn.softplus(fake_logits)

    def generator_loss(self, fake_logits, real_logits=None):
        return tf.nn.softplus(-fake_logits)


def float64_game(optimizer, rng):
    def network(sizes):
        x = inputs = keras.Input((sizes[0],))
        for size in sizes[1:-1]:
            x = keras.layers.Dense(size, activation="tanh")(x)
        return keras.Model(inputs, keras.layers.Dense(sizes[-1])(x))

    gan = Unrolled(network((2, 4, 2)), network((2, 5, 1)), loss=Float64Loss(), unroll_steps=3)
    gan.compile(d_optimizer=optimizer)
    for w in gan.weights:
        w.assign(rng.normal(size=w.shape))
    if len(optimizer.variables) > 2:  # moments as in the middle of training
        for v in gan.d_optimizer.variables[2:]:
            v.assign(np.abs(rng.normal(size=v.shape)) * 0.1)
    return gan


def test_the_discriminator_makes_one_real_step():
    gan = steps(tiny(unroll_steps=3), 1)
    plain = steps(tiny(zoo.GAN), 1)
    assert same(gan.discriminator, plain.discriminator)  # its first step does not know of k
    assert not same(gan.generator, plain.generator)
    assert int(gan.d_optimizer.iterations.numpy()) == 1
    for mine, theirs in zip(gan.d_optimizer.variables, plain.d_optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.array(mine), np.array(theirs))


def test_first_order_differs_and_saves_its_options(tmp_path):
    second = steps(tiny(unroll_steps=2))
    first = steps(tiny(unroll_steps=2, first_order=True))
    assert not same(first.generator, second.generator)
    first.save(tmp_path / "gan.keras")
    loaded = zoo.load_model(tmp_path / "gan.keras")
    assert (loaded.unroll_steps, loaded.first_order, loaded.zero_sum) == (2, True, False)


def test_weights_without_gradient_do_not_spoil_the_look_ahead():
    gan = tiny(unroll_steps=2, d_optimizer=Adam(1e-2))
    gan.discriminator.layers[-1].kernel.assign(np.zeros((4, 1)))  # no gradient reaches the others
    steps(gan, 1)
    assert all(np.isfinite(v).all() for v in values(gan.generator))


def test_batch_statistics_of_the_look_ahead_are_thrown_away():
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=8, seed=0)
    networks = gan.networks()
    ahead = Unrolled(*networks, unroll_steps=2, seed=0)
    ahead.compile()
    batch = Batch(tf.zeros((4, 16, 16, 1)), None, tf.zeros((4, 8)), fake=tf.ones((4, 16, 16, 1)))
    moving = [np.array(v) for v in ahead.discriminator.non_trainable_variables]
    ahead.discriminator_ahead(batch)
    for a, v in zip(moving, ahead.discriminator.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(a, np.array(v))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (keras.optimizers.RMSprop(), "RMSprop"),
        (keras.optimizers.Adam(amsgrad=True), "amsgrad"),
        (keras.optimizers.SGD(weight_decay=0.1), "weight_decay"),
    ],
)
def test_rules_it_cannot_follow(optimizer, message):
    with pytest.raises(ValueError, match=message):
        look_ahead.check(optimizer)
    with pytest.raises(ValueError, match=message):
        tiny(d_optimizer=optimizer)
    tiny(d_optimizer=optimizer, unroll_steps=0)


def test_arguments():
    with pytest.raises(ValueError, match="unroll_steps=-1"):
        tiny(unroll_steps=-1)
    gan = zoo.create("unrolled", (2,))
    assert (gan.unroll_steps, gan.latent_dim, gan.zero_sum) == (5, 256, False)
    assert [layer.units for layer in gan.discriminator.layers[1:]] == [128, 128, 1]
    kernel = gan.discriminator.layers[2].kernel.numpy()
    np.testing.assert_allclose(kernel.T @ kernel, 1.4**2 * np.eye(128), atol=1e-4)


def test_penalties_of_the_generator_see_the_discriminator_ahead():
    """Feature matching k steps ahead is not feature matching now."""

    def game(k):
        return tiny(
            unroll_steps=k, penalties=[zoo.penalties.FeatureMatching()], d_optimizer=SGD(0.5)
        )

    ahead, plain = (steps(game(k), 2) for k in (3, 0))
    assert not same(ahead.generator, plain.generator)
    first = game(2)
    batch = Batch(tf.constant(POINTS[:8]), None, tf.random.stateless_normal((8, 3), (1, 2)))
    batch.fake = first.generate(batch.z)
    first.random = StepRandom(0, tf.constant(0, tf.int64))
    for variable, value in first.discriminator_ahead(batch):
        variable.assign(value)  # the discriminator that the generator should have met
    means = [tf.reduce_mean(first.features(x), 0) for x in (batch.real, batch.fake)]
    expected = float(tf.reduce_sum(tf.square(means[0] - means[1])))
    again = game(2)
    again.random = StepRandom(0, tf.constant(0, tf.int64))
    assert float(again.generator_terms(batch)["feature_matching"]) == pytest.approx(expected, 1e-5)


def test_a_replaced_loss_is_not_followed_in_a_zero_sum_game():
    off = [zoo.penalties.FeatureMatching(weight=0.0)]
    gan = tiny(unroll_steps=2, zero_sum=True, loss="minimax", penalties=off)
    before = values(gan.generator)
    steps(gan, 2)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(gan.generator), strict=True))


def test_constraints_are_refused():
    with pytest.raises(ValueError, match="would leave the constraints .* weight_clipping"):
        tiny(unroll_steps=1, penalties=["weight_clipping"])
    tiny(unroll_steps=0, penalties=["weight_clipping"])
    short = keras.constraints.MaxNorm(0.01)
    layers = [keras.Input((2,)), keras.layers.Dense(1, kernel_constraint=short, name="short")]
    generator = tiny().generator
    gan = Unrolled(generator, keras.Sequential(layers), unroll_steps=1)
    with pytest.raises(ValueError, match="would leave the constraints .*short/kernel"):
        gan.compile()


def test_lazy_penalties_are_due_at_the_steps_to_come():
    gan = tiny(unroll_steps=5, penalties=[zoo.penalties.R1(1.0, interval=4)])
    gan.random = StepRandom(0, tf.constant(0, tf.int64))
    batch = Batch(tf.constant(POINTS[:8]), None, tf.random.stateless_normal((8, 3), (1, 2)))
    batch.fake = gan.generate(batch.z)
    for step in (0, 2):
        gan.step.assign(step)
        seen = []
        terms = gan.discriminator_terms

        def counted(b, terms=terms, seen=seen):
            found = terms(b)
            seen.append(float(found["r1"]) > 0)
            return found

        gan.discriminator_terms = counted
        gan.discriminator_ahead(batch)
        gan.discriminator_terms = terms
        assert seen == [(step + 1 + i) % 4 == 0 for i in range(5)]


def test_evaluate_measures_the_zero_sum_game_too():
    gan = tiny(unroll_steps=1, zero_sum=True, loss="minimax")
    logs = gan.evaluate(POINTS[:8], verbose=0, return_dict=True)
    assert logs["g_loss"] == pytest.approx(-logs["d_loss"], rel=1e-6)

"""What each paper says of its own model; the checks common to all models are in conformance."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gan_zoo as zoo

SHAPE = (16, 16, 1)
TINY = {"width": 4, "latent_dim": 8}
# name -> (loss, d_steps, optimizer, learning rate, beta_1 or rho, extra terms of the logs)
PAPER = {
    "lsgan": ("LeastSquares", 1, "Adam", 2e-4, 0.5, set()),
    "wgan": ("Wasserstein", 5, "RMSprop", 5e-5, 0.99, set()),
    "wgan_gp": ("Wasserstein", 5, "Adam", 1e-4, 0.0, {"gradient_penalty"}),
    "dragan": ("NonSaturating", 1, "Adam", 2e-4, 0.5, {"dragan"}),
    "sngan": ("Hinge", 5, "Adam", 2e-4, 0.0, set()),
    "r1gan": ("NonSaturating", 1, "RMSprop", 1e-4, 0.99, {"r1"}),
    "ragan": ("RelativisticAverage", 1, "Adam", 2e-4, 0.5, set()),
    "r3gan": ("Relativistic", 1, "Adam", 2e-4, 0.0, {"r1", "r2"}),
    "ebgan": ("Energy", 1, "Adam", 2e-4, 0.5, set()),
    "began": ("BoundaryEquilibrium", 1, "Adam", 1e-4, 0.9, set()),
    "fgan": ("FDivergence", 1, "Adam", 2e-4, 0.5, set()),
}


def noise(n):
    return np.random.default_rng(0).uniform(-1, 1, (n, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def trained():
    """Each model after two steps on random images, made once."""
    made = {}

    def get(name):
        if name not in made:
            gan = zoo.create(name, SHAPE, seed=0, **TINY)
            history = gan.fit(noise(8 * gan.d_steps), batch_size=4, verbose=0).history
            made[name] = gan, history
        return made[name]

    return get


# five critic steps of a residual network take 25 s to trace; conformance trains two of them
DEFAULTS = [pytest.param(n, marks=pytest.mark.slow) if n == "sngan" else n for n in PAPER]


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_the_papers(name, trained):
    loss, d_steps, optimizer, rate, memory, extra = PAPER[name]
    gan, history = trained(name)
    assert type(gan.loss_object).__name__ == loss
    assert gan.d_steps == d_steps
    for player in (gan.g_optimizer, gan.d_optimizer):
        assert type(player).__name__ == optimizer
        np.testing.assert_allclose(float(player.learning_rate), rate, rtol=1e-6)
        config = player.get_config()
        assert config["beta_1" if optimizer == "Adam" else "rho"] == memory
    assert int(gan.step.numpy()) == 2
    assert set(history) == {"d_loss", "g_loss", "d_real", "d_fake"} | extra
    assert all(np.isfinite(v).all() for v in history.values())


@pytest.mark.parametrize("name", PAPER)
def test_users_can_override(name):
    gan = zoo.create(
        name,
        SHAPE,
        **TINY,
        loss="hinge",
        d_steps=2,
        penalties=[],
        ema=0.9,
        g_optimizer=keras.optimizers.SGD(0.1),
    )
    assert type(gan.loss_object).__name__ == "Hinge"
    assert gan.d_steps == 2 and gan.penalties == [] and gan.constraints == []
    assert isinstance(gan.g_optimizer, keras.optimizers.SGD)
    assert gan.ema_generator is not None


def layer_names(network):
    return {type(layer).__name__ for layer in network._flatten_layers()}


@pytest.mark.parametrize(
    "name",
    ["wgan_gp", "dragan", "r1gan", "r3gan", "began", pytest.param("sngan", marks=pytest.mark.slow)],
)
def test_critics_without_batch_normalization(name, trained):
    assert "BatchNormalization" not in layer_names(trained(name)[0].discriminator)


@pytest.mark.parametrize("name", ["r3gan", "began"])
def test_generators_without_normalisation(name, trained):
    assert not any("Norm" in layer for layer in layer_names(trained(name)[0].generator))


def test_wgan_weights_are_clipped(trained):
    gan, _ = trained("wgan")
    for variable in gan.discriminator.trainable_variables:
        assert np.abs(variable.numpy()).max() <= 0.01 + 1e-9
    assert max(np.abs(v.numpy()).max() for v in gan.generator.trainable_variables) > 0.01


def test_sngan_layers_have_spectral_norm_one(trained):
    gan, _ = trained("sngan")
    wrapped = [x for x in gan.discriminator._flatten_layers() if hasattr(x, "sigma")]
    assert len(wrapped) >= 9
    for layer in wrapped:
        kernel = layer.kernel.numpy() / float(layer.sigma())
        top = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert 0.99 < top < 1.2  # one iteration a step lags a little
    u = [layer.u.numpy() for layer in wrapped]
    gan.fit(noise(20), batch_size=4, verbose=0)
    for old, layer in zip(u, wrapped, strict=True):
        assert layer.u.shape == (1,) or np.any(old != layer.u.numpy())


def test_penalty_weights_are_the_papers(trained):
    weights = {n: [p.weight for p in trained(n)[0].penalties] for n in PAPER}
    assert weights["wgan_gp"] == weights["dragan"] == weights["r1gan"] == [10.0]
    assert weights["r3gan"] == [1.0, 1.0]


def test_began_controller_moves_within_its_range(trained):
    gan, history = trained("began")
    k = float(gan.loss_object.k.numpy())
    assert 0 < k <= 2 * 0.001  # two steps of at most lambda_k times an error below 1
    assert gan.loss_object.gamma == 0.5 and gan.loss_object.lambda_k == 0.001
    high = zoo.create("began", SHAPE, **TINY, lambda_k=1.0, gamma=1.0, seed=0)
    high.fit(noise(16), batch_size=4, verbose=0)
    assert 0 <= float(high.loss_object.k.numpy()) <= 1
    energy = gan.discriminator(noise(4)).numpy()
    assert energy.shape == (4, 1) and energy.min() > 0


def test_ebgan_energy_and_pulling_away(tmp_path):
    from keras_gan_zoo.models.ebgan import pulling_away_term

    same, orthogonal = tf.ones((3, 4)), tf.eye(4)
    np.testing.assert_allclose(pulling_away_term(same), 1.0, rtol=1e-5)
    np.testing.assert_allclose(pulling_away_term(orthogonal), 0.0, atol=1e-7)
    a = np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    unit = a.reshape(3, 8) / np.linalg.norm(a.reshape(3, 8), axis=1, keepdims=True)
    cosines = unit @ unit.T
    expected = (np.sum(cosines**2) - 3) / 6
    np.testing.assert_allclose(pulling_away_term(a), expected, rtol=1e-5)

    gan = zoo.create("ebgan", SHAPE, **TINY, pulling_away=0.1, margin=0.5, seed=0)
    history = gan.fit(noise(8), batch_size=4, verbose=0).history
    assert 0 < history["pulling_away"][0] <= 0.1
    gan.save(tmp_path / "gan.keras")
    loaded = zoo.load_model(tmp_path / "gan.keras")
    assert loaded.pulling_away == 0.1 and loaded.loss_object.margin == 0.5
    np.testing.assert_array_equal(loaded.sample(2, seed=0), gan.sample(2, seed=0))
    with pytest.raises(ValueError, match="pulling_away=-1"):
        zoo.create("ebgan", SHAPE, **TINY, pulling_away=-1)


@pytest.mark.parametrize("divergence", zoo.losses.divergences.names())
def test_fgan_takes_every_divergence(divergence):
    gan = zoo.create("fgan", SHAPE, **TINY, divergence=divergence, seed=0)
    assert gan.loss_object.divergence == divergence
    assert gan.loss_object.generator_objective == "non_saturating"


def test_fgan_arguments():
    gan = zoo.create("fgan", SHAPE, **TINY, divergence="alpha", alpha=2.0, saturating=True)
    assert gan.loss_object.alpha == 2.0 and gan.loss_object.generator_objective == "minimax"
    with pytest.raises(ValueError, match="kl"):
        zoo.create("fgan", SHAPE, divergence="kll")
    with pytest.raises(ValueError, match="alpha"):
        zoo.create("fgan", SHAPE, divergence="alpha", alpha=1.0)


@pytest.mark.parametrize(
    ("loss", "penalties"),
    [("wasserstein", ["gradient_penalty"]), ("relativistic", ["r1", "r2"])],
)
def test_objectives_on_points(loss, penalties):
    gan = zoo.create("nsgan", (2,), width=10, dropout=0.0, loss=loss, penalties=penalties, seed=0)
    points = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(points).batch(4, drop_remainder=True)
    history = gan.fit(dataset, verbose=0).history
    assert set(penalties) <= set(history)

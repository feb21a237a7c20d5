import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import SpectralNormalization
from keras_gan_zoo.losses import GradientPenalty

LAYERS = {
    "dense": (lambda: keras.layers.Dense(5), (7,), -1),
    "conv": (lambda: keras.layers.Conv2D(6, 3, strides=2, padding="same"), (8, 8, 4), -1),
    "transposed": (lambda: keras.layers.Conv2DTranspose(6, 4, 2, padding="same"), (4, 4, 3), -2),
    "embedding": (lambda: keras.layers.Embedding(9, 4), (), -1),
}


def inputs_for(name, n=3):
    rng = np.random.default_rng(0)
    if name == "embedding":
        return rng.integers(0, 9, n).astype("int32")
    return rng.normal(size=(n, *LAYERS[name][1])).astype("float32")


def built(name, **options):
    make = LAYERS[name][0]
    keras.utils.set_random_seed(0)
    layer = SpectralNormalization(make(), **options)
    layer(inputs_for(name))
    return layer


def true_sigma(kernel, axis):
    matrix = np.moveaxis(np.asarray(kernel, "float64"), axis, -1)
    return np.linalg.svd(matrix.reshape(-1, matrix.shape[-1]), compute_uv=False)[0]


@pytest.mark.parametrize("name", LAYERS)
def test_sigma_is_the_largest_singular_value(name):
    layer = built(name, iterations=200)
    truth = true_sigma(layer.kernel, LAYERS[name][2])
    assert 0.7 * truth < float(layer.sigma()) <= truth * (1 + 1e-6)  # from the first step
    layer.after_update()
    np.testing.assert_allclose(float(layer.sigma()), truth, rtol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_calls_with_the_divided_kernel_and_leaves_the_raw_one(name):
    layer = built(name)
    x = inputs_for(name)
    before = [w.numpy() for w in layer.weights]
    first = layer(x, training=True).numpy()
    again = layer(x, training=True).numpy()
    calm = layer(x, training=False).numpy()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, calm)
    for old, weight in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())
    plain = LAYERS[name][0]()
    plain.build((None, *LAYERS[name][1]))
    kernel, *rest = [w.numpy() for w in layer.layer.weights]
    plain.set_weights([kernel / float(layer.sigma()), *rest])
    np.testing.assert_allclose(first, plain(x).numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_gradient_goes_through_sigma(name):
    """Against central differences of the function of W alone, sigma from numpy's SVD."""
    layer = built(name)
    x = inputs_for(name)
    axis = LAYERS[name][2]
    kernel = layer.kernel.numpy()
    matrix = np.moveaxis(kernel, axis, -1).reshape(-1, kernel.shape[axis])
    layer.u.assign(np.linalg.svd(matrix)[2][0])
    weights = np.random.default_rng(1).normal(size=layer(x).shape).astype("float32")
    plain = LAYERS[name][0]()
    plain.build((None, *LAYERS[name][1]))
    rest = [w.numpy() for w in layer.layer.weights[1:]]

    def loss(raw):
        plain.set_weights([(raw / true_sigma(raw, axis)).astype("float32"), *rest])
        return float(np.sum(plain(x).numpy().astype("float64") * weights))

    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(x) * weights)
    gradient = tf.convert_to_tensor(tape.gradient(value, layer.kernel.value)).numpy()
    rng = np.random.default_rng(2)
    for _ in range(4):
        direction = rng.normal(size=kernel.shape)
        step = 0.01 * kernel.std()
        slope = (loss(kernel + step * direction) - loss(kernel - step * direction)) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=2e-2, atol=2e-2)
    # W/sigma does not change with the scale of W, so the gradient is orthogonal to W
    assert abs(np.sum(gradient * kernel)) < 1e-3 * np.linalg.norm(gradient) * np.linalg.norm(kernel)


def test_after_update_is_one_power_iteration():
    layer = built("dense")
    layer.kernel.assign(np.random.default_rng(3).normal(size=(7, 5)))
    u, matrix = layer.u.numpy(), layer.kernel.numpy()
    v = matrix @ u
    v /= np.linalg.norm(v)
    expected = matrix.T @ v
    layer.after_update()
    np.testing.assert_allclose(layer.u.numpy(), expected / np.linalg.norm(expected), rtol=1e-5)


def test_averaged_u_of_any_length_is_fine():
    layer = built("dense")
    sigma = float(layer.sigma())
    layer.u.assign(0.25 * layer.u)
    np.testing.assert_allclose(float(layer.sigma()), sigma, rtol=1e-6)


def critic(dtype=None):
    keras.utils.set_random_seed(1)
    images = keras.Input((8, 8, 1))
    x = SpectralNormalization(keras.layers.Conv2D(4, 3, padding="same", dtype=dtype))(images)
    x = keras.layers.LeakyReLU(0.2, dtype=dtype)(x)
    x = keras.layers.Flatten(dtype=dtype)(x)
    x = SpectralNormalization(keras.layers.Dense(1, dtype="float32"))(x)
    return keras.Model(images, x)


def test_keras_file_round_trip(tmp_path):
    model = critic()
    for layer in model.layers:
        if hasattr(layer, "after_update"):
            layer.after_update()
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    model.save(tmp_path / "critic.keras")
    loaded = keras.saving.load_model(tmp_path / "critic.keras")
    np.testing.assert_array_equal(model(x).numpy(), loaded(x).numpy())
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_saved_model(tmp_path):
    model = critic()
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)


def test_mixed_precision_normalises_in_float32():
    model, reference = critic("mixed_bfloat16"), critic()
    reference.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    assert model.layers[1].output.dtype == "bfloat16"
    assert model.layers[1].layer(x).dtype == tf.bfloat16
    assert model(x).dtype == tf.float32
    np.testing.assert_array_equal(model.layers[1].sigma(), reference.layers[1].sigma())
    np.testing.assert_allclose(model(x).numpy(), reference(x).numpy(), atol=0.03)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x))
    for gradient in tape.gradient(loss, [v.value for v in model.trainable_variables]):
        assert gradient.dtype == tf.float32


def test_under_a_gradient_penalty_in_a_graph():
    """Nested tapes inside a held-back scope, as the trainer calls it."""
    model = critic()
    penalty = GradientPenalty(seed=0)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape, keras.StatelessScope():
            loss = penalty(model, x, -x)
        return loss, tape.gradient(loss, model.layers[1].kernel.value)

    loss, gradient = step()
    assert np.isfinite(float(loss)) and np.abs(gradient.numpy()).max() > 0


def test_a_stateless_call_reads_the_given_kernel():
    layer = built("dense")
    x = inputs_for("dense")
    others = [3.0 * tf.convert_to_tensor(v.value) for v in layer.trainable_variables]
    states = [v.value for v in layer.non_trainable_variables]
    y, _ = layer.stateless_call(others, states, x)
    bias = layer.layer.bias.numpy()
    np.testing.assert_allclose(  # W/sigma is free of scale, the bias is not
        y.numpy(), layer(x).numpy() + 2 * bias, rtol=1e-5, atol=1e-6
    )


def test_replicas_agree(two_replicas):
    with two_replicas.scope():
        layer = built("dense")
        layer.kernel.assign(3.0 * layer.kernel + 0.1)
    two_replicas.run(tf.function(layer.after_update))
    values = [v.numpy() for v in two_replicas.experimental_local_results(layer.u.value)]
    assert len(values) == 2
    np.testing.assert_array_equal(values[0], values[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralNormalization(keras.layers.ReLU()), "SpectralNormalization wraps Dense"),
        (lambda: SpectralNormalization(keras.layers.DepthwiseConv2D(3)), "Received: layer="),
        (lambda: SpectralNormalization(keras.layers.Dense(2), iterations=0), "iterations=0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()

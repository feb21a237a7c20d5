import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.layers import LearnedBasis, ReconstructionError, SpectralNormalization
from keras_gan_zoo.networks import autoencoder, r3gan, resnet

NETWORKS = {
    "resnet": (
        lambda s: resnet.generator(s, 6, 4),
        lambda s: resnet.discriminator(s, 4),
    ),
    "resnet_layer_norm": (
        lambda s: resnet.generator(s, 6, 4, normalise=False),
        lambda s: resnet.discriminator(s, 4, spectral=False, normalise=True),
    ),
    "r3gan": (lambda s: r3gan.generator(s, 6, 2), lambda s: r3gan.discriminator(s, 2)),
    "began": (
        lambda s: autoencoder.began_generator(s, 6, 2),
        lambda s: autoencoder.began_discriminator(s, 2, 5),
    ),
    "ebgan": (None, lambda s: autoencoder.ebgan_discriminator(s, 2)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("image_shape", [(16, 16, 1), (28, 28, 1), (36, 36, 3)])
def test_shapes_and_ranges(name, image_shape):
    make_generator, make_discriminator = NETWORKS[name]
    if make_generator is not None:
        generator = make_generator(image_shape)
        images = generator(np.random.default_rng(0).normal(size=(2, 6))).numpy()
        assert images.shape == (2, *image_shape) and images.dtype == np.float32
        assert np.abs(images).max() <= 1
    discriminator = make_discriminator(image_shape)
    logits = discriminator(np.zeros((2, *image_shape), "float32"))
    assert logits.shape == (2, 1) and logits.dtype == tf.float32


def maps(model):
    return [
        tuple(layer.output.shape[1:])
        for layer in model.layers
        if isinstance(layer, keras.layers.Add)
    ]


def test_resnet_is_the_papers_table_3_at_32_pixels():
    generator = resnet.generator((32, 32, 3), 128, 256)
    assert maps(generator) == [(8, 8, 256), (16, 16, 256), (32, 32, 256)]
    assert generator.get_layer("project").units == 4 * 4 * 256
    discriminator = resnet.discriminator((32, 32, 3), 128, spectral=False)
    assert maps(discriminator) == [(16, 16, 128), (8, 8, 128), (8, 8, 128), (8, 8, 128)]
    # 8 convolutions of 3x3, shortcuts of 1x1 in the first two blocks, the last layer
    kernels = [tuple(v.shape) for v in discriminator.trainable_variables if v.name == "kernel"]
    assert sorted(kernels) == sorted(
        [(3, 3, 3, 128)] + [(3, 3, 128, 128)] * 7 + [(1, 1, 3, 128), (1, 1, 128, 128), (128, 1)]
    )


def test_resnet_is_the_papers_table_4_and_5_above():
    channels = {
        n: [m[2] for m in maps(resnet.discriminator((n, n, 3), 128, False))] for n in (48, 128)
    }
    assert channels[48] == [64, 128, 256, 512]
    assert channels[128] == [64, 128, 256, 512, 1024, 1024]
    generator = maps(resnet.generator((128, 128, 3), 128, 256))
    assert [m[2] for m in generator] == [1024, 512, 256, 128, 64]


def test_spectral_wraps_every_layer_with_weights():
    discriminator = resnet.discriminator((16, 16, 1), 4)
    owners = [layer for layer in discriminator.layers if layer.weights]
    assert owners and all(isinstance(layer, SpectralNormalization) for layer in owners)
    plain = resnet.discriminator((16, 16, 1), 4, spectral=False)
    assert not any(isinstance(layer, SpectralNormalization) for layer in plain.layers)


def test_r3gan_blocks_start_as_the_identity():
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 1)).astype("float32")
    discriminator = r3gan.discriminator((16, 16, 1), 4)
    for layer in discriminator.layers:
        if isinstance(layer, keras.layers.Add):
            before, after = layer.input[0], layer.output
            a, b = keras.Model(discriminator.input, [before, after])(images)
            np.testing.assert_array_equal(a, b)


def test_r3gan_has_the_papers_convolutions():
    network = r3gan.discriminator((32, 32, 3), [768] * 4, blocks=2)
    grouped = [x for x in network.layers if getattr(x, "kernel_size", None) == (3, 3)]
    assert len(grouped) == 8
    assert {(x.filters, x.groups) for x in grouped} == {(1536, 96)}
    assert not any("normalization" in type(x).__name__.lower() for x in network.layers)
    with pytest.raises(ValueError, match="4 of them"):
        r3gan.discriminator((32, 32, 3), [8, 8])


def test_r3gan_starts_at_unit_variance():
    """The two stages keep the second moment of white noise within a factor of 2."""
    keras.utils.set_random_seed(0)
    network = r3gan.generator((16, 16, 3), 64, 32)
    z = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    before_tanh = keras.Model(network.input, network.get_layer("to_image").output)(z)
    assert 0.3 < float(tf.math.reduce_std(before_tanh)) < 1.5  # bilinear upsampling smooths


@pytest.mark.parametrize("power", [1, 2])
def test_reconstruction_error(power):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 4, 4, 2)).astype("float32")
    expected = (np.abs(x - y) ** power).mean(axis=(1, 2, 3))[:, None]
    np.testing.assert_allclose(ReconstructionError(power)([x, y]), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="power=3"):
        ReconstructionError(3)


def test_energy_is_the_error_of_encoder_and_decoder():
    network = autoencoder.began_discriminator((16, 16, 1), 2, 5)
    x = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)).astype("float32")
    code = network.get_layer("encoder")(x)
    assert code.shape == (3, 5)
    copy = network.get_layer("decoder")(code).numpy()
    np.testing.assert_allclose(network(x), np.abs(copy - x).mean((1, 2, 3))[:, None], rtol=1e-5)


def test_began_prior_is_uniform():
    generator = autoencoder.began_generator((16, 16, 1), 4, 2)
    first_dense = next(x for x in generator.layers if isinstance(x, keras.layers.Dense))
    z = np.random.default_rng(0).normal(size=(4000, 4)).astype("float32")
    u = keras.Model(generator.input, first_dense.input)(z).numpy()
    assert -1 <= u.min() and u.max() <= 1
    np.testing.assert_allclose(
        np.quantile(u, [0.1, 0.25, 0.5, 0.75]), [-0.8, -0.5, 0, 0.5], atol=0.03
    )


def test_learned_basis():
    layer = LearnedBasis(3)
    features = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    maps = layer(features).numpy()
    np.testing.assert_allclose(
        maps, layer.basis.numpy()[None] * features[:, None, None, :], rtol=1e-6
    )
    with pytest.raises(ValueError, match="size=0"):
        LearnedBasis(0)

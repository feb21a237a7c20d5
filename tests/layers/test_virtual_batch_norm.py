"""Virtual batch normalisation against the definition; independence of the other examples."""

import numpy as np
import pytest

from keras_gan_zoo.layers import DropReference, ReferenceBatch, VirtualBatchNormalization

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("inner", [(), (3, 2)])
def test_against_the_definition(inner):
    r, b, c = 5, 4, 3
    x = (10 + 2 * RNG.normal(size=(r + b, *inner, c))).astype("float32")
    layer = VirtualBatchNormalization(r, epsilon=1e-5)
    y = np.array(layer(x))
    axes = tuple(range(x.ndim - 1))
    reference = x[:r].astype("float64")
    scaled = (reference - reference.mean(axes)) / np.sqrt(reference.var(axes) + 1e-5)
    np.testing.assert_allclose(y[:r], scaled, atol=1e-4)
    for i in range(r, r + b):
        members = np.concatenate([reference, x[i : i + 1].astype("float64")])
        mean, variance = members.mean(axes), members.var(axes)
        expected = (x[i] - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(y[i], expected, atol=1e-4)


def test_an_example_does_not_see_the_others():
    layer = VirtualBatchNormalization(4)
    reference, one, others = (RNG.normal(size=(n, 3)).astype("float32") for n in (4, 1, 6))
    alone = np.array(layer(np.concatenate([reference, one])))[4:]
    among = np.array(layer(np.concatenate([reference, one, 100 * others])))[4:5]
    np.testing.assert_allclose(alone, among, rtol=1e-6)
    other = np.array(layer(np.concatenate([2 * reference, one])))[4:]
    assert np.abs(alone - other).max() > 1e-3  # but the reference batch


def test_the_reference_batch_is_drawn_once_and_kept():
    first, second = ReferenceBatch(4, seed=1), ReferenceBatch(4, seed=1)
    x = np.zeros((2, 3), "float32")
    np.testing.assert_array_equal(first(x), second(x))
    joined = np.array(first(x))
    assert joined.shape == (6, 3)
    np.testing.assert_array_equal(joined[:4], np.array(first.reference))
    np.testing.assert_array_equal(joined[4:], x)
    np.testing.assert_array_equal(DropReference(4)(joined), x)
    assert first.trainable_variables == []


def test_without_shift_or_factor():
    x = np.concatenate([RNG.normal(size=(8, 3)), np.zeros((2, 3))]).astype("float32")
    plain = np.array(VirtualBatchNormalization(8)(x))
    for center, scale in ((False, True), (True, False), (False, False)):
        layer = VirtualBatchNormalization(8, center=center, scale=scale)
        np.testing.assert_allclose(layer(x), plain, rtol=1e-6)
        names = {v.name for v in layer.trainable_variables}
        assert names == {n for n, on in (("beta", center), ("gamma", scale)) if on}


def test_configs_and_arguments():
    for layer in (
        VirtualBatchNormalization(3, 1e-3, scale=False),
        ReferenceBatch(3, seed=2),
        DropReference(3),
    ):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="size=1"):
        VirtualBatchNormalization(1)
    with pytest.raises(ValueError, match="size=1"):
        ReferenceBatch(1)

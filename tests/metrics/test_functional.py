"""What all functions share: inputs they take and refuse, docstring examples."""

import doctest
import importlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gan_zoo.metrics import functional

PAIRS = [
    functional.frechet_distance,
    functional.kernel_distance,
    functional.precision_recall_density_coverage,
    functional.sliced_wasserstein,
    functional.nearest_neighbours,
]
each_pair = pytest.mark.parametrize("function", PAIRS, ids=lambda f: f.__name__)


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3)).astype("float32"), rng.normal(size=(30, 3)).astype("float32")


def equal(found, expected, rel=0.0):
    if isinstance(expected, dict):
        assert found == pytest.approx(expected, rel=rel, abs=rel)
    elif isinstance(expected, tuple):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=rel)
    else:
        assert isinstance(found, float) and found == pytest.approx(expected, rel=rel, abs=rel)


@each_pair
def test_tensors_and_lists(function, features):
    expected = function(*features)
    equal(function(*map(tf.constant, features)), expected)
    equal(function(*map(keras.ops.convert_to_tensor, features)), expected)
    equal(function(*(x.tolist() for x in features)), expected, rel=1e-3)


@each_pair
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "uint8"])
def test_other_types_of_numbers(function, features, dtype):
    values = [tf.cast(tf.constant(np.round(10 * x + 50)), dtype) for x in features]
    exact = [tf.cast(v, "float64").numpy() for v in values]
    equal(function(*values), function(*exact), rel=1e-3)


@each_pair
def test_inputs_are_left_alone(function, features):
    copies = [x.copy() for x in features]
    for x in copies:
        x.flags.writeable = False
    function(*copies)
    for x, before in zip(copies, features, strict=True):
        np.testing.assert_array_equal(x, before)


@each_pair
def test_views_with_strides(function, features):
    spread = [np.repeat(np.repeat(x, 2, axis=0), 2, axis=1) for x in features]
    equal(function(*(x[::2, ::2] for x in spread)), function(*features), rel=1e-6)


@each_pair
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: x[:, :2], "same width. Received: .*\\(20, 2\\).*\\(30, 3\\)"),
        (lambda x: x[:, 0], "must have shape \\(n, width\\).* Received: shape \\(20,\\)"),
        (lambda x: x[:, :0], "must have shape \\(n, width\\).* Received: shape \\(20, 0\\)"),
        (lambda x: x[:0], "at least . rows. Received: shape \\(0, 3\\)"),
        (lambda x: np.where(x == x[3, 1], np.nan, x), "must be finite. Received: 1 NaN or infinit"),
        (lambda x: np.where(x == x[0, 0], -np.inf, x), "Received: 1 NaN or infinite of 60 values"),
        (lambda x: x.astype(str), "must hold numbers. Received: <U"),
        (lambda x: [[1.0], [2.0, 3.0]], "must hold numbers. Received: list"),
        (lambda x: x > 0, "must hold numbers. Received: bool"),
    ],
)
def test_bad_features(function, features, change, message):
    first = next(iter(inspect.signature(function).parameters))
    with pytest.raises(ValueError, match=message) as caught:
        function(change(features[0]), features[1])
    assert f"`{first}`" in str(caught.value) or "same width" in str(caught.value)


@each_pair
def test_same_call_same_value(function, features):
    equal(function(*features), function(*features))


def test_every_name_is_documented():
    for name in functional.__all__:
        text = inspect.getdoc(getattr(functional, name))
        assert "Example" in text and "Raises" in text, name
        assert f"`{name}`" in functional.__doc__, name


@pytest.mark.parametrize(
    "module", sorted({getattr(functional, name).__module__ for name in functional.__all__})
)
def test_examples(module):
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted > 0 and failed == 0

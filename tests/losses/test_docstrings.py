"""Every docstring example of the losses and of the theory runs as printed."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "keras_gan_zoo.losses",
        "keras_gan_zoo.losses.adversarial",
        "keras_gan_zoo.losses.divergences",
        "keras_gan_zoo.losses.penalties",
        "keras_gan_zoo.theory",
    ],
)
def test_examples(module):
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted > 0 and failed == 0

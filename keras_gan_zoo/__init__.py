"""keras_gan_zoo: generative adversarial networks for Keras 3 on TensorFlow.

>>> import keras_gan_zoo as zoo
>>> gan = zoo.create("dcgan", image_shape=(28, 28, 1))           # doctest: +SKIP
>>> gan.fit(zoo.datasets.load("fashion_mnist_mini"), epochs=10)  # doctest: +SKIP
>>> images = gan.sample(16, seed=0)                              # doctest: +SKIP

Importing the package imports neither TensorFlow nor Keras: every public name below is resolved on
first use. Where Keras is loaded already, the package's layers and models are registered with it at
once, so that `keras.saving.load_model` finds them.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__version__ = "0.1.0"

# Public name -> (module, attribute); an attribute of None means the module itself.
_PUBLIC: dict[str, tuple[str, str | None]] = {
    "list_models": ("registry", "list_models"),
    "model_info": ("registry", "model_info"),
    "register": ("registry", "register"),
    "create": ("registry", "create"),
    "from_pretrained": ("hub", "from_pretrained"),
    "load_model": ("registry", "load_model"),
    "export": ("export", "export"),
    "push_to_hub": ("hub", "push_to_hub"),
    "GAN": ("training.gan", "GAN"),
    "training": ("training", None),
    "datasets": ("datasets", None),
    "losses": ("losses", None),
    "penalties": ("losses.penalties", None),
    "metrics": ("metrics", None),
    "hub": ("hub", None),
    "serving": ("serving", None),
    "theory": ("theory", None),
    "layers": ("layers", None),
    "networks": ("networks", None),
    "callbacks": ("callbacks", None),
    "latent": ("latent", None),
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        from keras_gan_zoo._text import suggest

        raise AttributeError(
            f"module 'keras_gan_zoo' has no attribute {name!r}. {suggest(name, _PUBLIC)}"
        )
    module_name, attribute = _PUBLIC[name]
    module = importlib.import_module(f"keras_gan_zoo.{module_name}")
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if "keras" in sys.modules:  # then `keras.saving.load_model` must know our classes
    importlib.import_module("keras_gan_zoo.registry").load_all()

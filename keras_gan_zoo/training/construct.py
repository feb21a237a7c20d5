"""From a registry entry and a user's arguments to a compiled `GAN`."""

from __future__ import annotations

import contextlib
import inspect
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from keras_gan_zoo._text import suggest
from keras_gan_zoo.training import latents
from keras_gan_zoo.training.gan import GAN


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Keras initializers and layers made inside draw their default seeds from `seed`.

    Python's global generator, from which Keras takes those defaults, is left as it was.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def dtype_policy(dtype: Any) -> Iterator[None]:
    """Layers made inside have this dtype policy; None leaves the global one."""
    before = keras.config.dtype_policy()
    try:
        if dtype is not None:
            keras.config.set_dtype_policy(dtype)
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dtype_policy("float32")
def in_float32(gan: GAN) -> GAN:
    """The GAN itself, or a copy in float32 where layers of it compute in half precision."""
    if not any("float16" in layer.compute_dtype for layer in gan._flatten_layers()):
        return gan
    copy = type(gan).from_config(_float32(gan.get_config()))
    for variable, source in zip(copy.weights, gan.weights, strict=True):
        variable.assign(ops.cast(source, variable.dtype))
    return copy


def _float32(config: Any, key: str = "") -> Any:
    """A config whose dtype policies are float32 where they were half precision."""
    if key == "dtype" and "float16" in str(config):
        return "float32"
    if isinstance(config, Mapping):
        return {k: _float32(v, k) for k, v in config.items()}
    return [_float32(v) for v in config] if isinstance(config, list) else config


def construct(
    entry: Any,
    image_shape: Any,
    *,
    dtype: Any,
    seed: int | None,
    arguments: Mapping[str, Any],
    compile: bool = True,
) -> GAN:
    """Build (and compile) the model of a registry entry. See `zoo.create`."""
    image_shape = check_image_shape(image_shape)
    builder = entry.load()
    _check_arguments(entry.name, builder, arguments)
    seed = latents.draw_seed() if seed is None else int(seed)
    with reproducible(seed), dtype_policy(dtype):
        gan = builder(image_shape, seed=seed, **arguments)
    gan.recipe = {
        "name": entry.name,
        "config": {
            "image_shape": list(image_shape),
            **({} if dtype is None else {"dtype": str(dtype)}),
            **{k: jsonable(v) for k, v in arguments.items()},
        },
    }
    if compile:
        gan.compile()
    return gan


def jsonable(value: Any) -> Any:
    """A JSON value of an argument: Keras objects by their config."""
    try:
        json.dumps(value)
        return value
    except TypeError:
        pass
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    return keras.saving.serialize_keras_object(value)


def check_image_shape(image_shape: Any) -> tuple[int, ...]:
    """`(height, width, channels)` or `(d,)` as a tuple of positive ints.

    Raises:
        ValueError: anything else.
    """
    try:
        shape = tuple(int(d) for d in image_shape)
    except TypeError:
        shape = ()
    if len(shape) not in (1, 3) or any(d < 1 for d in shape):
        raise ValueError(
            "image_shape must be (height, width, channels), or (d,) for points. "
            f"Received: image_shape={image_shape!r}"
        )
    return shape


def _check_arguments(name: str, builder: Any, arguments: Mapping[str, Any]) -> None:
    own = _keywords(builder)
    base = _keywords(GAN.__init__) - {"generator", "discriminator", "recipe", "name", "kwargs"}
    if "num_classes" in arguments and "num_classes" not in own:
        hint = " Its classifier's classes are `classes`." if "classes" in own else ""
        raise ValueError(f"{name} is unconditional: it takes no num_classes.{hint}")
    for key in arguments:
        if key not in own | base:
            raise ValueError(f"{name} takes no argument {key!r}. {suggest(key, own | base)}")


def _keywords(function: Any) -> set[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind in kinds} - {"self", "image_shape", "seed"}

"""What losses, penalties and constraints have in common: a config, equality, look-up by name."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import keras

from keras_gan_zoo._text import suggest

PACKAGE = "keras_gan_zoo"
register = keras.saving.register_keras_serializable(package=PACKAGE)

T = TypeVar("T", bound="Configurable")


class Configurable:
    """An object that is described completely by the arguments of its constructor.

    Every constructor argument is kept as an attribute of the same name; `get_config` collects
    them, two objects are equal if their types and configs are, and `repr` prints them.
    """

    name: str = ""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as a JSON-serialisable dict."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        signature = inspect.signature(type(self))
        return {k: getattr(self, k) for k, p in signature.parameters.items() if p.kind in named}

    @classmethod
    def from_config(cls: type[T], config: Mapping[str, Any]) -> T:
        """Build the object that `get_config` described."""
        return cls(**config)

    @property
    def variables(self) -> list[keras.Variable]:
        """The non-trainable state that a checkpoint of a training run must keep, in fixed order."""
        generator = getattr(self, "seed_generator", None)
        return [] if generator is None else [generator.state]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configurable):
            return NotImplemented
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def resolve(
    identifier: Any,
    table: Mapping[str, tuple[type[Configurable], dict[str, Any]]],
    base: type | tuple[type, ...],
    kind: str,
) -> Any:
    """Turn a name, a config dict or an object into an object of type `base`.

    Args:
        identifier: a key of `table`; or `{"class_name": ..., "config": {...}}`, where the class
            name is a key of `table`, the name of a class, or the registered name of a class of
            the user's own; or an instance of `base`, which is returned as it is.
        table: short name -> (class, the arguments that the name stands for).
        base: the type or types that are accepted.
        kind: the word for error messages, `"loss"` or `"penalty"`.

    Raises:
        ValueError: the name is unknown (the message has the nearest names) or the identifier is
            none of the three.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, str):
        name, config = identifier, {}
    elif isinstance(identifier, Mapping) and "class_name" in identifier:
        name = identifier.get("registered_name") or identifier["class_name"]
        config = dict(identifier.get("config") or {})
    else:
        wanted = " or ".join(t.__name__ for t in (base if isinstance(base, tuple) else (base,)))
        raise ValueError(
            f"A {kind} is a name, a config dict with `class_name` and `config`, or an instance of "
            f"{wanted}. Received: {identifier!r} of type {type(identifier).__name__}"
        )
    if name in table:
        cls, preset = table[name]
        return cls.from_config({**preset, **config})
    classes = {cls.__name__: cls for cls, _ in table.values()}
    cls = classes.get(name.removeprefix(f"{PACKAGE}>"))
    if cls is None:
        cls = keras.saving.get_registered_object(name)
    if isinstance(cls, type) and issubclass(cls, base):
        return cls.from_config(config)
    raise ValueError(f"Unknown {kind} {name!r}. {suggest(name, table)}")


def serialize(instance: Configurable) -> dict[str, Any]:
    """Return the Keras serialisation of a loss, penalty or constraint, as `get` reads it."""
    return keras.saving.serialize_keras_object(instance)

"""Names -> builders.

Every module of `keras_gan_zoo/models/` holds one paper: a builder decorated with `@register`. The
names, papers and summaries are read from the source text of those modules (`ast`, no import), so
that listing the models needs no TensorFlow; the module is imported when its model is created.
"""

from __future__ import annotations

import ast
import fnmatch
import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_gan_zoo._text import suggest

_MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True)
class ModelEntry:
    """One registered model: what `zoo.list_models()` and `zoo.model_info()` speak of."""

    name: str
    paper: str
    year: int
    summary: str
    family: str = "unconditional"
    module: str | None = None
    builder: Callable[..., Any] | None = field(default=None, compare=False)

    def load(self) -> Callable[..., Any]:
        """The builder; imports its module where it has not been imported yet."""
        if self.builder is not None:
            return self.builder
        importlib.import_module(self.module)
        return _registered[self.name].builder


_registered: dict[str, ModelEntry] = {}


def register(
    name: str, *, paper: str, year: int, summary: str, family: str = "unconditional"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a builder under `name`.

    A builder takes `image_shape` and keyword arguments and returns an (uncompiled) `GAN`. In the
    package's own `models/` the arguments of this decorator must be literals: the list of models
    is read without importing them.

    Args:
        name: lower case with underscores; what users pass to `zoo.create`.
        paper: authors, title and venue of the paper.
        year: year of the paper's first publication.
        summary: one line: what it changes against a plain GAN.
        family: `"unconditional"`, `"conditional"`, `"translation"`, ...

    Raises:
        ValueError: if the name is not a lower-case identifier or is taken by another builder.

    Example:

    ```python
    @zoo.register("mygan", paper="Me, 'My GAN'", year=2026, summary="DCGAN with a hinge loss")
    def mygan(image_shape, **options):
        return dcgan(image_shape, **{"loss": "hinge", **options})
    ```
    """
    if not (isinstance(name, str) and name.isidentifier() and name == name.lower()):
        raise ValueError(
            "A model's name must be a lower-case identifier such as 'wgan_gp'. "
            f"Received: name={name!r}"
        )

    def decorate(builder: Callable[..., Any]) -> Callable[..., Any]:
        entry = _registered.get(name)
        source = _shipped().get(name)
        owner = entry.builder.__module__ if entry else source.module if source else None
        if owner is not None and owner != builder.__module__:
            raise ValueError(
                f"The name {name!r} is taken by a builder in {owner}. Choose another name."
            )
        _registered[name] = ModelEntry(
            name, paper, year, summary, family, builder.__module__, builder
        )
        return builder

    return decorate


@functools.cache
def _shipped() -> dict[str, ModelEntry]:
    """The package's own models, read from the decorators in `models/*.py`."""
    entries = {}
    for path in sorted(_MODELS.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for call in getattr(node, "decorator_list", ()):
                if not isinstance(call, ast.Call):
                    continue
                if getattr(call.func, "id", getattr(call.func, "attr", "")) != "register":
                    continue
                name = ast.literal_eval(call.args[0])
                fields = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
                module = f"keras_gan_zoo.models.{path.stem}"
                entries[name] = ModelEntry(name, module=module, **fields)
    return entries


def _entries() -> dict[str, ModelEntry]:
    return {**_shipped(), **_registered}


def get(name: str) -> ModelEntry:
    """The entry of `name`.

    Raises:
        ValueError: for an unknown name; names the nearest ones.
    """
    entries = _entries()
    if name not in entries:
        raise ValueError(f"There is no model {name!r}. {suggest(name, entries)}")
    return entries[name]


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Sorted names of the registered models, or of the presets that have weights.

    Args:
        pattern: shell-style pattern; matched against the names.
        pretrained: list `"model.tag"` names with weights instead.

    Example:

    >>> "dcgan" in list_models("dc*")
    True
    """
    names = _entries()
    if pretrained:
        from keras_gan_zoo.hub.resolve import local_presets

        models = names
        names = [n for n in local_presets() if n.split(".", 1)[0] in models]
    return sorted(n for n in names if fnmatch.fnmatchcase(n, pattern))


def load_all() -> None:
    """Import every model module: Keras then knows their classes, and ours in general."""
    for entry in _shipped().values():
        importlib.import_module(entry.module)


def load_model(path: Any, compile: bool = True) -> Any:
    """Load a `.keras` file saved by `gan.save(path)`: networks, EMA, optimizers, step and noise.

    The same as `keras.saving.load_model` once this package's classes are registered with Keras,
    which this function does, and importing the package after Keras.

    Args:
        path: of the file.
        compile: restore the optimizers too.

    Returns:
        The `GAN`.

    Example:

    ```python
    gan = zoo.load_model("runs/quickstart/model.keras")
    ```
    """
    import keras

    load_all()
    return keras.saving.load_model(path, compile=compile)


def model_info(name: str) -> dict[str, Any]:
    """What is known of a model: paper, year, summary, family, defaults, pretrained tags.

    Args:
        name: a registered name such as `"dcgan"`.

    Returns:
        A dict with keys `name, paper, year, summary, family, defaults, pretrained`; `pretrained`
        maps `"model.tag"` to the metrics recorded in that preset's manifest.

    Raises:
        ValueError: for an unknown name.
    """
    from keras_gan_zoo.hub.manifest import Manifest
    from keras_gan_zoo.hub.resolve import local_presets

    entry = get(name)
    presets = {n: p for n, p in local_presets().items() if n.split(".", 1)[0] == name}
    defaults = {
        p.name: p.default
        for p in inspect.signature(entry.load()).parameters.values()
        if p.default is not inspect.Parameter.empty
    }
    return {
        "name": entry.name,
        "paper": entry.paper,
        "year": entry.year,
        "summary": entry.summary,
        "family": entry.family,
        "defaults": defaults,
        "pretrained": {n: Manifest.read(p).metrics for n, p in sorted(presets.items())},
    }


def create(
    name: str,
    image_shape: tuple[int, ...] = (28, 28, 1),
    *,
    latent_dim: int | None = None,
    num_classes: int | None = None,
    dtype: str | None = None,
    seed: int | None = None,
    **overrides: Any,
) -> Any:
    """Build and compile a registered model.

    Args:
        name: a name of `zoo.list_models()`.
        image_shape: `(height, width, channels)`; `(2,)` for the toy mixtures with MLP models.
        latent_dim: width of z. `None` means the paper's.
        num_classes: number of classes for conditional models.
        dtype: Keras dtype policy for the networks: `"float32"`, `"mixed_bfloat16"`, ...
        seed: makes initial weights and all later noise reproducible. `None` draws one.
        **overrides: the builder's own arguments (`width`, ...) and the `GAN` options `loss`,
            `penalties`, `d_steps`, `update`, `ema`, `g_optimizer`, `d_optimizer`.

    Returns:
        A compiled `keras_gan_zoo.GAN`.

    Raises:
        ValueError: unknown model, override or loss (names the nearest), impossible image shape.

    Example:

    ```python
    gan = zoo.create("dcgan", image_shape=(32, 32, 3), loss="hinge", seed=0)
    ```
    """
    from keras_gan_zoo.training import construct

    arguments = {"latent_dim": latent_dim, "num_classes": num_classes}
    arguments = {k: v for k, v in arguments.items() if v is not None} | overrides
    return construct(get(name), image_shape, dtype=dtype, seed=seed, arguments=arguments)

"""Presets in and out: `from_pretrained`, `save_preset`, `check_golden`.

A preset holds what `zoo.create` needs to build the model from the *local* code, and arrays. Loading
verifies every file first, revives no class and unpickles nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gan_zoo import pictures, registry
from keras_gan_zoo.hub import card, weights
from keras_gan_zoo.hub.manifest import MAX_PRESET_BYTES, Manifest, ManifestError
from keras_gan_zoo.hub.resolve import locate
from keras_gan_zoo.hub.verify import VerificationError, sha256, verify_folder
from keras_gan_zoo.training import latents
from keras_gan_zoo.training.gan import GAN

GOLDEN, PREVIEW = "golden.npz", "preview.png"
_GOLDEN_IMAGES = 8
_NOT_KEPT = ("ema", "dtype", "seed")  # weights are the sampling generator's, in float32
_MAX_GOLDEN_BYTES = 64 * 2**20
_MAX_MODEL_BYTES = 64 * MAX_PRESET_BYTES  # of all variables, the optimizers' among them


def from_pretrained(name: str | os.PathLike[str]) -> GAN:
    """A model with pretrained weights, ready to sample from or to train on.

    Args:
        name: `"model.tag"` of `zoo.list_models(pretrained=True)`, a path to a preset's folder, or
            `"hf://user/repo[@revision]"`; see `hub.resolve.resolve` for where names are looked for.

    Returns:
        A compiled `GAN`, built by the registered builder; `gan.recipe["preset"]` says which.
        The generator is the one the preset's authors sampled from (the averaged one where there
        was one). Networks whose weights the preset does not hold start anew.

    Raises:
        PresetNotFoundError: no such preset; names the nearest.
        ManifestError: the manifest is damaged, or asks for a model or an argument not known here,
            or for a model of more than 512 MiB.
        VerificationError: a file is missing, cut short, altered, not listed or of another model.
        DownloadError: see `hub.remote.fetch`.

    Example:

    ```python
    gan = zoo.from_pretrained("dcgan.fashion_mnist")
    images = gan.sample(16, seed=0)     # float32 (16, 28, 28, 1) in [-1, 1]
    ```
    """
    folder, manifest = locate(name)
    return _load(folder, manifest)


def _load(folder: Path, manifest: Manifest) -> GAN:
    verify_folder(folder, manifest)
    if manifest.is_extractor:
        raise ManifestError(
            f"{manifest.name!r} is a feature extractor, not a generator. Use "
            f"zoo.metrics.features.get({manifest.builder!r})."
        )
    gan = _build(manifest, str(folder))
    networks = _networks(gan)
    listed = weights.files_by_network(manifest.files)
    unknown = sorted(set(listed) - set(networks))
    if "generator" not in listed or unknown:
        raise ManifestError(
            f"{folder}: a preset of {manifest.builder!r} holds generator.weights.h5, and may hold "
            f"those of {', '.join(sorted(networks))}. Received: {', '.join(listed) or 'none'}"
        )
    for network, path in listed.items():
        weights.load(networks[network], folder / path)
        if network in gan.twins():
            gan.twins()[network].set_weights(networks[network].get_weights())
    gan.recipe = {**gan.recipe, "config": dict(manifest.config), "preset": manifest.name}
    return gan


def _build(manifest: Manifest, source: str) -> GAN:
    """The model of a manifest, from the local builder, with new weights."""
    try:
        registry.get(manifest.builder)
    except ValueError as error:
        raise ManifestError(f"{source}: the builder is not registered. {error}") from error
    config = {"dtype": "float32", **manifest.config, "ema": None}
    try:
        with _bounded(_MAX_MODEL_BYTES):
            return registry.create(manifest.builder, **config, seed=0)
    except (ValueError, TypeError, KeyError, MemoryError, tf.errors.OpError) as error:
        raise ManifestError(
            f"{source}: zoo.create({manifest.builder!r}, ...) refuses the manifest's config. "
            f"{error or type(error).__name__}"
        ) from error


@contextlib.contextmanager
def _bounded(limit: int) -> Iterator[None]:
    """Variables made inside have at most `limit` bytes together; a larger one is not allocated."""
    total = 0

    def count(make: Any, **options: Any) -> Any:
        nonlocal total
        value = options["initial_value"]
        with tf.__internal__.FuncGraph("shapes").as_default():  # nothing is computed
            value = tf.convert_to_tensor(value() if callable(value) else value)
        total += value.shape.num_elements() * value.dtype.size
        if total > limit:
            raise ValueError(
                f"The model of a preset has at most {limit:,} bytes, its optimizers included. "
                f"Received: {total:,} bytes up to the variable {options.get('name')!r}"
            )
        return make(**options)

    with tf.variable_creator_scope(count):
        yield


def _networks(gan: GAN) -> dict[str, keras.Model]:
    """Attribute name -> network, of the players."""
    players = [id(n) for n in gan.networks()]
    return {k: v for k, v in vars(gan).items() if id(v) in players and not k.startswith("_")}


def save_preset(
    gan: GAN,
    folder: str | os.PathLike[str],
    name: str,
    *,
    data: Mapping[str, Any],
    licence: Mapping[str, str],
    metrics: Sequence[Mapping[str, Any]],
    training: Mapping[str, Any],
    hub: Mapping[str, str] | None = None,
    golden_seed: int = 0,
    atol: float = 1e-3,
    networks: Sequence[str] = ("generator",),
) -> Path:
    """Write a preset: weights, golden images, preview, manifest and card.

    The generator's weights are those `gan.sample` uses (the EMA twin's where there is one), in
    float32. Everything is written to a temporary folder beside `folder`, loaded again, compared
    and renamed: a preset is there whole or not at all.

    Args:
        gan: a model of `zoo.create`, which knows its recipe.
        folder: the preset's own folder, such as `zoo_weights/dcgan.fashion_mnist`. Must not exist.
        name: `"model.tag"`; the model is the one the GAN was created as.
        data, licence, metrics, training: as in `Manifest`. The versions of keras and tensorflow
            in `training` are filled in where they are not given.
        hub: `{"repo_id", "revision"}` or None.
        golden_seed: seed of the 8 golden images and of the 64 of the preview.
        atol: how far golden images may be off when they are generated again.
        networks: which networks' weights to keep; `("generator", "discriminator")` to go on
            training from them.

    Returns:
        The folder.

    Raises:
        FileExistsError: the folder exists. Weights are never overwritten: choose a new tag.
        ManifestError: a record that lacks a key or has a wrong one; more than 8 MiB.
        ValueError: a GAN without a recipe, or a recipe that does not build its networks.

    Example:

    ```python
    save_preset(gan, "zoo_weights/dcgan.garments", "dcgan.garments",
                data={"name": "fashion_mnist", "split": "train", "size": 60_000,
                      "preprocessing": "scaled to [-1, 1]"},
                licence={"code": "Apache-2.0", "weights": "Apache-2.0", "data": "MIT"},
                metrics=[], training={"command": "keras-gan-zoo train dcgan ...", "epochs": 20,
                                      "steps": 18_760, "batch": 64, "seconds": 1800.0,
                                      "device": "2 CPU cores"})
    ```
    """
    folder = Path(folder)
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(
            f"{folder} exists. Weights are never overwritten: choose a new tag in place of "
            f"{name!r}."
        )
    if not gan.recipe:
        raise ValueError(
            "A preset needs the recipe that builds the model again, which models of "
            "`zoo.create(...)` have. This GAN was put together by hand: register a builder for it."
        )
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    recipe = gan.recipe["config"]
    manifest = Manifest(
        name=name,
        builder=gan.recipe["name"],
        config={k: v for k, v in recipe.items() if k not in _NOT_KEPT},
        files=[{"path": "generator.weights.h5", "bytes": 0, "sha256": "0" * 64}],
        hub=None if hub is None else dict(hub),
        licence=dict(licence),
        data=dict(data),
        metrics=[dict(m) for m in metrics],
        training={**training, **{k: v for k, v in versions.items() if k not in training}},
        golden={"seed": golden_seed, "atol": atol},
    )
    manifest = Manifest.from_dict(manifest.to_dict(), name)  # before any work is done
    copy = _copy(gan, manifest, ["generator", *(n for n in networks if n != "generator")])

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for network, model in copy.items():
            if network != "gan":
                model.save_weights(temporary / f"{network}.weights.h5")
        _write_pictures(copy["gan"], temporary, golden_seed)
        manifest = Manifest.from_dict({**manifest.to_dict(), "files": _entries(temporary)}, name)
        manifest.write(temporary)
        (temporary / card.FILENAME).write_text(card.render(manifest), encoding="utf-8")
        _check_golden(temporary, manifest)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _copy(gan: GAN, manifest: Manifest, networks: Sequence[str]) -> dict[str, Any]:
    """The model as the recipe builds it, in float32, with the weights to keep; and its networks."""
    own, built = _networks(gan), _build(manifest, manifest.name)
    made: dict[str, Any] = {"gan": built}
    for name in networks:
        if name not in own:
            raise ValueError(f"networks must be of {', '.join(sorted(own))}. Received: {name!r}")
        source, target = gan.twins().get(name, own[name]), _networks(built)[name]
        if [v.shape for v in source.weights] != [v.shape for v in target.weights]:
            raise ValueError(
                f"The recipe zoo.create({manifest.builder!r}, **{manifest.config}) builds another "
                f"{name} than this GAN has; a preset of it could not be loaded."
            )
        values = [
            ops.convert_to_numpy(ops.cast(v, t.dtype))
            for v, t in zip(source.weights, target.weights, strict=True)
        ]
        if not all(np.isfinite(v).all() for v in values):
            raise ValueError(f"The {name} has weights that are NaN or infinite: nothing to keep.")
        target.set_weights(values)
        made[name] = target
    return made


def _write_pictures(gan: GAN, folder: Path, seed: int) -> None:
    extra = {}
    if gan.num_classes is not None:
        extra["labels"] = np.asarray(latents.labels(_GOLDEN_IMAGES, gan.num_classes, seed))
    images = gan.sample(_GOLDEN_IMAGES, seed=seed)
    z = np.asarray(latents.latents(_GOLDEN_IMAGES, gan.latent_dim, seed), np.float32)
    half = np.abs(images).max() <= 1.0  # beyond, rounding comes near what `atol` allows
    golden = images.astype(np.float16) if half else images
    np.savez_compressed(folder / GOLDEN, z=z, images=golden, **extra)
    if len(gan.image_shape) == 3:
        pictures.save_grid(gan.sample(64, seed=seed), folder / PREVIEW, columns=8)


def _entries(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(p for p in folder.iterdir() if p.is_file())
    total = sum(p.stat().st_size for p in paths)
    if total > MAX_PRESET_BYTES:
        sizes = ", ".join(f"{p.name} {p.stat().st_size:,}" for p in paths)
        raise ManifestError(
            f"A preset has at most {MAX_PRESET_BYTES:,} bytes (8 MiB). Received: {total:,} "
            f"({sizes}). Train a narrower model, or keep the generator only."
        )
    return [{"path": p.name, "bytes": p.stat().st_size, "sha256": sha256(p)} for p in paths]


def check_golden(folder: str | os.PathLike[str]) -> float:
    """Generate a preset's golden images again and compare.

    Args:
        folder: a preset's folder, or anything `from_pretrained` takes.

    Returns:
        The largest absolute difference of a pixel (images are in [-1, 1]).

    Raises:
        VerificationError: more than the manifest's `atol` apart, or the seed gives another z.
        PresetNotFoundError, ManifestError: as `from_pretrained`.

    Example:

    ```python
    check_golden("zoo_weights/dcgan.fashion_mnist")     # 0.0002
    ```
    """
    return _check_golden(*locate(folder))


def _check_golden(folder: Path, manifest: Manifest) -> float:
    gan = _load(folder, manifest)
    path, seed, atol = folder / GOLDEN, manifest.golden["seed"], manifest.golden["atol"]
    if manifest.file(GOLDEN) is None:
        raise VerificationError(f"{folder}: the preset has no {GOLDEN} to compare with.")
    golden = _read_golden(path, gan)
    z = np.asarray(latents.latents(len(golden["images"]), gan.latent_dim, seed))
    if not np.allclose(z, golden["z"], atol=1e-5):
        raise VerificationError(
            f"{path}: seed {seed} gives other latent vectors here than where the preset was made; "
            "the noise of `sample` has changed."
        )
    images = gan.sample(len(z), seed=seed, labels=golden.get("labels"))
    worst = float(np.abs(images - golden["images"].astype(np.float32)).max())
    if not worst <= atol:
        raise VerificationError(
            f"{path}: the images of seed {seed} are up to {worst:.3g} off the golden ones; at most "
            f"{atol:g} is allowed. The model's numerics changed: changed numerics need a new tag."
        )
    return worst


def _read_golden(path: Path, gan: GAN) -> dict[str, np.ndarray]:
    wanted = {"z", "images"} | ({"labels"} if gan.num_classes is not None else set())
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(info.file_size for info in archive.infolist())
        if claimed > _MAX_GOLDEN_BYTES:
            raise ValueError(f"it claims {claimed:,} bytes")
        with np.load(path, allow_pickle=False) as archive:
            if set(archive.files) != wanted:
                raise ValueError(f"it must hold {sorted(wanted)}, it holds {archive.files}")
            golden = {key: archive[key] for key in archive.files}
        n = len(golden["images"])
        shapes = {"z": (n, gan.latent_dim), "images": (n, *gan.image_shape), "labels": (n,)}
        for key, value in golden.items():
            if n < 1 or value.shape != shapes[key] or value.dtype.kind not in "fi":
                raise ValueError(f"{key} is {value.dtype} of shape {value.shape}")
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise VerificationError(f"{path}: not a golden file of this preset: {error}") from error
    return golden

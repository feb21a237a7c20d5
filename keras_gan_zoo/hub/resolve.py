"""From the name of a preset to a folder: local folders first, then the hub's cache, then the hub.

Neither TensorFlow nor Keras is imported here; huggingface_hub only when something is remote.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from keras_gan_zoo._text import suggest
from keras_gan_zoo.hub import manifest as manifests
from keras_gan_zoo.hub.manifest import Manifest, ManifestError

WEIGHTS_VARIABLE = "KERAS_GAN_ZOO_WEIGHTS"
HUB_VARIABLE = "KERAS_GAN_ZOO_HUB"
SCHEME = "hf://"
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9][a-z0-9_]*")
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_REVISION = r"[A-Za-z0-9][A-Za-z0-9_./-]*"
_REMOTE = re.compile(rf"hf://(?P<repo>{_PART}/{_PART})(@(?P<revision>{_REVISION}))?")
_OVERRIDE = re.compile(rf"(?P<repo>{_PART}(/{_PART})?)(@(?P<revision>{_REVISION}))?")


class PresetNotFoundError(ValueError):
    """A name or path that leads to no preset."""


def search_folders() -> list[Path]:
    """Folders that hold presets, in order of precedence.

    Those of `KERAS_GAN_ZOO_WEIGHTS` (separated by `os.pathsep`), then `zoo_weights/` of the
    checkout, then the presets installed with the package.
    """
    given = os.environ.get(WEIGHTS_VARIABLE, "")
    folders = [Path(os.path.expanduser(p)) for p in given.split(os.pathsep) if p]
    package = Path(__file__).resolve().parents[1]
    if (package.parent / "setup.cfg").is_file():  # a checkout, not site-packages
        folders.append(package.parent / "zoo_weights")
    return [*folders, package / "zoo_weights"]


def local_presets() -> dict[str, Path]:
    """The presets at hand: name -> folder, sorted by name; see `search_folders`.

    A preset's name is that of its folder; its manifest is not read.

    Example:

    >>> isinstance(local_presets(), dict)
    True
    """
    found: dict[str, Path] = {}
    for parent in search_folders():
        try:
            children = sorted(parent.iterdir())
        except OSError:  # no such folder, or not readable
            continue
        for child in children:
            if _NAME.fullmatch(child.name) and (child / manifests.FILENAME).is_file():
                found.setdefault(child.name, child)
    return dict(sorted(found.items()))


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a preset; downloads it where it is not at hand.

    Args:
        name_or_path: in this order: a path to a preset's folder; `"model.tag"`, looked for in
            `KERAS_GAN_ZOO_WEIGHTS`, in the checkout's `zoo_weights/` and in the installed package;
            `"hf://user/repo"` or `"hf://user/repo@revision"`. Where a local preset has a manifest
            but not all of its files, they come from the hub's cache or the hub, at the revision
            that the manifest pins. `KERAS_GAN_ZOO_HUB` (`"org"`, `"user/repo"`, either with
            `"@revision"`) replaces that repository; the files must still be those of the manifest.

    Raises:
        PresetNotFoundError: no such preset; names the nearest.
        ManifestError: the manifest is damaged.
        DownloadError: the hub cannot be reached or has no such repository, revision or file.
        VerificationError: downloaded files that are not those of the manifest.

    Example:

    ```python
    folder = resolve("dcgan.fashion_mnist")
    ```
    """
    return locate(name_or_path)[0]


def locate(name_or_path: str | os.PathLike[str]) -> tuple[Path, Manifest]:
    """The folder of a preset and the manifest to trust; see `resolve`.

    For a preset of the zoo that is the local manifest, not the one that came with the download.
    """
    text = os.fspath(name_or_path)
    if text.startswith(SCHEME):
        from keras_gan_zoo.hub import remote

        return remote.fetch(*parse_remote(text))
    path = Path(os.path.expanduser(text))
    if os.path.isfile(path / manifests.FILENAME):
        return path, Manifest.read(path)
    presets = local_presets()
    if text not in presets:
        raise PresetNotFoundError(_not_found(name_or_path, path, list(presets)))
    folder = presets[text]
    manifest = Manifest.read(folder)
    if manifest.name != text:
        raise ManifestError(
            f"{folder / manifests.FILENAME}: name must be that of the folder, {text!r}. "
            f"Received: name={manifest.name!r}"
        )
    complete = all((folder / entry["path"]).exists() for entry in manifest.files)
    if complete or (manifest.hub is None and not os.environ.get(HUB_VARIABLE)):
        return folder, manifest
    from keras_gan_zoo.hub import remote

    return remote.fetch(*_repository(manifest), manifest)


def parse_remote(url: str) -> tuple[str, str]:
    """`"hf://user/repo[@revision]"` -> repository and revision (`"main"` unless given).

    Raises:
        PresetNotFoundError: another form.
    """
    match = _REMOTE.fullmatch(url)
    if match is None or ".." in url:
        raise PresetNotFoundError(
            "A remote preset is named 'hf://user/repo' or 'hf://user/repo@revision'. "
            f"Received: {url!r}"
        )
    return match["repo"], match["revision"] or "main"


def _repository(manifest: Manifest) -> tuple[str, str]:
    """Where a preset of the zoo is downloaded from."""
    override = os.environ.get(HUB_VARIABLE)
    if not override:
        return manifest.hub["repo_id"], manifest.hub["revision"]
    match = _OVERRIDE.fullmatch(override)
    if match is None or ".." in override:
        raise PresetNotFoundError(
            f"{HUB_VARIABLE} must be 'org' or 'user/repo', with or without '@revision'. "
            f"Received: {override!r}"
        )
    repo = match["repo"] if "/" in match["repo"] else f"{match['repo']}/{manifest.name}"
    return repo, match["revision"] or "main"


def _not_found(given: str | os.PathLike[str], path: Path, presets: list[str]) -> str:
    text = os.fspath(given)
    separators = {"/", os.sep, os.altsep} - {None}
    if os.path.isdir(path) or not isinstance(given, str) or any(s in text for s in separators):
        what = (
            f"the folder holds no {manifests.FILENAME}" if os.path.isdir(path) else "no such folder"
        )
        hint = f" For a repository of the hub write 'hf://{text}'." if text.count("/") == 1 else ""
        return f"There is no preset at {text!r}: {what}.{hint}"
    from keras_gan_zoo import registry

    own = [n for n in presets if n.split(".")[0] == text]
    models = registry.list_models()
    if own:
        return (
            f"{text!r} names a model, not a preset with weights. "
            f"Did you mean {' or '.join(repr(n) for n in own)}?"
        )
    if text in models:
        return (
            f"There are no pretrained weights of {text!r}. Train it: zoo.create({text!r}, ...). "
            f"With weights: {', '.join(presets) or 'none'}."
        )
    hint = (
        suggest(text, presets)
        if presets
        else (f"No presets are at hand; set {WEIGHTS_VARIABLE} to the folder that holds them.")
    )
    return f"There is no preset {text!r}. {hint}"

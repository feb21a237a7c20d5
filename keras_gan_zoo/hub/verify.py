"""Is a preset's folder what its manifest says? Size and sha256 of every file, always."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gan_zoo._text import suggest
from keras_gan_zoo.hub.manifest import CARD, FILENAME, Manifest


class VerificationError(ValueError):
    """Files that are not the ones the manifest speaks of."""


def verify_folder(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Check that `folder` holds the manifest's files and no others.

    Every file must be a regular file with the recorded size and sha256. A symbolic link is
    followed only inside the folder, or inside the cache when the folder is a snapshot in
    huggingface_hub's cache, which is made of links. Besides the listed files there may be the
    manifest, the card and hidden files (names that begin with a dot), which are not read.

    Raises:
        VerificationError: names the file, what was expected, what is there, and what to do.

    Example:

    ```python
    verify_folder(folder, Manifest.read(folder))
    ```
    """
    folder = Path(folder)
    for entry in manifest.files:
        verify_file(folder, entry, manifest)
    listed = {entry["path"] for entry in manifest.files} | {FILENAME, CARD}
    for path in _files(folder):
        if path not in listed:
            raise VerificationError(
                f"{folder / path}: this file is not listed in {FILENAME}. {suggest(path, listed)} "
                "Move it out of the preset's folder."
            )


def verify_file(folder: Path, entry: Mapping[str, Any], manifest: Manifest) -> None:
    """Check one file of a manifest: regular, of the recorded size, of the recorded sha256.

    Raises:
        VerificationError: see `verify_folder`.
    """
    path = folder / entry["path"]
    real = _inside(folder, path, manifest)
    with real.open("rb") as stream:  # one open file for all checks
        info = os.fstat(stream.fileno())
        if info.st_size != entry["bytes"]:
            short = "; the file is cut short" if info.st_size < entry["bytes"] else ""
            raise VerificationError(
                f"{path}: expected {entry['bytes']:,} bytes, found {info.st_size:,}{short}. "
                f"{remedy(manifest)}"
            )
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != entry["sha256"]:
        raise VerificationError(
            f"{path}: expected sha256 {entry['sha256']}, found {found}; the content was altered. "
            f"{remedy(manifest)}"
        )


def remedy(manifest: Manifest) -> str:
    """What to do about a missing or damaged file."""
    if manifest.hub:
        return (
            f"Delete the file and load {manifest.name!r} again: it is then downloaded from "
            f"hf://{manifest.hub['repo_id']}."
        )
    return "Restore the file from where the preset came from, or delete the folder and copy it anew"


def sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal sha256 of a file, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _inside(folder: Path, path: Path, manifest: Manifest) -> Path:
    """The regular file behind `path`, which must not lead out of the folder."""
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise VerificationError(
            f"{path}: the file is missing or unreadable ({error}). {remedy(manifest)}"
        ) from error
    root = cache_root(folder) or folder.resolve()
    if not real.is_relative_to(root):
        raise VerificationError(
            f"{path} is a link to {real}, outside of {root}. Replace it by the file itself."
        )
    if not stat.S_ISREG(mode):
        raise VerificationError(f"{path} is not a regular file. {remedy(manifest)}")
    return real


def cache_root(folder: Path) -> Path | None:
    """The hub cache that `folder` is a snapshot of (`<root>/models--x--y/snapshots/<commit>`)."""
    parents = Path(os.path.abspath(folder)).parents
    if len(parents) > 2 and parents[0].name == "snapshots":
        if parents[1].name.startswith("models--"):
            return parents[2].resolve()
    return None


def _files(folder: Path) -> list[str]:
    """Paths of everything but folders, relative, with '/'; hidden names and what is in them not."""
    found = []
    for parent, folders, names in os.walk(folder):
        links = [f for f in folders if (Path(parent) / f).is_symlink()]
        folders[:] = [f for f in folders if not f.startswith(".") and f not in links]
        for name in (*names, *links):
            if not name.startswith("."):
                found.append((Path(parent) / name).relative_to(folder).as_posix())
    return sorted(found)

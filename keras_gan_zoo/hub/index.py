"""`zoo_weights/index.json` and the cards, generated from the manifests.

python -m keras_gan_zoo.hub.index               # write them anew
python -m keras_gan_zoo.hub.index --check       # exit code 1 if any is out of date
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_gan_zoo.hub import card
from keras_gan_zoo.hub.manifest import (
    FILENAME,
    SCHEMA_VERSION,
    Manifest,
    ManifestError,
    write_whole,
)

INDEX = "index.json"
MAX_ZOO_BYTES = 80 * 2**20
_METRIC_KEYS = ("name", "value", "ci95", "n_real", "n_fake", "extractor")


def presets(folder: str | os.PathLike[str]) -> list[tuple[Path, Manifest]]:
    """The presets of a folder, sorted by name; every child folder must be one.

    Raises:
        ManifestError: a child folder without a manifest, or named otherwise than its preset.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    found = []
    for child in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._"):
        manifest = Manifest.read(child)
        if manifest.name != child.name:
            raise ManifestError(
                f"{child / FILENAME}: name must be that of the folder, {child.name!r}. "
                f"Received: name={manifest.name!r}"
            )
        found.append((child, manifest))
    return found


def build_index(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What `index.json` says: each preset's model, image shape, size, data, licence, figures.

    Raises:
        ManifestError: a damaged manifest, or presets of more than 80 MiB together.
    """
    entries: dict[str, Any] = {}
    total = 0
    for _, manifest in presets(folder):
        total += manifest.bytes
        entries[manifest.name] = {
            "builder": manifest.builder,
            "image_shape": manifest.config["image_shape"],
            "bytes": manifest.bytes,
            "data": manifest.data["name"],
            "licence": manifest.licence["weights"],
            "hub": manifest.hub,
            "metrics": [{key: m[key] for key in _METRIC_KEYS} for m in manifest.metrics],
        }
    if total > MAX_ZOO_BYTES:
        raise ManifestError(
            f"{folder}: the presets must have at most {MAX_ZOO_BYTES:,} bytes (80 MiB) together. "
            f"Received: {total:,}"
        )
    return {"schema_version": SCHEMA_VERSION, "presets": entries}


def write_index(folder: str | os.PathLike[str]) -> list[Path]:
    """Write `index.json` and every card that is out of date; returns the files written.

    Raises:
        ManifestError: see `build_index`; nothing is written then.
    """
    texts = _texts(Path(folder))
    old = _stale(texts)
    for path in old:
        write_whole(path, texts[path])
    return old


def stale(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the generated files that are missing or out of date, relative to the folder.

    Example:

    >>> stale("no/such/folder")
    []
    """
    folder = Path(folder)
    return [p.relative_to(folder).as_posix() for p in _stale(_texts(folder))]


def _texts(folder: Path) -> dict[Path, bytes]:
    texts = {child / card.FILENAME: card.render(m) for child, m in presets(folder)}
    if texts or (folder / INDEX).exists():
        index = json.dumps(build_index(folder), indent=2, ensure_ascii=False)
        texts[folder / INDEX] = index + "\n"
    return {path: text.encode("utf-8") for path, text in texts.items()}


def _stale(texts: dict[Path, bytes]) -> list[Path]:
    return [p for p, text in texts.items() if not p.is_file() or p.read_bytes() != text]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module; returns the exit code."""
    default = Path(__file__).resolve().parents[2] / "zoo_weights"
    parser = argparse.ArgumentParser(
        prog="python -m keras_gan_zoo.hub.index", description="Generate index.json and the cards."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            names, verb = stale(options.folder), "out of date"
        else:
            names = [str(p) for p in write_index(options.folder)]
            verb = "written"
    except ManifestError as error:
        print(f"Error: {error}")
        return 2
    for name in names:
        print(f"{verb}: {name}")
    return 1 if options.check and names else 0


if __name__ == "__main__":
    raise SystemExit(main())

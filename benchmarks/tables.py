"""Write the generated tables into README.md: models, presets, speed.

    python -m benchmarks.tables [--check]

The text between `<!-- NAME -->` and `<!-- /NAME -->` is replaced. Models come from the registry,
presets from the manifests in `zoo_weights/`, figures from `benchmarks/results/*.json`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from keras_gan_zoo import registry
from keras_gan_zoo.hub.manifest import Manifest
from keras_gan_zoo.hub.resolve import local_presets

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def models() -> str:
    """One row for each registered model."""
    rows = ["| model | year | what it changes | paper |", "|---|---|---|---|"]
    for name in registry.list_models():
        entry = registry.get(name)
        rows.append(f"| `{name}` | {entry.year} | {entry.summary} | {entry.paper} |")
    return "\n".join(rows)


def presets() -> str:
    """One row for each preset in this repository."""
    rows = ["| preset | data | images seen | FID (grey28) | size | licence |"]
    rows.append("|---|---|---|---|---|---|")
    for name, folder in sorted(local_presets().items()):
        manifest = Manifest.read(folder)
        if folder.parent != ROOT / "zoo_weights" or manifest.is_extractor:
            continue
        seen = manifest.training["steps"] * manifest.training["batch"]
        rows.append(
            f"| [`{name}`](zoo_weights/{name}/README.md) | {manifest.data['name']} | {seen:,} | "
            f"{_figure(manifest, 'fid')} | "
            f"{manifest.bytes / 2**20:.1f} MiB | {manifest.licence['weights']} |"
        )
    return "\n".join(rows)


def _figure(manifest: Manifest, name: str) -> str:
    found = [m for m in manifest.metrics if m["name"] == name and m["extractor"] == "grey28"]
    return f"{found[0]['value']:.4g}" if found else ""


SECTIONS: dict[str, Callable[[], str]] = {"models": models, "presets": presets}


def render(text: str) -> str:
    """The README with every generated section renewed.

    Raises:
        ValueError: a section's markers are missing.
    """
    for name, make in SECTIONS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no section <!-- {name} --> ... <!-- /{name} -->.")
        body = make() + "\n"
        text = pattern.sub(lambda m, body=body: m.group(1) + body + m.group(2), text)
    return text


def read_result(name: str) -> dict:
    """A benchmark's record."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args(argv)
    path = ROOT / "README.md"
    before = path.read_text()
    after = render(before)
    if arguments.check:
        if before != after:
            print("README.md is stale: run `python -m benchmarks.tables`.")
        return int(before != after)
    path.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())

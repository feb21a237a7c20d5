"""Write the generated tables into README.md and the pages in docs/.

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

from benchmarks import common
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


def modes() -> str:
    """The mixtures: every contestant, mean and deviation over its seeds."""
    from benchmarks import modes as benchmark

    return benchmark.table(read_result("modes")["runs"])


def modes_speed() -> str:
    """The runs of the speed target."""
    runs = read_result("modes")["speed"]["runs"]
    header = ["model", "steps", "threads", "seconds", "ms / step", "ms / step, graph", "not graph"]
    rows = [
        [
            r["model"],
            f"{r['steps']:,}",
            r["threads"],
            f"{r['seconds']:.0f}",
            f"{r['ms_per_step']:.2f}",
            f"{r['graph_ms_per_step']:.2f}",
            f"{100 * r['outside_graph']:.0f} %",
        ]
        for r in runs
    ]
    return common.table(header, rows)


def stacked() -> str:
    """Stacked MNIST."""
    from benchmarks import stacked as benchmark

    return benchmark.table(read_result("stacked")["runs"])


def semi_supervised() -> str:
    """Few labels."""
    from benchmarks import semi_supervised as benchmark

    return benchmark.table(read_result("semi_supervised")["runs"])


def serving() -> str:
    """Exported forms beside `predict`, and the server."""
    from benchmarks import serving as benchmark

    record = read_result("serving")
    load = record["load"]
    text = (
        f"\n\nThe server under {load['clients']} clients for {load['seconds']:.0f} s: "
        f"{load['requests']:,} requests, {load['errors']} errors, {load['throughput']:,.0f} "
        f"a second ({load['ratio']:.1f} times one at a time), "
        f"p50 {load['latency_ms']['p50']:.0f} ms, "
        f"p99 {load['latency_ms']['p99']:.0f} ms."
    )
    return benchmark.table(record["forms"]) + text


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"models": models, "presets": presets, "serving": serving},
    "docs/mode-collapse.md": {
        "modes": modes,
        "speed": modes_speed,
        "stacked": stacked,
        "semi-supervised": semi_supervised,
    },
}


def render(text: str, sections: dict[str, Callable[[], str]], page: str) -> str:
    """A page with every generated section renewed.

    Raises:
        ValueError: a section's markers are missing.
    """
    for name, make in sections.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{page} has no section <!-- {name} --> ... <!-- /{name} -->.")
        try:
            body = make() + "\n"
        except (FileNotFoundError, KeyError):  # no such record, or not this part of it
            body = "Not measured yet.\n"
        text = pattern.sub(lambda m, body=body: m.group(1) + body + m.group(2), text)
    return text


def read_result(name: str) -> dict:
    """A benchmark's record."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args(argv)
    stale = []
    for page, sections in PAGES.items():
        path = ROOT / page
        before = path.read_text()
        after = render(before, sections, page)
        if before != after:
            stale.append(page)
        if not arguments.check:
            path.write_text(after)
    if arguments.check and stale:
        print(f"{', '.join(stale)}: stale, run `python -m benchmarks.tables`.")
    return int(arguments.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())

"""Time, memory and values of the metrics beside prdc, scipy and torch-fidelity.

    python -m benchmarks.metrics                          # peers in this environment
    python -m benchmarks.metrics --peer-python PYTHON     # peers in another one

The same float32 features, 512 wide, for all. A measurement is a fresh process (so that its peak
memory is its own): import, an untimed call on 600 rows, one timed call. In each repeat all
contestants take their turn. Ratios are medians of the repeats' ratios.

What is compared:

- frechet: Frechet distance. scipy: `sqrtm` of the product of the covariances; torch-fidelity: the
  square roots of its eigenvalues.
- kernel: unbiased MMD^2, cubic kernel, over all pairs; torch-fidelity with one subset of all rows.
- neighbours: precision, recall, density and coverage, k = 5. prdc: the same definitions.
  torch-fidelity: precision and recall only, with closed balls (d <= radius) where prdc's and ours
  are open; without equal distances the values are the same, up to its float32 distances.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

WORKERS = "benchmarks.metrics_workers"
ROOT = Path(__file__).resolve().parent.parent
WIDTH = 512
ROWS = 10_000
GROWTH = (2_000, 5_000, 10_000, 20_000, 50_000)
QUANTITIES = {
    "frechet": ("zoo", "scipy", "torch_fidelity"),
    "kernel": ("zoo", "torch_fidelity"),
    "neighbours": ("zoo", "prdc", "torch_fidelity"),
}
PEER_PACKAGES = ("prdc", "scipy", "scikit-learn", "torch-fidelity", "torch", "numpy")
SECONDS = {"frechet": 0.7, "kernel": 3.0, "neighbours": 4.0}
SHARE_OF_MEMORY = 0.5
# Matrices of rows x rows float32 that a peer holds at once: its peak at 10,000 rows, rounded up.
MATRICES = {
    ("prdc", "neighbours"): 4,
    ("torch_fidelity", "neighbours"): 5,
    ("torch_fidelity", "kernel"): 5,
}


def features(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Real and fake features: correlated, non-negative, of two slightly different distributions."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((64, WIDTH)) / 8.0

    def draw(spread: float, shift: float) -> np.ndarray:
        latent = spread * rng.standard_normal((rows, 64))
        x = latent @ mix + 0.5 * rng.standard_normal((rows, WIDTH)) + shift
        return np.maximum(x, 0.0).astype(np.float32)

    return draw(1.0, 0.0), draw(0.9, 0.05)


class Bench:
    """Runs measurements; makes each number of rows once."""

    def __init__(self, folder: Path, peer_python: str) -> None:
        self._folder = folder
        self._peer_python = peer_python

    def _run(self, python: str, *arguments: str) -> str:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        ran = subprocess.run(
            [python, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{ran.stderr[-4000:]}")
        return ran.stdout

    def measure(self, contestant: str, quantity: str, rows: int) -> dict[str, Any]:
        """One measurement, see `benchmarks.metrics_workers`."""
        folder = self._folder / str(rows)
        if not folder.exists():
            folder.mkdir()
            for name, x in zip(("real", "fake"), features(rows, seed=0), strict=True):
                np.save(folder / f"{name}.npy", x)
        python = sys.executable if contestant == "zoo" else self._peer_python
        _say(f"{quantity}, {rows} rows: {contestant}")
        answer = self._run(python, "-m", WORKERS, contestant, quantity, str(folder))
        return json.loads(answer.splitlines()[-1])

    def peer_versions(self) -> dict[str, str | None]:
        """Versions in the peers' environment."""
        code = f"from benchmarks import common; print(common.versions({PEER_PACKAGES!r}))"
        text = self._run(self._peer_python, "-c", code).strip().splitlines()[-1]
        return json.loads(text.replace("None", "null").replace("'", '"'))


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def compare(bench: Bench, installed: set[str], rows: int, repeats: int) -> list[dict[str, Any]]:
    """All contestants in turn, `repeats` times; one row for each quantity and contestant."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(repeats):
        for quantity, contestants in QUANTITIES.items():
            for contestant in contestants:
                if contestant == "zoo" or contestant in installed:
                    answer = bench.measure(contestant, quantity, rows)
                    found.setdefault((quantity, contestant), []).append(answer)
    table = []
    for (quantity, contestant), answers in found.items():
        seconds = [a["seconds"] for a in answers]
        ours = found[quantity, "zoo"]
        values = answers[0]["values"]
        table.append(
            {
                "quantity": quantity,
                "contestant": contestant,
                "seconds": round(statistics.median(seconds), 3),
                "spread": round((max(seconds) - min(seconds)) / statistics.median(seconds), 3),
                "times_ours": round(
                    statistics.median(s / o["seconds"] for s, o in zip(seconds, ours, strict=True)),
                    2,
                ),
                "peak_mib": round(statistics.median(a["peak_mib"] for a in answers)),
                "values": values,
                "max_relative_difference": max(
                    abs(values[key] - ours[0]["values"][key]) / abs(values[key]) for key in values
                ),
                "all_seconds": [round(s, 4) for s in seconds],
            }
        )
    return table


def growth(bench: Bench, installed: set[str], rows: list[int]) -> list[dict[str, Any]]:
    """One measurement of everything at each number of rows; peers where their matrices fit."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * SHARE_OF_MEMORY
    table = []
    for n in rows:
        for quantity, contestants in QUANTITIES.items():
            for contestant in contestants:
                needed = MATRICES.get((contestant, quantity), 0) * 4 * n * n
                if contestant != "zoo" and (contestant not in installed or needed > memory):
                    continue
                answer = bench.measure(contestant, quantity, n)
                table.append(
                    {
                        "quantity": quantity,
                        "contestant": contestant,
                        "rows": n,
                        "seconds": round(answer["seconds"], 3),
                        "peak_mib": round(answer["peak_mib"]),
                    }
                )
    return table


def targets(comparison: list[dict[str, Any]], rows: int) -> list[dict[str, Any]]:
    """What the figures had to reach (times for 10,000 rows on 2 cores), and whether they did."""
    checks: list[tuple[str, float, float, bool]] = []
    for row in comparison:
        name, seconds = row["quantity"], row["seconds"]
        if row["contestant"] == "zoo":
            if rows == ROWS:
                most = SECONDS[name]
                checks.append((f"{name}: seconds at most", seconds, most, seconds <= most))
                checks.append(
                    (f"{name}: MiB at most", row["peak_mib"], 512, row["peak_mib"] <= 512)
                )
            continue
        difference = row["max_relative_difference"]
        label = f"{name}: difference from {row['contestant']} at most"
        checks.append((label, difference, 1e-3, difference <= 1e-3))
        if row["contestant"] == "prdc":
            times = row["times_ours"]
            checks.append(("neighbours: times prdc's speed at least", times, 3.0, times >= 3.0))
    return [{"what": w, "value": v, "wanted": t, "met": met} for w, v, t, met in checks]


def report(result: dict[str, Any]) -> str:
    """The tables and the verdict as text."""
    header = ("quantity", "contestant", "seconds", "spread", "x ours", "peak MiB", "difference")
    rows = [
        (
            r["quantity"],
            r["contestant"],
            f"{r['seconds']:.3f}",
            f"{r['spread']:.0%}",
            f"{r['times_ours']:.2f}",
            r["peak_mib"],
            f"{r['max_relative_difference']:.1e}",
        )
        for r in result["comparison"]
    ]
    lines = [f"{result['rows']} rows against as many, {WIDTH} wide", "", common.table(header, rows)]
    if result["growth"]:
        header = ("quantity", "contestant", "rows", "seconds", "peak MiB")
        rows = [tuple(r.values()) for r in sorted(result["growth"], key=lambda r: r["quantity"])]
        lines += ["", common.table(header, rows)]
    lines.append("")
    for target in result["targets"]:
        verdict = "pass" if target["met"] else "FAIL"
        lines.append(f"{verdict}  {target['what']} {target['wanted']:g}: {target['value']:.3g}")
    return "\n".join(lines)


def _counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main(arguments: list[str] | None = None) -> None:
    """The command. See `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metrics", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="of the comparison")
    parser.add_argument("--repeats", type=int, default=5, help="of the comparison")
    parser.add_argument(
        "--growth",
        type=_counts,
        default=list(GROWTH),
        help="numbers of rows, separated by commas, of which time and memory are listed",
    )
    parser.add_argument(
        "--peer-python", default=sys.executable, help="interpreter that has the peers"
    )
    parser.add_argument("--output", type=Path, default=common.RESULTS / "metrics.json")
    parser.add_argument(
        "--quick", action="store_true", help="1,000 rows, 1 repeat, no file: does it run?"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.repeats, options.growth = 1000, 1, [1000]
    if options.repeats < 1 or min([options.rows, *options.growth]) < 1000:
        parser.error("--repeats must be at least 1, --rows and --growth at least 1000")
    load = common.load_average()
    if load > 0.5:
        print(f"The machine is busy (load {load}): trust the ratios little, the rest not at all.")
    watch = common.OthersLoad()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.peer_python)
        peer_versions = bench.peer_versions()
        installed = {p.replace("-", "_") for p, version in peer_versions.items() if version}
        for peer in sorted({"prdc", "scipy", "torch_fidelity"} - installed):
            print(f"{peer} is not installed and left out.")
        comparison = compare(bench, installed, options.rows, options.repeats)
        grown = growth(bench, installed, options.growth)
    _say("")
    others = watch.share()
    # The interpreter's path belongs to this machine: the record keeps its name.
    typed = [
        word.replace(options.peer_python, Path(options.peer_python).name)
        for word in (sys.argv[1:] if arguments is None else arguments)
    ]
    result = {
        **common.stamp(shlex.join(["python", "-m", "benchmarks.metrics", *typed])),
        "peer_versions": peer_versions,
        "load_before": load,
        "others_share_of_cpu": others,
        "width": WIDTH,
        "rows": options.rows,
        "repeats": options.repeats,
        "comparison": comparison,
        "growth": grown,
        "targets": targets(comparison, options.rows),
    }
    print(report(result))
    print(f"Other processes used {others:.1%} of the processors: above 3 %, measure again.")
    if not options.quick:
        common.write_json(options.output, result)
        print(f"\nWritten to {options.output}")


if __name__ == "__main__":
    main()

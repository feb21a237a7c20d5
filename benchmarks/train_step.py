"""Images per second of a DCGAN training step, beside Keras' and PyTorch's tutorials.

    python -m benchmarks.train_step

The workload: 28x28x1, batch 128, latent 128. Generator: dense to 7x7x128, two 4x4 stride-2
transposed convolutions 128 and 64 wide, 5x5 to one channel, tanh. Discriminator: two 4x4 stride-2
convolutions 64 and 128 wide, dense to 1. BatchNormalization as in the paper (not at the generator's
output, not at the discriminator's input), Adam 2e-4 with beta_1 .5, non-saturating loss.

Every contestant lives in a process of its own; in each of the repeats all of them are measured in
turn, so a slow minute of the machine meets all. Figures are medians over the repeats.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import shlex
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.train_step_workers import BATCH

WORKERS = "benchmarks.train_step_workers"
EPOCH = 60_000 // BATCH  # steps between two epoch boundaries of `fit`, for Fashion-MNIST

# ---------------------------------------------------------------- operations of one step
# Multiply-accumulates of each layer's forward pass for one image. The gradient with respect to the
# weights takes as many again, and so does the one with respect to the layer's input.

GENERATOR = {
    "dense 128 -> 7x7x128": 128 * (7 * 7 * 128),
    "4x4 up 7x7x128 -> 14x14x128": (7 * 7) * (4 * 4) * 128 * 128,
    "4x4 up 14x14x128 -> 28x28x64": (14 * 14) * (4 * 4) * 128 * 64,
    "5x5 28x28x64 -> 28x28x1": (28 * 28) * (5 * 5) * 64 * 1,
}
DISCRIMINATOR = {
    "4x4 down 28x28x1 -> 14x14x64": (14 * 14) * (4 * 4) * 1 * 64,
    "4x4 down 14x14x64 -> 7x7x128": (7 * 7) * (4 * 4) * 64 * 128,
    "dense 7x7x128 -> 1": 7 * 7 * 128,
}


@dataclasses.dataclass(frozen=True)
class Passes:
    """How often one step runs each pass, over a batch of images.

    Attributes:
        g_forward: generator, forward.
        g_backward: generator, gradients of all weights (none for z).
        d_forward: discriminator, forward.
        d_weights: discriminator, gradients of all weights, and of all inputs but the images.
        d_images: discriminator, gradients of all inputs, the images included.
        d_waste: gradients of the discriminator's weights on top of `d_images`, thrown away.
    """

    g_forward: int
    g_backward: int
    d_forward: int
    d_weights: int
    d_images: int
    d_waste: int = 0

    def flops_per_image(self) -> int:
        """Floating-point operations of the convolutions and dense layers; 2 for each MAC."""
        g, d = sum(GENERATOR.values()), sum(DISCRIMINATOR.values())
        g_first, d_first = next(iter(GENERATOR.values())), next(iter(DISCRIMINATOR.values()))
        macs = (
            self.g_forward * g
            + self.g_backward * (g + (g - g_first))
            + self.d_forward * d
            + self.d_weights * (d + (d - d_first))
            + self.d_images * d
            + self.d_waste * d
        )
        return 2 * macs


# D on real and fake, forward and backward; D on fake again once it moved, back to the images
ALTERNATING = Passes(g_forward=1, g_backward=1, d_forward=3, d_weights=2, d_images=1)
# one forward pass serves both players
SIMULTANEOUS = Passes(g_forward=1, g_backward=1, d_forward=2, d_weights=2, d_images=1)
# as ALTERNATING with a second generator pass
TWICE = Passes(g_forward=2, g_backward=1, d_forward=3, d_weights=2, d_images=1)
# PyTorch's tutorials: backward() of the generator's loss fills the discriminator's .grad too
TWICE_WASTE = Passes(g_forward=2, g_backward=1, d_forward=3, d_weights=2, d_images=1, d_waste=1)

CONTESTANTS: dict[str, tuple[str, Passes]] = {
    "zoo_alternating": ("zoo, fit", ALTERNATING),
    "zoo_simultaneous": ("zoo, fit, simultaneous", SIMULTANEOUS),
    "keras_tutorial": ("(a) Keras tutorial, fit", TWICE),
    "torch": ("(b) PyTorch, channels_last", ALTERNATING),
    "torch_tutorial": ("(c) PyTorch tutorial", TWICE_WASTE),
}
ZOO = ("zoo_alternating", "zoo_simultaneous")
WAYS = {"float32": ("float32",), "bfloat16": ("bfloat16", "grappler")}
"""dtype -> how the zoo computes in it: "grappler" is a float32 model whose graph is rewritten."""
LABELS = {
    "float32": "float32",
    "bfloat16": "bfloat16 (policy, autocast)",
    "grappler": "bfloat16 (graph rewrite)",
}


def lineup(dtypes: Iterable[str]) -> list[tuple[str, str]]:
    """Every `(kind, way)` to measure."""
    pairs = []
    for dtype in dtypes:
        for kind in CONTESTANTS:
            ways = WAYS[dtype] if kind in ZOO else WAYS[dtype][:1]
            pairs += [(kind, way) for way in ways]
    return pairs


# ---------------------------------------------------------------- measuring


def measure(dtypes: list[str], steps: int, repeats: int) -> dict[str, Any]:
    """Runs all contestants in turn, `repeats` times.

    Returns:
        `images_per_second`: name -> all repeats, "kind way" through `fit` or the loop and
        "kind way bare" for the zoo's step alone; `boundary_seconds`, `tail_seconds` of `fit`;
        `peak_gflops`: dtype -> repeats, of the best of several shapes.
    """
    workers: dict[tuple[str, str], common.Worker] = {}
    rates: dict[str, list[float]] = {}
    peaks: dict[str, list[list[float]]] = {dtype: [] for dtype in dtypes}
    tails: dict[str, list[float]] = {}
    boundaries: dict[str, float] = {}
    try:
        for pair in [*lineup(dtypes), *(("peak", dtype) for dtype in dtypes)]:
            _say(f"starting {' '.join(pair)}")
            workers[pair] = common.Worker(WORKERS, pair)
            workers[pair].ask(method="build")
            workers[pair].ask(method="measure", steps=1)  # trace
            if pair[0] in ZOO:
                workers[pair].ask(method="bare", steps=1)
        for repeat in range(repeats):
            for pair, worker in workers.items():
                _say(f"repeat {repeat + 1}/{repeats}: {' '.join(pair)}")
                found = worker.ask(method="measure", steps=steps)
                if pair[0] == "peak":
                    peaks[pair[1]].append(found["flops_per_second"])
                    continue
                name = " ".join(pair)
                rates.setdefault(name, []).append(steps * BATCH / found["seconds"])
                if "tail" in found:
                    tails.setdefault(name, []).append(found["tail"])
                if pair[0] in ZOO:
                    seconds = worker.ask(method="bare", steps=steps)["seconds"]
                    rates.setdefault(f"{name} bare", []).append(steps * BATCH / seconds)
        for pair, worker in workers.items():
            if pair[0] in ZOO:
                name = " ".join(pair)
                _say(f"epoch boundaries, user's own pipeline: {name}")
                found = worker.ask(method="measure", steps=1, epochs=6)
                boundaries[name] = statistics.median(found["boundary"])
                found = worker.ask(method="users_pipeline", steps=steps)
                tails[f"{name}, user's pipeline"] = [found["tail"]]
    finally:
        _say("")
        for worker in workers.values():
            worker.close()
    best = {}
    for dtype, rows in peaks.items():
        shapes = list(zip(*rows, strict=True))
        best[dtype] = [f / 1e9 for f in max(shapes, key=statistics.median)]
    return {
        "images_per_second": rates,
        "peak_gflops": best,
        "boundary_seconds": boundaries,
        "tail_seconds": tails,
    }


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- the verdict


def summarise(raw: dict[str, Any], dtypes: list[str]) -> dict[str, Any]:
    """Medians, GFLOP/s and shares of the peak, ratios, targets met and missed."""
    median = {name: statistics.median(v) for name, v in raw["images_per_second"].items()}
    rows = []
    for dtype in dtypes:
        peak = statistics.median(raw["peak_gflops"][dtype])
        for kind, (label, passes) in CONTESTANTS.items():
            for way in WAYS[dtype]:
                for suffix, extra in (("", ""), (" bare", ", bare step")):
                    name = f"{kind} {way}{suffix}"
                    if name not in median:
                        continue
                    gflops = median[name] * passes.flops_per_image() / 1e9
                    values = raw["images_per_second"][name]
                    rows.append(
                        {
                            "name": name,
                            "label": label.replace(", fit", "") + extra if suffix else label,
                            "dtype": LABELS[way],
                            "images_per_second": round(median[name], 1),
                            "spread": round((max(values) - min(values)) / median[name], 3),
                            "mflop_per_image": round(passes.flops_per_image() / 1e6, 1),
                            "gflops": round(gflops, 1),
                            "share_of_peak": round(gflops / peak, 3),
                        }
                    )
    targets = []
    for dtype in dtypes:
        for way in WAYS[dtype]:
            ours = f"zoo_alternating {way}"
            wanted = {
                "torch": 1.0 if dtype == "float32" else 1.05,
                "keras_tutorial": 1.1,
                "torch_tutorial": 1.5,
            }
            for kind, least in wanted.items():
                label = f"zoo / {CONTESTANTS[kind][0]}, {LABELS[way]}"
                ratio = _ratio(raw, ours, f"{kind} {dtype}")
                targets.append(_target(label, ratio, least))
            for kind in ZOO:
                fit = f"{kind} {way}"
                # the steady state, with the epochs' boundaries spread over an epoch's steps
                step = BATCH / median[fit]
                amortised = step / (step + raw["boundary_seconds"][fit] / EPOCH)
                ratio = _ratio(raw, fit, f"{fit} bare") * amortised
                label = f"fit / bare step, {kind.removeprefix('zoo_')}, {LABELS[way]}"
                targets.append(_target(label, ratio, 0.95))
            if way == "float32":
                share = next(r["share_of_peak"] for r in rows if r["name"] == ours)
                targets.append(_target("share of the convolution peak, float32 (aim)", share, 0.9))
    tails = {name: round(max(v), 3) for name, v in raw["tail_seconds"].items() if "zoo" in name}
    return {"rows": rows, "targets": targets, "worst_tail_seconds": tails}


def _ratio(raw: dict[str, Any], ours: str, theirs: str) -> float:
    """Median of the ratios of the repeats: what slows a whole repeat drops out."""
    pairs = zip(raw["images_per_second"][ours], raw["images_per_second"][theirs], strict=True)
    return statistics.median(a / b for a, b in pairs)


def _target(what: str, ratio: float, least: float) -> dict[str, Any]:
    return {"what": what, "ratio": round(ratio, 3), "least": least, "met": ratio >= least}


def report(summary: dict[str, Any], raw: dict[str, Any]) -> str:
    """The table and the verdict as text."""
    header = ("contestant", "dtype", "images/s", "spread", "GFLOP/s", "of peak")
    rows = [
        (
            r["label"],
            r["dtype"],
            f"{r['images_per_second']:.0f}",
            f"{r['spread']:.0%}",
            f"{r['gflops']:.0f}",
            f"{r['share_of_peak']:.0%}",
        )
        for r in summary["rows"]
    ]
    peaks = ", ".join(f"{d} {statistics.median(v):.0f}" for d, v in raw["peak_gflops"].items())
    lines = [common.table(header, rows), "", f"Convolution peak, GFLOP/s: {peaks}", ""]
    for target in summary["targets"]:
        verdict = "pass" if target["met"] else "FAIL"
        lines.append(
            f"{verdict}  {target['ratio']:.3f} (wanted {target['least']:.2f})  {target['what']}"
        )
    boundary = max(raw["boundary_seconds"].values())
    name, tail = max(summary["worst_tail_seconds"].items(), key=lambda item: item[1])
    lines += [
        "",
        f"The zoo's fit: between two epochs at most {boundary * 1e3:.0f} ms; from the last step to "
        f"the return at most {tail * 1e3:.0f} ms ({name}).",
    ]
    return "\n".join(lines)


def profile(kind: str, way: str, steps: int) -> str:
    """Operations of the zoo's bare step by time, as text."""
    worker = common.Worker(WORKERS, (kind, way))
    try:
        worker.ask(method="build")
        worker.ask(method="measure", steps=1)
        found = worker.ask(method="profile", steps=steps)
    finally:
        worker.close()
    lines = [f"{kind}, {LABELS[way]}: time of operations, which overlap; shares of their sum", ""]
    for group in ("kinds", "operations"):
        rows = [(n, f"{ms:.1f}", f"{s:.1%}", calls) for n, ms, s, calls in found[group]]
        lines += [common.table((group, "ms", "share", "calls"), rows), ""]
    return "\n".join(lines)


def _dtypes(text: str) -> list[str]:
    dtypes = text.split(",")
    unknown = [d for d in dtypes if d not in WAYS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown dtype {unknown[0]!r}; known: {', '.join(WAYS)}")
    return dtypes


def main(arguments: list[str] | None = None) -> None:
    """The command. See `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each contestant")
    parser.add_argument("--dtypes", type=_dtypes, default="float32,bfloat16")
    parser.add_argument("--output", type=Path, default=common.RESULTS / "train_step.json")
    parser.add_argument(
        "--quick", action="store_true", help="2 steps, 2 repeats, no file: does it run?"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="list where the zoo's step spends its time, and measure nothing else",
    )
    options = parser.parse_args(arguments)
    if options.profile:
        for dtype in options.dtypes:
            for way in WAYS[dtype]:
                print(profile("zoo_alternating", way, options.steps))
        return
    steps, repeats = (2, 2) if options.quick else (options.steps, options.repeats)
    if min(steps, repeats) < 1:
        parser.error("--steps and --repeats must be at least 1")
    load = common.load_average()
    if load > 0.5:
        print(f"The machine is busy (load {load}): trust the ratios little, the rest not at all.")
    watch = common.OthersLoad()
    raw = measure(options.dtypes, steps, repeats)
    others = watch.share()
    summary = summarise(raw, options.dtypes)
    print(report(summary, raw))
    print(f"Other processes used {others:.1%} of the processors: above 3 %, measure again.")
    if not options.quick:
        typed = sys.argv[1:] if arguments is None else arguments
        command = shlex.join(["python", "-m", "benchmarks.train_step", *typed])
        result = {
            **common.stamp(command),
            "load_before": load,
            "others_share_of_cpu": others,
            "steps": steps,
            "repeats": repeats,
            "batch": BATCH,
            **summary,
            "raw": _rounded(raw),
        }
        common.write_json(options.output, result)
        print(f"\nWritten to {options.output}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    if isinstance(value, float):
        return round(value, 5 - max(0, math.floor(math.log10(abs(value) or 1))))
    return value


if __name__ == "__main__":
    main()

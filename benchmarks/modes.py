"""Mode collapse, measured: every remedy on two mixtures, with the same small networks and budget.

    python -m benchmarks.modes [--models gan,unrolled_5] [--datasets ring,grid] [--seeds 10]
        [--steps 25000] [--jobs 2] [--output runs/modes]

Each run is a process of its own with one thread and writes one JSON file and its samples into the
output folder; a run that is there, or in `benchmarks/results/modes.json`, is not done again, so the
benchmark can be interrupted and go on elsewhere. With the default steps and rates all runs so far
are written to that record at the end (`--collect`: at once, without training) and to
`docs/modes-*.png`. Prints the table. `--speed` times the two contestants of the speed target, each
alone on the machine.

Protocol: 100,000 training points of 8 Gaussians on a circle (radius 1, sigma .01) or 25 on a grid
({-4, -2, 0, 2, 4}^2, sigma .05); 25,000 generator updates on minibatches of 512 (a model with n
critic steps takes n minibatches for each; packs of 3 take 510); then 2,500 samples. A sample is of
high quality within 3 sigma of a mode; a mode counts with one such sample.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

BATCH, SAMPLES, CHECKPOINTS = 512, 2500, 10
LATENT, WIDTH, GAIN = 256, 128, 0.8
G_RATE, D_RATE = 1e-3, 1e-3
BETAS = (0.5, 0.999)  # of Adam's two moments
SCALE = {"ring": 0.5, "grid": 0.125}  # of D's inputs: the outermost modes at 1/2
DATASETS = ("ring", "grid")
REPEATS = 15  # of 100 steps, to time the graph
FEWER_SEEDS = {"improved_gan": 5, "veegan": 5}  # the two slowest
DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = common.RESULTS / "modes.json"
# modes, high-quality share in per cent, reverse KL, as published: see docs/mode-collapse.md.
# "nsgan" and packs: PacGAN's table, whose code has the non-saturating loss; others: VEEGAN's table
PUBLISHED = {
    ("gan", "ring"): "1 / 99.3 / -",
    ("gan", "grid"): "3.3 / .5 / -",
    ("nsgan", "ring"): "6.3 / 98.2 / .45",
    ("nsgan", "grid"): "17.3 / 94.8 / .70",
    ("unrolled_5", "ring"): "7.6 / 35.6 / -",
    ("unrolled_5", "grid"): "23.6 / 16 / -",
    ("pacgan_2", "ring"): "7.9 / 95.6 / .07",
    ("pacgan_2", "grid"): "23.8 / 91.3 / .13",
    ("pacgan_3", "ring"): "7.8 / 97.7 / .10",
    ("pacgan_3", "grid"): "24.6 / 94.2 / .06",
    ("pacgan_4", "ring"): "7.8 / 95.9 / .07",
    ("pacgan_4", "grid"): "24.8 / 93.6 / .04",
    ("veegan", "ring"): "8 / 52.9 / -",
    ("veegan", "grid"): "24.6 / 40 / -",
}


# ------------------------------------------------------------------ the models


def networks(dataset: str, pack: int = 1, normalise: bool = False) -> tuple[Any, Any]:
    """Rectifiers from orthogonal weights: two hidden layers in the generator, one in the
    discriminator."""
    from keras_gan_zoo.networks import mlp

    generator = mlp.generator((2,), LATENT, WIDTH, gain=GAIN, normalise=normalise)
    return generator, critic(dataset, pack)


def critic(dataset: str, pack: int = 1) -> Any:
    from keras_gan_zoo.networks import mlp

    options = {"depth": 1, "activation": "relu", "gain": GAIN, "scale": SCALE[dataset]}
    return mlp.discriminator((2,), WIDTH, pack=pack, **options)


def _plain(loss: Any, pack: int = 1) -> Callable[..., Any]:
    def build(dataset: str, **options: Any) -> Any:
        import keras_gan_zoo as zoo

        return zoo.GAN(*networks(dataset, pack), loss=loss, **options)

    return build


def _unrolled(k: int) -> Callable[..., Any]:
    def build(dataset: str, **options: Any) -> Any:
        from keras_gan_zoo.models.unrolled import Unrolled

        game = {"unroll_steps": k, "zero_sum": True, "loss": "minimax"}
        return Unrolled(*networks(dataset), **game, **options)

    return build


def _dense(units: int, activation: Any = None) -> Any:
    import keras

    start = keras.initializers.Orthogonal(GAIN)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=start)


def _veegan(dataset: str, **options: Any) -> Any:
    import keras

    from keras_gan_zoo.models.veegan import VEEGAN, LogRatio
    from keras_gan_zoo.networks import with_head

    generator, body = networks(dataset)
    z = keras.Input((LATENT,), name="z")

    def judge(x: Any) -> Any:
        return _dense(1)(_dense(WIDTH, "relu")(keras.layers.Concatenate()([x, z])))

    def code(x: Any) -> Any:
        return _dense(LATENT)(_dense(WIDTH, "relu")(x))

    return VEEGAN(
        generator,
        with_head(body, judge, inputs=[z]),
        reconstructor=with_head(critic(dataset), code, name="reconstructor"),
        loss=LogRatio(),
        **options,
    )


def _wgan_gp(dataset: str, **options: Any) -> Any:
    import keras_gan_zoo as zoo

    penalties = [zoo.penalties.GradientPenalty(0.1)]  # of its authors' program for such mixtures
    game = {"loss": "wasserstein", "d_steps": 5, "penalties": penalties}
    return zoo.GAN(*networks(dataset), **game, **options)


def _r3gan(dataset: str, **options: Any) -> Any:
    import keras_gan_zoo as zoo

    # the slope that counts is that over D's scaled inputs: as if the data came so
    gamma = GAMMA / SCALE[dataset] ** 2
    penalties = [zoo.penalties.R1(gamma), zoo.penalties.R2(gamma)]
    game = {"loss": "relativistic", "penalties": penalties, "ema": EMA}
    return zoo.GAN(*networks(dataset), **game, **options)


def _improved(dataset: str, **options: Any) -> Any:
    import keras_gan_zoo as zoo
    from keras_gan_zoo.layers import MinibatchDiscrimination
    from keras_gan_zoo.networks import with_head, with_virtual_batch_norm

    def judge(x: Any) -> Any:
        return _dense(1)(MinibatchDiscrimination(20, average=True, group=32)(x))

    generator, body = networks(dataset, normalise=True)
    return zoo.GAN(
        with_virtual_batch_norm(generator, 64, seed=options["seed"]),
        with_head(body, judge),
        loss=zoo.losses.NonSaturating(label_smoothing=0.1),
        **options,
    )


GAMMA = 1.0  # of R1 and R2
G_FACTOR = {"wgan_gp": 0.1}  # of the generator's rate: it outruns a critic of one layer
# of r3gan: its authors' (beta_2 at its last value); beside it the plain game with them
MOMENTS = {"r3gan": (0.0, 0.99), "nsgan_no_momentum": (0.0, 0.99)}
AVERAGED = ("r3gan",)
EMA = 0.999  # of r3gan's generator: its authors sample from averaged weights only
MODELS: dict[str, Callable[..., Any]] = {
    "gan": _plain("minimax"),
    "nsgan": _plain("non_saturating"),
    "nsgan_no_momentum": _plain("non_saturating"),
    **{f"unrolled_{k}": _unrolled(k) for k in (1, 5, 10)},
    **{f"pacgan_{m}": _plain("non_saturating", m) for m in (2, 3, 4)},
    "veegan": _veegan,
    "wgan_gp": _wgan_gp,
    "r3gan": _r3gan,
    "improved_gan": _improved,
}


def build(
    name: str, dataset: str, seed: int, g_rate: float = G_RATE, d_rate: float = D_RATE
) -> Any:
    """The compiled model of a name of `MODELS`."""
    import keras

    from keras_gan_zoo.training.construct import reproducible

    def adam(rate: float) -> Any:
        return keras.optimizers.Adam(rate, *MOMENTS.get(name, BETAS))

    with reproducible(seed):
        gan = MODELS[name](
            dataset,
            seed=seed,
            g_optimizer=adam(g_rate * G_FACTOR.get(name, 1.0)),
            d_optimizer=adam(d_rate),
        )
    gan.compile()
    return gan


def data(name: str, seed: int, batch: int = BATCH) -> Any:
    """The mixture, as a dataset with `means` and `std`."""
    from keras_gan_zoo.datasets import toys

    return getattr(toys, name)(batch_size=batch, seed=seed)


# ------------------------------------------------------------------ one run


def run(name: str, dataset: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train one model, count its modes at checkpoints and at the end; the record."""
    import keras
    import tensorflow as tf

    from keras_gan_zoo.metrics.functional import mode_coverage

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    pack = int(name.rpartition("_")[2]) if name.startswith("pacgan") else 1
    points = data(dataset, seed, BATCH // pack * pack)
    gan = build(name, dataset, seed, options.g_rate, options.d_rate)
    together = min(options.together, options.steps)
    gan.compile(steps_per_execution=together)
    seen: list[dict[str, Any]] = []
    busy = 0.0

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            nonlocal busy
            step = int(self.model.step.numpy())
            if step >= (len(seen) + 1) * options.steps / CHECKPOINTS:
                begin = time.perf_counter()
                found = gan.sample(SAMPLES, seed=seed, batch_size=SAMPLES)
                seen.append({"step": step, **mode_coverage(found, points.means, points.std)})
                busy += time.perf_counter() - begin

    begin, cpu = time.perf_counter(), time.process_time()
    history = gan.fit(
        points.repeat(), steps_per_epoch=options.steps, verbose=0, callbacks=[Count()]
    ).history
    seconds, cpu = time.perf_counter() - begin - busy, time.process_time() - cpu
    samples = gan.sample(SAMPLES, seed=seed, batch_size=SAMPLES)
    present = present_weights(gan, seed) if gan.ema else samples
    graph = bare_seconds(gan, points, together)
    record = {
        "model": name,
        "dataset": dataset,
        "seed": seed,
        "steps": options.steps,
        "batch": BATCH // pack * pack,
        "d_steps": gan.d_steps,
        "g_rate": options.g_rate,
        "g_factor": G_FACTOR.get(name, 1.0),
        "d_rate": options.d_rate,
        "betas": MOMENTS.get(name, BETAS),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "ms_per_step": round(1000 * seconds / options.steps, 3),
        "graph_ms_per_step": round(1000 * graph, 3),
        "outside_graph": round(1 - graph * options.steps / seconds, 3),  # on an idle machine
        "parameters": [n.count_params() for n in (gan.generator, gan.discriminator)],
        **mode_coverage(samples, points.means, points.std),
        "present_weights": mode_coverage(present, points.means, points.std),
        "checkpoints": seen,
        "last": {k: round(v[-1], 5) for k, v in history.items()},
    }
    path = _record(options.output, name, dataset, seed)
    np.savez_compressed(path.with_suffix(".npz"), samples=samples.astype(np.float16))
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1))
    part.rename(path)  # a record is there whole or not at all
    return record


def present_weights(gan: Any, seed: int) -> Any:
    """Samples of the generator itself where `sample` takes its averaged twin, of the same z."""
    from keras_gan_zoo.training.latents import latents

    return gan.generator(latents(SAMPLES, LATENT, seed), training=False).numpy()


def bare_seconds(gan: Any, points: Any, steps: int) -> float:
    """Seconds of one step in the graph alone, on a constant minibatch: median of `REPEATS`."""
    import tensorflow as tf

    parts = list(points.take(gan.d_steps))
    batch = tf.concat(parts, 0)

    @tf.function(autograph=False)
    def loop(n: Any) -> Any:
        def body(i: Any) -> Any:
            logs = gan.train_step(batch)
            with tf.control_dependencies(list(logs.values())):
                return i + 1

        return tf.while_loop(lambda i: i < n, body, [tf.constant(0)], parallel_iterations=1)

    seconds = []
    for _ in range(1 + REPEATS):
        begin = time.perf_counter()
        loop(tf.constant(steps))
        seconds.append((time.perf_counter() - begin) / steps)
    return statistics.median(seconds[1:])


# ------------------------------------------------------------------ all runs


def seeds_of(name: str, seeds: int) -> range:
    return range(min(seeds, FEWER_SEEDS.get(name, seeds)))


def run_all(jobs: Iterable[tuple[str, str, int]], options: argparse.Namespace) -> None:
    """Every run that has no record yet, `options.jobs` processes at a time."""
    wanted = [j for j in jobs if not _has(options, j)]
    begin, done = time.monotonic(), 0

    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(_one, job, options) for job in wanted]):
            name, dataset, seed = future.result()
            done += 1
            left = (time.monotonic() - begin) / done * (len(wanted) - done)
            r = json.loads(_record(options.output, name, dataset, seed).read_text())
            print(
                f"[{done}/{len(wanted)}] {dataset} {name} seed {seed}: {r['modes']} modes, "
                f"{100 * r['high_quality']:.1f} %, rKL {r['reverse_kl']:.3f}, "
                f"{r['seconds']:.0f} s; {left / 60:.0f} minutes left",
                flush=True,
            )


def _one(job: tuple[str, str, int], options: argparse.Namespace) -> tuple[str, str, int]:
    """A run in a process of its own."""
    keys = ("steps", "output", "threads", "together", "g_rate", "d_rate")
    common.run_apart("modes", job, options, keys, _record(options.output, *job).with_suffix(".log"))
    return job


def _has(options: argparse.Namespace, job: tuple[str, str, int]) -> bool:
    """Whether the run is there, with these settings."""
    path = _record(options.output, *job)
    return path.exists() and _fits(json.loads(path.read_text()), options)


def _fits(record: dict[str, Any], options: argparse.Namespace) -> bool:
    same = all(record[k] == getattr(options, k) for k in ("steps", "g_rate", "d_rate"))
    name = record["model"]
    factor = record.get("g_factor", 1.0) == G_FACTOR.get(name, 1.0)
    betas = tuple(record.get("betas", BETAS)) == MOMENTS.get(name, BETAS)
    return same and factor and betas and name in MODELS


def _record(output: Path, name: str, dataset: str, seed: int) -> Path:
    return output / f"{dataset}.{name}.{seed}.json"


def _samples(output: Path, name: str, dataset: str) -> Path:
    return _record(output, name, dataset, 0).with_suffix(".npz")


def table(records: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds, beside the published row.

    "in training": modes, mean of the ten counts on the way. Models that sample from averaged
    weights have a second row, of the generator itself.
    """
    header = ["model", "data", "modes", "all modes", "in training", "high quality %"]
    header += ["reverse KL", "published", "CPU s"]
    rows = []
    for dataset in DATASETS:
        for name in MODELS:
            runs = [r for r in records if (r["model"], r["dataset"]) == (name, dataset)]
            if not runs:
                continue
            found, *rest = _counts(runs, dataset)
            published = PUBLISHED.get((name, dataset), "-")
            on_the_way = f"{statistics.fmean(_on_the_way(r) for r in runs):.1f}"
            seconds = f"{statistics.fmean(r.get('cpu_seconds', r['seconds']) for r in runs):.0f}"
            row = [name, dataset, found, *rest[:1], on_the_way, *rest[1:], published, seconds]
            rows.append(row)
            present = [r["present_weights"] for r in runs if name in AVERAGED]
            if present:
                found, *rest = _counts(present, dataset)
                row = [f"{name}, not averaged", dataset, found, *rest[:1], "-", *rest[1:], "-", "-"]
                rows.append(row)
    return common.table(header, rows)


def _counts(found: list[dict[str, Any]], dataset: str) -> list[str]:
    """Modes, runs with all of them, high-quality share and reverse KL."""
    every = {"ring": 8, "grid": 25}[dataset]
    return [
        _spread([r["modes"] for r in found], 1),
        f"{sum(r['modes'] == every for r in found)} of {len(found)}",
        _spread([100 * r["high_quality"] for r in found], 1),
        _spread([r["reverse_kl"] for r in found], 3),
    ]


def _on_the_way(record: dict[str, Any]) -> float:
    return statistics.fmean(c["modes"] for c in record["checkpoints"])


def _spread(values: list[float], digits: int) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ± {deviation:.{digits}f}"


def draw(records: list[dict[str, Any]], dataset: str, output: Path, path: Path) -> None:
    """The samples of every model's first seed over the modes."""
    from keras_gan_zoo import pictures

    points = data(dataset, 0)
    names = [r["model"] for r in records if (r["dataset"], r["seed"]) == (dataset, 0)]
    columns = min(7, len(names))
    rows = -(-len(names) // columns)
    figure = pictures.new_figure(2.4 * columns, 2.9 * rows)
    every = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in every:
        axes.set_axis_off()
    limit = 1.4 * float(np.abs(points.means).max())
    for axes, name in zip(every, names, strict=False):
        record = json.loads(_record(output, name, dataset, 0).read_text())
        with np.load(_samples(output, name, dataset)) as file:
            samples = file["samples"].astype(np.float32)
        axes.plot(*points.means.T, "o", color="0.8", markersize=9, zorder=0)
        axes.plot(*samples.T, ".", color="tab:blue", markersize=1.5, alpha=0.5)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_title(f"{name}\n{record['modes']} modes, {100 * record['high_quality']:.0f} %")
    pictures.save_figure(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--datasets", "--dataset", default=",".join(DATASETS))
    parser.add_argument("--seeds", type=int, default=10, help="runs of each model")
    parser.add_argument("--steps", type=int, default=25_000, help="generator updates of a run")
    parser.add_argument("--jobs", type=int, default=common.cores(), help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--together", type=int, default=100, help="steps_per_execution")
    parser.add_argument("--g-rate", type=float, default=G_RATE)
    parser.add_argument("--d-rate", type=float, default=D_RATE)
    parser.add_argument("--output", type=Path, default=Path("runs/modes"))
    parser.add_argument("--collect", action="store_true", help="only gather and draw what is there")
    parser.add_argument("--speed", action="store_true", help="only time gan and unrolled_5, alone")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.one:
        name, dataset, seed = options.one
        run(name, dataset, int(seed), options)
        return
    names, datasets = options.models.split(","), options.datasets.split(",")
    unknown = [n for n in (*names, *datasets) if n not in MODELS and n not in DATASETS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; models: {', '.join(MODELS)}")
    default = parser.parse_args([])
    same = all(getattr(options, n) == getattr(default, n) for n in ("steps", "g_rate", "d_rate"))
    if options.speed:
        if not same:
            parser.error("--speed times the default steps and rates")
        speed(options)
        return
    if same and RESULT.exists():
        for record in json.loads(RESULT.read_text())["runs"]:
            path = _record(options.output, record["model"], record["dataset"], record["seed"])
            if not path.exists() or not _fits(json.loads(path.read_text()), options):
                path.write_text(json.dumps(record, indent=1))
    jobs = [
        (n, d, s)
        for s in range(options.seeds)
        for d in datasets
        for n in names
        if s in seeds_of(n, options.seeds)
    ]
    if not options.collect:
        run_all(jobs, options)
    records = [json.loads(f.read_text()) for f in sorted(options.output.glob("*.json"))]
    records = [r for r in records if _fits(r, options)]
    print(table(records))
    if same:
        collect(records, options)


def collect(records: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Write the record (its stamp and speed stay unless they are renewed) and the pictures."""
    order = {n: i for i, n in enumerate(MODELS)}
    records.sort(key=lambda r: (DATASETS.index(r["dataset"]), order[r["model"]], r["seed"]))
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    content = {**common.stamp("python -m benchmarks.modes"), "runs": records}
    if "speed" in before:
        content["speed"] = before["speed"]
    common.write_json(RESULT, content)
    for dataset in DATASETS:
        first = [r for r in records if (r["dataset"], r["seed"]) == (dataset, 0)]
        lack = [
            r["model"] for r in first if not _samples(options.output, r["model"], dataset).exists()
        ]
        if lack:  # records of an earlier day come without samples
            print(f"modes-{dataset}.png stays as it is: no samples of {', '.join(lack)}")
        elif first:
            draw(records, dataset, options.output, DOCS / f"modes-{dataset}.png")


def speed(options: argparse.Namespace) -> None:
    """One run of `gan` and of `unrolled_5` with all cores and nothing beside it, recorded."""
    options.threads, options.output = common.cores(), options.output / "speed"
    options.output.mkdir(parents=True, exist_ok=True)
    load, found = common.OthersLoad(), []
    keys = ("model", "steps", "seconds", "ms_per_step", "graph_ms_per_step", "outside_graph")
    for name in ("gan", "unrolled_5"):
        _one((name, "ring", 0), options)
        record = json.loads(_record(options.output, name, "ring", 0).read_text())
        found.append({"threads": options.threads, **{k: record[k] for k in keys}})
        print(found[-1], flush=True)
    content = json.loads(RESULT.read_text()) if RESULT.exists() else {"runs": []}
    stamp = common.stamp("python -m benchmarks.modes --speed")
    content["speed"] = {**stamp, "others_load": load.share(), "runs": found}
    common.write_json(RESULT, content)


if __name__ == "__main__":
    main()

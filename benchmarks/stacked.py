"""Mode collapse on stacked MNIST, measured: 1,000 modes, the same networks and budget for all.

    python -m benchmarks.stacked --data MNIST_FOLDER [--models gan,unrolled_5] [--seeds 1]
        [--steps 6000] [--jobs 2] [--output runs/stacked]

MNIST_FOLDER holds the four IDX files. Each run is a process of its own with one thread and writes
one JSON file, 64 samples (NPZ, PNG) and a log into the output folder. A run that is there is not
done again; one that was killed continues from its last epoch of 500 steps. Writes
`benchmarks/results/stacked.json` and `docs/stacked-mnist.png` from all runs there (with other steps
or rates: only a picture into the output folder); prints the table.

Data: three digits of MNIST's training set, drawn anew for every image, in the three channels of a
28x28 image. Counting: the ten digits' logits of the extractor `grey28` read each channel of 26,000
samples; the modes that occur, and KL(samples || uniform) over the 1,000. A perfect sampler of equal
modes has a KL of about .0192; the row "real" is measured on stacks of test images, whose digits are
not equally frequent. A generator of noise scatters over modes too, so "clear" is the share of
samples whose three digits all have a probability of .8 or more among the extractor's 20 classes.

Networks: those of the reproduction of Metz et al., "Unrolled Generative Adversarial Networks", ICLR
2017, in github.com/fjxmlzn/PacGAN, stacked_MNIST_experiments/unrolled_GAN_experiment/D=0.25G
(model.py, ops.py, config.py), but for the discriminator's width: z of 256 normal numbers; dense to
4x4x64, 3x3 transposed convolutions of stride 2 to 7x7x32, 14x14x16 and 28x28x8, BatchNormalization
and ReLU behind each, a 3x3 convolution to 3 channels, tanh; discriminator of three 3x3 convolutions
of stride 2, BatchNormalization and LeakyReLU(.3) behind each, dense to the logit; weights from N(0,
.02); Adam with beta_1 .5 and beta_2 .99.

Scaled protocol: that program's discriminator has 2, 4 and 8 channels (599 parameters for 287,035 of
the generator) and trains 500,000 steps of 128 images at learning rates of 1e-4 and 2e-4. In the
minutes that there are here it teaches no digits (tried: 11,000 steps of `nsgan` at five times the
rates: 311 "modes", 0 % of them clear). Here it has 28, 56 and 112 channels, a quarter of the
generator's *parameters*; 6,000 steps of 64 images, learning rates of 5e-4, one seed. The published
figures are therefore of another game. What differs besides: samples are made with moving
statistics, not those of the minibatch; a pack takes 2 of the 64 images (there a minibatch of packs
has as many images more); under gradient penalties, which need a discriminator that judges its
images one by one, it has no BatchNormalization and starts from He's weights. `gan` and the unrolled
models play the minimax game, `unrolled_k` with the whole of -L_D k steps ahead; `nsgan` and
`pacgan_2` have the non-saturating loss, as that code; `r3gan` and `wgan_gp` are those objectives on
these networks, with this optimizer.

Published rows: table 3 of Lin et al., "PacGAN", NeurIPS 2018, D of 1/4 of G's channels, read in
that repository: `nsgan` is its own DCGAN, `gan` and the unrolled rows are quoted there from Metz et
al. The row of `r3gan` is of other, larger networks (Huang et al. 2024, second-hand).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

SHAPE, MODES = (28, 28, 3), 1000
BATCH, EPOCH, TOGETHER = 64, 500, 50  # images, steps of an epoch and of a call into the graph
SAMPLES, CLEAR = 26_000, 0.8
CHECKPOINTS, FEWER_SAMPLES = 7, 2600  # counts on the way, and the samples of each
LATENT, WIDTH = 256, 3.5
G_RATE, D_RATE, BETA_1, BETA_2 = 5e-4, 5e-4, 0.5, 0.99
GAMMA = 1.0  # of R1 and R2: the value of Huang et al. for stacked MNIST
REAL = "real"
DOCS = Path(__file__).resolve().parent.parent / "docs"
# modes, reverse KL
PUBLISHED = {
    "gan": "30.6 / 5.99",
    "nsgan": "78.5 / 5.21",
    "unrolled_1": "65.4 / 5.91",
    "unrolled_5": "236.4 / 4.67",
    "pacgan_2": "484.5 / 2.61",
    "r3gan": "1000 / .078 (larger)",
    REAL: "floor 1000 / .0192",
}


# ------------------------------------------------------------------ the models


def _normal() -> Any:
    import keras

    return keras.initializers.RandomNormal(0.0, 0.02)


def _batch_norm(x: Any) -> Any:
    from keras_gan_zoo.layers import BatchNormalization

    return BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def generator() -> Any:
    """z `(b, 256)` -> images `(b, 28, 28, 3)` in [-1, 1]."""
    from keras import Input, Model, layers

    from keras_gan_zoo.layers import NarrowConv2D

    options = {"padding": "same", "kernel_initializer": _normal()}
    z = Input((LATENT,), name="z")
    x = layers.Dense(4 * 4 * 64, use_bias=False, kernel_initializer=_normal())(z)
    x = layers.ReLU()(_batch_norm(layers.Reshape((4, 4, 64))(x)))
    # 4x4 to 7x7: the transpose of a convolution from 7x7 to 4x4
    for channels, more in ((32, 0), (16, None), (8, None)):
        x = layers.Conv2DTranspose(
            channels, 3, strides=2, output_padding=more, use_bias=False, **options
        )(x)
        x = layers.ReLU()(_batch_norm(x))
    x = NarrowConv2D(SHAPE[-1], 3, activation="tanh", name="images", **options)(x)
    return Model(z, x, name="generator")


def discriminator(pack: int = 1, normalise: bool = True) -> Any:
    """Images `(b, 28, 28, 3)` -> logits `(b / pack, 1)`."""
    from keras import Input, Model, layers

    from keras_gan_zoo.layers import Pack

    start = _normal() if normalise else "he_normal"
    images = Input(SHAPE, name="images")
    x = Pack(pack)(images) if pack != 1 else images
    for channels in (8, 16, 32):
        x = layers.Conv2D(
            round(channels * WIDTH),
            3,
            strides=2,
            padding="same",
            use_bias=not normalise,
            kernel_initializer=start,
        )(x)
        x = layers.LeakyReLU(0.3)(_batch_norm(x) if normalise else x)
    logits = layers.Dense(1, kernel_initializer=start, name="logits")(layers.Flatten()(x))
    return Model(images, logits, name="discriminator")


def _plain(loss: str, pack: int = 1) -> Callable[..., Any]:
    def build(**options: Any) -> Any:
        import keras_gan_zoo as zoo

        return zoo.GAN(generator(), discriminator(pack), loss=loss, **options)

    return build


def _unrolled(k: int) -> Callable[..., Any]:
    def build(**options: Any) -> Any:
        from keras_gan_zoo.models.unrolled import Unrolled

        game = {"unroll_steps": k, "zero_sum": True, "loss": "minimax"}
        return Unrolled(generator(), discriminator(), **game, **options)

    return build


def _r3gan(**options: Any) -> Any:
    import keras_gan_zoo as zoo

    penalties = [zoo.penalties.R1(GAMMA), zoo.penalties.R2(GAMMA)]
    game = {"loss": "relativistic", "penalties": penalties}
    return zoo.GAN(generator(), discriminator(normalise=False), **game, **options)


def _wgan_gp(**options: Any) -> Any:
    import keras_gan_zoo as zoo

    penalties = [zoo.penalties.GradientPenalty(10.0)]
    game = {"loss": "wasserstein", "d_steps": 5, "penalties": penalties}
    return zoo.GAN(generator(), discriminator(normalise=False), **game, **options)


MODELS: dict[str, Callable[..., Any]] = {
    "gan": _plain("minimax"),
    "nsgan": _plain("non_saturating"),
    "unrolled_1": _unrolled(1),
    "unrolled_5": _unrolled(5),
    "pacgan_2": _plain("non_saturating", 2),
    "r3gan": _r3gan,
    "wgan_gp": _wgan_gp,
}
# time of a run beside that of `gan`, for the order and the minutes left; measured roughly
COST = {"unrolled_1": 1.3, "unrolled_5": 4.0, "r3gan": 1.2, "wgan_gp": 3.0, REAL: 0.1}


def build(name: str, seed: int, g_rate: float = G_RATE, d_rate: float = D_RATE) -> Any:
    """The compiled model of a name of `MODELS`."""
    import keras

    from keras_gan_zoo.training.construct import reproducible

    with reproducible(seed):
        gan = MODELS[name](
            seed=seed,
            g_optimizer=keras.optimizers.Adam(g_rate, beta_1=BETA_1, beta_2=BETA_2),
            d_optimizer=keras.optimizers.Adam(d_rate, beta_1=BETA_1, beta_2=BETA_2),
        )
    gan.compile()
    return gan


# ------------------------------------------------------------------ data and counting


def stacks(folder: Path, seed: int, steps: int, batch: int = BATCH) -> Any:
    """A dataset of `steps` batches of stacked training digits, others in each epoch.

    The digits are a function of (seed, epoch): a resumed run sees those of the uninterrupted one.
    """
    import tensorflow as tf

    from keras_gan_zoo.datasets import idx, pipeline

    images, _ = idx.read_split(folder, "train", "mnist")
    digits = pipeline.constant_on_host(images[..., 0])

    def one_epoch(epoch: Any) -> Any:
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        shape = (steps, batch, SHAPE[-1])
        rows = tf.random.stateless_uniform(shape, key, 0, len(images), tf.int32)
        return tf.data.Dataset.from_tensor_slices(rows)

    def fetch(rows: Any) -> Any:
        return pipeline.scale_to_float(tf.transpose(tf.gather(digits, rows), (0, 2, 3, 1)))

    return pipeline.fetched(pipeline.epochs().flat_map(one_epoch), fetch, steps)


def classify(images: np.ndarray) -> np.ndarray:
    """The probabilities `(n, c, 20)` that `grey28` gives to each channel of images."""
    from keras_gan_zoo.metrics import features

    extractor = features.get("grey28")
    channels = np.moveaxis(images, -1, 0)[..., np.newaxis]
    return np.stack([extractor.extract(c, probabilities=True)[1] for c in channels], 1)


def count(probabilities: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """Modes, reverse KL and share of clear samples; the samples of each mode `(1000,)`."""
    from keras_gan_zoo.metrics.functional import mode_coverage_from_labels

    digits = probabilities[..., :10]
    labels = digits.argmax(-1) @ np.array([100, 10, 1])
    found = mode_coverage_from_labels(labels, MODES)
    return {
        "modes": found["modes"],
        "reverse_kl": found["reverse_kl"],
        "clear": float((digits.max(-1) >= CLEAR).all(-1).mean()),
    }, np.bincount(labels, minlength=MODES)


# ------------------------------------------------------------------ one run


def run(name: str, seed: int, options: argparse.Namespace) -> None:
    """Train one model, or resume it, and count its modes; writes samples and record."""
    import keras

    from keras_gan_zoo.callbacks import Resume

    per_epoch = min(EPOCH, options.steps)
    epochs = options.steps // per_epoch
    every = max(1, epochs // CHECKPOINTS)
    gan = build(name, seed, options.g_rate, options.d_rate)
    gan.compile(steps_per_execution=math.gcd(TOGETHER, per_epoch))
    dataset = stacks(options.data, seed, per_epoch * gan.d_steps)
    path = _path(options.output, name, seed)
    folder = path.with_name(path.name + ".checkpoints")
    resume = Resume(folder)

    class Count(keras.callbacks.Callback):
        """Adds times and counts to the epoch's logs, which `resume` keeps."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._begin = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            now = time.perf_counter(), time.process_time()
            wall, cpu = (b - a for a, b in zip(self._begin, now, strict=True))
            logs.update(step=(epoch + 1) * per_epoch, train_seconds=wall, cpu_seconds=cpu)
            if (epoch + 1) % every or epoch + 1 == epochs:
                return
            found, _ = count(classify(gan.sample(FEWER_SAMPLES, seed=seed)))
            logs.update(found)
            print(
                f"    {name} seed {seed}, step {logs['step']}: {found['modes']} modes in "
                f"{FEWER_SAMPLES} samples, rKL {found['reverse_kl']:.3f}; "
                f"{wall * (epochs - epoch - 1) / 60:.1f} minutes left of this run",
                flush=True,
            )

    gan.fit(dataset, epochs=epochs, verbose=0, callbacks=[Count(), resume])
    history = resume.history
    seconds = sum(row["train_seconds"] for row in history)
    samples = gan.sample(SAMPLES, seed=seed)
    found, counts = count(classify(samples))
    ours = {"step", "seconds", "train_seconds", "cpu_seconds", *found}
    content = {
        "steps": options.steps,
        "batch": BATCH,
        "d_steps": gan.d_steps,
        "g_rate": options.g_rate,
        "d_rate": options.d_rate,
        "parameters": [n.count_params() for n in (gan.generator, gan.discriminator)],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in history), 1),
        # the first epoch traces the graph
        "ms_per_step": round(
            1000 * statistics.median(row["train_seconds"] for row in history) / per_epoch, 3
        ),
        **found,
        "checkpoints": [
            {
                **{k: int(row[k]) for k in ("step", "modes")},
                **{k: row[k] for k in ("reverse_kl", "clear")},
                "samples": FEWER_SAMPLES,
            }
            for row in history
            if "modes" in row
        ],
        "last": {k: round(v, 5) for k, v in history[-1].items() if k not in ours},
    }
    write(path, name, seed, samples, counts, content)
    shutil.rmtree(folder)


def run_real(options: argparse.Namespace) -> None:
    """What the classifier makes of stacked test images: its accuracy and the ceiling."""
    from keras_gan_zoo.datasets import idx

    images, labels = idx.read_split(options.data, "test", "mnist")
    images = images.astype(np.float32) / 127.5 - 1.0
    answers = classify(images)[:, 0]
    rows = np.random.default_rng(0).integers(len(images), size=(SAMPLES, SHAPE[-1]))
    # a stack's channels are classified one by one: nothing is lost by classifying each image once
    found, counts = count(answers[rows])
    right = answers[:, :10].argmax(-1) == labels
    content = {
        "digit_accuracy": float(right.mean()),
        "stack_accuracy": float(right[rows].all(-1).mean()),
        **found,
    }
    samples = np.moveaxis(images[rows[:64], ..., 0], 1, -1)
    write(_path(options.output, REAL, 0), REAL, 0, samples, counts, content)


def write(
    path: Path,
    name: str,
    seed: int,
    samples: np.ndarray,
    counts: np.ndarray,
    content: dict[str, Any],
) -> None:
    """64 samples and the counts of all modes, a picture, and last the record."""
    from keras_gan_zoo import pictures

    shown = pictures.to_uint8(samples[:64])
    np.savez_compressed(f"{path}.npz", samples=shown, counts=counts)
    pictures.save_grid(samples[:64], f"{path}.png", columns=8)
    record = {"model": name, "seed": seed, "samples": SAMPLES, **content}
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(record, indent=1))
    part.rename(_record(path.parent, name, seed))


def limit_threads(threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


# ------------------------------------------------------------------ all runs


def run_all(jobs: Iterable[tuple[str, int]], options: argparse.Namespace) -> None:
    """Every run that has no record yet, `options.jobs` processes at a time."""
    wanted = [j for j in jobs if not _record(options.output, *j).exists()]
    whole = sum(COST.get(name, 1.0) for name, _ in wanted)
    begin, done, finished = time.monotonic(), 0.0, 0

    def start(job: tuple[str, int]) -> tuple[str, int]:
        keys = ("data", "steps", "output", "threads", "g_rate", "d_rate")
        log = Path(f"{_path(options.output, *job)}.log")
        common.run_apart("stacked", job, options, keys, log)
        return job

    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(start, job) for job in wanted]):
            name, seed = future.result()
            done, finished = done + COST.get(name, 1.0), finished + 1
            left = (time.monotonic() - begin) / done * (whole - done)
            r = json.loads(_record(options.output, name, seed).read_text())
            print(
                f"[{finished}/{len(wanted)}] {name} seed {seed}: {r['modes']} modes, "
                f"rKL {r['reverse_kl']:.3f}, {100 * r['clear']:.1f} % clear, "
                f"{r.get('seconds', 0):.0f} s; {left / 60:.0f} minutes left",
                flush=True,
            )


def _path(output: Path, name: str, seed: int) -> Path:
    """Of a run's files, without the suffix."""
    return output / f"{name}.{seed}"


def _record(output: Path, name: str, seed: int) -> Path:
    return output / f"{name}.{seed}.json"


def table(records: list[dict[str, Any]]) -> str:
    """Mean (and standard deviation) over seeds, beside the published row."""
    header = ["model", "modes", "reverse KL", "clear %", "published", "CPU ms / step", "CPU s"]
    rows = []
    for name in (*MODELS, REAL):
        runs = [r for r in records if r["model"] == name]
        if not runs:
            continue
        times = ["-", "-"]
        if name != REAL:
            times = [_spread([1000 * r["cpu_seconds"] / r["steps"] for r in runs], 1)]
            times.append(_spread([r["cpu_seconds"] for r in runs], 0))
        rows.append(
            [
                name,
                _spread([r["modes"] for r in runs], 0 if len(runs) == 1 else 1),
                _spread([r["reverse_kl"] for r in runs], 4 if name == REAL else 3),
                _spread([100 * r["clear"] for r in runs], 1),
                PUBLISHED.get(name, "-"),
                *times,
            ]
        )
    return common.table(header, rows)


def _spread(values: list[float], digits: int) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def draw(records: list[dict[str, Any]], output: Path, path: Path) -> None:
    """64 samples of every model's first seed."""
    from keras_gan_zoo import pictures

    first = [r for name in (*MODELS, REAL) for r in records if (r["model"], r["seed"]) == (name, 0)]
    columns = min(4, len(first))
    rows = -(-len(first) // columns)
    figure = pictures.new_figure(3.2 * columns, 3.5 * rows)
    every = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in every:
        axes.set_axis_off()
    for axes, r in zip(every, first, strict=False):
        with np.load(f"{_path(output, r['model'], 0)}.npz") as file:
            samples = file["samples"] / 127.5 - 1.0
        axes.imshow(pictures.grid(samples, columns=8), interpolation="nearest")
        axes.set_title(f"{r['model']}: {r['modes']} modes, KL {r['reverse_kl']:.2f}")
    pictures.save_figure(figure, path)


def check_settings(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """An output folder holds runs of the same budget and rates only."""
    own = {k: getattr(options, k) for k in ("steps", "g_rate", "d_rate")} | {"batch": BATCH}
    path = options.output / "settings.json"
    if not path.exists():
        path.write_text(json.dumps(own))
    elif (found := json.loads(path.read_text())) != own:
        parser.error(f"{options.output} holds runs with {found}; use another --output for {own}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's IDX files")
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each model")
    parser.add_argument("--steps", type=int, default=6_000, help="generator updates of a run")
    parser.add_argument("--jobs", type=int, default=common.cores(), help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--g-rate", type=float, default=G_RATE)
    parser.add_argument("--d-rate", type=float, default=D_RATE)
    parser.add_argument("--output", type=Path, default=Path("runs/stacked"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.one:
        limit_threads(options.threads)
        name, seed = options.one
        run_real(options) if name == REAL else run(name, int(seed), options)
        return
    names = options.models.split(",")
    unknown = [n for n in names if n not in MODELS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; models: {', '.join(MODELS)}")
    if options.steps % min(EPOCH, options.steps):
        parser.error(f"--steps must be a multiple of {EPOCH}, or less")
    check_settings(parser, options)
    # the longest first, so that no core idles at the end
    order = sorted(names, key=lambda n: -COST.get(n, 1.0))
    jobs = [(REAL, 0), *((n, s) for s in range(options.seeds) for n in order)]
    run_all(jobs, options)
    records = [
        json.loads(path.read_text())
        for job in ((REAL, 0), *((n, seed) for n in MODELS for seed in range(10)))
        if (path := _record(options.output, *job)).exists()
    ]
    print(table(records))
    default = parser.parse_args(["--data", str(options.data)])
    if all(getattr(options, n) == getattr(default, n) for n in ("steps", "g_rate", "d_rate")):
        common.write_json(
            common.RESULTS / "stacked.json",
            {**common.stamp("python -m benchmarks.stacked --data MNIST_FOLDER"), "runs": records},
        )
        draw(records, options.output, DOCS / "stacked-mnist.png")
    else:
        draw(records, options.output, options.output / "stacked-mnist.png")


if __name__ == "__main__":
    main()

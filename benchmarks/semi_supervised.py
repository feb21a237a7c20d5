"""Ten labels of each digit: the test errors of the semi-supervised classifier on MNIST.

    python -m benchmarks.semi_supervised --data MNIST_FOLDER [--draws 3] [--epochs 90]
        [--labels 100] [--jobs 2] [--output runs/semi_supervised]

The model is `ssgan_k1` (784-1000-500-250-250-250-10) with a learning rate of 1e-3 that falls
linearly to 0 over the last third of the epochs, as in the first version of the authors' program. A
draw chooses the labelled images, a tenth of them from each class; it trains in a process of its own
with one thread, on minibatches of 100 labelled and 100 unlabelled images, 600 of them an epoch.
After every epoch the errors on the 10,000 test images are counted, with the averaged weights and
with the present ones, and a checkpoint is written into the output folder: a run that was killed
goes on from there, one that is done is not done again. Another number of `--epochs` is another run:
its rate falls at another time.

Writes `benchmarks/results/semi_supervised.json` (unless other labels, draws or epochs were asked
for) and `docs/semi-supervised.png`; prints the table.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks import common

CLASSES, HALF = 10, 100
RATE = 1e-3
DOCS = Path(__file__).resolve().parent.parent / "docs"
# errors of 10,000 over 10 draws of the labels: Salimans et al. (2016), table 1
PUBLISHED = {20: "1677 ± 452", 50: "221 ± 136", 100: "93 ± 6.5", 200: "90 ± 4.2"}


# ------------------------------------------------------------------ one run


def build(draw: int, **options: Any) -> Any:
    """The model, with a seed of its own for each draw."""
    import keras_gan_zoo as zoo

    return zoo.create("ssgan_k1", (28, 28, 1), seed=draw, **options)


def rate_of(epoch: int, options: argparse.Namespace) -> float:
    """The learning rate of an epoch (from 0): constant for two thirds, then linearly to 0."""
    return options.rate * min(1.0, 3.0 * (1.0 - epoch / options.epochs))


def errors(gan: Any, images: Any, labels: Any) -> dict[str, int]:
    """Wrongly classified images, with the averaged and with the present weights."""
    return {
        name: int((gan.classify(images, 1000, averaged).argmax(1) != labels).sum())
        for name, averaged in (("errors", True), ("errors_present", False))
    }


def run(draw: int, options: argparse.Namespace) -> None:
    """Train one draw to its end, from the newest checkpoint on; writes the record."""
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_gan_zoo.callbacks import Resume
    from keras_gan_zoo.datasets import few_labels
    from keras_gan_zoo.datasets.idx import read_split

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    images, labels = read_split(options.data, "train", "mnist")
    test_images, test_labels = read_split(options.data, "test", "mnist")
    test_images = test_images.astype(np.float32) / 127.5 - 1.0
    data = few_labels(images, labels, options.labels // CLASSES, 2 * HALF, seed=draw, draw=draw)
    gan = build(draw, learning_rate=options.rate)
    gan.compile(steps_per_execution=min(options.together, len(data)))
    name = f"{options.labels} labels, draw {draw}"

    class Count(keras.callbacks.Callback):
        """Adds the errors to the epoch's logs, before `Resume` keeps them."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            begin = time.perf_counter()
            found = errors(gan, test_images, test_labels)
            logs.update(found, counting=round(time.perf_counter() - begin, 3))
            if (epoch + 1) % options.every == 0 or epoch + 1 == options.epochs:
                print(
                    f"{name}, epoch {epoch + 1}: {found['errors']} errors, "
                    f"{found['errors_present']} with the present weights",
                    flush=True,
                )

    keep = Resume(_record(options, draw).with_suffix(""))
    falling = keras.callbacks.LearningRateScheduler(lambda epoch: rate_of(epoch, options))
    gan.fit(data, epochs=options.epochs, verbose=0, callbacks=[falling, Count(), keep])
    history = keep.history
    seconds = sum(row["seconds"] - row["counting"] for row in history)
    record = {
        "labels": options.labels,
        "draw": draw,
        "rate": options.rate,
        "epochs": len(history),
        "steps": int(gan.step.numpy()),
        "errors": int(history[-1]["errors"]),
        "errors_present": int(history[-1]["errors_present"]),
        "seconds": round(seconds, 1),
        "ms_per_step": round(1000 * seconds / int(gan.step.numpy()), 2),
        "history": {
            "errors": [int(row["errors"]) for row in history],
            "errors_present": [int(row["errors_present"]) for row in history],
        },
        "last": {k: round(v, 5) for k, v in history[-1].items() if not k.startswith("errors")},
    }
    path = _record(options, draw)
    common.write_json(path.with_suffix(".part"), record)
    path.with_suffix(".part").rename(path)


# ------------------------------------------------------------------ all runs


def run_all(options: argparse.Namespace) -> None:
    """Every draw that has no record yet, `options.jobs` processes at a time."""

    def start(draw: int) -> int:
        keys = ("data", "epochs", "labels", "rate", "output", "threads", "together", "every")
        log = _record(options, draw).with_suffix(".log")
        common.run_apart("semi_supervised", [draw], options, keys, log)
        return draw

    wanted = [d for d in range(options.draws) if not _done(options, d)]
    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(start, draw) for draw in wanted]):
            r = json.loads(_record(options, future.result()).read_text())
            print(
                f"{r['labels']} labels, draw {r['draw']} is done: {r['errors']} errors, "
                f"{r['seconds']:.0f} s, {r['ms_per_step']:.1f} ms a step",
                flush=True,
            )


def _record(options: argparse.Namespace, draw: int) -> Path:
    """Its stem is also the checkpoints' folder: every setting has names of its own."""
    rate = "" if options.rate == RATE else f".rate-{options.rate:g}"
    return options.output / f"{options.labels}.{draw}.{options.epochs}-epochs{rate}.json"


def _done(options: argparse.Namespace, draw: int) -> bool:
    path = _record(options, draw)
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    if (record["rate"], record["epochs"]) != (options.rate, options.epochs):
        raise SystemExit(
            f"{path} is of a run of {record['epochs']} epochs with rate {record['rate']:g}; wanted "
            f"{options.epochs} with {options.rate:g}. Take another --output folder."
        )
    return True


def table(records: Iterable[dict[str, Any]]) -> str:
    """Mean and standard deviation over draws, beside the published row."""
    header = ["labels", "draws", "epochs", "errors of 10,000", "present weights"]
    header += ["published (300 epochs)", "ms / step", "s / run"]
    rows = []
    for labels in sorted({r["labels"] for r in records}):
        runs = [r for r in records if r["labels"] == labels]
        rows.append(
            [
                labels,
                len(runs),
                max(r["epochs"] for r in runs),
                _spread([r["errors"] for r in runs]),
                _spread([r["errors_present"] for r in runs]),
                PUBLISHED.get(labels, "-"),
                f"{statistics.fmean(r['ms_per_step'] for r in runs):.1f}",
                f"{statistics.fmean(r['seconds'] for r in runs):.0f}",
            ]
        )
    return common.table(header, rows)


def _spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.1f} ± {deviation:.1f}"


def picture(records: Iterable[dict[str, Any]], path: Path) -> None:
    """Errors over epochs for each draw, on a logarithmic scale."""
    from matplotlib.ticker import LogLocator, ScalarFormatter

    from keras_gan_zoo import pictures

    figure = pictures.new_figure(7, 4.5)
    axes = figure.subplots()
    for i, record in enumerate(records):
        history, color = record["history"], f"C{i}"
        epochs = range(1, len(history["errors"]) + 1)
        axes.plot(epochs, history["errors_present"], color=color, linewidth=0.8, alpha=0.4)
        axes.plot(epochs, history["errors"], color=color, label=f"draw {record['draw']}")
        labels = record["labels"]
    if labels in PUBLISHED:
        mean, deviation = map(float, PUBLISHED[labels].split(" ± "))
        axes.axhspan(mean - deviation, mean + deviation, color="0.6", alpha=0.5)
        axes.axhline(mean, color="0.3", linewidth=0.8, label=f"paper: {PUBLISHED[labels]}")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set_title(f"MNIST with {labels} labels: averaged weights (faint: the present ones)")
    axes.set(xlabel="epoch", ylabel="errors of 10,000 test images")
    axes.grid(which="major", alpha=0.3)
    axes.legend()
    pictures.save_figure(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST's IDX files")
    parser.add_argument("--draws", type=int, default=3, help="draws of the labelled images")
    parser.add_argument("--epochs", type=int, default=90, help="the authors train 300")
    parser.add_argument("--labels", type=int, default=100, help="of all classes together")
    parser.add_argument("--rate", type=float, default=RATE, help="both players' learning rate")
    parser.add_argument("--jobs", type=int, default=common.cores(), help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--together", type=int, default=100, help="steps_per_execution")
    parser.add_argument("--every", type=int, default=5, help="epochs from one log line to the next")
    parser.add_argument("--output", type=Path, default=Path("runs/semi_supervised"))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.labels < CLASSES or options.labels % CLASSES:
        parser.error(f"--labels must be a multiple of {CLASSES}")
    options.output.mkdir(parents=True, exist_ok=True)
    if options.one is not None:
        with open(_record(options, options.one).with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a process of a killed benchmark may still be at it
            run(options.one, options)
        return
    run_all(options)
    records = [json.loads(_record(options, d).read_text()) for d in range(options.draws)]
    print(table(records))
    if all(
        getattr(options, n) == parser.get_default(n) for n in ("draws", "epochs", "labels", "rate")
    ):
        common.write_json(
            common.RESULTS / "semi_supervised.json",
            {
                **common.stamp("python -m benchmarks.semi_supervised --data MNIST_FOLDER"),
                "runs": records,
            },
        )
        picture(records, DOCS / "semi-supervised.png")


if __name__ == "__main__":
    main()

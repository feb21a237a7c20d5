"""One picture for all objectives: 16 samples of each model after the same wall-clock budget.

    python -m benchmarks.objectives [--seconds 120] [--models lsgan,wgan] [--output runs/objectives]

Every unconditional model of the zoo trains on `fashion_mnist_mini` at half of its default width
(batch 64, an averaged generator). A model whose record is in the output folder is not trained
again, so the run can be interrupted. Settings that differ from the model's defaults are in
`SHORT_RUN`, in the record and in the picture. Writes `benchmarks/results/objectives.json` (with
`--models` only their rows, as "renewed" says; another budget is not recorded) and the picture
`docs/objectives.png` (`--picture`: elsewhere) of all models whose samples are in the output folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

BATCH, SAMPLES, SEED = 64, 16, 0
# BEGAN's controller moves k by lambda_k times the imbalance, with the paper's .001 about 5e-5 a
# step: a thousand steps stay near k = 0, where blank images are the generator's easiest answer
SHORT_RUN = {"began": {"gamma": 0.7, "lambda_k": 0.05, "learning_rate": 5e-4}}
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "objectives.png"


def train(name: str, seconds: float, folder: Path) -> None:
    """Train one model for `seconds`; its record and samples go into `folder`."""
    import keras

    import keras_gan_zoo as zoo

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    dataset = zoo.datasets.load("fashion_mnist_mini", batch_size=BATCH, labels=False, seed=SEED)
    # half the width: two to four times as many steps
    width = zoo.model_info(name)["defaults"]["width"] // 2
    settings = SHORT_RUN.get(name, {})
    gan = zoo.create(name, dataset.image_shape, width=width, ema=0.99, seed=SEED, **settings)
    steps: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            steps.append(time.perf_counter())

    limit = zoo.callbacks.TimeLimit(seconds)
    history = gan.fit(dataset, epochs=10_000, verbose=0, callbacks=[limit, Clock()]).history
    images = gan.sample(256, seed=SEED)
    real = next(iter(dataset)).numpy()
    np.savez_compressed(folder / f"{name}.npz", samples=images[:SAMPLES])
    record = {
        "model": name,
        "settings": settings,
        "seconds": seconds,
        "steps": len(steps),
        "d_steps": gan.d_steps,
        "images": len(steps) * BATCH * gan.d_steps,
        "ms_per_step": 1000 * float(np.median(np.diff(steps))),
        "finite": all(np.isfinite(v).all() for v in history.values()),
        "last": {k: v[-1] for k, v in history.items()},
        # mean over pixels of the deviation over samples: near 0 where all samples are alike
        "pixel_deviation": float(images.std(axis=0).mean()),
        "pixel_deviation_real": float(real.std(axis=0).mean()),
    }
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2))


def draw(records: list[dict[str, Any]], folder: Path, path: Path) -> None:
    """One row of samples for each model, with steps and time per step."""
    import keras_gan_zoo as zoo
    from keras_gan_zoo import pictures

    dataset = zoo.datasets.load("fashion_mnist_mini", batch_size=SAMPLES, labels=False, seed=SEED)
    rows = [("real images", next(iter(dataset)).numpy())]
    for record in records:
        with np.load(folder / f"{record['model']}.npz") as file:
            name = record["model"] + ("*" if record.get("settings") else "")
            label = f"{name}\n{record['steps']} steps, {record['ms_per_step']:.0f} ms"
            rows.append((label, file["samples"]))
    figure = pictures.new_figure(11, 0.66 * len(rows))
    for axes, (label, images) in zip(np.ravel(figure.subplots(len(rows), 1)), rows, strict=True):
        axes.imshow(pictures.grid(images, columns=SAMPLES), interpolation="nearest")
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    pictures.save_figure(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="training time of each model")
    parser.add_argument("--models", help="comma-separated names; default all")
    parser.add_argument("--output", type=Path, default=Path("runs/objectives"))
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.one:
        train(options.one, options.seconds, options.output)
        return

    from keras_gan_zoo import registry

    every = [n for n in registry.list_models() if registry.get(n).family == "unconditional"]
    names = options.models.split(",") if options.models else every
    records = []
    for name in names:
        path = options.output / f"{name}.json"
        if not path.exists():  # a process of its own: models do not share memory or threads
            command = [sys.executable, "-m", "benchmarks.objectives", "--one", name]
            command += ["--seconds", str(options.seconds), "--output", str(options.output)]
            subprocess.run(command, check=True)
        records.append(json.loads(path.read_text()))
        print(f"{name:12} {records[-1]['steps']:6} steps {records[-1]['ms_per_step']:7.1f} ms/step")
    result = common.RESULTS / "objectives.json"
    content = common.stamp("python -m benchmarks.objectives")
    if options.models and result.exists():
        renewed = common.stamp(f"python -m benchmarks.objectives --models {options.models}")
        content = {**json.loads(result.read_text()), "renewed": renewed}
        records += [r for r in content["models"] if r["model"] not in names]
        records.sort(key=lambda r: r["model"])
    shown = [r for r in records if (options.output / f"{r['model']}.npz").exists()]
    draw(shown, options.output, options.picture)
    if options.seconds == parser.get_default("seconds"):
        common.write_json(result, {**content, "models": records})


if __name__ == "__main__":
    main()

"""A training run as files: what `keras-gan-zoo train` and `quickstart` do."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_gan_zoo as zoo
from keras_gan_zoo import callbacks as zoo_callbacks
from keras_gan_zoo import datasets, latent, pictures, registry
from keras_gan_zoo.training.construct import in_float32

# Sized for two CPU cores and three minutes in all; `seconds` bounds the training on slower ones.
QUICKSTART: dict[str, Any] = {
    "epochs": 24,
    "batch_size": 64,
    "seconds": 130.0,
    "settings": {"width": 32, "d_width": 48, "ema": 0.99},
}


def open_dataset(source: str, batch_size: int, image_size: int | None, seed: int) -> Any:
    """The training pipeline of a dataset name or of a folder of pictures.

    A string that names an existing folder is read with `datasets.image_folder` (at 64x64 pixels
    unless `image_size` says otherwise), anything else with `datasets.load`.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return datasets.image_folder(folder, image_size or 64, batch_size, seed=seed)
    if os.sep in source or source.startswith("."):
        raise FileNotFoundError(f"There is no folder {source!r}. Give a folder of pictures.")
    return datasets.load(source, "train", batch_size, image_size, seed=seed)


def preprocessing(source: str, image_size: int | None, image_shape: Sequence[int]) -> str:
    """What `open_dataset` does to the images of a source, in words."""
    if len(image_shape) == 1:
        return "none: points as they are drawn"
    folder = Path(source).expanduser().is_dir()
    side = image_shape[0]
    steps = [f"central square resized to {side}x{side} (Lanczos)"] if folder or image_size else []
    return ", ".join([*steps, *(["RGB"] if folder else []), "uint8 / 127.5 - 1"])


class HistoryFile(keras.callbacks.Callback):
    """Keeps `history.csv` and `training.png` up to date, over resumed runs too.

    Args:
        folder: the run's folder.
        resume: the run's `Resume` callback, whose history reaches back to the first epoch.
    """

    def __init__(self, folder: Path, resume: zoo_callbacks.Resume) -> None:
        super().__init__()
        self.folder, self.resume = folder, resume

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        history = self.resume.history
        names = sorted({n for row in history for n in row})
        writing = self.folder / ".history.csv.writing"
        with open(writing, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *names])
            for i, row in enumerate(history, 1):
                writer.writerow([i, *(row.get(n, "") for n in names)])
        writing.replace(self.folder / "history.csv")

    def on_train_end(self, logs: Any = None) -> None:
        if self.resume.history:
            pictures.save_curves(self.resume.history, self.folder / "training.png")


def train(
    model: str,
    source: str,
    folder: str | Path,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    settings: Mapping[str, Any],
    image_size: int | None = None,
    resume: bool = False,
    seconds: float | None = None,
    bfloat16: bool = False,
    callbacks: Sequence[Any] = (),
    verbose: Any = "auto",
) -> dict[str, Any]:
    """Train a model and leave the run's files in `folder`.

    `samples.png`, `walk.png`, `training.png`, `history.csv`, `model.keras`, `export/1/`,
    `report.json`, `checkpoints/`. The `.keras` file and the SavedModel are loaded again and must
    give the trained model's images.

    Args:
        model: a registered name.
        source: dataset name or folder.
        folder: of the run; must not hold a run already unless `resume`.
        epochs, batch_size, seed: of the training.
        settings: overrides for `zoo.create`.
        image_size: resize to this many pixels a side.
        resume: continue the run in `folder`.
        seconds: stop training after this time even if epochs are left.
        bfloat16: train with `enable_cpu_bfloat16`; results are checked and exported in float32.
        callbacks: more Keras callbacks.
        verbose: as `fit`.

    Returns:
        The report, as written to `report.json`.

    Raises:
        FileExistsError: the folder holds a run and `resume` is false, or a run's results without
            its checkpoints.
        RuntimeError: a saved model does not give the trained model's images.
    """
    folder = Path(folder)
    checkpoints = folder / "checkpoints"
    held = checkpoints.is_dir() and any(checkpoints.iterdir())
    results = [name for name in ("model.keras", "report.json") if (folder / name).exists()]
    if held and not resume:
        raise FileExistsError(
            f"{folder} holds a run already. Continue it with --resume, or choose another --output."
        )
    if results and not held:
        raise FileExistsError(
            f"{folder} holds {' and '.join(results)}, and no checkpoints to continue from. Choose "
            "another --output; nothing was overwritten."
        )
    settings = dict(settings)
    dataset = open_dataset(source, batch_size, image_size, seed)
    if "num_classes" not in settings and registry.get(model).family == "conditional":
        settings["num_classes"] = dataset.num_classes
    gan = zoo.create(model, dataset.image_shape, seed=seed, **settings)
    folder.mkdir(parents=True, exist_ok=True)
    keeper = zoo_callbacks.Resume(checkpoints)
    limit = [] if seconds is None else [zoo_callbacks.TimeLimit(seconds)]
    bfloat16 = bfloat16 and zoo.training.enable_cpu_bfloat16()
    try:
        gan.fit(
            dataset,
            epochs=epochs,
            verbose=verbose,
            callbacks=[*limit, keeper, HistoryFile(folder, keeper), *callbacks],
        )
    finally:
        if bfloat16:
            zoo.training.enable_cpu_bfloat16(False)
    report = {
        "command": command_line(),
        "model": model,
        "settings": gan.recipe["config"],
        "dataset": {
            "name": source,
            "images": int(dataset.num_examples),
            "batch_size": batch_size,
            "image_size": image_size,
            "preprocessing": preprocessing(source, image_size, dataset.image_shape),
        },
        "epochs": keeper.epochs,
        "steps": int(gan.step.numpy()),
        "bfloat16": bfloat16,
        "training_seconds": round(sum(row["seconds"] for row in keeper.history), 1),
        "seed": seed,
        "last_epoch": keeper.history[-1] if keeper.history else {},
        "versions": versions(),
        **write_results(gan, folder),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2, default=str) + "\n")
    return report


def clear_quickstart(folder: Path) -> None:
    """Delete an earlier quickstart's folder and begin a new one.

    Raises:
        FileExistsError: the folder has files and none of them says that a quickstart made it.
    """
    mark = folder / ".quickstart"
    if mark.exists():
        shutil.rmtree(folder)
    elif folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} holds files that no quickstart made; nothing was deleted. Choose another "
            "--output, or empty it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


def write_results(gan: Any, folder: Path) -> dict[str, Any]:
    """Pictures, `model.keras` and the export of a trained model; then both files checked.

    Raises:
        RuntimeError: a reloaded model's images differ from the trained model's.
    """
    images = gan.sample(64, seed=0)
    if images.ndim == 4:
        pictures.save_grid(images, folder / "samples.png", columns=8)
        pictures.save_grid(latent.walk(gan), folder / "walk.png", columns=10)
    else:
        pictures.save_points(gan.sample(2000, seed=0), folder / "samples.png")
    gan.save(folder / "model.keras")
    served = zoo.export(gan, folder / "export")
    return {
        "files": {"samples": "samples.png", "model": "model.keras", "export": _inside(served)},
        "check": check_saved(gan, folder / "model.keras", served),
    }


def _inside(served: Path) -> str:
    return f"{served.parent.name}/{served.name}"


def check_saved(gan: Any, model_file: Path, served: Path, n: int = 16) -> dict[str, float]:
    """Load both files and compare their images with the model's; returns the differences.

    Raises:
        RuntimeError: the `.keras` file differs at all, or the SavedModel by more than 1e-5.
    """
    expected = gan.sample(n, seed=0)
    loaded = zoo.load_model(model_file).sample(n, seed=0)
    z = zoo.training.latents.latents(n, gan.latent_dim, 0)
    inputs = {"z": z}
    if gan.num_classes is not None:
        inputs["labels"] = zoo.training.latents.labels(n, gan.num_classes, 0)
    signature = tf.saved_model.load(str(served)).signatures["serving_default"]
    exported = signature(**inputs)["images"].numpy()
    in_full = in_float32(gan).sample(n, seed=0)
    differences = {
        "keras_max_abs": float(np.abs(loaded - expected).max()),
        "saved_model_max_abs": float(np.abs(exported - in_full).max()),
    }
    if differences["keras_max_abs"] > 0 or differences["saved_model_max_abs"] > 1e-5:
        raise RuntimeError(
            f"The saved files do not give the trained model's images: {differences}. "
            f"Do not use {model_file} and {served}; please report this."
        )
    return differences


def command_line() -> str:
    """The command as it was typed, without the interpreter's path."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {
        "keras_gan_zoo": zoo.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }

"""Figures of trained models as files: what `keras-gan-zoo evaluate` and `leaderboard` do."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras_gan_zoo as zoo
from keras_gan_zoo import datasets, pictures
from keras_gan_zoo.hub.resolve import locate
from keras_gan_zoo.metrics import Record, evaluate
from keras_gan_zoo.runs import command_line, versions

Progress = Callable[[str, int, int], None]
_HIGHER_IS_BETTER = ("precision", "recall", "density", "coverage", "inception_score", "cas")
_MAY_DIFFER = ("ema", "seed", "version")  # between the models of a leaderboard


def measure(
    gan: Any,
    source: str,
    metrics: Sequence[str],
    *,
    split: str = "test",
    n: int | None = None,
    seed: int = 0,
    extractor: str | None = None,
    bootstrap: int = 0,
    data_dir: str | Path | None = None,
    train_data: Any = None,
    progress: Progress | None = None,
) -> list[Record]:
    """Measure a model on a data set's held-out split.

    Args:
        gan: the model.
        source: name of a data set, or a folder of pictures (whose every picture is used).
        metrics: names of `zoo.metrics.FIGURES`.
        split: of the real images; `memorisation` takes "train" for the training images.
        n, seed, extractor, bootstrap, progress: as for `zoo.metrics.evaluate`.
        data_dir: folder of the data set's files.
        train_data: training images for `memorisation`; None: the data set's "train" split.

    Raises:
        ValueError: as `zoo.metrics.evaluate`; images of another shape than the model's.
    """
    real = open_split(source, split, gan.image_shape, data_dir)
    if "memorisation" in metrics and train_data is None:
        if Path(source).expanduser().is_dir():
            raise ValueError(
                "'memorisation' needs training images besides the held-out ones. Give their "
                "folder, --train FOLDER."
            )
        train_data = open_split(source, "train", gan.image_shape, data_dir)
    return evaluate(
        gan,
        real,
        metrics,
        n=n,
        seed=seed,
        extractor=extractor,
        train=train_data,
        bootstrap=bootstrap,
        name=Path(source).name,
        split=split,
        command=command_line(),
        progress=progress,
    )


def open_split(
    source: str, split: str, image_shape: tuple[int, ...], data_dir: str | Path | None = None
) -> Any:
    """A split of a data set in its own order, or a folder's pictures, as the model wants them."""
    size = image_shape[0] if len(image_shape) == 3 else None
    if Path(source).expanduser().is_dir():
        dataset = datasets.image_folder(
            Path(source).expanduser(),
            size,
            500,
            channels=image_shape[-1],
            shuffle=False,
            drop_remainder=False,
        )
    else:
        dataset = datasets.load(
            source, split, 500, size, data_dir, shuffle=False, drop_remainder=False
        )
    came = tuple(dataset.image_shape)
    if came != tuple(image_shape):
        raise ValueError(
            f"The model makes images of shape {tuple(image_shape)}; {source!r} has {came}."
        )
    return dataset


def report(name: str, records: Sequence[Record]) -> dict[str, Any]:
    """The JSON report of one model."""
    return {
        "model": name,
        "command": command_line(),
        "versions": versions(),
        "records": [r.to_dict() for r in records],
    }


def leaderboard(
    source: str,
    folder: str | Path,
    metrics: Sequence[str] = ("fid", "kid", "prdc"),
    *,
    progress: Callable[[str], Progress] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Measure all presets on one data set by one protocol.

    Presets trained on other data are left out, and all but those of the commonest image shape:
    figures of different sizes cannot be compared. Writes
    `leaderboard.json`, `leaderboard.csv` and, where precision and recall are among the figures,
    `precision_recall.png`.

    Args:
        source: name of a data set.
        folder: where to write; made if missing.
        metrics: names of `zoo.metrics.FIGURES`; the rows are sorted by the first figure,
            the best first.
        progress: called with a preset's name; returns what `zoo.metrics.evaluate` reports to.
        **options: as for `measure`.

    Returns:
        One dict a preset: `preset` and its figures.

    Raises:
        ValueError: there is no preset for this data set.
        ProtocolMismatchError: figures that were not measured alike.
    """
    folder = Path(folder)
    rows: list[dict[str, Any]] = []
    everything: dict[str, list[Record]] = {}
    for name in _of_one_shape(source):
        gan = zoo.from_pretrained(name)
        everything[name] = measure(
            gan, source, metrics, progress=progress and progress(name), **options
        )
        rows.append({"preset": name, **{r.name: r.value for r in everything[name]}})
    if not rows:
        raise ValueError(
            f"There is no preset for {source!r}. Presets: "
            f"{', '.join(zoo.list_models(pretrained=True)) or 'none'}."
        )
    first = next(iter(everything.values()))
    for records in everything.values():
        for record, other in zip(records, first, strict=True):
            record.protocol.require_same(other.protocol, ignore=_MAY_DIFFER)
    by = first[0].name
    rows.sort(key=lambda row: row[by], reverse=by in _HIGHER_IS_BETTER)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([report(n, r) for n, r in everything.items()], indent=2)
    (folder / "leaderboard.json").write_text(text + "\n")
    with open(folder / "leaderboard.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    if {"precision", "recall"} <= set(rows[0]):
        draw_precision_recall(rows, folder / "precision_recall.png")
    return rows


def _of_one_shape(source: str) -> list[str]:
    """The presets trained on a data set, of the commonest image shape."""
    shapes = {}
    for name in zoo.list_models(pretrained=True):
        manifest = locate(name)[1]
        if manifest.data["name"] == source:
            shapes[name] = tuple(manifest.config["image_shape"])
    common = Counter(shapes.values()).most_common(1)
    return [name for name, shape in shapes.items() if shape == common[0][0]]


def draw_precision_recall(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """One point a model: recall to the right, precision upwards."""
    figure = pictures.new_figure(6, 6)
    axes = figure.subplots()
    for row in rows:
        axes.plot(row["recall"], row["precision"], "o")
        axes.annotate(
            row["preset"],
            (row["recall"], row["precision"]),
            xytext=(-6 if row["recall"] > 0.5 else 6, 6),
            ha="right" if row["recall"] > 0.5 else "left",
            textcoords="offset points",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    axes.grid(alpha=0.3)
    pictures.save_figure(figure, path)

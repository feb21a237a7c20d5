"""`keras-gan-zoo`: parses, calls the public API, prints.

Nothing here imports TensorFlow before a command needs it: `--help` and `list` answer at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_gan_zoo.hub import command as hub_command
from keras_gan_zoo.serving import command as serving_command

app = typer.Typer(
    name="keras-gan-zoo",
    help="Generative adversarial networks for Keras: train, sample, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Model = Annotated[str, typer.Argument(help="A model (dcgan), preset (dcgan.fashion_mnist), folder")]
Seed = Annotated[int, typer.Option(help="Makes the result reproducible.", min=0)]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the dataset's files.")]
Output = Annotated[Path | None, typer.Option(help="Where to write.")]


@app.command("list")
def list_models(
    pattern: Annotated[str, typer.Argument(help="Shell-style pattern.")] = "*",
    pretrained: Annotated[bool, typer.Option(help="Only presets with weights.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the models, or with --pretrained the presets that have weights."""
    import keras_gan_zoo as zoo
    from keras_gan_zoo import registry

    names = zoo.list_models(pattern, pretrained=pretrained)
    if as_json:
        print(json.dumps(names))
        return
    if pretrained:
        print("\n".join(names))
        return
    width = max([len(n) for n in names], default=0)
    for name in names:
        entry = registry.get(name)
        print(f"{name:<{width}}  {entry.year}  {entry.summary}")


@app.command()
def info(name: Annotated[str, typer.Argument(help="A model, such as dcgan.")]) -> None:
    """Show a model's paper, defaults and pretrained presets."""
    import keras_gan_zoo as zoo

    known = zoo.model_info(name.split(".")[0])
    print(f"{known['name']} ({known['year']}): {known['summary']}")
    print(f"  paper       {known['paper']}")
    print(f"  family      {known['family']}")
    print("  defaults    " + ", ".join(f"{k}={v!r}" for k, v in known["defaults"].items()))
    for preset, metrics in known["pretrained"].items():
        measured = ", ".join(f"{m['name']} {m['value']:.4g}" for m in metrics)
        print(f"  pretrained  {preset}  {measured}")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A model of `keras-gan-zoo list`.")],
    dataset: Annotated[str, typer.Option(help="Dataset name or folder of pictures.")],
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    seed: Seed = 0,
    image_size: Annotated[int | None, typer.Option(help="Resize to SIZE x SIZE pixels.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for the model; repeatable. Values are JSON or text."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in OUTPUT.")] = False,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="bfloat16 convolutions on CPUs that have them.")
    ] = False,
    samples_every: Annotated[int, typer.Option(help="A sample grid every N epochs.", min=0)] = 0,
    output: Output = None,
) -> None:
    """Train a model; writes pictures, history, model.keras, a SavedModel and a report."""
    from keras_gan_zoo import registry

    registry.get(model)
    settings = parse_settings(set_ or [])
    _quiet()
    import keras_gan_zoo as zoo
    from keras_gan_zoo import runs

    folder = output or Path("runs") / f"{model}-{Path(dataset).name}"
    extra = [zoo.callbacks.SampleGrid(folder, every_epochs=samples_every)] if samples_every else []
    report = runs.train(
        model,
        dataset,
        folder,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        settings=settings,
        image_size=image_size,
        resume=resume,
        bfloat16=bf16,
        callbacks=extra,
        verbose="auto" if sys.stdout.isatty() else 2,
    )
    _tell(folder, report)


@app.command()
def quickstart(output: Output = None, seed: Seed = 0) -> None:
    """Train a DCGAN on embedded Fashion-MNIST images: under three minutes on two CPU cores.

    An earlier quickstart in the same folder is replaced; any other folder with files is refused."""
    _quiet()
    from keras_gan_zoo import runs
    from keras_gan_zoo.training.cpu import has_cpu_bfloat16

    folder = output or Path("runs/quickstart")
    runs.clear_quickstart(folder)
    report = runs.train(
        "dcgan",
        "fashion_mnist_mini",
        folder,
        epochs=runs.QUICKSTART["epochs"],
        batch_size=runs.QUICKSTART["batch_size"],
        seed=seed,
        settings=runs.QUICKSTART["settings"],
        seconds=runs.QUICKSTART["seconds"],
        bfloat16=has_cpu_bfloat16(),
        verbose=1,
    )
    _tell(folder, report)


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="Preset, .keras file or preset folder.")],
    n: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images.")] = 64,
    seed: Seed = 0,
    truncation: Annotated[float | None, typer.Option(help="In (0, 1].")] = None,
    singles: Annotated[bool, typer.Option("--singles", help="One PNG for each image too.")] = False,
    npz: Annotated[bool, typer.Option("--npz", help="The images as an array too.")] = False,
    output: Output = None,
) -> None:
    """Generate images: a grid (points: a scatter plot), and on request single PNGs and an .npz."""
    gan = _load(model)
    import numpy as np

    from keras_gan_zoo import pictures

    if singles and len(gan.image_shape) != 3:
        raise ValueError(
            "--singles writes one PNG for each image; use --npz for points. Received: a model of "
            f"points of shape {gan.image_shape}"
        )
    images = gan.sample(n, seed=seed, truncation=truncation)
    path = output or Path("samples.png")
    print(pictures.save_samples(images, path))
    if singles:
        folder = path.with_suffix("")
        for i, image in enumerate(pictures.to_uint8(images)):
            pictures.save_png(image, folder / f"{i:05d}.png")
        print(f"{folder}{os.sep}")
    if npz:
        np.savez_compressed(path.with_suffix(".npz"), images=images)
        print(path.with_suffix(".npz"))


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Preset, .keras file or preset folder.")],
    dataset: Annotated[str, typer.Option(help="Dataset name or folder of pictures.")],
    metrics: Annotated[str, typer.Option(help="Comma-separated.")] = "fid,kid,prdc",
    split: Annotated[str, typer.Option(help="Of the real images.")] = "test",
    n: Annotated[
        int | None, typer.Option("-n", "--count", min=2, help="Generated images; default: as real.")
    ] = None,
    seed: Seed = 0,
    extractor: Annotated[str | None, typer.Option(help="Feature extractor.")] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples for 95 % intervals.", min=0)] = 0,
    train: Annotated[
        Path | None, typer.Option(help="Folder of training pictures, for memorisation.")
    ] = None,
    data_dir: DataDir = None,
    output: Annotated[Path | None, typer.Option(help="JSON record.")] = None,
) -> None:
    """Measure a model: a table, and a JSON record with the protocol."""
    path = output or Path("report.json")
    _refuse_other_report(path)
    gan = _load(model)
    from keras_gan_zoo import reports

    data = None if train is None else reports.open_split(str(train), "train", gan.image_shape)
    with _Progress() as progress:
        records = reports.measure(
            gan,
            dataset,
            _names(metrics),
            split=split,
            n=n,
            seed=seed,
            extractor=extractor,
            bootstrap=bootstrap,
            data_dir=data_dir,
            train_data=data,
            progress=progress.report(),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(reports.report(model, records), indent=2) + "\n")
    protocol = records[0].protocol
    rows = [
        [r.name, f"{r.value:.5g}", "" if r.ci95 is None else f"{r.ci95[0]:.5g} .. {r.ci95[1]:.5g}"]
        for r in records
    ]
    _table(["metric", "value", "95 % interval"], rows)
    print(
        f"{protocol.n_fake} generated against {protocol.n_real} real images of "
        f"{protocol.dataset} ({protocol.split}), features of {protocol.extractor}, seed "
        f"{protocol.seed}\n{path}"
    )


@app.command()
def leaderboard(
    dataset: Annotated[str, typer.Option(help="Dataset name.")],
    metrics: Annotated[str, typer.Option(help="Comma-separated.")] = "fid,kid,prdc",
    n: Annotated[
        int | None, typer.Option("-n", "--count", min=2, help="Generated images; default: as real.")
    ] = None,
    seed: Seed = 0,
    extractor: Annotated[str | None, typer.Option(help="Feature extractor.")] = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Measure all presets of a data set: a table, a CSV file, precision against recall."""
    _quiet()
    from keras_gan_zoo import reports

    folder = output or Path("leaderboard")
    with _Progress() as progress:
        rows = reports.leaderboard(
            dataset,
            folder,
            _names(metrics),
            progress=progress.report,
            n=n,
            seed=seed,
            extractor=extractor,
            data_dir=data_dir,
        )
    _table(
        list(rows[0]),
        [[v if isinstance(v, str) else f"{v:.5g}" for v in row.values()] for row in rows],
    )
    for name in ("leaderboard.json", "leaderboard.csv", "precision_recall.png"):
        if (folder / name).exists():
            print(folder / name)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Preset, .keras file or preset folder.")],
    output: Output = None,
    version: Annotated[int | None, typer.Option(help="Default: the next free number.")] = None,
    formats: Annotated[
        str, typer.Option(help="saved_model,onnx,litert,litert_float16,litert_int8,openvino")
    ] = "saved_model",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    batch_size: Annotated[
        int | None, typer.Option(help="Static batch size. Default: any number of rows.")
    ] = None,
    jit_compile: Annotated[
        bool, typer.Option("--jit-compile", help="SavedModel under XLA; needs --batch-size.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="End with sizes, differences and speed.")
    ] = False,
) -> None:
    """Export for serving under OUTPUT/<version>/, compared with Keras in each runtime."""
    gan = _load(model)
    import keras_gan_zoo as zoo

    folder = zoo.export(
        gan,
        output or Path("served") / Path(model).stem.split(".")[0],
        _names(formats),
        version=version,
        precision=precision,
        batch_size=batch_size,
        jit_compile=jit_compile,
    )
    print(folder)
    if check:
        from keras_gan_zoo.export.report import report

        print(report(gan, folder))


app.command()(hub_command.pack)
app.command()(hub_command.push)
app.command()(serving_command.serve)


def _names(text: str) -> list[str]:
    """`"a, b"` -> `["a", "b"]`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`["width=32", "loss=hinge"]` -> `{"width": 32, "loss": "hinge"}`.

    Raises:
        ValueError: an entry without "=".
    """
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--set wants KEY=VALUE, such as --set width=32. Received: {pair!r}")
        try:
            settings[key.strip()] = json.loads(value)
        except ValueError:
            settings[key.strip()] = value
    return settings


def _load(model: str) -> Any:
    """A GAN from a preset's name, a preset folder or a `.keras` file."""
    path = Path(model)
    if path.suffix == ".keras" and not path.is_file():
        raise FileNotFoundError(f"There is no file {model!r}. Train a model, or name a preset.")
    _quiet()
    import keras_gan_zoo as zoo

    if path.suffix == ".keras":
        return zoo.load_model(path)
    if (path / "model.keras").is_file():
        return zoo.load_model(path / "model.keras")
    return zoo.from_pretrained(model)


class _Progress:
    """A progress bar on standard error, for what `zoo.metrics.evaluate` reports."""

    def __enter__(self) -> _Progress:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._bar.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._bar.stop()

    def report(self, title: str = "") -> Any:
        """What to call with (what, done, all)."""
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = self._bar.add_task(f"{title} {what}".strip(), total=total)
            self._bar.update(tasks[what], completed=done, total=total)

        return update


def _table(head: list[str], rows: list[list[str]]) -> None:
    """A plain table: the first column to the left, figures to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _quiet() -> None:
    """Import TensorFlow without its start-up messages, unless the user has set a level.

    Some are written before TensorFlow reads the level, so standard error is closed meanwhile; an
    import that fails still raises.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _tell(folder: Path, report: dict[str, Any]) -> None:
    check = report["check"]
    print(
        f"\n{report['steps']} steps in {report['training_seconds']:.0f} s. Reloaded: model.keras "
        f"differs by {check['keras_max_abs']:.1g}, the SavedModel by "
        f"{check['saved_model_max_abs']:.1g} from the trained model.\n"
    )
    for name in ("samples.png", "walk.png", "training.png", "history.csv", "model.keras"):
        if (folder / name).exists():
            print(f"  {folder / name}")
    print(f"  {folder / report['files']['export']}{os.sep}\n  {folder / 'report.json'}\n")
    print("Use it:\n\n  import keras_gan_zoo as zoo")
    print(f'  gan = zoo.load_model("{folder / "model.keras"}")')
    print("  images = gan.sample(16, seed=0)    # float32 (16, h, w, c) in [-1, 1]\n")


def _refuse_other_report(path: Path) -> None:
    """An evaluation's record may be written anew; another file is not overwritten.

    Raises:
        FileExistsError: the file is something else, such as the report of a training run.
    """
    if not path.exists():
        return
    try:
        ours = "records" in json.loads(path.read_text())
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise FileExistsError(
            f"{path} exists and is not the record of an evaluation (a training run's report has "
            "the same name). Choose another file with --output."
        )


def main() -> None:
    """Entry point: user errors are one line on stderr and exit code 2, no traceback."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except SystemExit as error:  # what the command line makes of Ctrl-C
        if error.code == 130:
            hint = "; continue the run with --resume" if "train" in sys.argv[1:2] else ""
            print(f"keras-gan-zoo: interrupted{hint}", file=sys.stderr)
        raise
    except (ValueError, TypeError, OSError, RuntimeError, ArithmeticError, ImportError) as error:
        if debug:
            raise
        text = " ".join(str(error).split())
        print(f"keras-gan-zoo: {text or type(error).__name__}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

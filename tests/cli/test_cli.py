"""The command line: what users type, what they get, and errors of one line."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import keras_gan_zoo as zoo
from keras_gan_zoo import cli, runs


def run(*arguments):
    result = CliRunner().invoke(cli.app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def fails(monkeypatch, capsys, *arguments):
    """Run the entry point; returns the error text. Exit code 2, one line, no traceback."""
    monkeypatch.setattr("sys.argv", ["keras-gan-zoo", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text
    return text


def test_list_and_info():
    assert "dcgan" in run("list").stdout
    assert json.loads(run("list", "dc*", "--json").stdout) == ["dcgan"]
    text = run("info", "dcgan").stdout
    assert "Radford" in text and "learning_rate=0.0002" in text


def test_settings_are_json_or_text():
    parsed = cli.parse_settings(["width=8", "loss=hinge", "ema=0.9", "d_width=null"])
    assert parsed == {"width": 8, "loss": "hinge", "ema": 0.9, "d_width": None}


def test_what_was_done_to_the_images(tmp_path):
    scaled = "uint8 / 127.5 - 1"
    square = "central square resized to 32x32 (Lanczos)"
    assert runs.preprocessing("fashion_mnist", None, (28, 28, 1)) == scaled
    assert runs.preprocessing("fashion_mnist", 32, (32, 32, 1)) == f"{square}, {scaled}"
    assert runs.preprocessing(str(tmp_path), 32, (32, 32, 3)) == f"{square}, RGB, {scaled}"
    assert runs.preprocessing("ring", None, (2,)) == "none: points as they are drawn"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, images):
    """A folder of real PNG files, and one that is broken."""
    path = tmp_path_factory.mktemp("pictures")
    for i, image in enumerate(images[:40]):
        Image.fromarray(((image[..., 0] + 1) * 127.5).astype(np.uint8)).save(path / f"{i}.png")
    return path


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "mine"
    result = run(
        "train", "dcgan", "--dataset", str(folder), "--image-size", "16", "--epochs", "1",
        "--batch-size", "8", "--seed", "3", "--set", "width=4", "--set", "latent_dim=4",
        "--set", "loss=hinge", "--set", "ema=0.5", "--output", str(output),
    )  # fmt: skip
    return output, result.stdout


def test_train_leaves_the_files_of_a_run(trained):
    output, text = trained
    for name in ("samples.png", "walk.png", "training.png", "history.csv", "model.keras",
                 "report.json", "export/1/saved_model.pb"):  # fmt: skip
        assert (output / name).stat().st_size > 0
    report = json.loads((output / "report.json").read_text())
    assert report["steps"] == 5 and report["epochs"] == 1 and report["seed"] == 3
    assert report["settings"]["loss"] == "hinge" and report["dataset"]["image_size"] == 16
    assert report["check"]["keras_max_abs"] == 0
    rows = (output / "history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,") and len(rows) == 2
    with Image.open(output / "samples.png") as grid:
        assert grid.size[0] == grid.size[1] == ((16 + 2) * 8 + 2) * 5
    assert 'zoo.load_model("' in text


def test_train_resumes_where_it_ended(trained, folder, monkeypatch, capsys):
    output, _ = trained
    arguments = [
        "train", "dcgan", "--dataset", str(folder), "--image-size", "16", "--epochs", "2",
        "--batch-size", "8", "--seed", "3", "--set", "width=4", "--set", "latent_dim=4",
        "--set", "loss=hinge", "--set", "ema=0.5", "--output", str(output),
    ]  # fmt: skip
    assert "--resume" in fails(monkeypatch, capsys, *arguments)
    run(*arguments, "--resume")
    report = json.loads((output / "report.json").read_text())
    assert report["epochs"] == 2 and report["steps"] == 10
    assert len((output / "history.csv").read_text().splitlines()) == 3
    assert (output / "export" / "2").is_dir()


@pytest.mark.parametrize("options", [[], ["--resume"]])
@pytest.mark.parametrize("name", ["model.keras", "report.json"])
def test_a_run_without_its_checkpoints_is_not_overwritten(
    folder, tmp_path, monkeypatch, capsys, name, options
):
    (tmp_path / name).write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    text = fails(
        monkeypatch, capsys, "train", "dcgan", "--dataset", str(folder), "--image-size", "16",
        "--epochs", "1", "--batch-size", "8", "--set", "width=4", "--output", str(tmp_path),
        *options,
    )  # fmt: skip
    assert f"holds {name}, and no checkpoints" in text and "another --output" in text
    assert (tmp_path / name).read_text() == "{}"


def test_sample_and_export(trained, tmp_path):
    output, _ = trained
    path = tmp_path / "grid.png"
    run(
        "sample", str(output), "-n", "4", "--seed", "1", "--singles", "--npz", "--output", str(path)
    )
    assert path.exists() and len(list((tmp_path / "grid").glob("*.png"))) == 4
    with np.load(tmp_path / "grid.npz") as file:
        expected = zoo.load_model(output / "model.keras").sample(4, seed=1)
        np.testing.assert_array_equal(file["images"], expected)
    run("export", str(output / "model.keras"), "--output", str(tmp_path / "served"))
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()


def test_sample_draws_points(tmp_path, monkeypatch, capsys):
    gan = zoo.create("gan", (2,), width=8, latent_dim=4, seed=0)
    gan.save(tmp_path / "model.keras")
    arguments = ["sample", str(tmp_path), "-n", "50", "--output", str(tmp_path / "points.png")]
    run(*arguments, "--npz")
    with Image.open(tmp_path / "points.png") as picture:
        assert picture.size == (600, 600)
    with np.load(tmp_path / "points.npz") as file:
        np.testing.assert_array_equal(file["images"], gan.sample(50, seed=0))
    assert "use --npz for points" in fails(monkeypatch, capsys, *arguments, "--singles")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "dcgna", "--dataset", "fashion_mnist_mini"], 'Did you mean "dcgan"'),
        (["train", "dcgan", "--dataset", "fashion_mnist_mimi"], "fashion_mnist_mini"),
        (["train", "dcgan", "--dataset", "./no/such/folder"], "no folder"),
        (["train", "dcgan", "--dataset", "fashion_mnist_mini", "--set", "widht=3"], '"width"'),
        (["train", "dcgan", "--dataset", "fashion_mnist_mini", "--set", "width"], "KEY=VALUE"),
        (["train", "dcgan", "--dataset", "ring"], "square images"),
        (
            ["train", "dcgan", "--dataset", "fashion_mnist_mini", "--image-size", "30"],
            "multiple of 4",
        ),
        (["sample", "dcgan.fashion_minst"], "dcgan.fashion_mnist|No preset|no preset"),
        (["sample", "missing.keras"], "no file"),
        (["info", "nothing"], "no model"),
    ],
)
def test_errors_are_one_line(monkeypatch, capsys, tmp_path, arguments, message):
    import re

    monkeypatch.chdir(tmp_path)
    assert re.search(message, fails(monkeypatch, capsys, *arguments))


def test_an_empty_folder_and_a_corrupt_file(monkeypatch, capsys, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    text = fails(monkeypatch, capsys, "train", "dcgan", "--dataset", str(tmp_path / "empty"))
    assert "empty" in text
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes((folder / "0.png").read_bytes())
    (tmp_path / "broken" / "b.png").write_bytes((folder / "0.png").read_bytes()[:40])
    with pytest.warns(UserWarning, match=r"b\.png"):
        data = runs.open_dataset(str(tmp_path / "broken"), 1, 16, 0)
    assert data.num_examples == 1


@pytest.mark.slow
def test_quickstart(tmp_path, monkeypatch):
    """The promise of the README: three minutes, files that load, pictures of garments."""
    import time

    monkeypatch.chdir(tmp_path)
    begin = time.monotonic()
    run("quickstart")
    assert time.monotonic() - begin < 180
    report = json.loads((tmp_path / "runs/quickstart/report.json").read_text())
    assert report["check"]["keras_max_abs"] == 0 and report["check"]["saved_model_max_abs"] < 1e-5
    images = zoo.load_model(tmp_path / "runs/quickstart/model.keras").sample(64, seed=0)
    assert images.std() > 0.4  # garments on black, not noise and not one grey


def test_quickstart_deletes_nothing_but_a_quickstart(trained, tmp_path, monkeypatch, capsys):
    output, _ = trained
    before = sorted(p.name for p in output.iterdir())
    text = fails(monkeypatch, capsys, "quickstart", "--output", str(output))
    assert "no quickstart made; nothing was deleted" in text
    assert sorted(p.name for p in output.iterdir()) == before
    mine = tmp_path / "quick"
    runs.clear_quickstart(mine)
    (mine / "report.json").write_text("{}")
    runs.clear_quickstart(mine)
    assert [p.name for p in mine.iterdir()] == [".quickstart"]


def test_evaluate_does_not_overwrite_the_report_of_a_run(trained, folder, monkeypatch, capsys):
    output, _ = trained
    before = (output / "report.json").read_text()
    monkeypatch.chdir(output)
    text = fails(monkeypatch, capsys, "evaluate", "model.keras", "--dataset", str(folder))
    assert "is not the record of an evaluation" in text and "--output" in text
    assert (output / "report.json").read_text() == before


@pytest.mark.parametrize("command", ["train", "sample"])
def test_an_interrupted_command_says_how_to_go_on(monkeypatch, capsys, command):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_gan_zoo.runs.train", interrupted)
    monkeypatch.setattr("keras_gan_zoo.cli._load", interrupted)
    arguments = {"train": ["dcgan", "--dataset", "fashion_mnist_mini"], "sample": ["dcgan.x"]}
    monkeypatch.setattr("sys.argv", ["keras-gan-zoo", command, *arguments[command]])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    text = capsys.readouterr().err
    assert stopped.value.code == 130 and "interrupted" in text
    assert ("--resume" in text) == (command == "train")


def test_evaluate_writes_a_table_and_a_record(trained, folder, tmp_path):
    path = tmp_path / "figures" / "report.json"
    result = run(
        "evaluate", str(trained[0]), "--dataset", str(folder), "--metrics", "swd,ms_ssim",
        "-n", "20", "--output", str(path),
    )  # fmt: skip
    assert "ms_ssim" in result.stdout and "20 generated against 40 real" in result.stdout
    report = json.loads(path.read_text())
    assert [r["name"] for r in report["records"]] == ["swd", "ms_ssim"]
    assert report["records"][0]["protocol"]["n_fake"] == 20


def test_leaderboard_over_the_presets(tmp_path, monkeypatch):
    def small(source, split, shape, data_dir=None):
        return zoo.datasets.load(
            "fashion_mnist_mini", "train[:200]", 100, shuffle=False, drop_remainder=False
        )

    monkeypatch.setattr("keras_gan_zoo.reports.open_split", small)
    result = run(
        "leaderboard", "--dataset", "fashion_mnist", "-n", "100", "--output", str(tmp_path)
    )
    assert "dcgan.fashion_mnist" in result.stdout
    assert (tmp_path / "leaderboard.csv").read_text().startswith("preset,fid,kid,precision")
    with Image.open(tmp_path / "precision_recall.png") as picture:
        assert picture.size[0] > 100
    assert json.loads((tmp_path / "leaderboard.json").read_text())[0]["records"]


def test_leaderboard_compares_one_image_shape(monkeypatch):
    from types import SimpleNamespace

    from keras_gan_zoo import reports

    def locate(name):
        data, side = name.split("-")
        return None, SimpleNamespace(data={"name": data}, config={"image_shape": [int(side)] * 2})

    monkeypatch.setattr(reports, "locate", locate)
    monkeypatch.setattr(zoo, "list_models", lambda pretrained: ["a-32", "a-28", "b-8", "a-028"])
    assert reports._of_one_shape("a") == ["a-28", "a-028"]
    assert reports._of_one_shape("c") == []


def test_leaderboard_without_presets_says_so(monkeypatch, capsys):
    text = fails(monkeypatch, capsys, "leaderboard", "--dataset", "cifar10")
    assert "no preset for 'cifar10'" in text and "dcgan.fashion_mnist" in text

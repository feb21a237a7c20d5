"""Presets made of runs and pushed by the hub's real client to a server on loopback."""

import json
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from hub_presets import RECORDS, rewrite
from hub_server import Hub, environment

import keras_gan_zoo as zoo
from keras_gan_zoo import hub
from keras_gan_zoo.hub import index, publish
from keras_gan_zoo.hub.manifest import Manifest

# One JSON line of outcome for each list of arguments.
CLIENT = """if True:
    import dataclasses, json, sys, warnings
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)  # the client's own, of its HTTP library
    from keras_gan_zoo.hub import publish
    for folder, repo, options in json.loads(sys.argv[1]):
        try:
            done = publish.push_to_hub(folder, repo, **options)
            print(json.dumps(dataclasses.asdict(done) | {"name": done.name}))
        except (ValueError, OSError, TypeError) as error:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""


@pytest.fixture
def server():
    with Hub() as running:
        yield running


@pytest.fixture
def push(server, tmp_path):
    """Pushes in a process of its own, as `HF_ENDPOINT` is read at import."""

    def run(*pushes, token="hf_secret"):
        arguments = json.dumps([[str(f), repo, options] for f, repo, options in pushes])
        variables = environment(server, tmp_path) | ({"HF_TOKEN": token} if token else {})
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, arguments],
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_a_preset_in_one_commit(server, push, preset, tmp_path):
    (done,) = push((preset, "me/garments", {"private": True}))
    commit, files = server.branches["me/garments", "main"]
    assert done["revision"] == commit and done["name"] == f"hf://me/garments@{commit}"
    (record,) = server.commits["me/garments"]
    local = {p.name for p in preset.iterdir()}
    assert record == ("main", "Add dcgan.test", sorted(local))
    assert server.visible["me/garments"] == "private"
    for name in local - {"README.md"}:
        assert files[name] == (preset / name).read_bytes()
    card = files["README.md"].decode()
    assert 'zoo.from_pretrained("hf://me/garments")' in card
    data = huggingface_hub.ModelCard(card).data
    assert data.license == "apache-2.0" and data.eval_results[0].metric_value == 12.25

    # and back again, verified, in another process
    code = """if True:
        import sys
        from keras_gan_zoo.hub import resolve, verify
        folder, manifest = resolve.locate(sys.argv[1])
        verify.verify_folder(folder, manifest)
        print(folder)
    """
    back = subprocess.run(
        [sys.executable, "-c", code, done["name"]],
        env=environment(server, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(back.stdout.strip())
    weights = "generator.weights.h5"
    assert (folder / weights).read_bytes() == (preset / weights).read_bytes()


def test_existing_repositories(server, push, preset, tmp_path):
    other = tmp_path / "other" / "dcgan.test"
    other.parent.mkdir()
    hub.save_preset(
        zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=8, seed=9),
        other,
        "dcgan.test",
        **RECORDS,
    )
    first, again, private, refused, branch, gone = push(
        (preset, "me/one", {}),
        (preset, "me/one", {"message": "Once more"}),
        (preset, "me/one", {"private": True}),
        (other, "me/one", {}),
        (other, "me/one", {"revision": "experiment"}),
        (preset, "me", {"revision": "x y"}),
    )
    assert "revision" in first and "revision" in again
    assert [c[1] for c in server.commits["me/one"]][:2] == ["Add dcgan.test", "Once more"]
    assert private["error"] == "ValueError" and "exists and is public" in private["message"]
    assert refused["error"] == "FileExistsError"
    assert "Weights are never overwritten" in refused["message"]
    assert branch["revision"] == server.branches["me/one", "experiment"][0]
    weights = "generator.weights.h5"
    assert server.branches["me/one", "main"][1][weights] == (preset / weights).read_bytes()
    assert server.branches["me/one", "experiment"][1][weights] == (other / weights).read_bytes()
    assert gone["error"] in ("PublishError", "ValueError")


def test_a_failed_push_leaves_no_branch(server, push, preset):
    """A branch without its commit would hold main's weights, and refuse the next try."""
    push((preset, "me/one", {}))
    (private,) = push((preset, "me/one", {"revision": "v2", "private": True}))
    assert private["error"] == "ValueError" and ("me/one", "v2") not in server.branches
    server.refuse_commits.add("me/one")
    (failed,) = push((preset, "me/one", {"revision": "v2"}))
    assert failed["error"] == "PublishError" and ("me/one", "v2") not in server.branches
    server.refuse_commits.clear()
    (done,) = push((preset, "me/one", {"revision": "v2"}))
    assert done["revision"] == server.branches["me/one", "v2"][0]


def test_what_the_hub_refuses(server, push, preset):
    (anonymous,) = push((preset, "me/x", {}), token=None)
    assert anonymous["error"] == "PublishError" and "HF_TOKEN" in anonymous["message"]
    (wrong,) = push((preset, "me/x", {"token": "hf_other"}))
    assert wrong["error"] == "PublishError" and "may write" in wrong["message"]
    push((preset, "me/y", {}))
    server.read_only.add("me/y")
    rewrite(preset, metrics=[])
    (denied,) = push((preset, "me/y", {}))
    assert denied["error"] == "PublishError" and "no permission" in denied["message"]
    (name,) = push((preset, "no/such/name", {}))
    assert name["error"] == "ValueError" and "not a name of the hub" in name["message"]


def test_nothing_is_sent_that_is_not_sound(server, push, preset):
    (preset / "notes.txt").write_text("not listed")
    (outcome,) = push((preset, "me/x", {}))
    assert outcome["error"] == "VerificationError" and not server.branches
    (preset / "notes.txt").unlink()
    (preset / "golden.npz").write_bytes(b"x")
    (outcome,) = push((preset, "me/x", {}))
    assert outcome["error"] == "VerificationError" and not server.branches


def test_no_connection(preset, push, server):
    server.server_close()
    (outcome,) = push((preset, "me/x", {}))
    assert outcome["error"] == "PublishError" and "cannot be reached" in outcome["message"]


def test_a_pinned_preset(server, push, preset):
    hub.index.write_index(preset.parent)
    (done,) = push((preset, "me/pinned", {"pin": True}))
    assert hub.index.stale(preset.parent) == []
    manifest = Manifest.read(preset)
    assert manifest.hub == {"repo_id": "me/pinned", "revision": done["revision"]}
    assert 'from_pretrained("hf://me/pinned")' in (preset / "README.md").read_text()
    pushed = json.loads(server.branches["me/pinned", "main"][1]["manifest.json"])
    assert pushed["hub"] is None  # a commit cannot name itself


# ------------------------------------------------------------------ models and runs


@pytest.fixture
def run_folder(trained, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    trained.save(folder / "model.keras")
    report = {
        "command": "keras-gan-zoo train dcgan --dataset fashion_mnist_mini",
        "model": "dcgan",
        "dataset": {
            "name": "fashion_mnist_mini",
            "images": 10_000,
            "batch_size": 64,
            "preprocessing": "central square resized to 16x16 (Lanczos), uint8 / 127.5 - 1",
        },
        "epochs": 2,
        "steps": 312,
        "training_seconds": 12.5,
        "versions": {"keras": "3.15.1", "tensorflow": "2.21.0"},
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_pack(run_folder, trained, tmp_path):
    parent = tmp_path / "zoo"
    folder = hub.pack(run_folder, "mine", parent=parent)
    assert folder == parent / "dcgan.mine" and not (parent / "index.json").exists()
    manifest = Manifest.read(folder)
    assert manifest.licence == {"code": "Apache-2.0", "weights": "Apache-2.0", "data": "MIT"}
    assert manifest.data["size"] == 10_000
    assert manifest.data["preprocessing"].startswith("central square resized to 16x16")
    assert (manifest.training["steps"], manifest.training["batch"]) == (312, 64)
    assert "cores" in manifest.training["device"]
    images = zoo.from_pretrained(folder).sample(3, seed=1)
    np.testing.assert_allclose(images, trained.sample(3, seed=1), atol=1e-6)
    with pytest.raises(FileExistsError, match="choose a new tag"):
        hub.pack(run_folder, "mine", parent=parent)
    (parent / "index.json").write_text("{}")
    assert hub.pack(run_folder, parent=parent).name == "dcgan.fashion_mnist_mini"
    assert index.stale(parent) == []


def test_packing_what_is_not_a_run(run_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no report.json"):
        hub.pack(tmp_path)
    report = json.loads((run_folder / "report.json").read_text())
    report["dataset"]["name"] = "/home/me/My Pictures"
    (run_folder / "report.json").write_text(json.dumps(report))
    with pytest.raises(ValueError, match="Under which licence are the images of 'My Pictures'"):
        hub.pack(run_folder, parent=tmp_path / "zoo")
    folder = hub.pack(run_folder, parent=tmp_path / "zoo", data_licence="CC0-1.0")
    assert folder.name == "dcgan.my_pictures"
    assert Manifest.read(folder).data["name"] == "My Pictures"  # no path of this machine
    (run_folder / "report.json").write_text('{"model": "dcgan"}')
    with pytest.raises(ValueError, match="not the report of a training run"):
        hub.pack(run_folder, "other", parent=tmp_path / "zoo")
    assert [p.name for p in (tmp_path / "zoo").iterdir()] == ["dcgan.my_pictures"]


def test_runs_and_models_become_presets_first(run_folder, trained, monkeypatch):
    seen = []

    def commit(folder, manifest, repo_id, *rest):
        hub.check_golden(folder)
        seen.append((manifest.name, repo_id))
        return publish.Published(repo_id, "1" * 40, "url")

    monkeypatch.setattr(publish, "_commit", commit)
    hub.push_to_hub(run_folder, "me/dcgan.Other-One", tag="run")
    hub.push_to_hub(trained, "me/dcgan.Other-One", **RECORDS)
    hub.push_to_hub(trained, "me/dcgan", tag="mine", **RECORDS)
    assert [name for name, _ in seen] == ["dcgan.run", "dcgan.other_one", "dcgan.mine"]
    with pytest.raises(ValueError, match="its card needs data, licence, training"):
        hub.push_to_hub(trained, "me/x")
    with pytest.raises(ValueError, match="pin=True is for a preset's folder"):
        hub.push_to_hub(trained, "me/x", pin=True, **RECORDS)


def test_records_beside_a_preset(preset):
    with pytest.raises(TypeError, match="has its records in manifest.json"):
        hub.push_to_hub(preset, "me/x", data={})


def test_the_commands(run_folder, tmp_path, monkeypatch):
    import typer
    from typer.testing import CliRunner

    from keras_gan_zoo.hub import command

    app = typer.Typer()
    app.command()(command.pack)
    app.command()(command.push)
    parent = tmp_path / "zoo"
    result = CliRunner().invoke(
        app, ["pack", str(run_folder), "--tag", "cli", "--output", str(parent)]
    )
    folder, check = result.output.splitlines()
    assert folder == str(parent / "dcgan.cli") and check.startswith("golden images reproduced")

    def commit(folder, manifest, repo_id, private, revision, token, message):
        assert (private, revision, message) == (True, "v2", "Hello")
        return publish.Published(repo_id, "1" * 40, "https://hub/commit")

    monkeypatch.setattr(publish, "_commit", commit)
    options = ["--private", "--revision", "v2", "--message", "Hello", "--pin"]
    result = CliRunner().invoke(app, ["push", folder, "me/x", *options])
    url, line = result.output.splitlines()
    assert url == "https://hub/commit"
    assert line == f'zoo.from_pretrained("hf://me/x@{"1" * 40}")'
    assert Manifest.read(folder).hub == {"repo_id": "me/x", "revision": "1" * 40}


@pytest.mark.slow
def test_a_pushed_preset_draws_the_same_images(server, push, preset, trained, tmp_path):
    (done,) = push((preset, "me/garments", {"private": True}))
    code = """if True:
        import sys
        import numpy as np
        import keras_gan_zoo as zoo
        np.save(sys.argv[2], zoo.from_pretrained(sys.argv[1]).sample(3, seed=4))
        print(zoo.hub.check_golden(sys.argv[1]))
    """
    result = tmp_path / "images.npy"
    subprocess.run(
        [sys.executable, "-c", code, done["name"], str(result)],
        env=environment(server, tmp_path),
        check=True,
    )
    np.testing.assert_allclose(np.load(result), trained.sample(3, seed=4), atol=1e-6)

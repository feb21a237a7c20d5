"""The hub's real client against a server on loopback that speaks the hub's HTTP."""

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_presets import manifest_dict
from hub_server import COMMIT, Hub, environment

OTHER = "b" * 40
WEIGHTS = bytes(range(256)) * 200

# Resolves the names of its arguments, one JSON line of outcome each.
CLIENT = """if True:
    import json, sys, warnings
    warnings.simplefilter("error")
    from keras_gan_zoo.hub import resolve
    from keras_gan_zoo.hub.manifest import Manifest
    from keras_gan_zoo.hub.verify import verify_folder
    import os, resource
    if os.environ.get("FILE_LIMIT"):  # a disk that is full after so many bytes of a file
        limit = int(os.environ["FILE_LIMIT"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for name in sys.argv[1:]:
        try:
            folder, manifest = resolve.locate(name)
            verify_folder(folder, manifest)
            print(json.dumps({"folder": str(folder)}))
        except (ValueError, OSError) as error:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    assert "tensorflow" not in sys.modules
"""


def preset_files(weights=WEIGHTS, **changes):
    """The files of a repository whose manifest speaks of `WEIGHTS`."""
    entry = {
        "path": "generator.weights.h5",
        "bytes": len(WEIGHTS),
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    }
    manifest = manifest_dict(files=[entry], **changes)
    return {
        "manifest.json": json.dumps(manifest).encode(),
        "generator.weights.h5": weights,
        "extra.bin": b"never asked for",
    }


@pytest.fixture(scope="module")
def hub():
    with Hub() as server:
        yield server


@pytest.fixture
def client(hub, tmp_path):
    """Starts a process that resolves names; returns its outcomes."""

    def start(*names, **variables):
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, *map(str, names)],
            env=environment(hub, tmp_path) | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def outcomes(process):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def run(*names, **variables):
        return outcomes(start(*names, **variables))

    run.start, run.outcomes = start, outcomes
    return run


def blobs(tmp_path):
    return [p for p in (tmp_path / "hf").rglob("blobs/*")]


def test_download_cache_offline_and_repair(hub, client, tmp_path):
    hub.repos["user/good"] = preset_files()
    hub.requests.clear()
    by_name, by_tag, by_commit = client(
        "hf://user/good", "hf://user/good@v1", f"hf://user/good@{COMMIT}"
    )
    assert by_name == by_tag == by_commit
    folder = Path(by_name["folder"])
    assert folder.name == COMMIT
    assert sorted(p.name for p in folder.iterdir()) == ["generator.weights.h5", "manifest.json"]
    assert hub.requests["GET user/good generator.weights.h5"] == 1
    assert not any("extra.bin" in request for request in hub.requests)

    hub.requests.clear()  # a commit in the cache needs no network at all
    assert client(f"hf://user/good@{COMMIT}") == [by_name] and not hub.requests
    offline = client("hf://user/good", "hf://user/never", HF_HUB_OFFLINE="1")
    assert offline[0] == by_name and not hub.requests
    assert offline[1]["error"] == "DownloadError" and "HF_HUB_OFFLINE" in offline[1]["message"]

    weights = (folder / "generator.weights.h5").resolve()
    for damage in (WEIGHTS[:-1], b"x" + WEIGHTS[1:]):  # fetched again, once
        weights.write_bytes(damage)
        hub.requests.clear()
        assert client(f"hf://user/good@{COMMIT}") == [by_name]
        assert hub.requests["GET user/good generator.weights.h5"] == 1
        assert (folder / "generator.weights.h5").read_bytes() == WEIGHTS

    weights.write_bytes(b"damaged")
    (outcome,) = client(f"hf://user/good@{COMMIT}", HF_HUB_OFFLINE="1")
    assert outcome["error"] == "VerificationError"


def test_refusals(hub, client, tmp_path):
    hub.repos["user/private"] = hub.repos["user/gated"] = preset_files()
    hub.private.add("user/private")
    hub.gated.add("user/gated")
    hub.repos["user/altered"] = preset_files(b"x" + WEIGHTS[1:])
    hub.repos["user/big"] = preset_files(WEIGHTS + b"x")
    hub.repos["user/partial"] = {"manifest.json": preset_files()["manifest.json"]}
    hub.repos["user/other"] = {"config.json": b"{}"}
    hub.repos["user/broken"] = {"manifest.json": b"{"}
    hub.repos["user/huge"] = {"manifest.json": b" " * (2**20 + 1)}
    traversal = json.loads(preset_files()["manifest.json"])
    traversal["files"][0]["path"] = "../../../escaped"
    hub.repos["user/traversal"] = {"manifest.json": json.dumps(traversal).encode()}
    hub.repos["user/good"] = preset_files()
    hub.requests.clear()
    wanted = {
        "hf://user/none": ("DownloadError", "no such repository, or it is private"),
        "hf://user/private": ("DownloadError", "set HF_TOKEN"),
        "hf://user/gated": ("DownloadError", "access is restricted"),
        "hf://user/good@v9": ("DownloadError", "no such revision"),
        "hf://user/other": ("DownloadError", "is not a preset of keras_gan_zoo"),
        "hf://user/partial": ("DownloadError", "has no file 'generator.weights.h5'"),
        "hf://user/broken": ("ManifestError", "not readable as JSON"),
        "hf://user/huge": ("VerificationError", "the server states 1,048,577 bytes"),
        "hf://user/big": ("VerificationError", "expected 51,200 bytes"),
        "hf://user/traversal": ("ManifestError", "must be a relative path"),
        "hf://user/altered": ("VerificationError", "downloaded twice"),
    }
    for name, outcome in zip(wanted, client(*wanted), strict=True):
        error, message = wanted[name]
        assert outcome.get("error") == error and message in outcome["message"], (name, outcome)
    assert not hub.requests["GET user/huge manifest.json"]
    assert not hub.requests["GET user/big generator.weights.h5"]
    assert hub.requests["GET user/altered generator.weights.h5"] == 2
    assert not [p for p in blobs(tmp_path) if p.suffix == ".incomplete"]
    assert not list(tmp_path.rglob("escaped"))
    (outcome,) = client("hf://user/private", HF_TOKEN="hf_secret")
    assert "folder" in outcome


def test_a_preset_of_the_zoo_is_checked_against_the_local_manifest(hub, client, tmp_path):
    pinned = {"repo_id": "zoo/one", "revision": COMMIT}
    for name in ("dcgan.test", "dcgan.moved"):
        folder = tmp_path / "weights" / name
        folder.mkdir(parents=True)
        revision = pinned if name == "dcgan.test" else pinned | {"revision": OTHER}
        files = preset_files(name=name, hub=revision)
        (folder / "manifest.json").write_bytes(files["manifest.json"])
    hub.repos["zoo/one"] = preset_files()
    weights = {"KERAS_GAN_ZOO_WEIGHTS": str(tmp_path / "weights")}
    good, moved = client("dcgan.test", "dcgan.moved", **weights)
    assert Path(good["folder"]).name == COMMIT
    assert moved["error"] == "DownloadError" and "no such revision" in moved["message"]

    # a mirror whose manifest vouches for other weights
    other = b"y" * len(WEIGHTS)
    manifest = json.loads(preset_files()["manifest.json"])
    manifest["files"][0]["sha256"] = hashlib.sha256(other).hexdigest()
    hub.repos["mirror/dcgan.test"] = {
        "manifest.json": json.dumps(manifest).encode(),
        "generator.weights.h5": other,
    }
    hub.repos["mirror/good"] = preset_files()
    (outcome,) = client("dcgan.test", KERAS_GAN_ZOO_HUB="mirror", **weights)
    assert outcome["error"] == "VerificationError" and "mirror/dcgan.test" in outcome["message"]
    (outcome,) = client("dcgan.test", KERAS_GAN_ZOO_HUB="mirror/good@v1", **weights)
    assert "models--mirror--good" in outcome["folder"]


def test_cut_and_busy_servers_and_two_processes_at_once(hub, client, tmp_path):
    hub.repos["user/cut"] = hub.repos["user/busy"] = hub.repos["user/both"] = preset_files()
    hub.cut_once.add("user/cut")
    hub.slow["user/both"] = 0.1  # so that the two meet
    hub.fail_once.add("user/busy")
    hub.requests.clear()
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(client.start("hf://user/both", "hf://user/cut")),
            stack.enter_context(client.start("hf://user/both", "hf://user/busy")),
        ]
        first, second = (client.outcomes(p) for p in processes)
    assert first[0] == second[0]
    assert all("folder" in outcome for outcome in (*first, *second)), (first, second)
    assert hub.requests["GET user/cut generator.weights.h5"] == 2
    assert Path(first[1]["folder"], "generator.weights.h5").read_bytes() == WEIGHTS
    assert not [p for p in blobs(tmp_path) if p.suffix == ".incomplete"]


def test_a_busy_server_is_asked_again(hub, client):
    hub.repos["user/busy"] = preset_files()
    hub.answers["GET user/busy manifest.json"] = [429]
    hub.answers["HEAD user/busy generator.weights.h5"] = [503, 503]
    hub.answers["GET user/busy generator.weights.h5"] = [502]
    hub.requests.clear()
    (outcome,) = client("hf://user/busy")
    assert "folder" in outcome, outcome
    assert not any(hub.answers.values())
    assert hub.requests["GET user/busy generator.weights.h5"] == 2


def test_a_server_that_stays_broken(hub, client, tmp_path):
    hub.repos["user/down"] = preset_files()
    for method in ("GET", "HEAD"):
        hub.answers[f"{method} user/down generator.weights.h5"] = [418] * 100
    (outcome,) = client("hf://user/down")
    assert outcome["error"] == "DownloadError", outcome
    assert "418" in outcome["message"] and "try again" in outcome["message"]
    assert not in_place(tmp_path)


def in_place(tmp_path):
    """Downloaded files under their final names."""
    return [p for p in (tmp_path / "hf").rglob("snapshots/*/*.h5")]


def test_slow_and_stalled_connections(hub, client, tmp_path):
    hub.repos["user/slow"] = hub.repos["user/stalled"] = preset_files()
    hub.slow["user/slow"] = 0.1
    hub.stall_once.add("user/stalled")
    outcomes = client("hf://user/slow", "hf://user/stalled", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert all("folder" in outcome for outcome in outcomes), outcomes
    for outcome in outcomes:
        assert Path(outcome["folder"], "generator.weights.h5").read_bytes() == WEIGHTS


def test_a_full_disk_leaves_no_half_file(hub, client, tmp_path):
    hub.repos["user/full"] = preset_files()
    (outcome,) = client("hf://user/full", FILE_LIMIT="20000")
    assert outcome["error"] == "DownloadError", outcome
    assert "could not be downloaded" in outcome["message"]
    assert not in_place(tmp_path)
    (outcome,) = client("hf://user/full")
    assert Path(outcome["folder"], "generator.weights.h5").read_bytes() == WEIGHTS


def test_a_killed_download_leaves_no_half_file(hub, client, tmp_path):
    hub.repos["user/killed"] = preset_files()
    hub.slow["user/killed"] = 0.5
    process = client.start("hf://user/killed")
    deadline = time.monotonic() + 60
    while not hub.requests["GET user/killed generator.weights.h5"]:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not in_place(tmp_path)
    hub.slow.clear()
    (outcome,) = client("hf://user/killed")
    assert Path(outcome["folder"], "generator.weights.h5").read_bytes() == WEIGHTS

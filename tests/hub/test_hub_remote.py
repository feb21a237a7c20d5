"""The hub's real client against a server on loopback that speaks the hub's HTTP."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hub_presets import manifest_dict

COMMIT, OTHER = "a" * 40, "b" * 40
WEIGHTS = bytes(range(256)) * 200

# Resolves the names of its arguments, one JSON line of outcome each.
CLIENT = """if True:
    import json, sys, warnings
    warnings.simplefilter("error")
    from keras_gan_zoo.hub import resolve
    from keras_gan_zoo.hub.manifest import Manifest
    from keras_gan_zoo.hub.verify import verify_folder
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


class Hub(ThreadingHTTPServer):
    """`repos["user/repo"]` maps paths to bytes; everything is at `COMMIT`, also called main."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos = {}
        self.private = set()
        self.gated = set()
        self.cut_once = set()
        self.fail_once = set()
        self.requests = Counter()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def refuse(self, status, code=None):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        hub = self.server
        parts = self.path.split("?")[0].strip("/").split("/", 4)
        if len(parts) < 5 or parts[2] != "resolve":
            return self.refuse(404)
        repo, revision, path = "/".join(parts[:2]), parts[3], parts[4]
        hub.requests[f"{self.command} {repo} {path}"] += 1
        if repo in hub.fail_once:
            hub.fail_once.discard(repo)
            return self.refuse(503)
        if repo in hub.private and self.headers["Authorization"] != "Bearer hf_secret":
            return self.refuse(401, "RepoNotFound")
        if repo in hub.gated:
            return self.refuse(403, "GatedRepo")
        if repo not in hub.repos:
            return self.refuse(404, "RepoNotFound")
        if revision not in ("main", "v1", COMMIT):
            return self.refuse(404, "RevisionNotFound")
        if path not in hub.repos[repo]:
            return self.refuse(404, "EntryNotFound")
        data = hub.repos[repo][path]
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            if repo in hub.cut_once and len(data) > 10_000:
                hub.cut_once.discard(repo)
                self.wfile.write(data[:20_000])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(data)


@pytest.fixture(scope="module")
def hub():
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(hub, tmp_path):
    """Starts a process that resolves names; returns its outcomes."""

    def start(*names, **variables):
        environment = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("HF_", "KERAS_GAN_ZOO")) and "proxy" not in k.lower()
        } | {
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, *map(str, names)],
            env=environment | variables,
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

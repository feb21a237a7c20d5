"""Requests that arrive together, versions that come and go, a server that is told to stop."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from rest_server import Server

from keras_gan_zoo.serving import ServerOptions, create_app
from keras_gan_zoo.serving.batching import Batcher, sizes
from keras_gan_zoo.serving.json_tensors import RequestError, TensorSpec
from keras_gan_zoo.serving.models import Model, Signature


class Doubling(Signature):
    """y = 2 x for rows of 3; notes how many rows each call had."""

    def __init__(self, seconds=0.0):
        x, y = (TensorSpec(n, "float32", (-1, 3)) for n in "xy")
        super().__init__("double", {"x": x}, {"y": y}, None)
        self.seconds, self.calls = seconds, []

    def run(self, inputs):
        x = inputs["x"]
        self.calls.append(len(x))
        time.sleep(self.seconds)
        if (x < 0).any():
            raise RequestError("unlucky")
        return {"y": 2 * x}


def together(signature, batches, **options):
    """Outputs (or errors) of requests that are sent at the same time."""

    async def main():
        batcher = Batcher(**options)
        try:
            return await asyncio.gather(
                *(batcher.run(signature, {"x": b}) for b in batches), return_exceptions=True
            )
        finally:
            batcher.close()

    return asyncio.run(main())


def rows(n, value):
    return np.full((n, 3), value, np.float32)


def test_sizes():
    assert sizes(1) == [1] and sizes(8) == [1, 2, 4, 8] and sizes(20) == [1, 2, 4, 8, 16, 20]


def test_everyone_gets_their_own_rows():
    signature = Doubling(0.005)
    counts = [1, 3, 2, 7, 1, 1, 5, 8, 4, 1] * 3
    seen = []
    outputs = together(
        signature,
        [rows(n, i) for i, n in enumerate(counts)],
        max_rows=8,
        on_batch=seen.append,
    )
    for i, (n, output) in enumerate(zip(counts, outputs, strict=True)):
        np.testing.assert_array_equal(output["y"], rows(n, 2 * i))
    assert sum(seen) == sum(counts) and max(seen) <= 8
    assert set(signature.calls) <= {1, 2, 4, 8}  # padded: few shapes are ever run
    assert len(signature.calls) < len(counts)


def test_one_bad_request_does_not_spoil_the_batch():
    values = [1, -1, 2, 3]
    outputs = together(Doubling(0.01), [rows(1, v) for v in values], max_rows=8)
    assert [isinstance(o, RequestError) for o in outputs] == [False, True, False, False]
    np.testing.assert_array_equal(outputs[3]["y"], rows(1, 6))


def test_limits():
    outputs = together(Doubling(0.05), [rows(1, i) for i in range(9)], max_rows=2, max_queue=5)
    refused = [o for o in outputs if isinstance(o, RequestError)]
    assert refused and {o.status for o in refused} == {503}
    (output,) = together(Doubling(), [rows(3, 0)], max_rows=2)
    assert output.status == 400 and "may have 1 to 2 rows" in str(output)
    (output,) = together(Doubling(), [rows(0, 0)], max_rows=2)
    assert output.status == 400


# ------------------------------------------------------------------ versions


@pytest.fixture
def versions(export_folder, tmp_path):
    shutil.copytree(export_folder / "1", tmp_path / "small" / "1")
    return tmp_path / "small"


def add(folder, number, source=None):
    """A new version, as an export writes it: renamed when it is complete."""
    writing = folder / ".writing"
    shutil.copytree(source or folder / "1", writing)
    writing.rename(folder / str(number))


def test_newer_versions_replace_older_ones(versions):
    model = Model("small", versions)
    assert model.refresh() and list(model.versions) == [1]
    assert not model.refresh()
    add(versions, 2)
    (versions / "notes").mkdir()
    (versions / "7").mkdir()  # no SavedModel in it
    assert model.refresh() and list(model.versions) == [2]
    assert (model.states[1].state, model.states[2].state) == ("END", "AVAILABLE")
    with pytest.raises(RequestError, match=r"Specific\(small, 1\)"):
        model.version(1)
    shutil.rmtree(versions / "2")  # back to the older one
    assert model.refresh() and list(model.versions) == [1]
    shutil.rmtree(versions / "1")
    assert model.refresh() and not model.versions
    with pytest.raises(RequestError, match=r"Latest\(small\)"):
        model.version()


def test_a_broken_version_does_not_end_the_one_that_works(versions):
    model = Model("small", versions)
    model.refresh()
    add(versions, 2)
    (versions / "2" / "saved_model.pb").write_bytes(b"damaged")
    assert model.refresh() and list(model.versions) == [1]
    assert model.states[2].error_message
    assert not model.refresh()  # it is not tried again and again
    time.sleep(0.01)
    shutil.copy(versions / "1" / "saved_model.pb", versions / "2" / "saved_model.pb")
    assert model.refresh() and list(model.versions) == [2]


def test_several_versions(versions):
    for number in (2, 3):
        add(versions, number)
    model = Model("small", versions, keep=2)
    model.refresh()
    assert sorted(model.versions) == [2, 3] and model.version().number == 3
    shutil.rmtree(versions / "3")
    assert model.refresh() and sorted(model.versions) == [1, 2]
    versions.rename(versions.with_name("away"))  # a file system that is away for a moment
    assert not model.refresh() and sorted(model.versions) == [1, 2]


def test_a_new_version_under_load(versions):
    options = ServerOptions(poll_seconds=0.05, max_batch=8)
    with Server(create_app(versions, options=options)) as server:
        stop, codes = threading.Event(), []

        def ask():
            while not stop.is_set():
                codes.append(server.post({"instances": [[0.0] * 4]})[0])

        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(ask)
            add(versions, 2)
            deadline = time.monotonic() + 20
            while server.get("/v1/models/small/versions/2")[0] != 200:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            while (
                server.post({"instances": [[0.0] * 4]}, "/v1/models/small/versions/2:predict")[0]
                != 200
            ):
                assert time.monotonic() < deadline
            stop.set()
        assert set(codes) == {200}


# ------------------------------------------------------------------ the command


def start(folder, *options):
    """The command in a process of its own; returns it and its address."""
    code = "import typer; from keras_gan_zoo.serving.command import serve; typer.run(serve)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("Serving "), line
    return process, line.split(" at ")[1].strip()


def wait_until_ready(address):
    url = address.split("/v1/")[0] + "/healthz"
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.read()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def predict(address, value):
    request = urllib.request.Request(f"{address}:predict", json.dumps(value).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_sigterm_drains(export_folder):
    process, address = start(export_folder, "--name", "other")
    try:
        wait_until_ready(address)
        assert address.endswith("/v1/models/other")
        inputs = {"signature_name": "sample", "inputs": {"seed": 0, "n": 32}}
        predict(address, inputs)
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(predict, address, inputs) for _ in range(8)]
            time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            outcomes = [answer.exception() for answer in answers]
        # what had been accepted is answered; what came later finds the door closed
        assert all(o is None or isinstance(o, OSError) for o in outcomes)
        assert outcomes.count(None) >= 1
        assert process.wait(timeout=40) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_the_extra_is_named_when_it_is_missing(monkeypatch):
    from keras_gan_zoo.serving import command

    monkeypatch.setattr(command, "_PACKAGES", ("no_such_module",))
    with pytest.raises(ImportError, match=r"no_such_module: pip install keras-gan-zoo\[serve\]"):
        command.serve(Path("x"))


@pytest.mark.slow
def test_64_clients_for_a_minute():
    """`benchmarks/serving.py` on the published preset: no error, 3 times the throughput of one."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", "--load"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout)
    assert figures["errors"] == 0 and figures["clients"] == 64 and figures["seconds"] == 60
    assert figures["throughput"] >= 3 * figures["one_at_a_time"]

"""Requests that arrive together, versions that come and go, a server that is told to stop."""

import asyncio
import http.client
import json
import logging
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from rest_server import Server

from keras_gan_zoo.serving import ServerOptions, create_app
from keras_gan_zoo.serving.batching import Batcher, sizes
from keras_gan_zoo.serving.json_tensors import RequestError, TensorSpec
from keras_gan_zoo.serving.models import Model, Signature


class Doubling(Signature):
    """y = 2 x for rows of 3; notes how many rows each call had."""

    def __init__(self, seconds=0.0, name="serving_default"):
        x, y = (TensorSpec(n, "float32", (-1, 3)) for n in "xy")
        super().__init__(name, {"x": x}, {"y": y}, None)
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
        max_batch=8,
        on_batch=seen.append,
    )
    for i, (n, output) in enumerate(zip(counts, outputs, strict=True)):
        np.testing.assert_array_equal(output["y"], rows(n, 2 * i))
    assert sum(seen) == sum(counts) and max(seen) <= 8
    assert set(signature.calls) <= {1, 2, 4, 8}  # padded: few shapes are ever run
    assert len(signature.calls) < len(counts)


def test_one_bad_request_does_not_spoil_the_batch():
    values = [1, -1, 2, 3]
    outputs = together(Doubling(0.01), [rows(1, v) for v in values], max_batch=8)
    assert [isinstance(o, RequestError) for o in outputs] == [False, True, False, False]
    np.testing.assert_array_equal(outputs[3]["y"], rows(1, 6))


def test_limits():
    outputs = together(Doubling(0.05), [rows(1, i) for i in range(9)], max_batch=2, max_queue=5)
    refused = [o for o in outputs if isinstance(o, RequestError)]
    assert refused and {o.status for o in refused} == {503}
    for name in ("serving_default", "discriminate"):
        (output,) = together(Doubling(name=name), [rows(3, 0)], max_rows=2)
        assert output.status == 400 and "may have 1 to 2 rows" in str(output)
        (output,) = together(Doubling(name=name), [rows(0, 0)], max_rows=2)
        assert output.status == 400


def test_a_large_request_is_cut_into_batches():
    signature = Doubling(0.005)
    x = np.arange(60, dtype=np.float32).reshape(20, 3)
    first, large, last = together(signature, [rows(3, 1), x, rows(2, 5)], max_batch=8, max_queue=30)
    np.testing.assert_array_equal(large["y"], 2 * x)
    np.testing.assert_array_equal(first["y"], rows(3, 2))
    np.testing.assert_array_equal(last["y"], rows(2, 10))
    assert max(signature.calls) == 8
    (output,) = together(Doubling(), [x], max_batch=8, max_queue=5)  # it waits alone
    np.testing.assert_array_equal(output["y"], 2 * x)
    x[19] = -1
    (output,) = together(Doubling(), [x], max_batch=8)
    assert str(output) == "unlucky"


def test_other_signatures_run_each_request_as_it_came():
    signature = Doubling(0.005, "discriminate")
    counts = [3, 1, 7, 3]
    seen = []
    outputs = together(
        signature,
        [rows(n, i) for i, n in enumerate(counts)],
        max_batch=4,
        threads=2,
        on_batch=seen.append,
    )
    for i, (n, output) in enumerate(zip(counts, outputs, strict=True)):
        np.testing.assert_array_equal(output["y"], rows(n, 2 * i))
    assert sorted(signature.calls) == sorted(seen) == sorted(counts)


def test_requests_that_are_not_batched_wait_in_a_queue_too():
    async def main():
        signature, x = Doubling(0.05, "discriminate"), {"x": rows(2, 1)}
        batcher = Batcher(max_queue=5)
        tasks = [asyncio.create_task(batcher.run(signature, x)) for _ in range(6)]
        await asyncio.sleep(0.01)
        queued = batcher.queued
        outputs = await asyncio.gather(*tasks, return_exceptions=True)
        after = batcher.queued
        batcher.close()
        return queued, outputs, after

    queued, outputs, after = asyncio.run(main())
    assert (queued, after) == (4, 0)  # one runs, two wait, three are refused
    refused = [o for o in outputs if isinstance(o, RequestError)]
    assert len(refused) == 3 and {o.status for o in refused} == {503}
    assert "queue is full" in str(refused[0])


# ------------------------------------------------------------------ rows that are not independent


def test_collective_models_are_served(collective_export):
    """Alone and beside other clients, each gets what a call of the signature gives."""
    loaded = tf.saved_model.load(str(collective_export / "1"))
    generate, judge = (loaded.signatures[k] for k in ("serving_default", "discriminate"))
    rng = np.random.default_rng(0)
    points = [rng.normal(size=(n, 2)).astype(np.float32) for n in (3, 1, 5, 3, 2, 4)]
    wanted = [judge(images=tf.constant(p))["logits"].numpy() for p in points]
    whole = judge(images=tf.constant(np.concatenate(points)))["logits"].numpy()
    assert not np.allclose(whole[: len(wanted[0])], wanted[0], atol=1e-4)  # rows do not stand alone
    name = collective_export.name
    options = ServerOptions(max_batch=4, poll_seconds=3600)
    with Server(create_app(collective_export, options=options), name) as server:

        def ask(images):
            body = {"signature_name": "discriminate", "inputs": images.tolist()}
            status, answer = server.post(body)
            assert status == 200, answer
            return answer["outputs"]

        np.testing.assert_allclose(ask(points[0]), wanted[0], atol=1e-6)
        with ThreadPoolExecutor(6) as pool:
            for _ in range(5):
                for answer, logits in zip(pool.map(ask, points), wanted, strict=True):
                    np.testing.assert_allclose(answer, logits, atol=1e-6)
        z = rng.normal(size=(6, 3)).astype(np.float32)
        status, answer = server.post({"inputs": z.tolist()})
        assert status == 200
        images = generate(z=tf.constant(z))["images"].numpy()
        np.testing.assert_allclose(answer["outputs"], images, atol=1e-5)
        sample = {"signature_name": "sample_float", "inputs": {"seed": 0, "n": 3, "truncation": 1}}
        status, answer = server.post(sample)
        assert status == 200 and np.shape(answer["outputs"]) == (3, 2)


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


def test_a_server_starts_with_the_newest_version_that_loads(versions, caplog):
    for number in (2, 3):
        add(versions, number)
    (versions / "3" / "saved_model.pb").write_bytes(b"damaged")
    model = Model("small", versions)
    assert model.refresh() and list(model.versions) == [2]
    assert model.states[3].error_message and "version 3 cannot be loaded" in caplog.text
    assert 1 not in model.states and not model.refresh()
    shutil.rmtree(versions / "2")
    assert model.refresh() and list(model.versions) == [1]


def test_a_version_that_is_half_copied_is_tried_again(versions):
    model = Model("small", versions)
    model.refresh()
    source, copy = versions / "1", versions / "2"
    copy.mkdir()
    shutil.copy(source / "saved_model.pb", copy)
    model.refresh()
    assert list(model.versions) == [1] and model.states[2].error_message
    time.sleep(0.01)
    shutil.copytree(source / "variables", copy / "variables")
    assert model.refresh() and list(model.versions) == [2]


def test_names_of_versions(versions):
    (versions / "1").rename(versions / "001")
    for name in ("\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 20, "v4", "-5"):
        (versions / name).mkdir()
        (versions / name / "saved_model.pb").touch()
    model = Model("small", versions)
    assert model.refresh() and list(model.versions) == list(model.states) == [1]
    (versions / "001").rename(versions / "v1")
    with pytest.raises(FileNotFoundError, match="must hold numbered folders"):
        create_app(versions)


def test_a_version_that_refuses_its_warm_up_is_served(tmp_path, caplog):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def pairs(x):
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(x)[0] % 2, 0, "odd")]):
            return {"y": tf.identity(x)}

    module = tf.Module()
    module.pairs = pairs
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": pairs})
    model = Model("pairs", tmp_path, warm_sizes=[1, 2])
    with caplog.at_level(logging.WARNING, "keras_gan_zoo.serving"):
        model.refresh()
    assert model.states[1].state == "AVAILABLE"
    assert "serving_default is not warmed up" in caplog.text
    assert model.version().signature("").run({"x": rows(2, 0)[:, :2]})["y"].shape == (2, 2)


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
            clients = [pool.submit(ask) for _ in range(4)]
            try:
                add(versions, 2)
                deadline = time.monotonic() + 20
                path = "/v1/models/small/versions/2:predict"
                while server.post({"instances": [[0.0] * 4]}, path)[0] != 200:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            finally:
                stop.set()
            for client in clients:
                client.result()
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


def test_sigterm_drains(export_folder):
    """A request that has begun is answered; nothing new is accepted meanwhile."""
    process, address = start(export_folder, "--name", "other")
    try:
        wait_until_ready(address)
        assert address.endswith("/v1/models/other")
        host, port = address.split("/")[2].split(":")
        body = json.dumps({"signature_name": "sample", "inputs": {"seed": 0, "n": 4}}).encode()
        head = (
            "POST /v1/models/other:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=30) as begun:
            begun.sendall(head.encode())
            assert begun.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"  # it waits for the body
            begun.sendall(body[:10])
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 10
            while accepts(host, port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert process.poll() is None
            begun.sendall(body[10:])
            response = http.client.HTTPResponse(begun)
            response.begin()
            assert (response.version, response.status) == (11, 200)
            assert np.shape(json.loads(response.read())["outputs"]) == (4, 16, 16, 1)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def accepts(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionError:
        return False
    return True


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

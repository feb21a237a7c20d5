"""Exported forms beside `model.predict`, and the REST server under load.

python -m benchmarks.serving              # all of it: about 4 minutes on 2 idle cores
python -m benchmarks.serving --quick      # does it run? (writes no file)
python -m benchmarks.serving --load       # the server only
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

from benchmarks import common

RESULT = common.RESULTS / "serving.json"
PACKAGES = (*common.PACKAGES, "onnxruntime", "openvino", "ai-edge-litert", "uvicorn")
BATCH = 64
CLIENTS = 64
# contestant -> (format, precision, batch size that the file is made for)
FORMS = {
    "saved_model": ("saved_model", "float32", None),
    "saved_model, bfloat16": ("saved_model", "bfloat16", None),
    "onnx": ("onnx", "float32", None),
    "litert": ("litert", "float32", BATCH),
    "litert_float16": ("litert_float16", "float32", BATCH),
    "litert_int8": ("litert_int8", "float32", BATCH),
    "openvino": ("openvino", "float32", None),
    "openvino, bfloat16": ("openvino", "bfloat16", None),
}


# ------------------------------------------------------------------ one contestant, in a process


def worker(name: str, preset: str) -> None:
    """Answers `throughput(seconds)` and `latency(calls)` of one contestant."""
    import numpy as np

    import keras_gan_zoo as zoo
    from keras_gan_zoo.export import check, open_export

    gan = zoo.from_pretrained(preset)
    z = zoo.training.latents.latents(BATCH, gan.latent_dim, 0).numpy()
    expected = gan.sample(BATCH, seed=0)
    if name == "predict":
        many = one = lambda z, labels=None: gan.predict(z, batch_size=BATCH, verbose=0)
    else:
        form, precision, size = FORMS[name]
        with tempfile.TemporaryDirectory() as folder:
            options = {"formats": [form], "precision": precision}
            many = one = open_export(
                zoo.export(gan, folder, batch_size=size, **options), form, precision
            )
            if size is not None:
                one = open_export(zoo.export(gan, folder, batch_size=1, **options), form)
    difference = float(np.abs(many(z) - expected).max())

    # a call of `predict` starts a pipeline: many batches a call, which is kind to it
    rows = np.tile(z, (16, 1)) if name == "predict" else z

    def handle(what: str, amount: float) -> Any:
        if what == "throughput":
            return check.images_per_second(many, rows, seconds=amount)
        if what == "difference":
            return difference
        one(z[:1])
        times = []
        for i in range(int(amount)):
            begin = time.perf_counter()
            one(z[i % BATCH][None])
            times.append(time.perf_counter() - begin)
        return [float(np.percentile(times, p) * 1e3) for p in (50, 99)]

    common.serve(handle)


def forms(preset: str, repeats: int, seconds: float, calls: int) -> list[dict[str, Any]]:
    """Images/s at batch 64 and latency of one image; contestants take turns in each repeat."""
    names = ["predict", *FORMS]
    workers = {}
    try:
        for name in names:
            workers[name] = common.Worker("benchmarks.serving", ["--worker", name, preset])
        found: dict[str, dict[str, Any]] = {n: {"speed": [], "latency": []} for n in names}
        for _ in range(repeats):
            for name in names:
                found[name]["speed"].append(workers[name].ask(what="throughput", amount=seconds))
        for name in names:
            found[name]["latency"] = workers[name].ask(what="latency", amount=calls)
            found[name]["difference"] = workers[name].ask(what="difference", amount=0)
    finally:
        for each in workers.values():
            each.close()
    rows = []
    for name in names:
        ratios = [
            a / b for a, b in zip(found[name]["speed"], found["predict"]["speed"], strict=True)
        ]
        rows.append(
            {
                "form": name,
                "images_per_second": round(_median(found[name]["speed"]), 1),
                "times_predict": round(_median(ratios), 2),
                "latency_ms_p50": round(found[name]["latency"][0], 2),
                "latency_ms_p99": round(found[name]["latency"][1], 2),
                "max_abs": found[name]["difference"],
                "raw": [round(v, 1) for v in found[name]["speed"]],
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The forms, one row each."""
    header = ["form", "images/s", "/ predict", "batch 1, p50 ms", "p99 ms", "max difference"]
    cells = [
        [
            r["form"],
            f"{r['images_per_second']:,.0f}",
            f"{r['times_predict']:.2f}",
            r["latency_ms_p50"],
            r["latency_ms_p99"],
            f"{r['max_abs']:.1g}",
        ]
        for r in rows
    ]
    return common.table(header, cells)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# ------------------------------------------------------------------ the server under load


def load_test(
    seconds: float = 60.0, preset: str = "dcgan.fashion_mnist", clients: int = CLIENTS
) -> dict[str, Any]:
    """One client for a sixth of the time, then many: each sends its next request when answered.

    The server and the clients are processes of their own; a request is one `z` in row format and
    its answer an image of 28x28 numbers as JSON.

    Returns:
        `one_at_a_time` and `throughput` in requests a second, `latency_ms` percentiles, `errors`.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "keras_gan_zoo.cli", "export", preset, "--output", f"{folder}/model"]
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        code = "import typer; from keras_gan_zoo.serving.command import serve; typer.run(serve)"
        server = subprocess.Popen(
            [sys.executable, "-c", code, f"{folder}/model", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            address = server.stdout.readline().split(" at ")[1].strip()
            _wait_until_ready(address)
            _clients(address, 8, 2.0)  # warm
            alone = _clients(address, 1, seconds / 6)
            crowd = _clients(address, clients, seconds)
        finally:
            server.terminate()
            server.wait(timeout=60)
            server.stdout.close()
    return {
        "clients": clients,
        "seconds": seconds,
        "requests": crowd["requests"],
        "errors": alone["errors"] + crowd["errors"],
        "one_at_a_time": alone["throughput"],
        "one_at_a_time_latency_ms": alone["latency_ms"],
        "throughput": crowd["throughput"],
        "ratio": round(crowd["throughput"] / alone["throughput"], 2),
        "latency_ms": crowd["latency_ms"],
    }


def _wait_until_ready(address: str) -> None:
    url = address.split("/v1/")[0] + "/healthz"
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _clients(address: str, clients: int, seconds: float) -> dict[str, Any]:
    arguments = ["-m", "benchmarks.serving", "--clients", address, str(clients), str(seconds)]
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


async def _ask(address: str, clients: int, seconds: float) -> dict[str, Any]:
    """Keep `clients` connections busy; standard library only, so that they cost little."""
    host, _, path = address.removeprefix("http://").partition("/")
    name, _, port = host.rpartition(":")
    with urllib.request.urlopen(f"{address}/metadata") as response:
        signatures = json.load(response)["metadata"]["signature_def"]["signature_def"]
    shape = signatures["serving_default"]["inputs"]["z"]["tensor_shape"]["dim"]
    latent_dim = int(shape[1]["size"])
    times: list[float] = []
    errors = 0
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal errors
        z = [((number * 31 + i * 17) % 41 - 20) / 10 for i in range(latent_dim)]
        body = json.dumps({"instances": [z]}).encode()
        head = (
            f"POST /{path}:predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        message = head.encode() + body
        reader, writer = await asyncio.open_connection(name, int(port))
        while time.monotonic() < end:
            begin = time.perf_counter()
            writer.write(message)
            answer = await reader.readuntil(b"\r\n\r\n")
            headers = answer.decode("latin-1").lower()
            length = int(headers.split("content-length:", 1)[1].split("\r\n", 1)[0])
            text = await reader.readexactly(length)
            times.append(time.perf_counter() - begin)
            if " 200 " not in answer.decode("latin-1").split("\r\n", 1)[0] or len(text) < 1000:
                errors += 1
        writer.close()

    outcomes = await asyncio.gather(*map(client, range(clients)), return_exceptions=True)
    errors += sum(isinstance(o, BaseException) for o in outcomes)
    times.sort()
    return {
        "requests": len(times),
        "errors": errors,
        "throughput": round(len(times) / seconds, 1),
        "latency_ms": {
            f"p{p}": round(times[min(len(times) - 1, len(times) * p // 100)] * 1e3, 2)
            for p in (50, 95, 99)
        },
    }


# ------------------------------------------------------------------ command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds of each, no file")
    parser.add_argument("--load", action="store_true", help="the server only, no file")
    parser.add_argument("--preset", default="dcgan.fashion_mnist")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the load test")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--clients", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(*arguments.worker)
    if arguments.clients:
        address, clients, seconds = arguments.clients
        return print(json.dumps(asyncio.run(_ask(address, int(clients), float(seconds)))))

    before, others = common.load_average(), common.OthersLoad()
    seconds = min(arguments.seconds, 6.0) if arguments.quick else arguments.seconds
    load = load_test(seconds, arguments.preset)
    print(json.dumps(load, indent=1))
    if arguments.load:
        return None
    repeats, span, calls = (1, 0.5, 50) if arguments.quick else (5, 2.0, 500)
    rows = forms(arguments.preset, repeats, span, calls)
    print(table(rows))
    if arguments.quick:
        return None
    record = common.stamp("python -m benchmarks.serving")
    record["versions"] = common.versions(PACKAGES)
    record |= {
        "load_before": before,
        "others_share_of_cpu": others.share(),
        "preset": arguments.preset,
        "batch": BATCH,
        "forms": rows,
        "load": load,
    }
    common.write_json(RESULT, record)
    print(RESULT)
    return None


if __name__ == "__main__":
    main()

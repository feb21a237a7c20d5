"""The ASGI application: TensorFlow Serving's REST surface, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import urllib.parse
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import prometheus_client as prometheus
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from keras_gan_zoo.serving import batching
from keras_gan_zoo.serving.json_tensors import RequestError, read_inputs, shown, write_outputs
from keras_gan_zoo.serving.models import Model, Signature, Version, find_versions

_TARGET = r"/v1/models(?:/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(_TARGET + r"):(?P<verb>classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(_TARGET + r"(?P<metadata>/metadata)?)?", re.IGNORECASE)
_ASIDE = 2**16  # bytes; what is larger is read and written beside the event loop


@dataclass(frozen=True)
class ServerOptions:
    """Limits of a server.

    Attributes:
        max_batch: largest batch; a larger request to `serving_default` is run in several.
        max_rows: most rows of one request; more are refused with 400.
        max_queue: rows that may wait for `serving_default`, and for all other signatures together;
            more are refused with 503, except those of a request that waits alone.
        max_request_bytes: larger bodies, as sent or uncompressed, are refused with 413.
        body_seconds: a body that takes longer to arrive is refused with 408.
        poll_seconds: how often the folder is looked at for new versions.
        keep_versions: how many of the newest versions are served.
        threads: calls of the model that run at the same time. `serving_default` runs one batch at
            a time, so a second thread serves the other signatures and versions; TensorFlow spreads
            each call over the cores by itself.
    """

    max_batch: int = 64
    max_rows: int = 1024
    max_queue: int = 1024
    max_request_bytes: int = 16 * 2**20
    body_seconds: float = 30.0
    poll_seconds: float = 1.0
    keep_versions: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be greater than 0. Received: {name}={value}")


class _Metrics:
    """Prometheus metrics of one server."""

    def __init__(self, server: _Server) -> None:
        self.registry = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter(
            "keras_gan_zoo_requests",
            "Requests by kind and HTTP status.",
            ["kind", "code"],
            registry=self.registry,
        )
        self.seconds = prometheus.Histogram(
            "keras_gan_zoo_predict_seconds",
            "From the last byte of a predict request to its response.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self.rows = prometheus.Histogram(
            "keras_gan_zoo_batch_rows",
            "Rows of the batches that were run.",
            buckets=batching.sizes(server.options.max_batch),
            registry=self.registry,
        )
        queued = prometheus.Gauge(
            "keras_gan_zoo_queued_rows", "Rows that wait.", registry=self.registry
        )
        queued.set_function(lambda: server.batcher.queued)
        newest = prometheus.Gauge(
            "keras_gan_zoo_model_version",
            "Newest version that is served; 0: none.",
            registry=self.registry,
        )
        newest.set_function(lambda: max(server.model.versions, default=0))


class _Server:
    def __init__(self, model: Model, options: ServerOptions) -> None:
        self.model, self.options = model, options
        self.batcher = batching.Batcher(
            options.max_batch,
            options.max_rows,
            options.max_queue,
            options.threads,
            lambda rows: self.metrics.rows.observe(rows),
        )
        self.metrics = _Metrics(self)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(self.model.refresh)
        poll = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            poll.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await poll
            self.batcher.close()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self.options.poll_seconds)
            await asyncio.to_thread(self.model.refresh)

    # ------------------------------------------------------------------ endpoints

    async def health(self, request: Request) -> Response:
        """200 as soon as a version is served."""
        ready = bool(self.model.versions)
        return _json({"status": "ok" if ready else "no version is loaded"}, 200 if ready else 503)

    async def show_metrics(self, request: Request) -> Response:
        text = prometheus.generate_latest(self.metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4")

    async def models(self, request: Request) -> Response:
        """Everything under /v1, in any letter case."""
        kind, path = "other", request.url.path
        try:
            if request.method == "POST" and (match := _POST.fullmatch(path)):
                kind = match["verb"].lower()
                response = await self._predict(request, match, kind)
            elif request.method == "GET" and (match := _GET.fullmatch(path)):
                kind = "metadata" if match["metadata"] else "status"
                response = self._describe(match)
            elif path.lower().startswith("/v1/"):
                raise RequestError(f"Malformed request: {request.method} {path}")
            else:
                status = 404 if request.method in ("GET", "HEAD") else 405
                raise RequestError(f"There is nothing to {request.method} at {path}.", status)
        except RequestError as error:
            response = _json({"error": str(error)}, error.status)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody reads it
        except Exception as error:  # a fault of the model or of this server: say so, and go on
            response = _json({"error": f"Internal error: {type(error).__name__}"}, 500)
        self.metrics.requests.labels(kind, response.status_code).inc()
        return response

    async def other_method(self, request: Request, error: HTTPException) -> Response:
        """A method that no route takes, which is answered in JSON all the same."""
        return await self.models(request)

    def _describe(self, match: re.Match) -> Response:
        if match["name"] is None:
            raise RequestError("Missing model name in request.")
        name = urllib.parse.unquote(match["name"])
        if match["metadata"]:
            return _json(_metadata(self.model.name, self._version(match)))
        if name != self.model.name or not self.model.states:
            raise RequestError(f"Could not find any versions of model {name}", 404)
        number = self._number(match)
        states = self.model.states
        if number is not None and number not in states:
            raise RequestError(f"Could not find version {number} of model {name}", 404)
        chosen = sorted(states, reverse=True) if number is None else [number]
        return _json({"model_version_status": [_status(n, states[n]) for n in chosen]})

    def _version(self, match: re.Match) -> Version:
        name, number = urllib.parse.unquote(match["name"]), self._number(match)
        if name != self.model.name:
            detail = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise RequestError(f"Servable not found for request: {detail}", 404)
        return self.model.version(number)

    def _number(self, match: re.Match) -> int | None:
        if match["label"] is not None:
            label = urllib.parse.unquote(match["label"])
            raise RequestError(f"Unrecognized servable version label: {label}")
        if match["version"] is None:
            return None
        if len(match["version"]) > 19 or int(match["version"]) >= 2**63:
            raise RequestError(f"Failed to convert version: {match['version']} to numeric.")
        return int(match["version"])

    async def _predict(self, request: Request, match: re.Match, verb: str) -> Response:
        if match["name"] is None:
            raise RequestError(f"Malformed request: POST {request.url.path}")
        version = self._version(match)
        if verb != "predict":
            raise RequestError(f"{verb} is not offered: the signatures are for predict.", 501)
        body = await self._body(request)
        begin = time.perf_counter()
        if "gzip" in request.headers.get("content-encoding", "").lower():
            body = await _aside(
                len(body), lambda: _uncompressed(body, self.options.max_request_bytes)
            )
        signature, inputs, rows = await _aside(len(body), lambda: _read(body, version))
        outputs = await self.batcher.run(signature, inputs)
        size = sum(value.nbytes for value in outputs.values())
        text = await _aside(size, lambda: _write(outputs, rows))
        self.metrics.seconds.observe(time.perf_counter() - begin)
        return Response(text, media_type="application/json")

    async def _body(self, request: Request) -> bytes:
        limit = self.options.max_request_bytes
        too_large = RequestError(f"A request may have at most {limit:,} bytes.", 413)
        stated = request.headers.get("content-length", "0")
        if stated.isdigit() and int(stated) > limit:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.options.body_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > limit:
                        raise too_large
                    parts.append(part)
        except TimeoutError as error:
            raise RequestError("The body did not arrive in time.", 408) from error
        return b"".join(parts)


async def _aside(size: int, work: Callable[[], Any]) -> Any:
    """What `work` returns; it runs in a thread where it takes long, that others are answered."""
    return work() if size < _ASIDE else await asyncio.to_thread(work)


def _uncompressed(body: bytes, limit: int) -> bytes:
    """The content of gzip data of one member, which is never uncompressed beyond the limit."""
    member = zlib.decompressobj(wbits=31)
    try:
        content = member.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestError(f"The body is not gzip data: {error}") from error
    if len(content) > limit:
        raise RequestError(f"A request may have at most {limit:,} bytes uncompressed.", 413)
    if not member.eof or member.unused_data:
        raise RequestError("The body is not gzip data: it ends too early or goes on after its end")
    return content


def _read(body: bytes, version: Version) -> tuple[Signature, Mapping[str, np.ndarray], bool]:
    """The signature and arrays of a predict request, and whether it is in row format."""
    parsed = _parse(body)
    chosen = parsed.get("signature_name", "")
    if not isinstance(chosen, str):
        raise RequestError(
            f"JSON Value: {shown(parsed)} not formatted correctly. 'signature_name' key must "
            "be a string value."
        )
    signature = version.signature(chosen)
    return signature, *read_inputs(parsed, signature.name, signature.inputs)


def _write(outputs: Mapping[str, np.ndarray], rows: bool) -> bytes:
    """JSON; numbers that are not finite are NaN, Infinity and -Infinity, as TensorFlow Serving
    writes them, where `orjson` would write null."""
    value = write_outputs(outputs, rows)
    if all(np.isfinite(array).all() for array in outputs.values() if array.dtype.kind == "f"):
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(value, default=lambda array: array.tolist(), separators=(",", ":")).encode()


def _parse(body: bytes) -> dict[str, Any]:
    if not body:
        raise RequestError("JSON Parse error: The document is empty")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"JSON Parse error: {error}") from error
    if not isinstance(parsed, dict):
        raise RequestError(f"JSON Value: {shown(parsed)} Is not object")
    return parsed


def _status(number: int, state: Any) -> dict[str, Any]:
    return {
        "version": str(number),
        "state": state.state,
        "status": {"error_code": state.error_code, "error_message": state.error_message},
    }


def _metadata(name: str, version: Version) -> dict[str, Any]:
    definitions = {
        key: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for key, definition in version.definitions.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def create_app(
    folder: str | Path, name: str | None = None, options: ServerOptions | None = None
) -> Starlette:
    """The ASGI application that serves one exported model.

    Args:
        folder: that holds the numbered versions which `zoo.export` wrote.
        name: of the model in the URLs; None takes the folder's.
        options: limits.

    Returns:
        A Starlette application, for uvicorn or any other ASGI server.

    Raises:
        FileNotFoundError: the folder holds no version.

    Example:

    ```python
    app = create_app("served/dcgan")  # uvicorn module:app
    ```

    Source: the REST interface of TensorFlow Serving,
    https://www.tensorflow.org/tfx/serving/api_rest
    """
    folder, options = Path(folder), options or ServerOptions()
    if not folder.is_dir() or not find_versions(folder):
        raise FileNotFoundError(
            f"There is no exported SavedModel in {str(folder)!r}: it must hold numbered folders, "
            "as `keras-gan-zoo export` writes them."
        )
    model = Model(
        name or folder.resolve().name,
        folder,
        options.keep_versions,
        batching.sizes(options.max_batch),
    )
    server = _Server(model, options)
    return Starlette(
        routes=[
            Route("/healthz", server.health),
            Route("/metrics", server.show_metrics),
            Route("/monitoring/prometheus/metrics", server.show_metrics),
            Route("/{rest:path}", server.models, methods=["GET", "POST"]),
        ],
        exception_handlers={405: server.other_method},
        lifespan=server.lifespan,
    )

"""`keras-gan-zoo serve`: the application in a uvicorn server."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

_PACKAGES = ("starlette", "uvicorn", "orjson", "prometheus_client")
DRAIN_SECONDS = 30


def require() -> None:
    """Are the packages of the extra `serve` installed?

    Raises:
        ImportError: names what is missing and the command that installs it.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"Serving needs {', '.join(missing)}: pip install keras-gan-zoo[serve]")


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of an export, with its versions 1/, 2/.")],
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="0.0.0.0 for every interface.")] = "127.0.0.1",
    name: Annotated[str | None, typer.Option(help="In the URLs. Default: the folder's.")] = None,
    max_batch: Annotated[int, typer.Option(help="Largest batch.")] = 64,
    max_rows: Annotated[int, typer.Option(help="Most rows of one request.")] = 1024,
    max_queue: Annotated[int, typer.Option(help="Rows that may wait.")] = 1024,
    max_request_mb: Annotated[int, typer.Option(help="Largest body.", min=1)] = 16,
    keep_versions: Annotated[int, typer.Option(help="Newest versions to serve.")] = 1,
    poll_seconds: Annotated[float, typer.Option(help="Between looks for new versions.")] = 1.0,
) -> None:
    """Serve an export over HTTP, as TensorFlow Serving does; needs the extra `serve`."""
    require()
    from keras_gan_zoo.serving.app import ServerOptions, create_app

    options = ServerOptions(
        max_batch=max_batch,
        max_rows=max_rows,
        max_queue=max_queue,
        max_request_bytes=max_request_mb * 2**20,
        poll_seconds=poll_seconds,
        keep_versions=keep_versions,
    )
    app = create_app(folder, name, options)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listener:
        shown = f"[{host}]" if ":" in host else host
        where = (
            f"http://{shown}:{listener.getsockname()[1]}/v1/models/{name or folder.resolve().name}"
        )
        print(f"Serving {folder} at {where}", flush=True)
        run(app, listener)


def run(app: Any, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun are answered first."""
    import uvicorn

    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        lifespan="on",
    )
    uvicorn.Server(config).run(sockets=[listener])

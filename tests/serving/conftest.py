"""An exported model and a server of it, for all tests here; none without the extra `serve`."""

import importlib.util

import pytest

NEEDED = ("starlette", "uvicorn", "orjson", "prometheus_client", "hypothesis")
if any(importlib.util.find_spec(module) is None for module in NEEDED):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def small_gan():
    import keras_gan_zoo as zoo

    return zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)


@pytest.fixture(scope="session")
def export_folder(small_gan, tmp_path_factory):
    import keras_gan_zoo as zoo

    folder = tmp_path_factory.mktemp("served") / "small"
    zoo.export(small_gan, folder, max_images=32)
    return folder


@pytest.fixture(scope="session")
def server(export_folder):
    from rest_server import Server

    from keras_gan_zoo.serving import ServerOptions, create_app

    options = ServerOptions(max_batch=16, max_request_bytes=200_000, poll_seconds=3600)
    with Server(create_app(export_folder, options=options)) as running:
        yield running

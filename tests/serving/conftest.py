"""Exported models and a server, for all tests here, which are skipped without the extra `serve`."""

import pytest

NEEDED = ("starlette", "uvicorn", "orjson", "prometheus_client", "hypothesis")


def pytest_collect_file():
    for module in NEEDED:
        pytest.importorskip(module)


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


@pytest.fixture(scope="session", params=["improved_gan", "pacgan"])
def collective_export(request, tmp_path_factory):
    """Of a model whose discriminator does not judge each row for itself."""
    import keras_gan_zoo as zoo

    options = {"improved_gan": {"minibatch_kernels": 4, "reference_batch": 8}, "pacgan": {}}
    gan = zoo.create(request.param, (2,), units=8, latent_dim=3, seed=0, **options[request.param])
    folder = tmp_path_factory.mktemp("served") / request.param
    zoo.export(gan, folder, max_images=8)
    return folder


@pytest.fixture(scope="session")
def server(export_folder):
    from rest_server import Server

    from keras_gan_zoo.serving import ServerOptions, create_app

    options = ServerOptions(max_batch=16, max_rows=40, max_request_bytes=200_000, poll_seconds=3600)
    with Server(create_app(export_folder, options=options)) as running:
        yield running

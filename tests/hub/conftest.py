import shutil
from pathlib import Path

import hub_presets
import pytest


def pytest_configure(config):
    """Keras 3.15 saves TensorFlow variables in a way that NumPy 2.4 warns of."""
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    )


@pytest.fixture(scope="session")
def trained():
    """A GAN with weights that no builder gives, and an averaged twin that differs."""
    import keras_gan_zoo as zoo

    gan = zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=8, ema=0.9, seed=7)
    gan.ema_generator.set_weights([w + 0.01 for w in gan.ema_generator.get_weights()])
    return gan


@pytest.fixture(scope="session")
def saved(trained, tmp_path_factory):
    """A preset written once; tests that alter it take `preset`."""
    from keras_gan_zoo import hub

    folder = tmp_path_factory.mktemp("zoo") / "dcgan.test"
    return hub.save_preset(
        trained,
        folder,
        "dcgan.test",
        networks=("generator", "discriminator"),
        **hub_presets.RECORDS,
    )


@pytest.fixture
def preset(saved, tmp_path, monkeypatch):
    """A copy of the preset, at `KERAS_GAN_ZOO_WEIGHTS`."""
    monkeypatch.setenv("KERAS_GAN_ZOO_WEIGHTS", str(tmp_path))
    return Path(shutil.copytree(saved, tmp_path / "dcgan.test"))

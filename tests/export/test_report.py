"""`keras-gan-zoo export`."""

from typer.testing import CliRunner

import keras_gan_zoo as zoo
from keras_gan_zoo import cli


def test_it_ends_with_a_table(tmp_path, monkeypatch):
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    monkeypatch.setattr(cli, "_load", lambda name: gan)
    options = ["export", "dcgan.test", "--output", str(tmp_path), "--batch-size", "3", "--check"]
    result = CliRunner().invoke(cli.app, options)
    assert result.exit_code == 0, result.output
    folder, header, row = result.output.strip().splitlines()
    assert folder == str(tmp_path / "1")
    assert header.split() == ["format", "MiB", "max", "diff", "mean", "diff", "images/s", "batch"]
    name, size, largest, mean, speed, batch = row.split()
    assert (name, batch) == ("saved_model", "3")
    assert 0 < float(size) < 1 and float(mean) <= float(largest) < 1e-5
    assert float(speed.replace(",", "")) > 0

"""Every example runs, in the time it promises."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import keras_gan_zoo as zoo

EXAMPLES = Path(zoo.__file__).parent.parent / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train_on_your_images", []),
        ("load_and_sample", []),
        ("export_and_call", []),
        ("two_workers", []),
        ("dcgan_beside_mlp", ["--seconds", "30"]),
        ("early_stopping", ["--epochs", "3"]),
        ("nearest_neighbours", []),
    ],
)
def test_example(name, arguments, tmp_path):
    run(name, arguments, tmp_path)


@pytest.mark.slow
def test_mode_collapse_shows_a_collapse_and_its_remedy(tmp_path):
    """At its default length: the monitor fires on the plain GAN, not on the unrolled one."""
    plain, unrolled = run("mode_collapse", ["--output", str(tmp_path)], tmp_path).splitlines()[:2]
    assert plain.startswith("plain GAN") and plain.endswith(", collapsed")
    assert unrolled.startswith("unrolled, k = 5: 8 of 8") and unrolled.endswith("no collapse")
    with Image.open(tmp_path / "mode_collapse.gif") as film:
        assert film.n_frames == 49
    assert (tmp_path / "mode_collapse.png").stat().st_size > 10_000


def run(name, arguments, folder):
    """Its output; in less than three minutes."""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin < 180
    assert done.stdout.strip()
    return done.stdout

"""Every example runs, in the time it promises."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
        ("mode_collapse", ["--steps", "1500"]),
        ("early_stopping", ["--epochs", "3"]),
        ("nearest_neighbours", []),
    ],
)
def test_example(name, arguments, tmp_path):
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin < 180
    assert done.stdout.strip()

"""A small preset for the tests of the hub, and the records that go with it."""

import json

DATA = {"name": "fashion_mnist", "split": "train", "size": 60000, "preprocessing": "to [-1, 1]"}
LICENCE = {"code": "Apache-2.0", "weights": "Apache-2.0", "data": "MIT"}
TRAINING = {
    "command": "keras-gan-zoo train dcgan --epochs 1",
    "epochs": 1,
    "steps": 937,
    "batch": 64,
    "seconds": 12.5,
    "device": "2 CPU cores",
    "keras": "3.15.1",
    "tensorflow": "2.21.0",
}
METRICS = [
    {
        "name": "fid",
        "value": 12.25,
        "ci95": [12.0, 12.5],
        "n_real": 10000,
        "n_fake": 10000,
        "extractor": "lenet|v1",
        "extractor_sha256": "ab" * 32,
        "seed": 0,
        "command": "python benchmarks/quality.py dcgan.test",
    }
]
RECORDS = {"data": DATA, "licence": LICENCE, "metrics": METRICS, "training": TRAINING}


def manifest_dict(**changes):
    """A valid manifest as JSON values."""
    return {
        "schema_version": 1,
        "name": "dcgan.test",
        "builder": "dcgan",
        "config": {"image_shape": [16, 16, 1], "latent_dim": 8, "width": 8},
        "files": [{"path": "generator.weights.h5", "bytes": 3, "sha256": "0" * 64}],
        "hub": None,
        **json.loads(json.dumps(RECORDS)),
        "golden": {"seed": 0, "atol": 1e-3},
    } | changes


def rewrite(folder, **changes):
    """Change keys of a preset's manifest without the package's checks."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

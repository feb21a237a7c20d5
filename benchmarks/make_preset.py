"""Make a preset of a training run: `zoo_weights/<name>/` from the folder of `keras-gan-zoo train`.

    python -m benchmarks.make_preset runs/dcgan-fashion_mnist dcgan.fashion_mnist

The manifest's training record is taken from the run's report; nothing is typed in.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import keras_gan_zoo as zoo
from benchmarks.common import machine
from keras_gan_zoo.hub import index

DATA_LICENCES = {"fashion_mnist": "MIT", "mnist": "CC-BY-SA-3.0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name", help="model.tag")
    parser.add_argument("--weights", type=Path, default=Path("zoo_weights"))
    arguments = parser.parse_args()

    report = json.loads((arguments.run / "report.json").read_text())
    data = report["dataset"]
    folder = zoo.hub.save_preset(
        zoo.load_model(arguments.run / "model.keras"),
        arguments.weights / arguments.name,
        arguments.name,
        data={
            "name": data["name"],
            "split": "train",
            "size": data["images"],
            "preprocessing": "uint8 / 127.5 - 1",
        },
        licence={
            "code": "Apache-2.0",
            "weights": "Apache-2.0",
            "data": DATA_LICENCES[data["name"]],
        },
        metrics=[],
        training={
            "command": report["command"],
            "epochs": report["epochs"],
            "steps": report["steps"],
            "batch": data["batch_size"],
            "seconds": report["training_seconds"],
            "device": machine()["cpu"] + f", {machine()['cores']} cores",
            "keras": report["versions"]["keras"],
            "tensorflow": report["versions"]["tensorflow"],
        },
    )
    print(folder)
    print("golden images reproduced within", zoo.hub.check_golden(folder))
    for path in index.write_index(arguments.weights):
        print(path)


if __name__ == "__main__":
    main()

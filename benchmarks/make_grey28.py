"""Train the feature extractor `grey28` and make its preset: `zoo_weights/grey28.digits_garments/`.

    python -m benchmarks.make_grey28 --data MNIST_FOLDER [--output runs/grey28]

MNIST's training set is read from a folder of IDX files, Fashion-MNIST's from where
`zoo.datasets.load` finds it. The weights are frozen: the command refuses to write over a preset; a
better extractor gets a new name.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

EPOCHS, BATCH, SEED = 6, 256, 0
SOURCES = ("mnist", "fashion_mnist")
ROOT = Path(__file__).resolve().parent.parent


def arrays(split: str, folders: list[Path | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images in [-1, 1], labels 0 to 19 and the data set's number, of both data sets."""
    import keras_gan_zoo as zoo

    images, labels, sources = [], [], []
    for i, (name, folder) in enumerate(zip(SOURCES, folders, strict=True)):
        dataset = zoo.datasets.load(
            name, split=split, batch_size=1000, data_dir=folder, labels=True, shuffle=False
        )
        for x, y in dataset:
            images.append(x.numpy())
            labels.append(y.numpy() + 10 * i)
            sources.append(np.full(len(x), i))
    return np.concatenate(images), np.concatenate(labels), np.concatenate(sources)


def train(images: np.ndarray, labels: np.ndarray, folder: Path) -> tuple[float, str]:
    """Fit the network; its weights go into `folder`."""
    import keras
    import tensorflow as tf

    from keras_gan_zoo.metrics.features import grey28

    keras.utils.set_random_seed(SEED)
    network = grey28.network()
    steps = EPOCHS * (len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=3e-3, warmup_steps=500)
    model = keras.Model(network.inputs, network.outputs[1])
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-3),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
        metrics=["accuracy"],
    )

    def shift(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A minibatch, moved by up to 2 pixels: features must not hang on exact places."""
        padded = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], constant_values=-1.0)
        return tf.image.random_crop(padded, tf.shape(x)), y

    data = tf.data.Dataset.from_tensor_slices((images, keras.utils.to_categorical(labels, 20)))
    data = data.shuffle(len(images), seed=SEED).batch(BATCH, drop_remainder=True)
    data = data.map(shift).prefetch(4)
    start = time.perf_counter()
    model.fit(data, epochs=EPOCHS, verbose=2)
    settle(network, images)
    network.save_weights(folder / "classifier.weights.h5")
    return time.perf_counter() - start, json.dumps(model.count_params())


def settle(network: Any, images: np.ndarray) -> None:
    """BatchNormalization statistics of images that are not shifted: the mean over all of them.

    The shifts of training are those of whole minibatches, and so are the moments that its moving
    averages saw; the weights stay as they are.
    """
    import keras

    layers = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    order = np.random.default_rng(SEED).permutation(len(images))
    for i, rows in enumerate(np.array_split(order, len(order) // 500)):
        for layer in layers:
            layer.momentum = i / (i + 1)
        network(images[rows], training=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of MNIST's IDX files")
    parser.add_argument("--output", type=Path, default=Path("runs/grey28"))
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from keras_gan_zoo.training import enable_cpu_bfloat16
    from keras_gan_zoo.training.cpu import has_cpu_bfloat16

    folders = [options.data, None]
    record = options.output / "training.json"
    if not record.exists():
        if has_cpu_bfloat16():
            enable_cpu_bfloat16()
        images, labels, _ = arrays("train", folders)
        seconds, parameters = train(images, labels, options.output)
        stamp = common.stamp("python -m benchmarks.make_grey28 --data MNIST_FOLDER")
        content = {
            **stamp,
            "seconds": seconds,
            "parameters": int(parameters),
            "images": len(images),
        }
        record.write_text(json.dumps(content, indent=2))
        if has_cpu_bfloat16():
            enable_cpu_bfloat16(False)  # figures are measured in float32
    make_preset(options.output, json.loads(record.read_text()), *arrays("test", folders))


def make_preset(
    folder: Path, training: dict, images: np.ndarray, labels: np.ndarray, sources: np.ndarray
) -> None:
    """Weights, golden features and manifest; the accuracies are measured here."""
    from keras_gan_zoo.hub import index
    from keras_gan_zoo.hub.manifest import Manifest
    from keras_gan_zoo.hub.verify import sha256
    from keras_gan_zoo.metrics.features import GREY28_PRESET, grey28

    network = grey28.network()
    network.load_weights(folder / "classifier.weights.h5")
    answers = network.predict(images, batch_size=500, verbose=0)[1].argmax(axis=1)
    measured = []
    for i, name in enumerate(SOURCES):
        right = (answers == labels)[sources == i]
        share, n = float(right.mean()), len(right)
        error = 1.96 * (share * (1 - share) / n) ** 0.5
        measured.append(
            {
                "name": f"accuracy_{name}",
                "value": share,
                "ci95": [share - error, share + error],
                "n_real": n,
                "n_fake": 0,
                "extractor": None,
                "extractor_sha256": None,
                "seed": None,
                "command": training["command"],
            }
        )
        print(name, share)
    target = ROOT / "zoo_weights" / GREY28_PRESET
    target.mkdir()  # never written over
    shutil.copy(folder / "classifier.weights.h5", target)
    features, logits = network.predict(images[:: len(images) // 8][:8], verbose=0)
    np.savez_compressed(
        target / "golden.npz",
        images=images[:: len(images) // 8][:8],
        features=features,
        logits=logits,
    )
    files = [
        {"path": p.name, "bytes": p.stat().st_size, "sha256": sha256(p)}
        for p in sorted(target.iterdir())
    ]
    machine = training["machine"]
    Manifest(
        name=GREY28_PRESET,
        builder="grey28",
        config={"image_shape": [28, 28, 1], "classes": 20, "features": 256},
        files=files,
        licence={"code": "Apache-2.0", "weights": "Apache-2.0", "data": "CC-BY-SA-3.0 and MIT"},
        data={
            "name": "MNIST and Fashion-MNIST",
            "split": "train",
            "size": training["images"],
            "preprocessing": "uint8 / 127.5 - 1",
        },
        metrics=measured,
        training={
            "command": training["command"],
            "epochs": EPOCHS,
            "steps": EPOCHS * (training["images"] // BATCH),
            "batch": BATCH,
            "seconds": training["seconds"],
            "device": f"{machine['cpu']}, {machine['cores']} cores",
            "keras": training["versions"]["keras"],
            "tensorflow": training["versions"]["tensorflow"],
        },
        golden={"seed": 0, "atol": 0.01},
    ).write(target)
    index.write_index(target.parent)
    print(target.relative_to(ROOT), sum(f["bytes"] for f in files), "bytes")


if __name__ == "__main__":
    main()

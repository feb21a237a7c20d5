"""Does the generator copy? Each sample beside the training images that are nearest to it.

    python examples/nearest_neighbours.py [--model dcgan.fashion_mnist] [--n 2000]

Left column: samples; to the right of each its five nearest training images, by the features of
`grey28`. Below the figure's claim stands a statistic: how near generated images are to the training
images, against how near held-out real images are. A generator that replays training images is
flagged; the same test on held-out images is not.
"""

import argparse
from pathlib import Path

import numpy as np

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures
from keras_gan_zoo.metrics import functional


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dcgan.fashion_mnist")
    parser.add_argument("--n", type=int, default=2000, help="generated images of the statistic")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("runs/examples/nearest_neighbours.png"))
    arguments = parser.parse_args()

    gan = zoo.from_pretrained(arguments.model)
    # half of the embedded images stand for the training set (the preset saw all 60,000, these
    # among them), the other half for images the first half has to be told from
    data = zoo.datasets.load(
        "fashion_mnist_mini", batch_size=500, labels=False, shuffle=False, drop_remainder=False
    )
    images = np.concatenate(list(data.as_numpy_iterator()))
    train, held_out = images[::2], images[1::2]
    samples = gan.sample(arguments.n, seed=0)

    extractor = zoo.metrics.features.get(None, gan.image_shape)
    features = {
        name: extractor.extract(x)
        for name, x in (("train", train), ("held out", held_out), ("generated", samples))
    }
    _, nearest = functional.nearest_neighbours(
        features["generated"][: arguments.rows], features["train"], k=5
    )
    rows = [x for i in range(arguments.rows) for x in (samples[i], *train[nearest[i]])]
    print(pictures.save_grid(np.stack(rows), arguments.output, columns=6))

    half = len(held_out) // 2
    tested = {
        arguments.model: features["generated"],
        "replayed training images": features["train"][:half],
        "held-out images": features["held out"][:half],
    }
    for name, rows in tested.items():
        found = functional.memorisation(rows, features["train"], features["held out"][half:])
        print(
            f"{name:26} distance to the training set {found['generated_distance']:.2f} "
            f"(held-out images {found['held_out_distance']:.2f}), "
            f"copies: p = {found['train_share_p_value']:.4f}"
        )


if __name__ == "__main__":
    main()

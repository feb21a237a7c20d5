"""Samples from a pretrained generator: a grid, a latent walk, the same images for the same seed.

python examples/load_and_sample.py [--preset dcgan.fashion_mnist] [--output runs/examples]
"""

import argparse
from pathlib import Path

import numpy as np

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="dcgan.fashion_mnist")
    parser.add_argument("--output", type=Path, default=Path("runs/examples"))
    arguments = parser.parse_args()

    gan = zoo.from_pretrained(arguments.preset)
    images = gan.sample(64, seed=0)
    print(
        f"{arguments.preset}: {images.shape} {images.dtype} in "
        f"[{images.min():.2f}, {images.max():.2f}]"
    )
    print("same seed, same images:", np.array_equal(images, gan.sample(64, seed=0)))
    print(pictures.save_grid(images, arguments.output / "samples.png", columns=8))
    walk = zoo.latent.walk(gan, rows=8, steps=10)
    print(pictures.save_grid(walk, arguments.output / "walk.png", columns=10))


if __name__ == "__main__":
    main()

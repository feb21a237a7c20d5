"""Train a DCGAN on a folder of your own pictures.

    python examples/train_on_your_images.py PICTURES [--epochs 30]

Without a folder the script first writes one of 1,000 garments, to have something to show. Pictures
are PNG, JPEG or WebP files of any size; they are cropped to squares and resized.
"""

import argparse
from pathlib import Path

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures


def some_pictures(folder: Path, n: int = 1000) -> Path:
    """Real pictures as single files: the embedded garments."""
    images = zoo.datasets.load("fashion_mnist_mini", batch_size=n, labels=False)
    for i, image in enumerate(pictures.to_uint8(next(iter(images)))):
        pictures.save_png(image, folder / f"{i:04d}.png")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="?", type=Path)
    parser.add_argument("--size", type=int, default=32, help="side of the generated images")
    parser.add_argument("--channels", type=int, default=1, choices=(1, 3))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path("runs/examples/your_images"))
    arguments = parser.parse_args()

    folder = arguments.pictures or some_pictures(arguments.output / "pictures")
    dataset = zoo.datasets.image_folder(
        folder, arguments.size, batch_size=32, channels=arguments.channels
    )
    print(f"{dataset.num_examples} pictures from {folder}, as {dataset.image_shape}")

    gan = zoo.create("dcgan", dataset.image_shape, width=32, ema=0.99, seed=0)
    gan.fit(
        dataset,
        epochs=arguments.epochs,
        verbose=2,
        callbacks=[
            zoo.callbacks.SampleGrid(arguments.output, n=36, every_epochs=10),
            zoo.callbacks.Resume(arguments.output / "checkpoints"),
        ],
    )
    gan.save(arguments.output / "model.keras")
    print(pictures.save_grid(gan.sample(36, seed=0), arguments.output / "samples.png"))
    print(arguments.output / "model.keras")


if __name__ == "__main__":
    main()

"""The fully connected GAN beside the convolutional one, on the same real images.

    python examples/dcgan_beside_mlp.py [--dataset fashion_mnist_mini] [--seconds 60]

Both models train for the same time. The picture shows real images, samples of `gan` (Goodfellow et
al. 2014: multilayer perceptrons, minimax game) and of `dcgan` (Radford et al. 2015).
"""

import argparse
from pathlib import Path

import numpy as np

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures
from keras_gan_zoo.training.cpu import enable_cpu_bfloat16, has_cpu_bfloat16


def side_by_side(columns: dict[str, np.ndarray], path: Path) -> Path:
    """One titled grid for each entry."""
    figure = pictures.new_figure(4 * len(columns), 4.3)
    for axes, (title, images) in zip(
        figure.subplots(1, len(columns)), columns.items(), strict=True
    ):
        axes.imshow(pictures.grid(images, columns=6), interpolation="nearest")
        axes.set_title(title)
        axes.axis("off")
    return pictures.save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="fashion_mnist_mini")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=Path("runs/examples/dcgan_beside_mlp.png"))
    arguments = parser.parse_args()

    if has_cpu_bfloat16():
        enable_cpu_bfloat16()  # half as many steps again in the same time
    dataset = zoo.datasets.load(arguments.dataset, batch_size=64, labels=False)
    columns = {"real": next(iter(dataset)).numpy()[:36]}
    settings = {"gan": {}, "dcgan": {"width": 32, "d_width": 48}}
    for name, overrides in settings.items():
        gan = zoo.create(name, dataset.image_shape, ema=0.99, seed=0, **overrides)
        limit = zoo.callbacks.TimeLimit(arguments.seconds)
        history = gan.fit(dataset, epochs=1000, verbose=0, callbacks=[limit]).history
        steps = int(gan.step.numpy())
        print(
            f"{name:6} {steps} steps in {arguments.seconds:.0f} s, "
            f"mean logits: real {history['d_real'][-1]:+.2f}, fake {history['d_fake'][-1]:+.2f}"
        )
        columns[f"{name}, {steps} steps"] = gan.sample(36, seed=0)
    print(side_by_side(columns, arguments.output))


if __name__ == "__main__":
    main()

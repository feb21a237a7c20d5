"""Training that stops at the best Frechet distance and restores the weights it had there.

    python examples/early_stopping.py [--epochs 40] [--patience 3]

The metric answers what the losses of a GAN cannot: when to stop. After each epoch `val_fid`
compares 2,000 held-out images with as many generated ones (features of `grey28`); Keras' own
`EarlyStopping` ends the run when it has not improved for a while and brings the best weights back.
"""

import argparse
from pathlib import Path

import keras

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures
from keras_gan_zoo.training.cpu import enable_cpu_bfloat16, has_cpu_bfloat16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="high: it overshoots")
    parser.add_argument("--output", type=Path, default=Path("runs/examples/early_stopping.png"))
    arguments = parser.parse_args()

    if has_cpu_bfloat16():
        enable_cpu_bfloat16()
    dataset = zoo.datasets.load("fashion_mnist_mini", "train[:8000]", 64, labels=False)
    held_out = zoo.datasets.load(
        "fashion_mnist_mini", "train[8000:]", 250, labels=False, shuffle=False
    )
    gan = zoo.create(
        "dcgan",
        dataset.image_shape,
        width=16,
        learning_rate=arguments.learning_rate,
        seed=0,  # and no averaged generator: the figure goes up and down
    )
    gan.compile(metrics=["fid"])
    stop = keras.callbacks.EarlyStopping(
        "val_fid", mode="min", patience=arguments.patience, restore_best_weights=True
    )
    history = gan.fit(
        dataset,
        epochs=arguments.epochs,
        validation_data=held_out,
        callbacks=[stop],
        verbose=2,
    ).history["val_fid"]

    restored = gan.evaluate(held_out, verbose=0, return_dict=True)["fid"]
    best = min(history)
    print(f"val_fid by epoch: {', '.join(f'{v:.1f}' for v in history)}")
    print(f"best {best:.2f} in epoch {history.index(best) + 1} of {len(history)}")
    print(f"restored weights: {restored:.2f}")

    figure = pictures.new_figure(9, 4)
    curve, samples = figure.subplots(1, 2)
    curve.plot(range(1, len(history) + 1), history, "o-")
    curve.plot(history.index(best) + 1, best, "o", markersize=12, fillstyle="none", color="red")
    curve.set(xlabel="epoch", ylabel="val_fid (grey28)", title="stopped, best epoch restored")
    samples.imshow(pictures.grid(gan.sample(36, seed=0), columns=6))
    samples.axis("off")
    print(pictures.save_figure(figure, arguments.output))


if __name__ == "__main__":
    main()

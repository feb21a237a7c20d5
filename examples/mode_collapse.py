"""Mode collapse, and a remedy: eight Gaussians on a circle, a plain GAN beside an unrolled one.

The plain generator gathers on one mode after the other: wherever it is, the discriminator learns
to reject it, and it moves on. The unrolled generator looks five discriminator steps ahead, sees
that hopping does not pay, and spreads. `callbacks.CollapseMonitor` compares the spread of the
samples with that of the data while they train.

The grid shows samples over training time, one row for each model; the animation the same, finer.

python examples/mode_collapse.py [--steps 4000] [--output runs/examples]

Source: Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, figure 2.
"""

import argparse
import io
import warnings
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures
from keras_gan_zoo.models.unrolled import Unrolled
from keras_gan_zoo.networks import mlp

MODELS = {"plain GAN": 0, "unrolled, k = 5": 5}
COLUMNS, FRAMES, TOGETHER = 6, 48, 20


class Film(keras.callbacks.Callback):
    """Samples at regular steps, of the same z each time."""

    def __init__(self, every):
        super().__init__()
        self.every, self.frames = every, []

    def on_train_begin(self, logs=None):
        self._take()

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) >= len(self.frames) * self.every:
            self._take()

    def _take(self):
        self.frames.append(self.model.sample(512, seed=0, batch_size=512))


def train(unroll_steps, steps, dataset):
    """One model; its film and its collapse monitor."""
    keras.utils.set_random_seed(0)
    gan = Unrolled(
        mlp.generator((2,), latent_dim=64, width=128, gain=0.8),
        mlp.discriminator((2,), width=128, depth=1, activation="relu", gain=0.8, scale=0.5),
        unroll_steps=unroll_steps,  # 0: the plain GAN
        g_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        d_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        seed=0,
    )
    gan.compile(steps_per_execution=TOGETHER)
    film = Film(steps / FRAMES)
    # ten measurements in a row: every generator starts near one point
    monitor = zoo.callbacks.CollapseMonitor(dataset, every_steps=100, patience=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", zoo.callbacks.CollapseWarning)
        gan.fit(
            dataset.repeat(), steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[film, monitor]
        )
    return film.frames, monitor


def panel(axes, samples, centres, title):
    axes.plot(*centres.T, "o", color="0.85", markersize=10, zorder=0)
    axes.plot(*samples.T, ".", color="tab:green", markersize=2)
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal", xticks=[], yticks=[], title=title)


def picture(films, centres, steps, path):
    """One row for each model, one column for each time."""
    figure = pictures.new_figure(2 * COLUMNS, 2.3 * len(films))
    grid = figure.subplots(len(films), COLUMNS)
    chosen = np.linspace(0, FRAMES, COLUMNS).round().astype(int)
    for row, (name, frames) in zip(grid, films.items(), strict=True):
        for axes, i in zip(row, chosen, strict=True):
            panel(axes, frames[min(i, len(frames) - 1)], centres, f"step {i * steps // FRAMES}")
        row[0].set_ylabel(name)
    return pictures.save_figure(figure, path)


def animation(films, centres, steps, path):
    """The models side by side as a GIF."""
    frames = []
    for i in range(FRAMES + 1):
        figure = pictures.new_figure(2.6 * len(films), 2.9)
        for axes, (name, film) in zip(figure.subplots(1, len(films)), films.items(), strict=True):
            panel(axes, film[min(i, len(film) - 1)], centres, name)
        figure.supxlabel(f"step {i * steps // FRAMES}", fontsize=9)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=80)
        frames.append(Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE, colors=32))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=120, loop=0)
    return path


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), metavar="DIR")
    options = parser.parse_args(argv)
    dataset = zoo.datasets.ring(batch_size=256)
    films = {}
    for name, k in MODELS.items():
        films[name], monitor = train(k, options.steps, dataset)
        found = zoo.metrics.functional.mode_coverage(films[name][-1], dataset.means, dataset.std)
        last = monitor.history[-1][1]
        print(
            f"{name}: {found['modes']} of 8 modes, reverse KL {found['reverse_kl']:.2f}; "
            f"diversity {last:.2f}, {'collapsed' if monitor.collapsed else 'no collapse'}"
        )
    print(picture(films, dataset.means, options.steps, options.output / "mode_collapse.png"))
    print(animation(films, dataset.means, options.steps, options.output / "mode_collapse.gif"))


if __name__ == "__main__":
    main()

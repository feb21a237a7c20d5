"""The contestants of `benchmarks.train_step`: one class each, run in worker processes.

Every contestant trains the same pair of networks on batches of 128 images of 28x28x1 from memory.
`measure(steps)` runs a few steps untimed and times the rest.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks import common

BATCH = 128
LATENT = 128
WARM_UP = 2
RATE, BETA_1, SLOPE, STD = 2e-4, 0.5, 0.2, 0.02
PEAK_SHAPES = (  # batch, size, input channels, kernel, output channels
    (128, 28, 128, 3, 128),
    (64, 28, 256, 3, 256),
    (128, 14, 256, 3, 256),
    (32, 56, 128, 3, 128),
)


def images(steps: int) -> np.ndarray:
    """uint8 images, as many as `steps` training steps take."""
    return np.random.default_rng(0).integers(0, 256, (steps * BATCH, 28, 28, 1), dtype=np.uint8)


# ---------------------------------------------------------------- TensorFlow


def keras_networks(batch_norm: Any, to_image: Any, policy: str | None) -> tuple[Any, Any]:
    """Generator and discriminator of the workload.

    Args:
        batch_norm: the normalisation layer's class.
        to_image: the class of the last convolution.
        policy: dtype policy; outputs are float32 in any case.
    """
    import keras
    from keras import layers

    normal = keras.initializers.RandomNormal(stddev=STD)
    kernel = {"kernel_initializer": normal, "dtype": policy}

    def norm(x: Any) -> Any:
        return batch_norm(momentum=0.9, epsilon=1e-5, dtype=policy)(x)

    def up(x: Any, width: int) -> Any:
        x = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, **kernel)(x)
        return layers.ReLU(dtype=policy)(norm(x))

    z = keras.Input((LATENT,))
    x = layers.Dense(7 * 7 * 128, use_bias=False, **kernel)(z)
    x = layers.Reshape((7, 7, 128), dtype=policy)(x)
    x = layers.ReLU(dtype=policy)(norm(x))
    x = up(up(x, 128), 64)
    x = to_image(1, 5, padding="same", **kernel)(x)
    generator = keras.Model(z, layers.Activation("tanh", dtype="float32")(x), name="generator")

    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(64, 4, 2, "same", **kernel)(inputs)
    x = layers.LeakyReLU(SLOPE, dtype=policy)(x)
    x = norm(layers.Conv2D(128, 4, 2, "same", use_bias=False, **kernel)(x))
    x = layers.Flatten(dtype=policy)(layers.LeakyReLU(SLOPE, dtype=policy)(x))
    logits = layers.Dense(1, kernel_initializer=normal, dtype="float32")(x)
    return generator, keras.Model(inputs, logits, name="discriminator")


def _clock() -> Any:
    """A Keras callback: seconds of each epoch behind its warm-up, and of what lies between."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []
            self.boundaries: list[float] = []
            self.last = 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 0 and self.last:
                self.boundaries.append(time.perf_counter() - self.last)
            if batch == WARM_UP:
                self._start = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.last = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(self.last - self._start)

    return Clock()


class _Fit:
    """Measures a Keras model through `fit`."""

    model: Any

    def data(self, steps: int) -> Any:
        """The pipeline of one epoch of `steps` steps."""
        raise NotImplementedError

    def measure(self, steps: int, epochs: int = 1, data: Any = None) -> dict[str, Any]:
        """Times `steps` steps of an epoch, inside one `fit`.

        Returns:
            `seconds` of the steps, `boundary` seconds from the last step of an epoch to the first
            of the next (with `epochs` > 1), `tail` seconds from the last step to `fit`'s return.
        """
        clock = _clock()
        if data is None:
            data = self.data(WARM_UP + steps)
        self.model.fit(data, epochs=epochs, verbose=0, callbacks=[clock])
        tail = time.perf_counter() - clock.last
        return {"seconds": clock.seconds[-1], "boundary": clock.boundaries, "tail": tail}


class Zoo(_Fit):
    """keras_gan_zoo, through `fit` and the zoo's pipeline."""

    def __init__(self, update: str, policy: str | None) -> None:
        import keras

        from keras_gan_zoo.layers import BatchNormalization, NarrowConv2D
        from keras_gan_zoo.training import GAN

        self.model = GAN(
            *keras_networks(BatchNormalization, NarrowConv2D, policy),
            loss="non_saturating",
            update=update,
            g_optimizer=keras.optimizers.Adam(RATE, beta_1=BETA_1),
            d_optimizer=keras.optimizers.Adam(RATE, beta_1=BETA_1),
            seed=0,
        )
        self.model.compile()
        self._bare: Any = None

    def data(self, steps: int) -> Any:
        from keras_gan_zoo import datasets

        return datasets.from_arrays(images(steps), batch_size=BATCH)

    def bare(self, steps: int) -> dict[str, Any]:
        """Times the model's `train_step` as a graph on a constant batch: no `fit`, no pipeline."""
        import tensorflow as tf

        if self._bare is None:
            batch = tf.constant(images(1).astype("float32") / 127.5 - 1.0)
            step = tf.function(self.model.train_step, autograph=False)
            self._bare = lambda: step(batch)["g_loss"].numpy()
        return {"seconds": timed(self._bare, steps)}

    def users_pipeline(self, steps: int) -> dict[str, Any]:
        """`measure` on a pipeline as users write it, autotuning included: does `fit` stall?"""
        import tensorflow as tf

        def scale(x: Any) -> Any:
            return tf.cast(x, tf.float32) / 127.5 - 1.0

        data = tf.data.Dataset.from_tensor_slices(images(WARM_UP + steps))
        data = data.shuffle(10_000).map(scale, num_parallel_calls=tf.data.AUTOTUNE)
        data = data.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
        return self.measure(steps, data=data)


class KerasTutorial(_Fit):
    """The loop of the usual Keras tutorial: a `train_step` that runs the generator twice.

    As "DCGAN to generate face images" on keras.io and its many copies: binary cross-entropy, real
    and generated images concatenated, labels smoothed with noise, two mean metrics.
    """

    def __init__(self, policy: str | None) -> None:
        import keras
        import tensorflow as tf

        class Tutorial(keras.Model):
            def __init__(self, generator: Any, discriminator: Any) -> None:
                super().__init__()
                self.generator = generator
                self.discriminator = discriminator
                self.seed_generator = keras.random.SeedGenerator(0)

            def compile(self, g_optimizer: Any, d_optimizer: Any, loss_fn: Any) -> None:
                super().compile(optimizer=None)
                self.g_optimizer = g_optimizer
                self.d_optimizer = d_optimizer
                self.loss_fn = loss_fn
                self.d_loss = keras.metrics.Mean(name="d_loss")
                self.g_loss = keras.metrics.Mean(name="g_loss")

            @property
            def metrics(self) -> list[Any]:
                return [self.d_loss, self.g_loss]

            def train_step(self, real: Any) -> dict[str, Any]:
                n = tf.shape(real)[0]
                z = keras.random.normal((n, LATENT), seed=self.seed_generator)
                fake = self.generator(z, training=True)
                combined = tf.concat([fake, real], axis=0)
                labels = tf.concat([tf.ones((n, 1)), tf.zeros((n, 1))], axis=0)
                labels += 0.05 * tf.random.uniform(tf.shape(labels))
                with tf.GradientTape() as tape:
                    d_loss = self.loss_fn(labels, self.discriminator(combined, training=True))
                variables = self.discriminator.trainable_variables
                self.d_optimizer.apply(tape.gradient(d_loss, variables), variables)

                z = keras.random.normal((n, LATENT), seed=self.seed_generator)
                misleading = tf.zeros((n, 1))
                with tf.GradientTape() as tape:
                    logits = self.discriminator(self.generator(z, training=True), training=True)
                    g_loss = self.loss_fn(misleading, logits)
                variables = self.generator.trainable_variables
                self.g_optimizer.apply(tape.gradient(g_loss, variables), variables)
                self.d_loss.update_state(d_loss)
                self.g_loss.update_state(g_loss)
                return {"d_loss": self.d_loss.result(), "g_loss": self.g_loss.result()}

        self.model = Tutorial(
            *keras_networks(keras.layers.BatchNormalization, keras.layers.Conv2D, policy)
        )
        self.model.compile(
            keras.optimizers.Adam(RATE, beta_1=BETA_1),
            keras.optimizers.Adam(RATE, beta_1=BETA_1),
            keras.losses.BinaryCrossentropy(from_logits=True),
        )

    def data(self, steps: int) -> Any:
        import tensorflow as tf

        scaled = images(steps).astype("float32") / 127.5 - 1.0
        data = tf.data.Dataset.from_tensor_slices(scaled).shuffle(1024)
        return data.batch(BATCH, drop_remainder=True).prefetch(2)


class Peak:
    """Large well-shaped convolutions: the speed that the machine's convolution kernels reach."""

    def __init__(self, dtype: str) -> None:
        import tensorflow as tf

        self._cases = []
        for batch, size, inputs, kernel, outputs in PEAK_SHAPES:
            x = tf.cast(tf.random.normal((batch, size, size, inputs)), dtype)
            w = tf.cast(tf.random.normal((kernel, kernel, inputs, outputs)) * STD, dtype)
            flops = 2 * batch * size**2 * kernel**2 * inputs * outputs
            self._cases.append((flops, x, w))

    def measure(self, steps: int) -> dict[str, Any]:
        """Operations per second of each shape."""
        import tensorflow as tf

        rates = []
        for flops, x, w in self._cases:
            seconds = timed(lambda x=x, w=w: tf.nn.conv2d(x, w, 1, "SAME"), steps)
            rates.append(steps * flops / seconds)
        return {"flops_per_second": rates}


# ---------------------------------------------------------------- PyTorch


class Torch:
    """The same networks in PyTorch.

    Args:
        dtype: "bfloat16" trains under autocast.
        tutorial: as PyTorch's tutorials write it: NCHW, a DataLoader, the generator run twice, both
            of the discriminator's halves differentiated one after the other, losses read each step.
            Otherwise channels_last, one forward pass of the generator, no gradients for the
            discriminator's weights in the generator's update, fused Adam, batches by index.
    """

    def __init__(self, dtype: str, tutorial: bool) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(common.cores())
        torch.manual_seed(0)
        self._autocast = dtype == "bfloat16"
        self._tutorial = tutorial
        self._format = torch.contiguous_format if tutorial else torch.channels_last

        def norm(width: int) -> Any:
            return nn.BatchNorm2d(width, eps=1e-5, momentum=0.1)

        self.generator = nn.Sequential(
            nn.Linear(LATENT, 128 * 7 * 7, bias=False),
            nn.Unflatten(1, (128, 7, 7)),
            norm(128),
            nn.ReLU(True),
            nn.ConvTranspose2d(128, 128, 4, 2, 1, bias=False),
            norm(128),
            nn.ReLU(True),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            norm(64),
            nn.ReLU(True),
            nn.Conv2d(64, 1, 5, padding=2),
            nn.Tanh(),
        ).to(memory_format=self._format)
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1),
            nn.LeakyReLU(SLOPE, True),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            norm(128),
            nn.LeakyReLU(SLOPE, True),
            nn.Flatten(),
            nn.Linear(128 * 7 * 7, 1),
        ).to(memory_format=self._format)
        for module in [*self.generator.modules(), *self.discriminator.modules()]:
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.normal_(module.weight, 0.0, STD)
        options = {"lr": RATE, "betas": (BETA_1, 0.999)} | ({} if tutorial else {"fused": True})
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), **options)
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), **options)

    def measure(self, steps: int) -> dict[str, Any]:
        """Times `steps` steps of an epoch."""
        import torch

        data = torch.from_numpy(images(WARM_UP + steps)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        step = self._tutorial_step if self._tutorial else self._step
        start = 0.0
        for i, real in enumerate(self._batches(data)):
            if i == WARM_UP:
                start = time.perf_counter()
            step(real)
        return {"seconds": time.perf_counter() - start}

    def _batches(self, data: Any) -> Any:
        import torch

        if self._tutorial:
            dataset = torch.utils.data.TensorDataset(data)
            loader = torch.utils.data.DataLoader(dataset, BATCH, shuffle=True, drop_last=True)
            return (real for (real,) in loader)
        data = data.contiguous(memory_format=self._format)
        return (data[part] for part in torch.randperm(len(data)).split(BATCH))

    def _context(self) -> Any:
        import torch

        return torch.autocast("cpu", torch.bfloat16, enabled=self._autocast)

    def _step(self, real: Any) -> None:
        import torch
        from torch.nn.functional import softplus

        with self._context():
            fake = self.generator(torch.randn(BATCH, LATENT))
            self.discriminator.requires_grad_(True)
            real_logits = self.discriminator(real).float()
            fake_logits = self.discriminator(fake.detach()).float()
            d_loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
        self.d_optimizer.zero_grad(set_to_none=True)
        d_loss.backward()
        self.d_optimizer.step()
        self.discriminator.requires_grad_(False)
        with self._context():
            g_loss = softplus(-self.discriminator(fake).float()).mean()
        self.g_optimizer.zero_grad(set_to_none=True)
        g_loss.backward()
        self.g_optimizer.step()

    def _tutorial_step(self, real: Any) -> tuple[float, float]:
        import torch

        criterion = torch.nn.BCEWithLogitsLoss()
        ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
        self.discriminator.zero_grad()
        with self._context():
            real_loss = criterion(self.discriminator(real).float(), ones)
        real_loss.backward()
        with self._context():
            fake = self.generator(torch.randn(BATCH, LATENT)).detach()
            fake_loss = criterion(self.discriminator(fake).float(), zeros)
        fake_loss.backward()
        self.d_optimizer.step()
        self.generator.zero_grad()
        with self._context():
            fake = self.generator(torch.randn(BATCH, LATENT))
            g_loss = criterion(self.discriminator(fake).float(), ones)
        g_loss.backward()
        self.g_optimizer.step()
        return (real_loss + fake_loss).item(), g_loss.item()


# ---------------------------------------------------------------- the worker process


def timed(step: Any, steps: int) -> float:
    """Seconds of `steps` calls, after a few untimed ones."""
    for _ in range(WARM_UP):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - start


def build(kind: str, dtype: str) -> Any:
    """The contestant `kind` in `dtype`: float32, bfloat16 (policy, autocast) or grappler.

    "grappler" is a float32 model whose graph TensorFlow rewrites to bfloat16 where its kernels
    gain, an option of the whole process.
    """
    if kind.startswith("torch"):
        return Torch(dtype, tutorial=kind == "torch_tutorial")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    if dtype == "grappler":
        options = {"auto_mixed_precision_onednn_bfloat16": True}
        tf.config.optimizer.set_experimental_options(options)
    policy = "mixed_bfloat16" if dtype == "bfloat16" else "float32"
    if kind == "keras_tutorial":
        return KerasTutorial(policy)
    if kind == "peak":
        return Peak(dtype)
    return Zoo(kind.removeprefix("zoo_"), policy)


def main() -> None:
    """`python -m benchmarks.train_step_workers KIND DTYPE`, driven by `common.Worker`."""
    kind, dtype = sys.argv[1:]
    state: dict[str, Any] = {}

    def handle(method: str, **arguments: Any) -> Any:
        if method == "build":
            state["contestant"] = build(kind, dtype)
            return None
        if method == "profile":
            from benchmarks import profile_ops

            return profile_ops.profile(state["contestant"].bare, **arguments)
        return getattr(state["contestant"], method)(**arguments)

    common.serve(handle)


if __name__ == "__main__":
    main()

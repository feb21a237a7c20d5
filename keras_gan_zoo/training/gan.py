"""`GAN`: two networks, one game, one `fit()`.

The base class of every model in the zoo. `train_step` is Algorithm 1 of Goodfellow et al.,
"Generative Adversarial Nets" (2014), section 4: `d_steps` discriminator updates, each on a fresh
minibatch of real images and of noise, then one generator update. A model whose *objective* differs
sets `loss` and `penalties` or overrides `discriminator_terms` / `generator_terms`; one whose
*schedule* differs overrides `train_step`. Only `minimise` touches gradients and optimizers.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gan_zoo import losses
from keras_gan_zoo.layers import InstanceNoise, ReplayBuffer
from keras_gan_zoo.losses import penalties as penalty_objects
from keras_gan_zoo.training import checks, latents, pipeline
from keras_gan_zoo.training.ema import EMA
from keras_gan_zoo.training.guard import TrainingGuard
from keras_gan_zoo.training.optimizers import PlayerOptimizers
from keras_gan_zoo.training.trackers import TermMeans

UPDATES = ("alternating", "simultaneous")


@dataclass
class Batch:
    """One minibatch of the game, as the hooks see it.

    Attributes:
        real: images `(b, h, w, c)`, float32 in [-1, 1].
        labels: int labels `(b,)` or None.
        z: latent vectors `(b, latent_dim)`.
        fake: generated images, differentiable in the generator's update.
        real_logits, fake_logits: the discriminator's scores of this minibatch, once computed.
        ahead: steps from the present one, for models that look ahead.
    """

    real: Any
    labels: Any
    z: Any
    fake: Any = None
    real_logits: Any = None
    fake_logits: Any = None
    ahead: int = 0


class _HeldUpdates(keras.StatelessScope):
    """A stateless scope that remembers which variables layers wanted to assign."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: dict[int, tuple[Any, Any]] = {}

    def add_update(self, update: tuple[Any, Any]) -> None:
        super().add_update(update)
        self.updates[id(update[0])] = update


class ForwardPass:
    """A gradient tape and the state updates (BatchNormalization, ...) that layers asked for.

    It can be entered several times: a generator's forward pass is recorded once, the
    discriminator is updated in between, and the generator's objective continues the same tape.
    State updates are held back until `commit` writes those of the network that is being trained.
    """

    def __init__(self, *networks: keras.Model) -> None:
        self.tape = tf.GradientTape(persistent=len(networks) > 1, watch_accessed_variables=False)
        self._variables = [v for n in networks for v in n.trainable_variables]
        self._held = _HeldUpdates()
        self._stack: contextlib.ExitStack | None = None

    def __enter__(self) -> ForwardPass:
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self.tape)
        for variable in self._variables:
            self.tape.watch(variable.value)
        self._variables = []
        self._stack.enter_context(self._held)
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.close()

    def commit(self, frozen: set[int]) -> None:
        """Write the held-back updates, except those of variables whose id is in `frozen`."""
        for variable, value in self._held.updates.values():
            if id(variable) not in frozen:
                variable.assign(value)
        self._held.updates.clear()


class Together:
    """Several networks that one optimizer moves, as `GAN.minimise` sees a network."""

    def __init__(self, *networks: keras.Model) -> None:
        self.trainable_variables = [v for n in networks for v in n.trainable_variables]
        self.variables = [v for n in networks for v in n.variables]
        self._layers = [layer for n in networks for layer in n._flatten_layers()]

    def _flatten_layers(self) -> list[Any]:
        return self._layers


@keras.saving.register_keras_serializable(package="keras_gan_zoo")
class GAN(keras.Model):
    """A generator and a discriminator, trained against each other by `fit`.

    Args:
        generator: z `(b, latent_dim)` (and labels `(b,)` for conditional models, as a second
            input) -> images `(b, h, w, c)` in [-1, 1].
        discriminator: images (and labels) -> logits, `(b, 1)` or PatchGAN-shaped.
        loss: a name of `zoo.losses`, its config or an object.
        penalties: `zoo.penalties` objects, names or configs; each is logged under its name (with
            `d_` or `g_` before it where both players have the same, `_2` behind a second one).
            Constraints among them (weight clipping) are applied after each update of their player.
        d_steps: discriminator updates for each generator update, each on fresh real images: one
            training step consumes `d_steps` consecutive batches of the dataset.
        update: `"alternating"` (the generator meets the updated discriminator) or
            `"simultaneous"` (both gradients from one forward pass; d_steps must be 1).
        ema: decay in [0, 1) or an `EMA`: keep a twin of the generator with averaged weights, and
            sample from it.
        g_optimizer, d_optimizer: the paper's optimizers, used by `compile()` without arguments.
            None means Adam(2e-4, beta_1=.5).
        instance_noise: an `InstanceNoise` or its standard deviation: noise on all that the
            discriminator sees in training.
        replay: a `ReplayBuffer` or its capacity: half of the fakes in a discriminator update are
            earlier ones. Needs alternating updates and an unconditional model.
        num_classes: number of classes of a conditional model.
        seed: seed of all noise in training. None draws one.
        recipe: `{"name", "config"}` from `zoo.create`: what rebuilds the same networks.

    Raises:
        ValueError: networks that do not fit together, unknown loss or update, d_steps < 1.

    Example:

    ```python
    gan = zoo.GAN(my_generator, my_discriminator, loss="hinge")
    gan.compile(g_optimizer=keras.optimizers.Adam(1e-4), d_optimizer=keras.optimizers.Adam(4e-4))
    gan.fit(dataset, epochs=10)
    images = gan.sample(16, seed=0)     # float32 (16, h, w, c) in [-1, 1]
    ```

    Source: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, Algorithm 1.
    """

    #: classes of the labels of a model that takes some, but needs none
    optional_classes: int | None = None

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        loss: Any = "non_saturating",
        penalties: Sequence[Any] | None = (),
        d_steps: int = 1,
        update: str = "alternating",
        ema: Any = None,
        g_optimizer: Any = None,
        d_optimizer: Any = None,
        instance_noise: Any = None,
        replay: Any = None,
        num_classes: int | None = None,
        seed: int | None = None,
        recipe: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if int(d_steps) < 1:
            raise ValueError(f"d_steps must be at least 1. Received: d_steps={d_steps}")
        if update not in UPDATES:
            raise ValueError(f"update must be one of {UPDATES}. Received: update={update!r}")
        if update == "simultaneous" and d_steps != 1:
            raise ValueError(
                "update='simultaneous' takes both gradients from one forward pass, so d_steps "
                f"must be 1. Received: d_steps={d_steps}"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.loss_object = losses.get(loss)
        regularisers = [penalty_objects.get(p) for p in penalties or ()]
        self.penalties = [p for p in regularisers if hasattr(p, "weight")]
        self.constraints = [p for p in regularisers if not hasattr(p, "weight")]
        self.d_steps = int(d_steps)
        self.update = update
        self.ema = EMA.get(ema)
        self.num_classes = num_classes
        self.seed = latents.draw_seed() if seed is None else int(seed)
        self.recipe = dict(recipe) if recipe else None
        self._paper_optimizers = [
            keras.optimizers.serialize(
                keras.optimizers.get(o)
                if o is not None
                else keras.optimizers.Adam(2e-4, beta_1=0.5)
            )
            for o in (g_optimizer, d_optimizer)
        ]
        for network, what in ((generator, "generator"), (discriminator, "discriminator")):
            if not getattr(network, "inputs", None):
                raise ValueError(
                    f"The {what} must be a functional or Sequential model with its inputs known. "
                    f"Wrap it: keras.Model(x, network(x)) with x = keras.Input(...). "
                    f"Received: {network!r}"
                )
        inputs = len(generator.inputs)
        if inputs != (1 if num_classes is None else 2):
            wanted = "z alone" if num_classes is None else "[z, labels]"
            raise ValueError(
                f"With num_classes={num_classes} the generator must take {wanted}. "
                f"Received: a generator with {inputs} input{'s' if inputs > 1 else ''}"
            )
        z_shape = _shapes(generator.inputs)[0]
        self.latent_dim = int(z_shape[-1])
        self.image_shape = tuple(int(d) for d in generator.outputs[0].shape[1:])
        came = tuple(discriminator.inputs[0].shape[1:])
        if came != self.image_shape:
            raise ValueError(
                "The discriminator must take what the generator makes. Received: generator output "
                f"{self.image_shape}, discriminator input {came}"
            )
        self.ema_generator = self._make_twin() if self.ema else None
        self.instance_noise = _layer(InstanceNoise, instance_noise)
        self.replay = _layer(ReplayBuffer, replay)
        if self.replay is not None:
            if update == "simultaneous":
                raise ValueError("A replay buffer needs update='alternating'.")
            if num_classes is not None:
                raise ValueError(
                    "A replay buffer keeps images without their labels, so a conditional "
                    f"discriminator cannot judge them. Use replay=None. Received: "
                    f"num_classes={num_classes}"
                )
        for layer in (self.instance_noise, self.replay):
            if layer is not None and not layer.built:  # a loaded layer is
                layer.build((None, *self.image_shape))
        self.step = self._counter("step")
        self.epoch = self._counter("epoch")
        self._test_step = self._counter("test_step")
        self._place_penalties()
        self._train_terms: TermMeans | None = None
        self._test_terms = TermMeans(("d_loss", "g_loss", "d_real", "d_fake"), "test_terms")
        self._declaring: dict[str, None] | None = None
        self._image_metrics: list[Any] = []
        self._dataset: Any = None
        self.built = True

    def _counter(self, name: str) -> keras.Variable:
        return keras.Variable(
            0, dtype="int64", trainable=False, aggregation="only_first_replica", name=name
        )

    def _make_twin(self) -> keras.Model:
        twin = keras.models.clone_model(self.generator)
        twin.set_weights(self.generator.get_weights())
        twin.trainable = False
        return twin

    def _place_penalties(self) -> None:
        for penalty in self.penalties:
            if getattr(penalty, "needs_variables", False):
                network = self.generator if penalty.player == "generator" else self.discriminator
                penalty.build(network.trainable_variables)
            if penalty.interval > 1 and penalty.keeps_state:
                raise ValueError(
                    f"The penalty {penalty.name!r} keeps a running state and must be applied at "
                    f"every step. Received: interval={penalty.interval}"
                )

    # ------------------------------------------------------------------ sampling

    def call(self, z: Any, training: bool = False) -> Any:
        """Images of z: the EMA generator's if there is one, else the generator's.

        Args:
            z: `(b, latent_dim)`, or `[z, labels]` for conditional models.
            training: ignored: calling a GAN means sampling, with moving statistics.
        """
        return (self.ema_generator or self.generator)(z, training=False)

    def sample(
        self,
        n: int,
        seed: int | None = None,
        labels: Any = None,
        truncation: float | None = None,
        batch_size: int = 256,
    ) -> np.ndarray:
        """Generate images.

        Args:
            n: number of images.
            seed: int in [0, 2**31): the same seed gives the same images, and the first images of
                a larger sample. None draws a new seed.
            labels: for conditional models: an int, or ints `(n,)`. None draws them uniformly.
            truncation: scales z towards 0, in (0, 1]; None or 1 leaves it.
            batch_size: images per forward pass; does not change the images.

        Returns:
            float32 array `(n, h, w, c)` in [-1, 1].

        Raises:
            ValueError: n < 1, truncation outside (0, 1], labels for an unconditional model, wrong
                number of labels.
        """
        if int(n) < 1:
            raise ValueError(f"n must be at least 1. Received: n={n}")
        if truncation is not None and not 0.0 < truncation <= 1.0:
            raise ValueError(f"truncation must be in (0, 1]. Received: truncation={truncation}")
        seed = latents.draw_seed() if seed is None else int(seed)
        z = latents.latents(n, self.latent_dim, seed)
        z = z if truncation is None else z * truncation
        labels = self._sample_labels(n, seed, labels)
        network = self.ema_generator or self.generator
        parts = []
        for i in range(0, n, batch_size):
            inputs = [z[i : i + batch_size]]
            if labels is not None:
                inputs.append(labels[i : i + batch_size])
            images = network(inputs[0] if len(inputs) == 1 else inputs, training=False)
            parts.append(np.asarray(ops.convert_to_numpy(images), dtype=np.float32))
        return np.concatenate(parts)

    def _sample_labels(self, n: int, seed: int, labels: Any) -> Any:
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(
                    f"This model is unconditional and takes no labels. Received: labels={labels!r}"
                )
            return None
        if labels is None:
            return latents.labels(n, self.num_classes, seed)
        labels = np.broadcast_to(np.asarray(labels, np.int32), (n,))
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(
                f"labels must be in 0 .. {self.num_classes - 1}. Received: {np.unique(labels)}"
            )
        return tf.constant(labels)

    # ------------------------------------------------------------------ compiling

    def compile(
        self,
        g_optimizer: Any = None,
        d_optimizer: Any = None,
        metrics: Sequence[Any] | None = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
    ) -> None:
        """Configure training. `zoo.create` has done so already.

        Args:
            g_optimizer, d_optimizer: Keras optimizers, names or configs. None means the paper's.
            metrics: metrics with `update_state(real_images, fake_images)`, evaluated by
                `evaluate` and `fit(validation_data=)`: names of `zoo.metrics.names()` ("fid",
                "kid", "prdc", ...), Keras metrics or configs.
            run_eagerly, steps_per_execution, jit_compile: as in Keras.

        Raises:
            ValueError: the same optimizer object for both players, two metrics of one name.
        """
        if g_optimizer is not None and g_optimizer is d_optimizer:
            raise ValueError(
                "g_optimizer and d_optimizer are the same object; each player keeps moments of "
                "its own. Pass two optimizers."
            )
        super().compile(
            optimizer=None,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )
        self._compile_options = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        chosen = [
            self._prepare_optimizer(keras.optimizers.get(paper if given is None else given))
            for given, paper in zip((g_optimizer, d_optimizer), self._paper_optimizers, strict=True)
        ]
        self.g_optimizer, self.d_optimizer = chosen
        self._build_optimizers()
        self.optimizer = PlayerOptimizers([self.g_optimizer, self.d_optimizer])
        self._image_metrics = [_metric(m, self.image_shape) for m in metrics or ()]
        names = [*self._test_terms.names, *(m.name for m in self._image_metrics)]
        if len(set(names)) < len(names):
            twice = sorted({n for n in names if names.count(n) > 1})
            raise ValueError(
                "In the logs each metric needs a name of its own. Pass another one, as in "
                f"zoo.metrics.FrechetDistance(extractor, name='fid_2'). Received twice: {twice}"
            )
        self._train_terms = None  # penalties may have been added

    def _prepare_optimizer(self, optimizer: Any) -> Any:
        """Loss scaling for float16, which overflows; bfloat16 needs none."""
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if self._uses_float16() and not scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            scaled = True
        if scaled and self.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "Loss scaling (mixed_float16) over several replicas is not offered: Keras keeps "
                "only the first replica's overflow check. Use dtype='mixed_bfloat16'."
            )
        return optimizer

    def _uses_float16(self) -> bool:
        layers = self.generator._flatten_layers() + self.discriminator._flatten_layers()
        return any(layer.compute_dtype == "float16" for layer in layers)

    def _build_optimizers(self) -> None:
        self.g_optimizer.build(self.g_networks().trainable_variables)
        self.d_optimizer.build(self.discriminator.trainable_variables)

    def get_compile_config(self) -> dict[str, Any] | None:
        if not self.compiled:
            return None
        return {
            "g_optimizer": keras.optimizers.serialize(self.g_optimizer),
            "d_optimizer": keras.optimizers.serialize(self.d_optimizer),
            "metrics": [keras.saving.serialize_keras_object(m) for m in self._image_metrics],
            **self._compile_options,
        }

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        self.compile(**config)

    # ------------------------------------------------------------------ hooks

    def generate(self, z: Any, labels: Any = None, training: bool = False) -> Any:
        """The generator's images of z (and labels)."""
        inputs = z if self.num_classes is None else [z, labels]
        return self.generator(inputs, training=training)

    def discriminate(self, x: Any, labels: Any = None, training: bool = False) -> Any:
        """The discriminator's logits of images (and labels)."""
        return self.discriminator(self.judged(x, labels, training), training=training)

    def judged(self, x: Any, labels: Any = None, training: bool = False) -> Any:
        """What the discriminator takes for images: noise on them, and what goes with them."""
        if self.instance_noise is not None:
            x = self.instance_noise(x, training=training)
        return x if len(self.discriminator.inputs) == 1 else [x, labels]

    def features(self, x: Any, layer: str = "", labels: Any = None, training: bool = False) -> Any:
        """The discriminator's features of images: the output of one of its layers.

        Args:
            x: images `(b, h, w, c)`.
            layer: its name; "" means what the last layer takes.
            labels: for conditional models.

        Raises:
            ValueError: the discriminator has no such layer, or `layer` is "" and its last layer
                takes several tensors.
        """
        network = self.discriminator
        at = _output(network, layer) if layer else network.layers[-1].input
        if isinstance(at, (list, tuple)):
            names = ", ".join(repr(x.name) for x in network.layers[1:-1])
            raise ValueError(
                f"The discriminator's {f'layer {layer!r} gives' if layer else 'last layer takes'} "
                f"{len(at)} tensors, so the layer of the features must be named, one with a single "
                f"output, as in FeatureMatching(layer=...). Its layers: {names}"
            )
        return keras.Model(network.input, at)(self.judged(x, labels, training), training=training)

    def discriminator_terms(self, batch: Batch) -> dict[str, Any]:
        """What the discriminator minimises: named float32 scalars, summed by `minimise`."""
        batch.real_logits = self.discriminate(batch.real, batch.labels, training=True)
        batch.fake_logits = self.discriminate(batch.fake, batch.labels, training=True)
        loss = self.loss_object.discriminator_loss(batch.real_logits, batch.fake_logits)
        return {"d_loss": ops.mean(loss), **self._penalty_terms("discriminator", batch)}

    def generator_terms(self, batch: Batch) -> dict[str, Any]:
        """What the generator minimises: named float32 scalars, summed by `minimise`."""
        if batch.fake_logits is None:
            batch.fake_logits = self.discriminate(batch.fake, batch.labels, training=True)
        if self.loss_object.needs_real and batch.real_logits is None:
            batch.real_logits = self.discriminate(batch.real, batch.labels, training=True)
        loss = ops.mean(self.generator_loss(batch.fake_logits, batch.real_logits))
        if any(getattr(p, "replaces_loss", False) for p in self.penalties):
            loss = ops.stop_gradient(loss)  # logged, not followed
        return {"g_loss": loss, **self._penalty_terms("generator", batch)}

    def generator_loss(self, fake_logits: Any, real_logits: Any, loss: Any = None) -> Any:
        """The generator's loss of each score; `loss`: another one in place of the model's.
        `real_logits` may be None where the loss's generator half does not need them."""
        loss = self.loss_object if loss is None else loss
        return loss.generator_loss(fake_logits, real_logits if loss.needs_real else None)

    def after_discriminator(self) -> None:
        """Called after each discriminator update: clipping, controllers, ..."""

    def after_generator(self) -> None:
        """Called after each generator update. The default moves the EMA twin."""
        if self.ema_generator is not None:
            self.ema.update(self.ema_generator, self.generator, self.step)

    def _critic_weights(self) -> list[tuple[Any, Any]]:
        """The discriminator's variables and the values that penalties see for them."""
        return [(v, v.value) for v in self.discriminator.trainable_variables]

    def _penalty_terms(self, player: str, batch: Batch) -> dict[str, Any]:
        weights = self._critic_weights()

        def critic(x: Any, features: str | None = None) -> Any:
            # interpolates must not move BatchNormalization statistics
            with keras.StatelessScope(weights):
                if features is not None:
                    return self.features(x, features, batch.labels, training=True)
                return self.discriminate(x, batch.labels, training=True)

        terms: dict[str, Any] = {}
        for penalty in self.penalties:
            if penalty.player != player:
                continue

            def value(penalty: Any = penalty) -> Any:
                raw = penalty(critic, batch.real, batch.fake, rng=self.random)
                return ops.cast(penalty.weight * penalty.interval * raw, "float32")

            due = tf.equal(tf.math.floormod(self.step.value + batch.ahead, penalty.interval), 0)
            if penalty.interval == 1:
                term = value()
            elif penalty.over_replicas and self.distribute_strategy.num_replicas_in_sync > 1:
                term = value() * tf.cast(due, tf.float32)
            elif self.jit_compile and self.num_classes is not None:
                # XLA cannot join branches of which one has an embedding's sparse gradient
                term = tf.where(due, value(), 0.0)
            else:
                term = tf.cond(due, value, lambda: tf.zeros((), tf.float32))
            base = self._term_name(penalty)
            name, k = base, 2
            while name in terms:
                name, k = f"{base}_{k}", k + 1
            terms[name] = term
        return terms

    def _term_name(self, penalty: Any) -> str:
        """A penalty's name in the logs: with the player's where both have one of that name."""
        players = {p.player for p in self.penalties if p.name == penalty.name}
        return penalty.name if len(players) == 1 else f"{penalty.player[0]}_{penalty.name}"

    # ------------------------------------------------------------------ one step

    def minimise(
        self,
        optimizer: Any,
        network: keras.Model,
        objective: Callable[[], Mapping[str, Any]],
        forward: ForwardPass | None = None,
    ) -> dict[str, Any]:
        """One optimizer step on `network` along the gradient of the sum of the terms.

        The only place with tape, loss scaling, replica scaling and `apply`. State that layers
        update in a forward pass (BatchNormalization statistics) is written for `network` alone:
        the other player's networks stay bit-identical.

        Args:
            optimizer: the player's optimizer.
            network: the model, or `Together`, whose trainable variables move.
            objective: returns `{"name": float32 scalar}`; all terms are added up.
            forward: an earlier `ForwardPass(network)` that `objective` builds upon.

        Returns:
            The terms, unscaled.
        """
        return self._minimise([(optimizer, network, objective)], forward)

    def _minimise(
        self, players: Sequence[tuple[Any, keras.Model, Callable]], forward: ForwardPass | None
    ) -> dict[str, Any]:
        forward = forward or ForwardPass(*(network for _, network, _ in players))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        terms, scaled = {}, []
        with forward:
            for optimizer, _, objective in players:
                own = {n: ops.cast(t, "float32") for n, t in objective().items()}
                scaled.append(optimizer.scale_loss(sum(own.values()) / replicas))
                terms.update(own)
        if self._declaring is not None:  # only the names are wanted
            return terms
        gradients = [
            forward.tape.gradient(loss, network.trainable_variables)
            for loss, (_, network, _) in zip(scaled, players, strict=True)
        ]
        # where the data may run out inside the step, counters must wait for it
        with tf.control_dependencies(scaled):
            for gradient, (optimizer, network, _) in zip(gradients, players, strict=True):
                optimizer.apply(gradient, network.trainable_variables)
                for layer in network._flatten_layers():
                    if hasattr(layer, "after_update"):
                        layer.after_update()
        moved = {id(v) for _, network, _ in players for v in network.variables}
        every = {id(v) for n in self.networks() for v in n.variables}
        forward.commit(every - moved)
        return terms

    def g_networks(self) -> Any:
        """What the generator's optimizer moves: the generator; a `Together` of several networks."""
        return self.generator

    def networks(self) -> list[keras.Model]:
        """Every network of the game (averaged twins are not players)."""
        twins = [id(twin) for twin in self.twins().values()]
        return [n for n in self.layers if isinstance(n, keras.Model) and id(n) not in twins]

    def twins(self) -> dict[str, keras.Model]:
        """Networks with averaged weights, by the attribute of the network that they follow.

        A preset keeps a twin's weights in place of the network's own.
        """
        return {} if self.ema_generator is None else {"generator": self.ema_generator}

    def train_step(self, data: Any) -> dict[str, Any]:
        """Algorithm 1: `d_steps` discriminator updates, then one generator update."""
        self.random = latents.StepRandom(self.seed, self.step.value)
        history: list[dict[str, Any]] = []
        if self.update == "simultaneous":
            (batch,) = self.minibatches(data)
            forward = ForwardPass(self.g_networks(), self.discriminator)
            with forward:
                batch.fake = self.generate(batch.z, batch.labels, training=True)
            terms = self._minimise(
                [
                    (
                        self.d_optimizer,
                        self.discriminator,
                        lambda: self.discriminator_terms(batch),
                    ),
                    (self.g_optimizer, self.g_networks(), lambda: self.generator_terms(batch)),
                ],
                forward,
            )
            history.append({**terms, **self._scores(batch)})
            self._finish_discriminator(batch)
        else:
            for batch in self.minibatches(data):
                forward = ForwardPass(self.g_networks())
                with forward:
                    batch.fake = self.generate(batch.z, batch.labels, training=True)
                shown = self._with_replay(batch)
                terms = self.minimise(
                    self.d_optimizer,
                    self.discriminator,
                    lambda shown=shown: self.discriminator_terms(shown),
                )
                history.append({**terms, **self._scores(shown)})
                self._finish_discriminator(shown)
            # the generator has not moved: its last forward pass is the one to differentiate
            batch.real_logits = batch.fake_logits = None  # of the discriminator as it was
            terms = self.minimise(
                self.g_optimizer, self.g_networks(), lambda: self.generator_terms(batch), forward
            )
            history.append(terms)
        self._constrain("generator", self.g_networks())
        self.after_generator()
        return self.finish_step(history)

    def _finish_discriminator(self, batch: Batch) -> None:
        """Controllers of the loss, constraints, then the model's own hook."""
        if batch.real_logits is not None and batch.fake_logits is not None:
            self.loss_object.update(batch.real_logits, batch.fake_logits)
        if self.instance_noise is not None:
            self.instance_noise.after_update()
        self._constrain("discriminator", self.discriminator)
        self.after_discriminator()

    def _constrain(self, player: str, network: Any) -> None:
        for constraint in self.constraints:
            if constraint.player == player:
                constraint.apply(network.trainable_variables)

    def _with_replay(self, batch: Batch) -> Batch:
        """What the discriminator is shown: the minibatch, or half of its fakes replaced."""
        if self.replay is None or self._declaring is not None:
            return batch
        return replace(batch, fake=self.replay.mix(batch.fake, self.random))

    def minibatches(self, data: Any) -> list[Batch]:
        """The step's `d_steps` minibatches: fresh real images and fresh noise in each."""
        images, labels = checks.split_element(data)
        reals = tf.split(images, self.d_steps) if self.d_steps > 1 else [images]
        if labels is None or self.num_classes is None:
            label_parts = [None] * self.d_steps
        else:
            label_parts = tf.split(labels, self.d_steps) if self.d_steps > 1 else [labels]
        return [
            Batch(real, part, self.random.normal([tf.shape(real)[0], self.latent_dim]))
            for real, part in zip(reals, label_parts, strict=True)
        ]

    def _scores(self, batch: Batch) -> dict[str, Any]:
        """Mean logits, logged as `d_real` and `d_fake`."""
        scores = {"d_real": batch.real_logits, "d_fake": batch.fake_logits}
        return {n: ops.mean(ops.cast(s, "float32")) for n, s in scores.items() if s is not None}

    def finish_step(self, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Count the step and log the terms: the mean of each over the step's updates.

        Call it at the end of an overridden `train_step`.

        Args:
            history: one `{"name": scalar}` for each update of the step.

        Returns:
            The running means of this epoch, by name.
        """
        logs: dict[str, list[Any]] = {}
        for terms in history:
            for name, value in terms.items():
                logs.setdefault(name, []).append(value)
        means = {n: v[0] if len(v) == 1 else tf.add_n(v) / len(v) for n, v in logs.items()}
        if self._declaring is not None:
            self._declaring.update(dict.fromkeys(means))
            return means
        if self._train_terms is None:
            self._train_terms = TermMeans(tuple(means), "train_terms")
        with tf.control_dependencies(list(means.values())):
            self.step.assign(self.step + 1)
        self._train_terms.update_state(means)
        return self._reducible(self._train_terms.result())

    def test_step(self, data: Any) -> dict[str, Any]:
        """Losses and compiled metrics on real and generated images; nothing is updated."""
        images, labels = checks.split_element(data)
        labels = None if self.num_classes is None else labels
        random = latents.StepRandom(self.seed, self._test_step.value, stream=1)
        z = random.normal_rows(tf.shape(images)[0], self.latent_dim)
        fake = self(z if labels is None else [z, labels])
        real_logits = self.discriminate(images, labels)
        fake_logits = self.discriminate(fake, labels)
        loss = self.loss_object.without_noise()
        d_loss = loss.discriminator_loss(real_logits, fake_logits)
        g_loss = self.generator_loss(fake_logits, real_logits, loss)
        for metric in self._image_metrics:
            metric.update_state(images, fake)
        self._test_step.assign(self._test_step + 1)
        self._test_terms.update_state(
            {
                "d_loss": _mean(d_loss),
                "g_loss": _mean(g_loss),
                "d_real": _mean(real_logits),
                "d_fake": _mean(fake_logits),
            },
            weight=tf.shape(images)[0],  # the last batch may be smaller
        )
        return self._reducible(self._test_terms.result())

    def _reducible(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """Scalars; under a multi-worker strategy `(1,)`: the trainer reduces over axis 0 there."""
        strategy = self.distribute_strategy
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return {n: tf.reshape(v, (1,)) for n, v in logs.items()}
        return dict(logs)

    def get_metrics_result(self) -> dict[str, Any]:
        """Results of the test terms under `val_` names beside the training terms.

        The steps return running means themselves. The trainer uses this dict in their place only
        where the names are the same, which the prefix rules out: training and evaluation log the
        same names.
        """
        results = {} if self._train_terms is None else self._train_terms.result()
        return results | {f"val_{n}": v for n, v in self._test_terms.result().items()}

    @property
    def metrics(self) -> list[Any]:
        train = [] if self._train_terms is None else [self._train_terms]
        return [*train, self._test_terms, *self._image_metrics]

    def _declare_terms(self, element_spec: Any) -> None:
        """Learn the names of the terms: trace `train_step` once, without gradients."""
        if self._train_terms is not None or self.run_eagerly:
            return  # an eager step makes its tracker when it first logs
        strategy = self.distribute_strategy

        def step(data: Any) -> Any:
            return strategy.run(self.train_step, args=(data,))

        self._declaring = {}
        d_steps, self.d_steps = self.d_steps, 1  # one update of each player has all the names
        try:
            with strategy.scope():
                tf.function(step, autograph=False).get_concrete_function(element_spec)
                names = tuple(self._declaring)
                self._train_terms = TermMeans(names, "train_terms")
        finally:
            self._declaring, self.d_steps = None, d_steps

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: the networks are built, and `fit` knows the terms.

        Keras would run the model on a first batch under a strategy, and fails there on
        `(images, labels)` (its reduction of a nested batch).
        """

    # ------------------------------------------------------------------ fit and evaluate

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
    ) -> keras.callbacks.History:
        """Train on images. As `keras.Model.fit`; what differs is said here.

        Args:
            x: a `tf.data.Dataset` of `images` or `(images, labels)`, float32 in [-1, 1], batched;
                or arrays (float in [-1, 1] or uint8). With `d_steps` > 1 consecutive batches are
                joined: an epoch sees every image once whatever `d_steps` is. What is left over of
                an epoch is dropped, and so is a last, smaller batch where replicas share batches.
            y: labels, when x is an array.
            batch_size, shuffle: for arrays only.
            epochs, verbose, callbacks, initial_epoch, steps_per_epoch: as in Keras. A
                `zoo.callbacks.Resume` among the callbacks sets `initial_epoch`.
            validation_data, validation_steps, validation_freq: as in Keras; logged as `val_*`.

        The zoo's pipelines order epoch e of the *model* by (seed, e): `gan.epoch` counts all epochs
        it has ever been trained, is saved with it, and goes on over several calls of `fit`.

        Returns:
            The Keras `History`.

        Raises:
            TypeError, ValueError: data that breaks the contract, before the first step.
            NonFiniteLossError: a term became NaN or infinite; names the term and the step.
        """
        self._assert_compile_called("fit")
        replicas = self.distribute_strategy.num_replicas_in_sync
        dataset = self._adapt(x, y, batch_size, shuffle, "dataset", self.d_steps, replicas)
        if validation_data is not None:
            validation_data = self._adapt(
                validation_data, None, batch_size, False, "validation data"
            )
        self._declare_terms(dataset.element_spec)
        callbacks, resumed = self._arrange(callbacks, TrainingGuard(dataset))
        initial_epoch = initial_epoch if resumed is None else resumed
        with warnings.catch_warnings():
            # Keras says so at the end of every epoch of a dataset whose length it cannot know
            if steps_per_epoch is None:
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            return super().fit(
                dataset,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                shuffle=False,  # the pipeline is shuffled where it should be
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
            )

    def _arrange(self, callbacks: Any, guard: TrainingGuard) -> tuple[Any, int | None]:
        """The callbacks, the guard before any that saves; those with `restore(model)` (Resume)
        load their state. Also returns the epoch that they found."""
        if isinstance(callbacks, keras.callbacks.CallbackList):
            every = callbacks.callbacks
            every[:] = [c for c in every if not isinstance(c, TrainingGuard)]  # of an earlier fit
            guard.set_model(self)
        else:
            single = callbacks is not None and not isinstance(callbacks, (list, tuple))
            callbacks = every = [callbacks] if single else list(callbacks or ())
        resumed = None
        for callback in every:
            if hasattr(callback, "restore"):
                found = callback.restore(self)
                resumed = found if found is not None else resumed
        every.insert(0, guard)
        return callbacks, resumed

    def _adapt(
        self,
        x: Any,
        y: Any,
        batch_size: int | None,
        shuffle: bool,
        what: str,
        d_steps: int = 1,
        replicas: int = 1,
    ) -> Any:
        return pipeline.adapt(
            x,
            y,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=self.seed,
            image_shape=self.image_shape,
            num_classes=self.num_classes,
            d_steps=d_steps,
            replicas=replicas,
            what=what,
            optional_classes=self.optional_classes,
        )

    def train_on_batch(self, x: Any, y: Any = None, **kwargs: Any) -> Any:
        """One training step on one batch of `d_steps` x batch images. As in Keras."""
        element = x if y is None else (x, y)
        spec = tf.nest.map_structure(
            lambda t: tf.TensorSpec([None, *np.shape(t)[1:]], tf.as_dtype(np.asarray(t).dtype)),
            element,
        )
        wanted = (self.image_shape, self.num_classes, "batch", self.optional_classes)
        checks.check_spec(spec, *wanted)
        checks.check_batch(element, *wanted)
        number = len(np.asarray(checks.split_element(element)[0]))
        if number % self.d_steps:
            raise ValueError(
                f"A step of this model takes d_steps={self.d_steps} minibatches of equal size, one "
                f"behind the other. Received: a batch of {number} images"
            )
        self._declare_terms(spec)
        return super().train_on_batch(x, y, **kwargs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Losses, mean scores and the compiled metrics on held-out images. As in Keras.

        The same model, seed and data give the same numbers.

        Returns:
            A dict with `return_dict=True`, else the values in that order.
        """
        if not kwargs.get("_use_cached_eval_dataset"):
            self._assert_compile_called("evaluate")
            x, y = self._adapt(x, y, batch_size, False, "dataset"), None
        self._test_step.assign(0)
        logs = super().evaluate(
            x,
            y,
            verbose=verbose,
            steps=steps,
            callbacks=callbacks,
            return_dict=True,
            **kwargs,
        )
        logs |= self._test_terms.result()  # the trainer's are the mean of the replicas' means
        logs = {n: float(np.reshape(v, ())) for n, v in logs.items()}
        for metric in self._image_metrics:
            value = metric.result()
            own = metric.name != getattr(metric, "default_name", metric.name)
            prefix = f"{metric.name}_" if own else ""
            several = isinstance(value, Mapping)
            parts = {prefix + n: v for n, v in value.items()} if several else {metric.name: value}
            logs.update({n: float(v) for n, v in parts.items()})
        return logs if return_dict else list(logs.values())

    # ------------------------------------------------------------------ saving

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "loss": serialize(self.loss_object),
            "penalties": [serialize(p) for p in (*self.penalties, *self.constraints)],
            "d_steps": self.d_steps,
            "update": self.update,
            "ema": _serialized(self.ema),
            "g_optimizer": self._paper_optimizers[0],
            "d_optimizer": self._paper_optimizers[1],
            "instance_noise": _serialized(self.instance_noise),
            "replay": _serialized(self.replay),
            "num_classes": self.num_classes,
            "seed": self.seed,
            "recipe": self.recipe,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GAN:
        config = dict(config)
        for key in ("generator", "discriminator", "ema", "instance_noise", "replay"):
            if isinstance(config.get(key), Mapping):
                config[key] = keras.saving.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
        return cls(**config)

    def _own_state(self) -> dict[str, Any]:
        """State that Keras does not save: counters, layers' seeds, losses' and penalties' state."""
        weights = {id(v) for v in self.weights}
        others = [layer for layer in self.layers if not isinstance(layer, keras.Model)]
        holders = [*self.networks(), *others]  # others: instance noise, and what a model adds
        seeds = [v for n in holders for v in n.variables if id(v) not in weights]
        objects = [self.loss_object, *self.penalties]
        kept = [v for o in objects for v in getattr(o, "variables", ())]
        counters = {"step": self.step, "epoch": self.epoch, "test_step": self._test_step}
        return {
            **counters,
            **{f"seed_{i}": v for i, v in enumerate(seeds)},
            **{f"objective_{i}": v for i, v in enumerate(kept)},
        }

    def save_own_variables(self, store: Any) -> None:
        for name, variable in self._own_state().items():
            store[name] = np.asarray(variable.value)

    def load_own_variables(self, store: Any) -> None:
        state = self._own_state()
        if set(store.keys()) != set(state):
            raise ValueError(
                f"The file holds the state {sorted(store.keys())} for {self.name!r}; this model "
                f"has {sorted(state)}: it was saved with other losses, penalties or layers."
            )
        for name, variable in state.items():
            variable.assign(store[name][()])


def _layer(kind: type, identifier: Any) -> Any:
    """None, the layer's first argument, or a layer -> layer or None."""
    return identifier if identifier is None or isinstance(identifier, kind) else kind(identifier)


def _serialized(value: Any) -> Any:
    return None if value is None else keras.saving.serialize_keras_object(value)


def _mean(values: Any) -> Any:
    """The mean; 0 of a replica's empty part of a small last batch."""
    values = ops.cast(values, "float32")
    return ops.sum(values) / ops.cast(ops.maximum(ops.size(values), 1), "float32")


def _shapes(tensors: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [tuple(t.shape) for t in tensors]


def _metric(identifier: Any, image_shape: tuple[int, ...]) -> Any:
    if isinstance(identifier, str):  # by name only: metrics stand above the trainer
        identifier = importlib.import_module("keras_gan_zoo.metrics").get(identifier)
    metric = keras.metrics.get(identifier)
    if hasattr(metric, "build"):
        metric.build(image_shape)
    return metric


def _output(network: keras.Model, name: str) -> Any:
    """A layer's output in the network; that of a nested model is not its own `output`."""
    layer = network.get_layer(name)
    if not isinstance(layer, keras.Model):
        return layer.output
    here = [node for nodes in network._nodes_by_depth.values() for node in nodes]
    tensors = next(node for node in layer._inbound_nodes if node in here).output_tensors
    return tensors[0] if len(tensors) == 1 else tensors

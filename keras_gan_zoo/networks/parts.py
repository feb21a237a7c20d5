"""Networks made of networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_gan_zoo import layers


def with_head(
    network: keras.Model,
    head: Callable[[Any], Any],
    *,
    inputs: Sequence[Any] = (),
    name: str | None = None,
) -> keras.Model:
    """The network with another end: `head` gets what its last layer took.

    Args:
        network: a functional model; its layers are shared with the result.
        head: tensor -> tensor.
        inputs: `keras.Input`s that the head takes besides: further inputs of the result.
        name: of the result; None keeps the network's.

    Example:

    ```python
    critic = dcgan.discriminator((32, 32, 3))
    encoder = with_head(critic, keras.layers.Dense(128, dtype="float32"), name="encoder")
    ```
    """
    outputs = head(network.layers[-1].input)
    every = [*network.inputs, *inputs]
    return keras.Model(every if len(every) > 1 else every[0], outputs, name=name or network.name)


def with_virtual_batch_norm(
    generator: keras.Model, size: int = 64, seed: int | None = None
) -> keras.Model:
    """The generator with virtual batch normalisation in place of BatchNormalization.

    A fixed reference batch of z goes through it with every minibatch, see
    `layers.VirtualBatchNormalization`. The weights start anew.

    Args:
        generator: z `(b, latent_dim)` -> images; a functional model.
        size: examples in the reference batch.
        seed: of the reference batch.

    Raises:
        ValueError: the generator has no BatchNormalization; size < 2.

    Source: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 3.5.
    """
    replaced = []

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer.__class__.from_config(layer.get_config())
        replaced.append(layer)
        return layers.VirtualBatchNormalization(
            size,
            layer.epsilon,
            layer.gamma_initializer,
            center=layer.center,
            scale=layer.scale,
            name=layer.name,
            dtype=layer.dtype_policy,
        )

    inner = keras.models.clone_model(generator, clone_function=clone)
    if not replaced:
        raise ValueError(f"The network {generator.name!r} has no BatchNormalization to replace.")
    z = keras.Input(generator.inputs[0].shape[1:], name="z")
    x = inner(layers.ReferenceBatch(size, seed)(z))
    # a layer with the outputs' dtype, whatever the policy
    images = layers.DropReference(size, dtype="float32")(x)
    return keras.Model(z, images, name=generator.name)

"""Disjoint supports: the Jensen-Shannon divergence is flat, and noise on the inputs mends it.

The data fills the interval [0, 1/4], the generator the same interval shifted by theta. As soon as
they do not overlap, JS is log 2 whatever theta is, while the Wasserstein distance is theta. A
discriminator that is trained to perfection then hands the generator no gradient at all. With
instance noise of std sigma, added to real and generated inputs alike, the supports overlap, JS
rises smoothly with theta, and the gradient stays.

Left: the distances, from the densities. Right: the gradient dL/dtheta of the saturating loss
log(1 - D) through a network that is being trained at theta = 1, with and without noise. The
dotted line is where it must arrive: the slope of -log 4 + 2 JS of the noisy densities.

Source: Arjovsky and Bottou, "Towards Principled Methods for Training GANs", ICLR 2017, theorems
2.1 and 2.4, figure 2, section 3; Sonderby et al., "Amortised MAP Inference for Image
Super-resolution", ICLR 2017 (instance noise).
"""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf
from _pictures import output_folder, slide

import keras_gan_zoo as zoo

X = np.linspace(-3, 5, 8001)
DX = X[1] - X[0]
WIDTH, SIGMA, THETA = 0.25, 0.5, 1.0
CHECKS = (0, 10, 20, 50, 100, 200, 400, 600)


def density(theta, sigma):
    """Return the uniform density on [theta, theta + 1/4], with noise if sigma > 0."""
    if sigma == 0.0:
        p = ((X >= theta - 1e-9) & (X < theta + WIDTH - 1e-9)).astype(float)
    else:
        edges = [
            [math.erf((x - e) / (sigma * math.sqrt(2))) for x in X] for e in (theta, theta + WIDTH)
        ]
        p = np.subtract(*edges)
    return p / (p.sum() * DX)


def js(theta, sigma):
    return zoo.theory.js(density(0.0, sigma), density(theta, sigma), dx=DX)


def wasserstein(theta):
    """Return the Wasserstein-1 distance: in one dimension the area between the two CDFs."""
    return float(np.abs(np.cumsum(density(0.0, 0.0) - density(theta, 0.0))).sum() * DX * DX)


def train(sigma):
    """Train a discriminator; return |dL_G/dtheta| of the saturating loss after CHECKS steps."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, activation="silu") for _ in range(2)]
    discriminator = keras.Sequential([keras.Input((1,)), *hidden, keras.layers.Dense(1)])
    loss = zoo.losses.Minimax()
    optimizer = keras.optimizers.Adam(5e-3)
    optimizer.build(discriminator.trainable_variables)

    def draw(n, theta):
        noise = sigma * tf.random.normal((n, 1))
        return theta + WIDTH * tf.random.uniform((n, 1)) + noise

    @tf.function
    def discriminator_steps(n):
        for _ in tf.range(n):
            with tf.GradientTape() as tape:
                inputs = tf.concat([draw(512, 0.0), draw(512, THETA)], 0)
                logits = tf.split(discriminator(inputs), 2)
                objective = tf.reduce_mean(loss.discriminator_loss(*logits))
            weights = discriminator.trainable_variables
            optimizer.apply(tape.gradient(objective, weights), weights)

    @tf.function
    def generator_gradient():
        theta = tf.constant(THETA)
        with tf.GradientTape() as tape:
            tape.watch(theta)
            objective = tf.reduce_mean(loss.generator_loss(discriminator(draw(20_000, theta))))
        return tape.gradient(objective, theta)

    gradients = []
    for before, now in itertools.pairwise((0, *CHECKS)):
        discriminator_steps(tf.constant(now - before))
        gradients.append(abs(float(generator_gradient())))
    return gradients


def main(argv=None):
    folder = output_folder(argv, __doc__)
    thetas = np.linspace(0, 2, 41)
    flat, smooth = ([js(t, sigma) for t in thetas] for sigma in (0.0, SIGMA))
    moved = [wasserstein(t) for t in thetas]
    print("theta     JS    Wasserstein   JS with noise")
    for i in range(0, len(thetas), 10):
        print(f"{thetas[i]:5.2f} {flat[i]:8.4f} {moved[i]:10.4f} {smooth[i]:14.4f}")
    limit = 2 * (js(THETA + 0.01, SIGMA) - js(THETA - 0.01, SIGMA)) / 0.02
    print(f"slope of 2 JS at theta = {THETA:g}: 0 without noise, {limit:.4f} with noise")
    bare, noisy = train(0.0), train(SIGMA)
    print("D steps   |gradient| without noise   with noise")
    for step, without, with_noise in zip(CHECKS, bare, noisy, strict=True):
        print(f"{step:7d} {without:20.2e} {with_noise:16.4f}")

    title = "Supports that do not overlap: no gradient; noise on the inputs mends it"
    with slide(folder / "vanishing_gradients.png", title, columns=2, size=(14, 6)) as (_, panels):
        axes = panels[0]
        axes.plot(thetas, moved, color="tab:blue", label="Wasserstein")
        axes.plot(thetas, flat, color="tab:red", label="JS")
        axes.plot(thetas, smooth, color="tab:green", label=f"JS with noise, sigma = {SIGMA:g}")
        axes.axhline(math.log(2), color="0.5", ls=":", lw=1.5)
        axes.text(1.98, math.log(2) + 0.03, "log 2", ha="right", color="0.3")
        axes.set(title="distance of generator and data", xlabel="theta, shift of the generator")
        axes.set(xlim=(0, 2), ylim=(0, 2), ylabel="distance")
        axes.legend(loc="upper left")
        axes = panels[1]
        axes.plot(CHECKS, bare, "o-", color="tab:red", label="without noise")
        axes.plot(CHECKS, noisy, "o-", color="tab:green", label="with noise on the inputs")
        axes.axhline(limit, color="black", ls=":", lw=1.5, label="optimal D, with noise")
        axes.set(title="gradient that reaches the generator", yscale="log")
        axes.set(xlabel="steps of the discriminator", ylabel="|d log(1 - D) / d theta|")
        axes.legend(loc="center right")
    return {
        "theta": thetas.tolist(),
        "js": flat,
        "js_noise": smooth,
        "wasserstein": moved,
        "limit": limit,
        "gradient": bare,
        "gradient_noise": noisy,
    }


if __name__ == "__main__":
    main()

"""A trained discriminator against the optimal one, and the value of the game it reaches.

For a fixed generator the best discriminator is D* = p / (p + q), and the value is then
C(G) = -log 4 + 2 JS(p, q), which is -log 4 exactly where the generator's density q equals the
data's p. Here p has two modes and "the generator" is p shifted sideways. A small network that
knows only samples is trained by cross-entropy, first for a fixed shift; then the shift goes to 0
and the network follows.

Source: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, proposition 1, theorem 1.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from _pictures import output_folder, slide

import keras_gan_zoo as zoo

X = np.linspace(-9, 11, 2001)
SHIFTS = (2.0, 1.5, 1.0, 0.5, 0.25, 0.0)
BATCH = 1024


def data_density(x):
    return 0.6 * zoo.theory.gaussian(x, -1.5, 0.6) + 0.4 * zoo.theory.gaussian(x, 1.5, 0.9)


def draw(n):
    """Return samples `(n, 1)` of the data."""
    left = tf.random.uniform((n, 1)) < 0.6
    return tf.where(left, -1.5, 1.5) + tf.where(left, 0.6, 0.9) * tf.random.normal((n, 1))


def main(argv=None):
    folder = output_folder(argv, __doc__)
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, activation="silu") for _ in range(2)]
    discriminator = keras.Sequential([keras.Input((1,)), *hidden, keras.layers.Dense(1)])
    loss = zoo.losses.NonSaturating()
    optimizer = keras.optimizers.Adam()
    optimizer.build(discriminator.trainable_variables)

    @tf.function
    def train(shift, steps):
        for step in tf.range(steps):
            done = tf.cast(step, tf.float32) / tf.cast(steps, tf.float32)
            optimizer.learning_rate.assign(5e-3 * (1.0 - done) ** 2)
            real, fake = draw(BATCH), draw(BATCH) + shift
            with tf.GradientTape() as tape:
                logits = tf.split(discriminator(tf.concat([real, fake], 0)), 2)
                objective = tf.reduce_mean(loss.discriminator_loss(*logits))
            weights = discriminator.trainable_variables
            optimizer.apply(tape.gradient(objective, weights), weights)

    p = data_density(X)
    rows = []
    print("shift  trained value  -log 4 + 2 JS  mean |D - D*|  the same, weighted by (p+q)/2")
    for i, shift in enumerate(SHIFTS):
        train(tf.constant(shift), tf.constant(1200 if i == 0 else 400))
        q = data_density(X - shift)
        best = zoo.theory.optimal_discriminator(p, q)
        logits = discriminator(X[:, None].astype("float32"))[:, 0]
        found = tf.sigmoid(tf.cast(logits, tf.float64)).numpy()  # in float32 D can be exactly 1
        mixture = 0.5 * (p + q)
        support = mixture > 0.01 * mixture.max()
        row = {
            "shift": shift,
            "value": zoo.theory.value(p, q, found, x=X),
            "optimum": zoo.theory.virtual_criterion(p, q, x=X),
            "distance": float(np.mean(np.abs(found - best)[support])),
            "weighted": float(np.trapezoid(mixture * np.abs(found - best), X)),
        }
        rows.append(row)
        print(
            "{shift:5.2f} {value:14.4f} {optimum:14.4f} {distance:14.4f} {weighted:14.4f}".format(
                **row
            )
        )
        if i == 0:
            shown = q, best, np.where(support, found, np.nan)
    print(f"-log 4 = {-math.log(4):.4f}")

    q, best, found = shown
    title = "A trained discriminator finds p / (p + q)"
    with slide(folder / "optimal_discriminator.png", title, columns=2, size=(14, 6)) as (_, panels):
        axes = panels[0]
        axes.fill_between(X, p, color="tab:blue", alpha=0.25, label="p, the data")
        axes.fill_between(X, q, color="tab:orange", alpha=0.35, label="q, the generator")
        axes.plot(X, best, color="black", label="D* = p / (p + q)")
        axes.plot(X, found, "--", color="tab:red", label="trained D")
        axes.set(title=f"shift {SHIFTS[0]:g}: mean distance {rows[0]['distance']:.3f}")
        axes.set(xlabel="x", xlim=(-4.5, 7), ylim=(0, 1.45), yticks=np.linspace(0, 1, 6))
        axes.legend(loc="upper center", ncols=2)
        axes = panels[1]
        dense = np.linspace(0, SHIFTS[0], 60)
        curve = [zoo.theory.virtual_criterion(p, data_density(X - s), x=X) for s in dense]
        axes.plot(dense, curve, color="black", label="-log 4 + 2 JS(p, q)")
        values = [row["value"] for row in rows]
        axes.plot(SHIFTS, values, "o", ms=10, color="tab:red", label="value with trained D")
        axes.axhline(-math.log(4), color="0.5", ls=":", label="-log 4")
        axes.set(title="the generator approaches the data", xlabel="shift of q (p = q at 0)")
        axes.set(ylabel="value of the game", ylim=(-1.45, None))
        axes.legend(loc="lower right")
    return {"rows": rows}


if __name__ == "__main__":
    main()

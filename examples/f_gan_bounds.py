"""Nine f-GAN critics, each trained on samples, against the divergence that they should find.

For every critic T

    D_f(P || Q)  >=  E_p[T] - E_q[f*(T)],     with equality at T = f'(p/q),

so a critic trained to raise the right side estimates the divergence from below. P = N(0, 1) and
Q = N(1, 1), where all nine are known. Each critic is a small network on x; all see the same
samples. Two things make the bounds tight to 5 % in seconds: samples are stratified (one from each
of 2048 slices of equal probability, which takes most of the noise out of heavy-tailed terms such as
Neyman's E_p[1/u^2]), and the learning rate falls to 0. The bound itself is then integrated on a
grid, not estimated from samples: a sampled bound of a critic with heavy tails can exceed the truth.

Source: Nowozin, Cseke and Tomioka, "f-GAN", NeurIPS 2016, section 2.
"""

import keras
import numpy as np
import tensorflow as tf
from _pictures import output_folder, slide

import keras_gan_zoo as zoo

X = np.linspace(-9, 10, 3801)
P, Q = zoo.theory.gaussian(X, 0, 1), zoo.theory.gaussian(X, 1, 1)
BATCH, STEPS = 2048, 1000


def stratified_normal(n):
    """Return `(n, 1)` standard normal samples, one in each of n slices of equal probability."""
    uniform = (tf.range(n, dtype=tf.float32)[:, None] + tf.random.uniform((n, 1))) / n
    return tf.math.ndtri(tf.clip_by_value(uniform, 1e-7, 1.0 - 1e-7))


def train_critic(loss):
    """Return a critic's network, x `(n, 1)` -> logits `(n, 1)`, trained by `loss`."""
    critic = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(32, activation="softplus"),
            keras.layers.Dense(1, kernel_initializer="zeros"),
        ]
    )
    optimizer = keras.optimizers.Adam()
    optimizer.build(critic.trainable_variables)

    @tf.function
    def train():
        for step in tf.range(STEPS):
            left = 1.0 - tf.cast(step, tf.float32) / STEPS
            optimizer.learning_rate.assign(1e-2 * left * left)
            real, fake = stratified_normal(BATCH), 1.0 + stratified_normal(BATCH)
            with tf.GradientTape() as tape:
                logits = tf.split(critic(tf.concat([real, fake], 0)), 2)
                objective = tf.reduce_mean(loss.discriminator_loss(*logits))
            weights = critic.trainable_variables
            optimizer.apply(tape.gradient(objective, weights), weights)

    train()
    return critic


def density_ratio(loss, logits):
    """Return the critic's estimate of p/q: the slope of f* at T, which undoes T = f'(p/q)."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        T, conjugate = -loss.real_term(logits), loss.fake_term(logits)
    return (tape.gradient(conjugate, logits) / tape.gradient(T, logits)).numpy()


def main(argv=None):
    folder = output_folder(argv, __doc__)
    keras.utils.set_random_seed(0)
    numbers, ratios = {}, {}
    middle = np.abs(X - 0.5) <= 2.5
    print(f"{'divergence':18s}    truth    bound   error   mean |log ratio - (1/2 - x)|")
    for name in zoo.losses.divergences.names():
        loss = zoo.losses.FDivergence(name)
        logits = train_critic(loss)(X[:, None].astype("float32"))[:, 0]
        bound = zoo.theory.variational_bound(P, Q, loss.critic(logits).numpy(), name, x=X)
        truth = zoo.theory.f_divergence(P, Q, name, x=X)
        error = (bound - truth) / abs(truth)
        row = {"truth": truth, "bound": bound, "error": error}
        print(f"{name:18s} {truth:8.4f} {bound:8.4f} {error:7.2%}", end="")
        if name != "total_variation":  # its critic is the sign of p - q: it knows no ratio
            ratio = np.maximum(density_ratio(loss, logits)[middle], 0.01)  # Pearson's may be < 0
            ratios[name] = np.log(ratio)
            row["off"] = float(np.mean(np.abs(ratios[name] - (0.5 - X[middle]))))
            print(f"   {row['off']:8.3f}", end="")
        print()
        numbers[name] = row

    title = "f-GAN critics trained on samples of N(0, 1) and N(1, 1)"
    with slide(folder / "f_gan_bounds.png", title, columns=2, size=(14, 6.5)) as (_, panels):
        axes, labels = panels[0], [name.replace("_", " ") for name in numbers]
        height = np.arange(len(numbers))[::-1]
        for key, style in (
            ("truth", {"marker": "o", "ms": 15, "mfc": "none", "mec": "black", "mew": 2}),
            ("bound", {"marker": "o", "ms": 7, "color": "tab:red"}),
        ):
            label = {"truth": "the divergence", "bound": "bound of the trained critic"}[key]
            values = [row[key] for row in numbers.values()]
            axes.plot(values, height, ls="none", label=label, **style)
        for y, row in zip(height, numbers.values(), strict=True):
            axes.text(2.75, y, f"{row['error']:.2%}", ha="right", va="center")
        axes.axvline(0, color="0.6", lw=1)
        axes.set(yticks=height, yticklabels=labels, xlim=(-1.5, 2.8), ylim=(-0.6, 9.4))
        axes.set(title="value, and error of the bound", xlabel="value of the divergence")
        axes.legend(loc="upper center", ncols=2, columnspacing=1.0)
        axes = panels[1]
        axes.plot(X[middle], 0.5 - X[middle], color="black", lw=7, alpha=0.25, label="truth")
        for name, log_ratio in ratios.items():
            axes.plot(X[middle], log_ratio, lw=1.6, label=name.replace("_", " "))
        axes.set(title="the density ratio that each critic knows", xlabel="x", ylabel="log p/q")
        axes.legend(loc="upper right")
    return numbers


if __name__ == "__main__":
    main()

"""Three losses for the generator against the same discriminator, and their gradients.

With v the discriminator's logit of a generated sample and D = sigmoid(v):

    saturating           log(1 - D)      gradient -D          flat for an obvious fake
    non-saturating       -log D          gradient -(1 - D)    steepest for it
    maximum likelihood   -exp(v)         gradient -exp(v)     almost all from the few best samples

All three have the same fixed points; what differs is which samples teach the generator. The
third minimises KL(data || generator) if D is optimal, for then exp(v) = p/q.

Source: Goodfellow, "NIPS 2016 Tutorial: Generative Adversarial Networks", section 3.2, figure 16
(which has the first with a factor 1/2).
"""

import numpy as np
import tensorflow as tf
from _pictures import output_folder, slide

import keras_gan_zoo as zoo

LOSSES = {
    "saturating": zoo.losses.Minimax().generator_loss,
    "non-saturating": zoo.losses.NonSaturating().generator_loss,
    "maximum likelihood": lambda logits: -tf.exp(logits),
}
COLOURS = dict(zip(LOSSES, ("tab:red", "tab:blue", "tab:green"), strict=True))


def loss_and_gradient(loss, logits):
    """Return the loss of each logit and its derivative, two arrays `(n,)`."""
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(logits)
    return values.numpy(), tape.gradient(values, logits).numpy()


def main(argv=None):
    folder = output_folder(argv, __doc__)
    marks = [-5.0, 0.0, 5.0]
    print("gradient at    " + "".join(f"     v = {v:+.0f}" for v in marks))
    numbers = {}
    for name, loss in LOSSES.items():
        values, gradients = loss_and_gradient(loss, marks)
        print(f"{name:18s}" + "".join(f"{g:11.4f}" for g in gradients))
        numbers[name] = {"loss": values.tolist(), "gradient": gradients.tolist()}

    v = np.linspace(-7, 7, 701)
    d = 1.0 / (1.0 + np.exp(-v))
    title = "What the generator minimises, and how strongly it is pushed"
    with slide(folder / "generator_losses.png", title, columns=2, size=(13, 5.8)) as (_, panels):
        for name, loss in LOSSES.items():
            values, gradients = loss_and_gradient(loss, v)
            panels[0].plot(d, values, color=COLOURS[name], label=name)
            panels[1].plot(v, np.abs(gradients), color=COLOURS[name], label=name)
        panels[0].set(
            title="loss", xlabel="D(G(z))", xlim=(0, 1), ylim=(-8, 6), ylabel="loss of one sample"
        )
        panels[1].set(
            title="size of the gradient",
            xlabel="logit v of D(G(z))",
            xlim=(-7, 7),
            ylim=(0, 2),
            ylabel="|d loss / d v|",
        )
        panels[1].annotate(
            "saturates:\nnothing to learn from\nan obvious fake",
            (-4.5, 0.02),
            (-6.7, 0.3),
            color=COLOURS["saturating"],
            arrowprops={"arrowstyle": "->", "color": "tab:red"},
        )
        panels[1].text(-6.7, 1.05, "obvious fakes push most", color=COLOURS["non-saturating"])
        panels[1].text(
            1.0,
            1.55,
            "a few good samples\nare all that counts",
            color=COLOURS["maximum likelihood"],
        )
        panels[0].legend(loc="lower left")
    return numbers


if __name__ == "__main__":
    main()

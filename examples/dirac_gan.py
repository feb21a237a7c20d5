"""The Dirac-GAN: the smallest GAN there is, and which training methods make it converge.

The data is the point 0, the generator makes the point theta, the discriminator is D(x) = psi x; the
only equilibrium is theta = psi = 0. Gradient descent circles around it: there the Jacobian of the
players' gradients has the eigenvalues +-i/2. R1 with weight gamma moves them to
-gamma/2 +- sqrt(gamma^2/4 - 1/4), into the left half-plane: training spirals in. Instance noise
does so too. Clipping and WGAN-GP keep the circle small. The non-saturating loss has the same
eigenvalues +-i/2; it creeps in by an effect of second order, like 1 / sqrt(time).

Source: Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?",
ICML 2018, sections 2 and 3.
"""

import cmath

import numpy as np
import tensorflow as tf
from _pictures import output_folder, slide

import keras_gan_zoo as zoo

RATE, STEPS, START = 0.1, 500, (1.0, 1.0)
GAMMAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
# 64 points of equal probability of N(0, 1): noise without chance
NORMAL = tf.math.ndtri((tf.range(64, dtype=tf.float32)[:, None] + 0.5) / 64)


class DiracGAN:
    def __init__(self, loss, penalty=None, clip=None, noise=0.0):
        self.loss, self.penalty = zoo.losses.get(loss), penalty
        self.constraint = zoo.penalties.WeightClipping(clip) if clip else None
        self.real = noise * NORMAL if noise else tf.zeros((1, 1))
        self.theta, self.psi = tf.Variable(START[0]), tf.Variable(START[1])

    def directions(self):
        """Return -dL_G/dtheta and -dL_D/dpsi where the players are now."""
        with tf.GradientTape(persistent=True) as tape:
            real, fake = self.real, self.real + self.theta
            real_logits, fake_logits = self.psi * real, self.psi * fake
            g_loss = tf.reduce_mean(self.loss.generator_loss(fake_logits))
            d_loss = tf.reduce_mean(self.loss.discriminator_loss(real_logits, fake_logits))
            if self.penalty is not None:
                d_loss += self.penalty.weight * self.penalty(lambda x: self.psi * x, real, fake)
        return -tape.gradient(g_loss, self.theta), -tape.gradient(d_loss, self.psi)

    @tf.function
    def train(self, alternating):
        """Return (theta, psi) along gradient descent from START, `(STEPS + 1, 2)`."""
        self.theta.assign(START[0])
        self.psi.assign(START[1])
        path = tf.TensorArray(tf.float32, STEPS + 1).write(0, START)
        for step in tf.range(STEPS):
            theta_direction, psi_direction = self.directions()
            self.psi.assign_add(RATE * psi_direction)
            if self.constraint:
                self.constraint.apply([self.psi])
            if alternating:  # the generator meets the updated discriminator
                theta_direction, _ = self.directions()
            self.theta.assign_add(RATE * theta_direction)
            path = path.write(step + 1, tf.stack([self.theta, self.psi]))
        return path.stack()

    def eigenvalues(self):
        """Return the eigenvalues of the Jacobian of `directions` at the equilibrium."""
        self.theta.assign(0.0)
        self.psi.assign(0.0)
        with tf.GradientTape(persistent=True) as tape:
            directions = self.directions()
        players = [self.theta, self.psi]
        zero = tf.UnconnectedGradients.ZERO
        rows = [tape.gradient(d, players, unconnected_gradients=zero) for d in directions]
        return sorted(np.linalg.eigvals(np.array(rows, float)), key=lambda z: (z.real, z.imag))


def main(argv=None):
    folder = output_folder(argv, __doc__)
    R1, GradientPenalty = zoo.penalties.R1, zoo.penalties.GradientPenalty
    games = {
        "minimax, no penalty": DiracGAN("minimax"),
        "non-saturating, no penalty": DiracGAN("non_saturating"),
        "WGAN, clipping at 1": DiracGAN("wasserstein", clip=1.0),
        "WGAN-GP, target 0.3": DiracGAN("wasserstein", GradientPenalty(1.0, target=0.3)),
        "instance noise, std 0.7": DiracGAN("minimax", noise=0.7),
        "R1, gamma = 0.3": DiracGAN("minimax", R1(0.3)),
        "R1, gamma = 1": DiracGAN("minimax", R1(1.0)),
    }
    print(f"distance from the equilibrium after {STEPS} steps, start {np.hypot(*START):.3f}")
    print(f"{'':28s}simultaneous  alternating")
    paths, numbers = {}, {"distance": {}, "eigenvalues": {}}
    for name, game in games.items():
        paths[name] = [game.train(tf.constant(a)).numpy() for a in (False, True)]
        ends = [float(np.hypot(*path[-1])) for path in paths[name]]
        print(f"{name:28s}{ends[0]:12.2e} {ends[1]:12.2e}")
        numbers["distance"][name] = ends

    print("gamma   eigenvalues at the equilibrium   -gamma/2 +- sqrt(gamma^2/4 - 1/4)")
    for gamma in GAMMAS:
        found = DiracGAN("minimax", R1(gamma)).eigenvalues()
        root = cmath.sqrt(gamma**2 / 4 - 0.25)
        print(
            f"{gamma:5.2f}  ",
            *(f"{z:15.4f}" for z in (*found, -gamma / 2 - root, -gamma / 2 + root)),
        )
        numbers["eigenvalues"][gamma] = found

    title = "Dirac-GAN: which methods reach the equilibrium? (green: they do)"
    with slide(folder / "dirac_gan.png", title, rows=2, columns=4, size=(16, 8.5)) as (
        figure,
        panels,
    ):
        for axes, (name, pair) in zip(panels.flat, paths.items(), strict=False):
            for path, colour, label in zip(
                pair, ("tab:red", "tab:blue"), ("simultaneous", "alternating"), strict=True
            ):
                axes.plot(*path.T, color=colour, lw=1.3, label=label)
                axes.plot(*path[-1], "o", color=colour, ms=9)
            axes.plot(*START, "o", color="black", ms=5)
            axes.plot(0, 0, "+", color="black", ms=16, mew=2)
            converged = max(numbers["distance"][name]) < 0.05
            axes.set_title(name, color="tab:green" if converged else "black")
            axes.set(xlabel="theta", ylabel="psi", xlim=(-2.3, 2.3), ylim=(-2.3, 2.3))
            axes.set_aspect("equal")
        axes = panels[1, 3]
        gammas = np.linspace(0, 1.25, 251) + 0j
        for sign in (-1, 1):
            curve = -gammas / 2 + sign * np.sqrt(gammas**2 / 4 - 0.25)
            axes.plot(curve.real, curve.imag, color="0.7")
        for gamma, found in numbers["eigenvalues"].items():
            axes.plot(np.real(found), np.imag(found), "o", ms=8, label=f"gamma {gamma:g}")
        axes.axvline(0, color="black", lw=1)
        axes.set(title="R1: eigenvalues", xlabel="real part", ylabel="imaginary part")
        axes.set(xlim=(-1.1, 0.9), ylim=(-0.7, 0.7))
        axes.legend(loc="center right", fontsize=10, handlelength=0.8)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=14)
    return numbers


if __name__ == "__main__":
    main()

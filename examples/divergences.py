"""Which Gaussian is nearest to a density with two modes? It depends on the divergence.

Forward KL(p || q) is infinite where q misses mass of p, so the fit covers both modes; it is what
maximum likelihood does. Reverse KL(q || p) is dear where q puts mass that p has not, so the fit
seeks one mode and ignores the other. The Jensen-Shannon divergence, symmetric and never above
log 2, can afford either: it covers modes that are near and drops one that is far.

Source: Goodfellow, "NIPS 2016 Tutorial: Generative Adversarial Networks", figure 14.
"""

import numpy as np
from _pictures import output_folder, slide

import keras_gan_zoo as zoo

WEIGHTS, STDS = (0.6, 0.4), (0.6, 0.9)
X = np.linspace(-10, 10, 401)
NAMES = {
    "kl": ("KL(p || q) covers", "tab:blue", "-"),
    "js": ("JS(p, q) covers near modes only", "tab:green", "--"),
    "reverse_kl": ("KL(q || p) seeks a mode", "tab:red", "-"),
}


def data_density(half_distance):
    """Return the density with modes at -half_distance and +half_distance on the grid."""
    left, right = (
        zoo.theory.gaussian(X, mean, std)
        for mean, std in zip((-half_distance, half_distance), STDS, strict=True)
    )
    return WEIGHTS[0] * left + WEIGHTS[1] * right


def main(argv=None):
    folder = output_folder(argv, __doc__)
    p = data_density(2.0)
    fits = {name: zoo.theory.fit_gaussian(p, name, x=X) for name in NAMES}

    rng = np.random.default_rng(0)
    which = rng.choice(2, size=100_000, p=WEIGHTS)
    samples = rng.normal(np.take((-2.0, 2.0), which), np.take(STDS, which))
    likelihood = zoo.theory.maximum_likelihood_gaussian(samples)

    print("fit            mean    std  KL(p||q)  JS(p,q)  KL(q||p)")
    numbers = {}
    for name, (mean, std, value, _) in fits.items():
        q = zoo.theory.gaussian(X, mean, std)
        kl, js, reverse = (getattr(zoo.theory, d)(p, q, x=X) for d in NAMES)
        print(f"{name:12s} {mean:6.3f} {std:6.3f} {kl:9.3f} {js:8.3f} {reverse:9.3f}")
        numbers[name] = {"mean": mean, "std": std, "value": value}
        numbers[name] |= {"kl": kl, "js": js, "reverse_kl": reverse}
    print(f"{'likelihood':12s} {likelihood.mean:6.3f} {likelihood.std:6.3f}  (100,000 samples)")
    numbers["likelihood"] = {"mean": likelihood.mean, "std": likelihood.std}

    distances = np.linspace(0.5, 3.5, 7)
    apart = [data_density(d) for d in distances]
    stds = {n: [zoo.theory.fit_gaussian(p, n, x=X).std for p in apart] for n in NAMES}
    numbers["half_distances"], numbers["stds"] = distances.tolist(), stds

    title = "The Gaussian q nearest to p: which one depends on the divergence"
    with slide(folder / "divergences.png", title, rows=2, columns=2, size=(13, 8)) as (_, panels):
        for axes, (name, fit) in zip(panels.flat[:3], fits.items(), strict=True):
            label, colour, _ = NAMES[name]
            axes.fill_between(X, p, color="0.8", label="p, the data")
            axes.plot(X, fit.density(X), color=colour, label="q, the fit")
            axes.set(title=label, xlabel="x", ylabel="density", xlim=(-7, 7), ylim=(0, 0.7))
            axes.text(2.4, 0.36, f"mean {fit.mean:.2f}\nstd {fit.std:.2f}")
            axes.legend(loc="upper right")
        axes = panels[1, 1]
        for name, (label, colour, line) in NAMES.items():
            axes.plot(distances, stds[name], line, marker="o", color=colour, label=label)
        axes.set(title="the modes move apart", ylim=(0, 4))
        axes.set(xlabel="distance of each mode from 0", ylabel="std of the fit")
        axes.legend(loc="upper left")
    return numbers


if __name__ == "__main__":
    main()

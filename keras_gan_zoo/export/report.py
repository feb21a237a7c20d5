"""The table that `keras-gan-zoo export --check` ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keras_gan_zoo.export import check
from keras_gan_zoo.training import latents


def report(gan: Any, folder: Path, batch: int = 64, seconds: float = 1.0) -> str:
    """A table of an export: size, difference from Keras, images a second in its own runtime.

    Args:
        gan: what was exported.
        folder: the version's folder.
        batch: images of one timed call.
        seconds: how long each format is timed.
    """
    manifest = json.loads((folder / "zoo_manifest.json").read_text(encoding="utf-8"))
    size = manifest["batch_size"]
    batch = -(-batch // (size or 1)) * (size or 1)
    z = latents.latents(batch, gan.latent_dim, 0).numpy()
    labels = None
    if gan.num_classes is not None:
        labels = latents.labels(batch, gan.num_classes, 0).numpy()
    lines = [
        f"{'format':<16}{'MiB':>8}{'max diff':>11}{'mean diff':>11}{'images/s':>11}{'batch':>7}"
    ]
    for row in manifest["checks"]:
        name = row["format"]
        run = check.open_export(folder, name, manifest["precision"])
        block = check.block_size(name, size)
        speed = check.images_per_second(run, z, labels, block, seconds)
        lines.append(
            f"{name:<16}{row['bytes'] / 2**20:>8.2f}{row['max_abs']:>11.1e}"
            f"{row['mean_abs']:>11.1e}{speed:>11,.0f}{block or batch:>7}"
        )
    return "\n".join(lines)

"""Interpolation between latent vectors."""

from __future__ import annotations

from typing import Any

import numpy as np


def lerp(a: Any, b: Any, t: Any) -> np.ndarray:
    """Straight line `(1 - t) a + t b`; a, b `(..., d)`, t scalar or `(n,)` -> `(n, ..., d)`."""
    a, b, t = np.asarray(a, np.float32), np.asarray(b, np.float32), np.asarray(t, np.float32)
    t = t.reshape(t.shape + (1,) * a.ndim)
    return (1.0 - t) * a + t * b


def slerp(a: Any, b: Any, t: Any) -> np.ndarray:
    """Along the great circle between a and b, the lengths interpolated linearly.

    Midpoints of straight lines are shorter than vectors drawn from N(0, I) ever are; on the circle
    they keep the typical length. Parallel vectors are interpolated on the straight line.

    Args:
        a, b: `(..., d)`.
        t: scalar or `(n,)` in [0, 1].

    Returns:
        float32 `(n, ..., d)`; exactly a at t = 0 and b at t = 1.

    Source: White, "Sampling Generative Networks", 2016, section 2.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    t = np.asarray(t, np.float64)
    t = t.reshape(t.shape + (1,) * a.ndim)
    length_a = np.linalg.norm(a, axis=-1, keepdims=True)
    length_b = np.linalg.norm(b, axis=-1, keepdims=True)
    tiny = np.finfo(np.float64).tiny
    unit_a, unit_b = a / np.maximum(length_a, tiny), b / np.maximum(length_b, tiny)
    angle = np.arccos(np.clip((unit_a * unit_b).sum(-1, keepdims=True), -1.0, 1.0))
    sine = np.sin(angle)
    flat = sine < 1e-6
    safe = np.where(flat, 1.0, sine)
    weight_a = np.where(flat, 1.0 - t, np.sin((1.0 - t) * angle) / safe)
    weight_b = np.where(flat, t, np.sin(t * angle) / safe)
    direction = weight_a * unit_a + weight_b * unit_b
    return (direction * ((1.0 - t) * length_a + t * length_b)).astype(np.float32)


def interpolate(a: Any, b: Any, steps: int, method: str = "slerp") -> np.ndarray:
    """`steps` vectors from a to b, both ends included: `(steps, ..., d)`.

    Raises:
        ValueError: steps < 2 or a method other than "slerp", "lerp".
    """
    methods = {"slerp": slerp, "lerp": lerp}
    if steps < 2:
        raise ValueError(f"steps must be at least 2. Received: steps={steps}")
    if method not in methods:
        raise ValueError(f"method must be one of {sorted(methods)}. Received: method={method!r}")
    return methods[method](a, b, np.linspace(0.0, 1.0, steps))


def walk(gan: Any, rows: int = 8, steps: int = 10, seed: int = 0, method: str = "slerp") -> Any:
    """Images along `rows` walks between random latent vectors.

    Args:
        gan: a `GAN`.
        rows, steps: number of walks and of images in each.
        seed: chooses the ends; walk i ends where walk i + 1 starts.
        method: "slerp" or "lerp".

    Returns:
        float32 images `(rows * steps, h, w, c)` in [-1, 1], row by row.
    """
    ends = np.random.default_rng(seed).standard_normal((rows + 1, gan.latent_dim), np.float32)
    z = interpolate(ends[:-1], ends[1:], steps, method).swapaxes(0, 1)
    z = z.reshape(-1, gan.latent_dim)
    if gan.num_classes is None:
        return gan.predict(z, verbose=0)
    labels = np.repeat(np.arange(rows) % gan.num_classes, steps).astype(np.int32)
    return gan.predict([z, labels], verbose=0)

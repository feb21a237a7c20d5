"""Walks in latent space, and pictures."""

import numpy as np
import pytest

import keras_gan_zoo as zoo
from keras_gan_zoo import pictures


def test_interpolation_by_algebra():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    half = zoo.latent.slerp(a, b, 0.5)
    np.testing.assert_allclose(half, [np.sqrt(0.5)] * 2, rtol=1e-6)
    np.testing.assert_allclose(zoo.latent.lerp(a, b, 0.5), [0.5, 0.5])
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 64)).astype("f4")
    path = zoo.latent.interpolate(a, b, 7)
    assert path.shape == (7, 3, 64)
    np.testing.assert_allclose(path[0], a, rtol=1e-5)
    np.testing.assert_allclose(path[-1], b, rtol=1e-5)
    lengths = np.linalg.norm(path, axis=-1)
    straight = np.linspace(0, 1, 7)[:, None]
    expected = (1 - straight) * lengths[0] + straight * lengths[-1]
    np.testing.assert_allclose(lengths, expected, rtol=1e-5)
    np.testing.assert_allclose(zoo.latent.slerp(a, 2 * a, 0.5), 1.5 * a, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 2"):
        zoo.latent.interpolate(a, b, 1)
    with pytest.raises(ValueError, match="slerp"):
        zoo.latent.interpolate(a, b, 3, "cubic")


def test_walk_ends_where_the_next_begins():
    gan = zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, seed=0)
    images = zoo.latent.walk(gan, rows=3, steps=4, seed=1).reshape(3, 4, 16, 16, 1)
    np.testing.assert_allclose(images[0, -1], images[1, 0], atol=1e-5)


def test_grid_places_every_tile(tmp_path):
    tiles = np.stack([np.full((4, 4, 1), v, np.float32) for v in (-1, -0.5, 0, 0.5, 1)])
    picture = pictures.grid(tiles, columns=3, padding=1)
    assert picture.shape == (11, 16, 3)
    centres = [picture[3, 3], picture[3, 8], picture[3, 13], picture[8, 3], picture[8, 8]]
    assert [int(c[0]) for c in centres] == [0, 64, 128, 191, 255]
    assert (picture[:, 0] == 255).all()
    with pytest.raises(ValueError, match="n, h, w"):
        pictures.grid(tiles[..., 0])
    path = pictures.save_points(np.zeros((3, 2)), tmp_path / "a" / "points.png", np.ones((4, 2)))
    assert path.exists()
    with pytest.raises(ValueError, match=r"\(n, 2\) to be drawn. Received: \(3, 5\)"):
        pictures.save_points(np.zeros((3, 5)), path)

"""`image_folder`: sizes, modes, damage, classes."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_gan_zoo import datasets
from keras_gan_zoo.datasets import folder as folder_module


def save(path, colour=(10, 20, 30), size=(12, 9), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour).convert(mode)
    image.save(path, **options)
    return path


def pixels(dataset):
    """uint8 images of all batches."""
    batches = [batch[0] if isinstance(batch, tuple) else batch for batch in dataset]
    return np.round((np.concatenate(batches) + 1) * 127.5).astype(np.uint8)


def test_formats_sizes_and_sub_folders(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "deep" / "er" / "b.JPG", size=(40, 17), quality=95)
    save(tmp_path / "c.WebP", size=(5, 30), lossless=True)
    save(tmp_path / "d.jpeg", size=(300, 200), quality=95)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image either")
    dataset = datasets.image_folder(tmp_path, 8, batch_size=2)
    assert dataset.element_spec == tf.TensorSpec((2, 8, 8, 3), tf.float32)
    assert (dataset.num_examples, dataset.num_classes) == (4, None)
    assert (dataset.name, dataset.image_shape) == (tmp_path.name, (8, 8, 3))
    found = pixels(dataset)
    assert found.shape == (4, 8, 8, 3)
    expected = np.broadcast_to(np.array([10, 20, 30]), found.shape)
    np.testing.assert_allclose(found.astype(int), expected, atol=3)


def test_crop_takes_the_centre_and_stretching_keeps_everything(tmp_path):
    array = np.zeros((8, 24, 3), np.uint8)
    array[:, 8:16] = 200
    Image.fromarray(array).save(tmp_path / "a.png")
    cropped = pixels(datasets.image_folder(tmp_path, 8, batch_size=1))
    assert (cropped == 200).all()
    stretched = pixels(datasets.image_folder(tmp_path, 6, batch_size=1, crop=False))
    assert stretched[0, 3, 0, 0] < 20 and stretched[0, 3, 5, 0] < 20
    assert stretched[0, 3, 2:4, 0].min() > 180


def decode(path, channels=3, size=4):
    return folder_module.decode_image(path, size, channels)


def test_transparency_is_laid_over_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 128)).save(tmp_path / "half.png")
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "grey.png")
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([9, 9, 9] * 256)
    palette.save(tmp_path / "palette.png", transparency=0)
    assert (decode(tmp_path / "clear.png") == 255).all()
    np.testing.assert_allclose(decode(tmp_path / "half.png"), 127, atol=1)
    assert (decode(tmp_path / "grey.png") == 255).all()
    assert (decode(tmp_path / "palette.png") == 255).all()


def test_other_modes(tmp_path):
    deep = np.full((4, 4), 0x8080, np.uint16)
    Image.fromarray(deep).save(tmp_path / "sixteen.png")
    assert (decode(tmp_path / "sixteen.png", channels=1) == 128).all()
    save(tmp_path / "palette.png", mode="P")
    save(tmp_path / "bits.png", colour=(255, 255, 255), mode="1")
    assert (decode(tmp_path / "bits.png") == 255).all()
    assert decode(tmp_path / "palette.png").shape == (4, 4, 3)
    save(tmp_path / "print.jpg", colour=(200, 100, 50), mode="CMYK", quality=98)
    np.testing.assert_allclose(decode(tmp_path / "print.jpg")[0, 0], (200, 100, 50), atol=4)
    assert decode(tmp_path / "print.jpg", channels=1).shape == (4, 4, 1)


def test_camera_rotation_is_applied(tmp_path):
    array = np.zeros((8, 8, 3), np.uint8)
    array[:4] = 250  # bright above; orientation 3 turns it by 180 degrees
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(array).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = decode(tmp_path / "a.jpg", size=8)
    assert turned[0].max() < 30 and turned[-1].min() > 220


def test_broken_files_are_skipped_with_a_warning_that_names_them(tmp_path):
    save(tmp_path / "good.png", size=(32, 32))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    cut = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(cut[: len(cut) // 2])
    Image.fromarray(noise).save(tmp_path / "short.jpg")
    cut = (tmp_path / "short.jpg").read_bytes()
    (tmp_path / "short.jpg").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "text.jpeg").write_text("no picture")
    (tmp_path / "empty.webp").write_bytes(b"")
    with pytest.warns(UserWarning, match="Skipped an unreadable image") as caught:
        dataset = datasets.image_folder(tmp_path, 8, batch_size=1)
    messages = " ".join(str(warning.message) for warning in caught)
    for name in ("cut.png", "short.jpg", "text.jpeg", "empty.webp"):
        assert name in messages
    assert "good.png" not in messages and len(caught) == 4
    assert all(warning.filename == __file__ for warning in caught)
    assert dataset.num_examples == 1 and len(pixels(dataset)) == 1


def test_many_broken_files_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "_WARNINGS", 2)
    save(tmp_path / "z.png")
    for i in range(5):
        (tmp_path / f"{i}.png").write_text("x")
    with pytest.warns(UserWarning) as caught:
        datasets.image_folder(tmp_path, 8, batch_size=1)
    assert len(caught) == 3 and "3 more" in str(caught[-1].message)


def test_nothing_to_read(tmp_path):
    with pytest.raises(ValueError, match="holds no image.*webp"):
        datasets.image_folder(tmp_path, 8)
    with pytest.raises(FileNotFoundError, match="does not exist.*nowhere"):
        datasets.image_folder(tmp_path / "nowhere", 8)
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(NotADirectoryError, match="not a file"):
        datasets.image_folder(tmp_path / "a.png", 8)
    with pytest.warns(UserWarning, match="a.png"), pytest.raises(ValueError, match="None of the 1"):
        datasets.image_folder(tmp_path, 8)


def test_sub_folders_as_classes(tmp_path):
    for name, value in (("dogs", 200), ("cats", 100)):
        for i in range(3):
            save(tmp_path / name / f"{i}.png", colour=(value,) * 3)
    dataset = datasets.image_folder(tmp_path, 4, batch_size=2, labels=True)
    assert (dataset.num_classes, dataset.class_names) == (2, ("cats", "dogs"))
    for batch, labels in dataset:
        assert labels.dtype == tf.int32
        values = np.round((batch.numpy()[:, 0, 0, 0] + 1) * 127.5)
        assert values.tolist() == [(100, 200)[int(label)] for label in labels]
    save(tmp_path / "loose.png")
    with pytest.raises(ValueError, match="sub-folder is a class.*loose.png"):
        datasets.image_folder(tmp_path, 4, batch_size=2, labels=True)


def test_large_sets_are_decoded_on_the_fly(tmp_path, monkeypatch):
    for i in range(6):
        save(tmp_path / "one" / f"{i}.png", colour=(40 * i,) * 3)
    in_memory = datasets.image_folder(tmp_path, 4, batch_size=3, labels=True)
    monkeypatch.setattr(folder_module, "MEMORY_LIMIT", 0)
    (tmp_path / "one" / "bad.png").write_text("x")
    with pytest.warns(UserWarning, match="bad.png"):
        streamed = datasets.image_folder(tmp_path, 4, batch_size=3, labels=True)
    assert streamed.element_spec == in_memory.element_spec
    assert streamed.num_examples == 6
    for _ in range(2):
        np.testing.assert_array_equal(pixels(streamed), pixels(in_memory))
    assert datasets.set_epoch(streamed, 0)
    assert streamed.options().autotune.enabled is False


def test_epochs_of_a_folder(tmp_path):
    for i in range(8):
        save(tmp_path / f"{i}.png", colour=(i,) * 3)
    dataset = datasets.image_folder(tmp_path, 4, batch_size=4)
    first, second = pixels(dataset)[:, 0, 0, 0].tolist(), pixels(dataset)[:, 0, 0, 0].tolist()
    assert sorted(first) == sorted(second) == list(range(8)) and first != second
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = datasets.image_folder(tmp_path, 4, batch_size=3, shuffle=False)
    assert pixels(plain)[:, 0, 0, 0].tolist() == list(range(8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "image_size=0"),
        ({"image_size": None}, "image_size"),
        ({"image_size": (8, 8)}, "image_size"),
        ({"channels": 4}, "channels=4"),
        ({"channels": None}, "channels"),
        ({"batch_size": 2}, "at most 1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_folder_arguments_out_of_range(tmp_path, options, message):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        datasets.image_folder(tmp_path, **{"image_size": 4, "batch_size": 1, **options})

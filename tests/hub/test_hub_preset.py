"""Presets written, found, verified and loaded."""

import json
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hub_presets import RECORDS, manifest_dict, rewrite

import keras_gan_zoo as zoo
from keras_gan_zoo import hub
from keras_gan_zoo.hub import weights
from keras_gan_zoo.hub.manifest import Manifest, ManifestError
from keras_gan_zoo.hub.verify import VerificationError, sha256, verify_folder
from keras_gan_zoo.training.construct import dtype_policy


def rehash(folder):
    """A manifest that vouches for whatever is in the folder, as an attacker's would."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    for entry in files:
        path = folder / entry["path"]
        entry.update(bytes=path.stat().st_size, sha256=sha256(path))
    rewrite(folder, files=files)


# ------------------------------------------------------------------ round trip


def test_what_a_preset_holds(saved, trained):
    names = sorted(p.name for p in saved.iterdir())
    assert names == [
        "README.md",
        "discriminator.weights.h5",
        "generator.weights.h5",
        "golden.npz",
        "manifest.json",
        "preview.png",
    ]
    manifest = Manifest.read(saved)
    assert manifest.config == {"image_shape": [16, 16, 1], "latent_dim": 8, "width": 8}
    assert manifest.bytes == sum((saved / e["path"]).stat().st_size for e in manifest.files)
    assert manifest.bytes < 300_000
    assert not [p for p in saved.parent.iterdir() if p != saved]  # no temporary folder is left
    with np.load(saved / "golden.npz", allow_pickle=False) as golden:
        assert golden["images"].shape == (8, 16, 16, 1)
        np.testing.assert_allclose(golden["images"], trained.sample(8, seed=0), atol=5e-4)


def test_by_path_and_by_name(preset, trained):
    zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=8, seed=1)  # automatic names move on
    images = trained.sample(5, seed=3)
    by_path, by_name = zoo.from_pretrained(preset), zoo.from_pretrained("dcgan.test")
    for gan in (by_path, by_name):
        np.testing.assert_array_equal(gan.sample(5, seed=3), images)
        assert gan.ema_generator is None and gan.compiled
        assert gan.recipe["name"] == "dcgan" and gan.recipe["preset"] == "dcgan.test"
        assert gan.recipe["config"] == Manifest.read(preset).config
        for ours, theirs in zip(
            gan.discriminator.get_weights(), trained.discriminator.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert "dcgan.test" in zoo.list_models("dcgan*", pretrained=True)
    assert zoo.model_info("dcgan")["pretrained"]["dcgan.test"] == RECORDS["metrics"]


def test_a_loaded_preset_can_be_saved_again_and_trained(preset, tmp_path):
    gan = zoo.from_pretrained(preset)
    again = hub.save_preset(gan, tmp_path / "dcgan.again", "dcgan.again", **RECORDS)
    first, second = Manifest.read(preset), Manifest.read(again)
    assert second.config == first.config
    assert not (again / "discriminator.weights.h5").exists()
    np.testing.assert_array_equal(
        zoo.from_pretrained(again).sample(2, seed=0), gan.sample(2, seed=0)
    )
    images = gan.sample(8, seed=1)
    gan.fit(images, batch_size=4, verbose=0)
    assert np.abs(gan.sample(8, seed=1) - images).max() > 0


def test_mixed_precision_and_conditioning_options_are_kept_apart(tmp_path):
    gan = zoo.create(
        "dcgan", (16, 16, 1), width=8, latent_dim=8, seed=0, dtype="mixed_bfloat16", loss="hinge"
    )
    folder = hub.save_preset(gan, tmp_path / "dcgan.b", "dcgan.b", **RECORDS)
    loaded = zoo.from_pretrained(folder)
    assert loaded.recipe["config"]["loss"] == "hinge" and "dtype" not in loaded.recipe["config"]
    assert {w.dtype for w in loaded.generator.weights} == {"float32"}
    np.testing.assert_allclose(loaded.sample(4, seed=0), gan.sample(4, seed=0), atol=0.1)


def test_presets_are_float32_whatever_the_process_trains_in(preset, trained):
    images = trained.sample(3, seed=0)
    with dtype_policy("mixed_bfloat16"):
        gan = zoo.from_pretrained(preset)
        grey28 = zoo.metrics.features._named.__wrapped__("grey28").model
    for network in (gan.generator, gan.discriminator, grey28):
        assert {layer.compute_dtype for layer in network._flatten_layers()} == {"float32"}
    np.testing.assert_array_equal(gan.sample(3, seed=0), images)


def test_averaged_weights_are_kept_whatever_network_they_are_of(tmp_path):
    """A classifier's average is what its preset holds, and what a loaded one classifies with."""
    options = {"width": 64, "latent_dim": 8, "classes": 4, "seed": 0}
    options["classifier_ema"] = zoo.training.EMA(0.99, ramp=False)
    gan = zoo.create("ssgan_k1", (16, 16, 1), **options)
    for twin in gan.twins().values():
        twin.set_weights([w * 1.5 for w in twin.get_weights()])
    both = ("generator", "discriminator")
    folder = hub.save_preset(gan, tmp_path / "ssgan_k1.a", "ssgan_k1.a", networks=both, **RECORDS)
    loaded = zoo.from_pretrained(folder)
    assert loaded.classifier_ema.get_config() == {"decay": 0.99, "ramp": False}
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)
    expected = gan.classify(images)
    assert np.abs(expected - gan.classify(images, averaged=False)).max() > 1e-3
    np.testing.assert_allclose(loaded.classify(images), expected, atol=1e-6)
    np.testing.assert_allclose(loaded.classify(images, averaged=False), expected, atol=1e-6)


def test_golden_images(preset):
    assert hub.check_golden(preset) < 5e-4  # float16 rounding
    assert hub.check_golden("dcgan.test") < 5e-4
    with h5py.File(preset / "generator.weights.h5", "a") as file:
        arrays = []
        file.visititems(lambda _, item: arrays.append(item) if hasattr(item, "shape") else None)
        kernel = max(arrays, key=lambda a: a.size)
        kernel[...] = kernel[...] * 1.5
    rehash(preset)
    with pytest.raises(VerificationError, match="off the golden ones; at most 0.001 is allowed"):
        hub.check_golden(preset)


def test_golden_points_beyond_the_range_of_images(tmp_path):
    """Between 4 and 8 the numbers of float16 are 1/256 apart, four times `atol`."""
    gan = zoo.create("gan", (2,), latent_dim=4, width=8, seed=0)
    bias = gan.generator.weights[-1]
    bias.assign(bias + 5.0)
    folder = hub.save_preset(gan, tmp_path / "gan.points", "gan.points", **RECORDS)
    assert hub.check_golden(folder) < 1e-5


def test_golden_of_another_seed(preset):
    rewrite(preset, golden={"seed": 1, "atol": 1e-3})
    with pytest.raises(VerificationError, match="seed 1 gives other latent vectors"):
        hub.check_golden(preset)


@pytest.mark.parametrize("how", ["pickle", "bomb", "shape", "keys", "garbage"])
def test_golden_files_that_are_refused(preset, how):
    path = preset / "golden.npz"
    z, images = np.zeros((8, 8), np.float32), np.zeros((8, 16, 16, 1), np.float16)
    if how == "pickle":
        np.savez(path, z=z, images=np.array([{}], object))
    elif how == "shape":
        np.savez(path, z=z, images=images[..., :1, :])
    elif how == "keys":
        np.savez(path, z=z)
    elif how == "garbage":
        path.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("z.npy", b"\0" * (65 * 2**20))
    rehash(preset)
    with pytest.raises(VerificationError, match="not a golden file"):
        hub.check_golden(preset)


# ------------------------------------------------------------------ files that are not as listed


def test_truncated(preset):
    path = preset / "generator.weights.h5"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(VerificationError, match=r"expected [\d,]+ bytes, found .* cut short.*Rest"):
        zoo.from_pretrained("dcgan.test")


def test_one_byte_altered(preset):
    path = preset / "generator.weights.h5"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(VerificationError, match="expected sha256 .*, found .* altered. Restore"):
        zoo.from_pretrained("dcgan.test")


def test_missing(preset):
    (preset / "discriminator.weights.h5").unlink()
    with pytest.raises(VerificationError, match="discriminator.weights.h5: the file is missing"):
        zoo.from_pretrained(preset)


def test_an_extra_file(preset):
    (preset / ".gitattributes").write_text("hidden files are not read")
    zoo.from_pretrained(preset)
    (preset / "encoder.weights.h5").write_bytes(b"")
    with pytest.raises(VerificationError, match="not listed in manifest.json"):
        zoo.from_pretrained(preset)


def test_links_out_of_the_folder(preset, tmp_path):
    path = preset / "generator.weights.h5"
    path.rename(tmp_path / "elsewhere.h5")
    path.symlink_to(tmp_path / "elsewhere.h5")
    with pytest.raises(VerificationError, match="is a link to .* outside of"):
        zoo.from_pretrained(preset)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(VerificationError, match="missing or unreadable"):
        zoo.from_pretrained(preset)
    path.unlink()
    path.mkdir()
    with pytest.raises(VerificationError, match="not a regular file"):
        zoo.from_pretrained(preset)


def test_a_linked_folder(preset, tmp_path):
    manifest = Manifest.from_dict(
        manifest_dict(files=[{"path": "sub/a", "bytes": 0, "sha256": "0" * 64}])
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").touch()
    (preset / "sub").symlink_to(outside)
    with pytest.raises(VerificationError, match="outside of"):
        verify_folder(preset, manifest)


def test_links_within_the_hub_cache(preset, tmp_path):
    root = tmp_path / "models--user--repo"
    snapshot = root / "snapshots" / ("1" * 40)
    snapshot.parent.mkdir(parents=True)
    shutil.move(preset, snapshot)
    blobs = root / "blobs"
    blobs.mkdir()
    for path in list(snapshot.iterdir()):
        path.rename(blobs / path.name)
        path.symlink_to(blobs / path.name)
    assert zoo.from_pretrained(snapshot).recipe["preset"] == "dcgan.test"
    (snapshot / "golden.npz").unlink()
    (snapshot / "golden.npz").symlink_to("/etc/hostname")
    with pytest.raises(VerificationError, match="outside of"):
        zoo.from_pretrained(snapshot)


# ------------------------------------------------------------------ manifests that ask for more


def test_an_unregistered_builder(preset):
    rewrite(preset, builder="dcgann", name="dcgann.test")
    with pytest.raises(ManifestError, match='not registered.*"dcgan"'):
        zoo.from_pretrained(preset)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"widht": 8}, "takes no argument 'widht'. Did you mean \"width\""),
        ({"generator": "x"}, "takes no argument 'generator'"),
        ({"num_classes": 3}, "unconditional"),
        ({"loss": "hinje"}, "Unknown loss"),
        ({"width": "wide"}, "refuses the manifest's config"),
        ({"image_shape": [17, 16, 1]}, "refuses the manifest's config"),
        ({"width": 2**17}, "at most 536,870,912 bytes"),
        ({"d_width": 2**17}, "at most 536,870,912 bytes"),
        ({"replay": 2**24}, "at most 536,870,912 bytes"),
    ],
)
def test_a_config_that_the_builder_does_not_take(preset, config, message):
    base = json.loads((preset / "manifest.json").read_text())["config"]
    rewrite(preset, config=base | config)
    with pytest.raises(ManifestError, match=message):
        zoo.from_pretrained(preset)


def test_weights_of_another_model(preset):
    base = json.loads((preset / "manifest.json").read_text())["config"]
    rewrite(preset, config=base | {"width": 16})
    with pytest.raises(VerificationError, match="does not fit the model that its manifest"):
        zoo.from_pretrained(preset)


def test_weights_that_do_not_cover_the_model(preset):
    with h5py.File(preset / "generator.weights.h5", "a") as file:
        del file["layers/dense"]
    rehash(preset)
    with pytest.raises(VerificationError, match="does not fit the model"):
        zoo.from_pretrained(preset)


def test_weights_of_unknown_networks(preset):
    shutil.copy(preset / "golden.npz", preset / "recipe.weights.h5")
    files = json.loads((preset / "manifest.json").read_text())["files"]
    rewrite(preset, files=[*files, {**files[0], "path": "recipe.weights.h5"}])
    rehash(preset)
    with pytest.raises(ManifestError, match="may hold those of discriminator, generator"):
        zoo.from_pretrained(preset)


def h5_external_link(file):
    file["x"] = h5py.ExternalLink("/etc/passwd", "/")


def h5_soft_link(file):
    file["x"] = h5py.SoftLink("/layers")


def h5_external_data(file):
    file.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def h5_virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


def h5_huge(file):
    file.create_dataset("x", (2**40,), "f4", chunks=(1024,))


def h5_compressed(file):
    file.create_dataset("x", data=np.zeros(10_000, "f4"), compression="gzip")


def h5_strings(file):
    file["x"] = ["text"]


def h5_cycle(file):
    file["layers/again"] = file["layers"]


def h5_type(file):
    file["x"] = np.dtype("f4")


@pytest.mark.parametrize(
    "alter, message",
    [
        (h5_external_link, "ExternalLink, which may lead to another file"),
        (h5_soft_link, "SoftLink"),
        (h5_external_data, "stored in another file"),
        (h5_virtual, "stored in another file"),
        (h5_huge, "claim more bytes than the file has"),
        (h5_compressed, "compressed or filtered"),
        (h5_strings, "not numbers"),
        (h5_cycle, "second link"),
        (h5_type, "is a Datatype"),
    ],
)
def test_hdf5_that_is_more_than_arrays(preset, alter, message):
    path = preset / "generator.weights.h5"
    weights.check_h5(path)
    with h5py.File(path, "a") as file:
        alter(file)
    rehash(preset)
    with pytest.raises(VerificationError, match=f"{message}.*Weights are plain arrays"):
        zoo.from_pretrained(preset)


def test_not_hdf5(preset):
    (preset / "generator.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 500)
    rehash(preset)
    with pytest.raises(VerificationError, match="cannot be read as HDF5"):
        zoo.from_pretrained(preset)


# ------------------------------------------------------------------ what save_preset refuses


def test_never_overwritten(preset, trained):
    before = {p.name: p.read_bytes() for p in preset.iterdir()}
    with pytest.raises(FileExistsError, match="Weights are never overwritten: choose a new tag"):
        hub.save_preset(trained, preset, "dcgan.test", **RECORDS)
    assert {p.name: p.read_bytes() for p in preset.iterdir()} == before


def test_a_record_without_its_keys(trained, tmp_path):
    records = RECORDS | {"licence": {"code": "MIT"}}
    with pytest.raises(ManifestError, match="the key 'licence.weights' is missing"):
        hub.save_preset(trained, tmp_path / "x", "dcgan.x", **records)
    with pytest.raises(ManifestError, match="name must begin with the builder"):
        hub.save_preset(trained, tmp_path / "x", "wgan.x", **RECORDS)
    with pytest.raises(ValueError, match="networks must be of discriminator, generator"):
        hub.save_preset(trained, tmp_path / "x", "dcgan.x", networks=["step"], **RECORDS)
    assert not list(tmp_path.iterdir())


def test_a_gan_put_together_by_hand(trained, tmp_path):
    gan = zoo.GAN(
        keras.models.clone_model(trained.generator),
        keras.models.clone_model(trained.discriminator),
    )
    with pytest.raises(ValueError, match="needs the recipe"):
        hub.save_preset(gan, tmp_path / "x", "dcgan.x", **RECORDS)
    gan.recipe = {"name": "dcgan", "config": {"image_shape": [16, 16, 1], "width": 16}}
    with pytest.raises(ValueError, match="builds another generator"):
        hub.save_preset(gan, tmp_path / "x", "dcgan.x", **RECORDS)


def test_weights_that_are_not_finite(tmp_path):
    gan = zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=8, seed=0)
    first = gan.generator.weights[0]
    first.assign(first * np.nan)
    with pytest.raises(ValueError, match="NaN or infinite"):
        hub.save_preset(gan, tmp_path / "x", "dcgan.x", **RECORDS)


def test_a_failure_leaves_nothing_behind(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.preset, "MAX_PRESET_BYTES", 1000)
    with pytest.raises(ManifestError, match="at most 1,000 bytes .*generator.weights.h5"):
        hub.save_preset(trained, tmp_path / "x", "dcgan.x", **RECORDS)
    assert not list(tmp_path.iterdir())

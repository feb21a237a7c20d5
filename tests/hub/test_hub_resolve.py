"""Names and paths -> folders; without TensorFlow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_presets import manifest_dict, rewrite

from keras_gan_zoo.hub import resolve
from keras_gan_zoo.hub.manifest import Manifest, ManifestError
from keras_gan_zoo.hub.resolve import PresetNotFoundError, local_presets


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Two folders of presets without their files; what else is installed is out of sight."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder, names in zip(folders, (["dcgan.test"], ["dcgan.test", "gan.test"]), strict=True):
        for name in names:
            (folder / name).mkdir(parents=True)
            value = manifest_dict(name=name, builder=name.split(".")[0])
            Manifest.from_dict(value).write(folder / name)
    (folders[0] / "not_a_preset").mkdir()
    (folders[0] / "dcgan.empty").mkdir()
    (folders[0] / "index.json").write_text("{}")
    monkeypatch.setattr(resolve, "search_folders", lambda: folders)
    return tmp_path


def test_presets_at_hand(zoo):
    assert local_presets() == {
        "dcgan.test": zoo / "a" / "dcgan.test",
        "gan.test": zoo / "b" / "gan.test",
    }
    assert list(local_presets()) == sorted(local_presets())


def test_folders_that_are_searched(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_GAN_ZOO_WEIGHTS", f"{tmp_path}{os.pathsep}{tmp_path / 'none'}")
    folders = resolve.search_folders()
    assert folders[:2] == [tmp_path, tmp_path / "none"]
    package = Path(resolve.__file__).parents[1]
    assert folders[2:] == [package.parent / "zoo_weights", package / "zoo_weights"]
    local_presets()  # folders that are not there are passed over


def test_by_name_and_by_path(zoo, monkeypatch):
    assert resolve.resolve("gan.test") == zoo / "b" / "gan.test"
    folder = zoo / "b" / "dcgan.test"
    assert resolve.resolve(folder) == folder
    assert resolve.resolve(str(folder)) == folder
    monkeypatch.chdir(zoo)
    assert resolve.resolve("b/dcgan.test").resolve() == folder.resolve()


@pytest.mark.parametrize(
    "name, message",
    [
        ("dcgan.tset", "There is no preset 'dcgan.tset'. Did you mean \"dcgan.test\""),
        ("dcgan", "'dcgan' names a model, not a preset .* Did you mean 'dcgan.test'"),
        ("nsgan", r"no pretrained weights of 'nsgan'. Train it: zoo.create\('nsgan'"),
        ("user/repo", "no such folder. For a repository of the hub write 'hf://user/repo'"),
        ("./nowhere/at/all", "no such folder"),
        (Path("nowhere"), "no such folder"),
        ("", "There is no preset"),
        ("a\0b", "There is no preset"),
        ("x" * 5000, "There is no preset"),
        ("hf://", "A remote preset is named 'hf://user/repo'"),
        ("hf://user", "A remote preset is named"),
        ("hf://user/repo@", "A remote preset is named"),
        ("hf://user/repo/../x", "A remote preset is named"),
        ("hf://user/repo@../../x", "A remote preset is named"),
    ],
)
def test_not_found(zoo, name, message):
    with pytest.raises(PresetNotFoundError, match=message):
        resolve.resolve(name)


def test_a_folder_without_a_manifest(zoo):
    with pytest.raises(PresetNotFoundError, match="the folder holds no manifest.json"):
        resolve.resolve(zoo / "a" / "not_a_preset")


def test_no_presets_at_all(monkeypatch):
    monkeypatch.setattr(resolve, "search_folders", lambda: [])
    with pytest.raises(PresetNotFoundError, match="set KERAS_GAN_ZOO_WEIGHTS"):
        resolve.resolve("dcgan.test")


def test_a_folder_of_another_name(zoo):
    shutil.move(zoo / "b" / "gan.test", zoo / "b" / "gan.other")
    with pytest.raises(ManifestError, match="name must be that of the folder, 'gan.other'"):
        resolve.resolve("gan.other")


def test_remote_names():
    assert resolve.parse_remote("hf://user/repo") == ("user/repo", "main")
    assert resolve.parse_remote("hf://user/dcgan.x@refs/pr/1") == ("user/dcgan.x", "refs/pr/1")


def test_repository_override(zoo, monkeypatch):
    hub = {"repo_id": "zoo/one", "revision": "1" * 40}
    rewrite(zoo / "a" / "dcgan.test", hub=hub)
    manifest = Manifest.read(zoo / "a" / "dcgan.test")
    for value, wanted in {
        "": ("zoo/one", "1" * 40),
        "org": ("org/dcgan.test", "main"),
        "org@v2": ("org/dcgan.test", "v2"),
        "me/mine": ("me/mine", "main"),
        "me/mine@" + "2" * 40: ("me/mine", "2" * 40),
    }.items():
        monkeypatch.setenv("KERAS_GAN_ZOO_HUB", value)
        assert resolve._repository(manifest) == wanted
    monkeypatch.setenv("KERAS_GAN_ZOO_HUB", "https://example.org/")
    with pytest.raises(PresetNotFoundError, match="KERAS_GAN_ZOO_HUB must be"):
        resolve.resolve("dcgan.test")


def test_the_override_is_for_presets_without_a_repository_too(zoo, monkeypatch):
    folder = zoo / "a" / "dcgan.test"
    rewrite(folder, hub=None)
    (folder / Manifest.read(folder).files[0]["path"]).unlink(missing_ok=True)
    asked = []
    monkeypatch.setattr("keras_gan_zoo.hub.remote.fetch", lambda *a: asked.append(a) or a[::2])
    monkeypatch.setenv("KERAS_GAN_ZOO_HUB", "me/mine@v1")
    resolve.resolve("dcgan.test")
    assert asked[0][:2] == ("me/mine", "v1")


def test_no_tensorflow_is_imported():
    script = """if True:
        import sys
        import keras_gan_zoo
        from keras_gan_zoo import hub
        from keras_gan_zoo.hub import card, index, manifest, remote, resolve, verify
        resolve.local_presets()
        keras_gan_zoo.list_models(pretrained=True)
        hub.Manifest, hub.ManifestError, hub.VerificationError, hub.PresetNotFoundError
        try:
            resolve.resolve("dcgan.nonsense")
        except ValueError:
            pass
        heavy = {"tensorflow", "keras", "huggingface_hub", "h5py", "numpy"} & set(sys.modules)
        sys.exit(f"imported: {heavy}" if heavy else 0)
    """
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)

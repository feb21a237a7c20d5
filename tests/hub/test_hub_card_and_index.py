"""Cards and the index: generated, deterministic, up to date in this repository."""

import json
from pathlib import Path

import huggingface_hub
import pytest
from hub_presets import METRICS, manifest_dict, rewrite

import keras_gan_zoo
from keras_gan_zoo.hub import card, index
from keras_gan_zoo.hub.manifest import Manifest, ManifestError


def test_the_front_matter_is_what_the_hub_reads(saved):
    text = (saved / "README.md").read_text()
    data = huggingface_hub.ModelCard(text).data
    assert data.license == "apache-2.0" and data.library_name == "keras"
    assert data.datasets == ["fashion_mnist"] and "dcgan" in data.tags
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("fid", 12.25)
    assert result.dataset_name == "fashion_mnist" and data.model_name == "dcgan.test"


def test_the_sections(saved):
    text = (saved / "README.md").read_text()
    for heading in ("Use", "Data", "Training", "Metrics", "Licence", "Limitations"):
        assert f"\n## {heading}\n" in text
    assert 'gan = zoo.from_pretrained("dcgan.test")' in text
    assert "    keras-gan-zoo train dcgan --epochs 1\n" in text
    assert "    python benchmarks/quality.py dcgan.test\n" in text
    row = "| fid | 12.25 | 12 .. 12.5 | 10,000 | 10,000 | lenet\\|v1 (abababababab) | 0 |"
    assert row in text
    assert "![64 images of seed 0, not selected](preview.png)" in text


def test_the_same_manifest_gives_the_same_card(saved):
    manifest = Manifest.read(saved)
    assert card.render(manifest) == (saved / "README.md").read_text()
    shuffled = dict(reversed(manifest.to_dict().items()))
    assert card.render(Manifest.from_dict(shuffled)) == card.render(manifest)


def test_a_manifest_cannot_add_structure_to_its_card():
    nasty = 'x" : [y] \u2028 ```<script>| # & *z* \\'
    value = manifest_dict(
        data={"name": nasty, "split": nasty, "size": 1, "preprocessing": nasty},
        licence=dict.fromkeys(("code", "weights", "data"), nasty),
        metrics=[METRICS[0] | {"name": nasty, "extractor": nasty, "command": nasty}],
        hub={"repo_id": "user/repo", "revision": "0" * 40},
    )
    text = card.render(Manifest.from_dict(value))
    data = huggingface_hub.ModelCard(text).data
    assert data.license == "other" and data.license_name == nasty
    assert data.eval_results[0].metric_type == nasty
    assert data.datasets is None
    assert "<script>" not in "".join(
        line for line in text.split("---")[2].split("\n") if not line.startswith("    ")
    )
    assert 'zoo.from_pretrained("hf://user/repo")' in text


def test_a_card_without_measurements():
    text = card.render(Manifest.from_dict(manifest_dict(metrics=[])))
    assert "None were measured." in text and "model-index" not in text


def test_the_index(preset):
    folder = preset.parent
    assert index.stale(folder) == ["index.json"]
    assert index.write_index(folder) == [folder / "index.json"]
    assert index.stale(folder) == [] and index.write_index(folder) == []
    written = json.loads((folder / "index.json").read_text())
    assert written == index.build_index(folder)
    entry = written["presets"]["dcgan.test"]
    assert entry["image_shape"] == [16, 16, 1] and entry["metrics"][0]["value"] == 12.25

    rewrite(preset, licence={"code": "MIT", "weights": "MIT", "data": "MIT"})
    assert index.stale(folder) == ["dcgan.test/README.md", "index.json"]
    (folder / "index.json").unlink()
    index.write_index(folder)
    assert index.stale(folder) == []
    assert 'license: "mit"' in (preset / "README.md").read_text()


def test_the_command(preset, capsys):
    folder = str(preset.parent)
    assert index.main([folder, "--check"]) == 1
    assert capsys.readouterr().out == "out of date: index.json\n"
    assert index.main([folder]) == 0
    assert index.main([folder, "--check"]) == 0
    (preset / "manifest.json").write_text("{}")
    assert index.main([folder]) == 2
    assert "Error: " in capsys.readouterr().out


def test_folders_that_are_not_presets(preset):
    preset.rename(preset.with_name("dcgan.other"))
    with pytest.raises(ManifestError, match="name must be that of the folder"):
        index.build_index(preset.parent)
    preset.with_name("dcgan.other").rename(preset)
    (preset.parent / "dcgan.half").mkdir()
    with pytest.raises(ManifestError, match="no preset at .*dcgan.half"):
        index.build_index(preset.parent)


def test_all_presets_together(preset, monkeypatch):
    monkeypatch.setattr(index, "MAX_ZOO_BYTES", 1000)
    with pytest.raises(ManifestError, match="at most 1,000 bytes .* together"):
        index.build_index(preset.parent)


def test_nothing_to_index(tmp_path):
    assert index.stale(tmp_path) == [] == index.stale(tmp_path / "none")
    assert index.write_index(tmp_path) == [] == list(tmp_path.iterdir())


def test_this_repository_is_up_to_date():
    folder = Path(keras_gan_zoo.__file__).parents[1] / "zoo_weights"
    assert index.stale(folder) == [], "run `python -m keras_gan_zoo.hub.index`"

"""ONNX, LiteRT and OpenVINO: the same images, in processes without this package."""

import json
import subprocess
import sys

import numpy as np
import pytest

import keras_gan_zoo as zoo
from keras_gan_zoo.export import ExportMismatchError, check, convert

# What a user of each runtime writes; argv: file, z.npy, where to write.
CLIENTS = {
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession(path)
images = session.run(["images"], {"z": z})[0]
""",
    "litert": """
from ai_edge_litert.interpreter import Interpreter
run = Interpreter(model_path=path).get_signature_runner("serving_default")
images = np.concatenate([run(z=row[None])["images"] for row in z])
""",
    "openvino": """
import openvino
model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
images = model({"z": z})["images"]
""",
}
HEAD = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras_gan_zoo", "tensorflow", "keras"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import numpy as np
path, z = sys.argv[1], np.load(sys.argv[2])
"""


def need(*formats):
    for name in formats:
        for module in convert.FORMATS[name].modules:
            pytest.importorskip(module)


@pytest.fixture(scope="module")
def gan():
    return zoo.create("dcgan", (16, 16, 1), width=8, latent_dim=8, seed=0)


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino"])
def test_it_loads_where_only_its_runtime_is(name, gan, tmp_path):
    need(name)
    folder = zoo.export(gan, tmp_path / "served", formats=[name])
    z = zoo.training.latents.latents(5, 8, 7).numpy()
    np.save(tmp_path / "z.npy", z)
    code = HEAD + CLIENTS[name] + "np.save(sys.argv[3], images)"
    path, result = folder / convert.FORMATS[name].file, tmp_path / "images.npy"
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "z.npy"), str(result)]
    subprocess.run(command, check=True)
    np.testing.assert_allclose(np.load(result), gan.sample(5, seed=7), atol=1e-4)


@pytest.mark.parametrize("name", ["litert_float16", "litert_int8"])
def test_smaller_files(name, gan, tmp_path):
    need(name)
    folder = zoo.export(gan, tmp_path, formats=["litert", name])
    whole, small = json.loads((folder / "zoo_manifest.json").read_text())["checks"]
    assert small["bytes"] < whole["bytes"] * {"litert_float16": 0.7, "litert_int8": 0.6}[name]
    assert whole["max_abs"] < small["max_abs"] <= small["max_allowed"]


@pytest.mark.slow
def test_several_formats_in_one_folder_and_static_batches(gan, tmp_path):
    formats = [n for n in ("onnx", "litert", "openvino") if _has(n)]
    if not formats:
        pytest.skip("no runtime is installed")
    folder = zoo.export(gan, tmp_path, formats=["saved_model", *formats], batch_size=3)
    manifest = json.loads((folder / "zoo_manifest.json").read_text())
    assert [row["format"] for row in manifest["checks"]] == ["saved_model", *formats]
    assert {convert.FORMATS[n].file for n in formats} <= {e["path"] for e in manifest["files"]}
    z = zoo.training.latents.latents(3, 8, 1).numpy()
    for name in ("saved_model", *formats):
        run = check.open_export(folder, name)
        np.testing.assert_allclose(run(z), gan.sample(3, seed=1), atol=1e-4)
        assert check.images_per_second(run, z, seconds=0.02) > 0


def _has(name):
    try:
        convert.require(name)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize(
    "name", ["litert", *(pytest.param(n, marks=pytest.mark.slow) for n in ("onnx", "openvino"))]
)
def test_conditional_models(name, tmp_path):
    need(name)
    from test_saved_model import conditional, of_labels

    gan = conditional()
    folder = zoo.export(gan, tmp_path, formats=[name])
    run = check.open_export(folder, name)
    z = zoo.training.latents.latents(4, 4, 2).numpy()
    labels = np.array([0, 2, 1, 1], np.int32)
    block = check.block_size(name, None)
    images = check.run_all(run, z, labels, block)
    np.testing.assert_allclose(images, of_labels(gan, labels, 2), atol=1e-4)


@pytest.mark.slow
def test_openvino_in_bfloat16(gan, tmp_path):
    need("openvino")
    folder = zoo.export(gan, tmp_path, formats=["openvino"], precision="bfloat16")
    (row,) = json.loads((folder / "zoo_manifest.json").read_text())["checks"]
    assert row["mean_abs"] <= 0.02


def test_over_the_tolerance_nothing_is_kept(gan, tmp_path, monkeypatch):
    need("onnx")
    import dataclasses

    strict = dataclasses.replace(convert.FORMATS["onnx"], mean_abs=1e-15)
    monkeypatch.setitem(convert.FORMATS, "onnx", strict)
    with pytest.raises(ExportMismatchError, match="The onnx export gives other images than Keras"):
        zoo.export(gan, tmp_path / "served", formats=["saved_model", "onnx"])
    assert not list(tmp_path.iterdir())


def test_a_missing_package(gan, tmp_path, monkeypatch):
    import dataclasses

    absent = dataclasses.replace(convert.FORMATS["litert_int8"], modules=("no_such_module",))
    monkeypatch.setitem(convert.FORMATS, "litert_int8", absent)
    with pytest.raises(ImportError, match=r"needs no_such_module: pip install .*zoo\[litert\]"):
        zoo.export(gan, tmp_path / "served", formats=["litert_int8"])
    assert not list(tmp_path.iterdir())


def test_bfloat16_is_not_for_every_format(gan, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "require", lambda name: convert.FORMATS[name])
    with pytest.raises(ValueError, match="for saved_model and openvino"):
        zoo.export(gan, tmp_path, formats=["onnx"], precision="bfloat16")


def test_an_export_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no saved_model export in"):
        check.open_export(tmp_path)


def test_golden_images_from_every_format(tmp_path):
    """`dcgan.fashion_mnist` as it was published, from each runtime."""
    names = [n for n in convert.FORMATS if _has(n)]
    gan = zoo.from_pretrained("dcgan.fashion_mnist")
    folder = zoo.export(gan, tmp_path, formats=["saved_model", *names])
    golden = np.load(zoo.hub.resolve.resolve("dcgan.fashion_mnist") / "golden.npz")
    for name in ("saved_model", *names):
        run = check.open_export(folder, name)
        images = check.run_all(run, golden["z"], None, check.block_size(name, None))
        difference = np.abs(images - golden["images"].astype(np.float32))
        # golden images are float16; integers err more, in few pixels
        most, mean = {"litert_float16": (0.02, 1e-3), "litert_int8": (1.0, 0.02)}.get(
            name, (1e-3, 3e-4)
        )
        assert difference.max() <= most and difference.mean() <= mean, name


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.list_models())
def test_every_generator_in_every_format(name, tmp_path):
    formats = [n for n in convert.FORMATS if _has(n) and n not in ("litert_float16", "litert_int8")]
    if name == "began":  # its latents are uniform, by the error function
        formats.remove("litert")
    size = 32 if name in ("sngan", "r3gan") else 16
    zoo.export(zoo.create(name, (size, size, 1), seed=0), tmp_path, formats=formats)


def test_operations_that_litert_has_not(tmp_path):
    need("litert")
    import keras

    gan = zoo.create("gan", (8, 8, 1), latent_dim=4, width=8, seed=0)
    z = keras.Input((4,))
    gan.generator = keras.Model(z, gan.generator(keras.ops.erf(z)))
    with pytest.raises(ValueError, match="no kernels for Erf, .* Export it as onnx or openvino"):
        zoo.export(gan, tmp_path / "served", formats=["litert"])
    assert not list(tmp_path.iterdir())

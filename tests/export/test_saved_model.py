"""SavedModels: versions, signatures, a process that has only TensorFlow."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_gan_zoo as zoo
from keras_gan_zoo import runs
from keras_gan_zoo.export import ExportMismatchError, check
from keras_gan_zoo.hub.verify import sha256
from keras_gan_zoo.pictures import to_uint8
from keras_gan_zoo.training import latents

CLIENT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_gan_zoo":
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures
for n in (1, 5):
    images = served["sample"](seed=tf.constant(7, tf.int64), n=tf.constant(n))["images"]
    assert images.shape == (n, 16, 16, 1) and images.dtype == tf.uint8
z = tf.zeros((3, 4))
floats = served["serving_default"](z=z)["images"]
assert served["discriminate"](images=floats)["logits"].shape == (3, 1)
try:
    served["sample"](seed=tf.constant(7, tf.int64), n=tf.constant(0))
    raise SystemExit("n = 0 was taken")
except tf.errors.InvalidArgumentError:
    pass
np.save(sys.argv[2], images.numpy())
"""


@pytest.fixture(scope="module")
def gan():
    return zoo.create("dcgan", (16, 16, 1), width=4, latent_dim=4, ema=0.9, seed=0)


@pytest.fixture(scope="module")
def folder(gan, tmp_path_factory):
    return zoo.export(gan, tmp_path_factory.mktemp("served"), max_images=50)


@pytest.fixture(scope="module")
def served(folder):
    loaded = tf.saved_model.load(str(folder))
    signatures = dict(loaded.signatures)
    signatures["loaded"] = loaded  # the functions do not keep what they belong to
    return signatures


def draw(seed, n, truncation=None, **labels):
    arguments = {"seed": tf.constant(seed, tf.int64), "n": tf.constant(n, tf.int32)}
    if truncation is not None:
        arguments["truncation"] = tf.constant(truncation, tf.float32)
    return arguments | {k: tf.constant(v, tf.int32) for k, v in labels.items()}


def test_it_loads_where_only_tensorflow_is(gan, folder, tmp_path):
    result = tmp_path / "images.npy"
    subprocess.run([sys.executable, "-c", CLIENT, str(folder), str(result)], check=True)
    difference = np.load(result).astype(int) - to_uint8(gan.sample(5, seed=7))
    assert np.abs(difference).max() <= 1


def test_the_signatures_of_a_seed(gan, served):
    expected = gan.sample(3, seed=5, truncation=0.5)
    floats = served["sample_float"](**draw(5, 3, 0.5))["images"].numpy()
    assert floats.dtype == np.float32 and np.abs(floats - expected).max() < 1e-5
    pixels = served["sample_uint8"](**draw(5, 3, 0.5))["images"].numpy()
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - to_uint8(expected)).max() <= 1
    files = served["sample_png"](**draw(5, 3, 0.5))["image_bytes"].numpy()
    pictures = [np.asarray(Image.open(io.BytesIO(data))) for data in files]
    np.testing.assert_array_equal(np.stack(pictures)[..., None], pixels)
    whole = served["sample_uint8"](**draw(5, 3, 1.0))["images"]
    np.testing.assert_array_equal(whole, served["sample"](**draw(5, 3))["images"])


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("sample", (0, 0), "n must be at least 1"),
        ("sample", (0, 51), "n must be at most 50"),
        ("sample", (0, 2**31 - 1), "n must be at most 50"),
        ("sample_float", (0, 1, 0.0), "truncation must be above 0"),
        ("sample_uint8", (0, 1, 1.1), "truncation must be above 0"),
        ("sample_png", (0, 1, float("nan")), "truncation must be above 0"),
    ],
)
def test_requests_that_the_graph_refuses(served, name, arguments, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served[name](**draw(*arguments))


def test_the_manifest(gan, folder):
    manifest = json.loads((folder / "zoo_manifest.json").read_text())
    assert manifest["model"] == "dcgan" and manifest["image_shape"] == [16, 16, 1]
    assert manifest["version"] == 1 and manifest["max_images"] == 50
    (row,) = manifest["checks"]
    assert row["format"] == "saved_model" and 0 <= row["mean_abs"] <= row["max_abs"] < 1e-5
    found = {p for p in folder.rglob("*") if p.is_file()} - {folder / "zoo_manifest.json"}
    assert {folder / e["path"] for e in manifest["files"]} == found
    for entry in manifest["files"]:
        path = folder / entry["path"]
        assert (path.stat().st_size, sha256(path)) == (entry["bytes"], entry["sha256"])
    revision = manifest["git_revision"]
    assert revision is None or len(revision.removesuffix("+changes")) == 40


def conditional(with_labels_in_d=True):
    """A generator of three classes: each a grey level of its own, disturbed by z."""
    from keras import Input, Model, layers

    z, label = Input((4,)), Input((), dtype="int32")
    level = layers.Rescaling(0.5, -0.5)(layers.CategoryEncoding(3, output_mode="one_hot")(label))
    x = layers.Concatenate()([layers.Dense(8, kernel_initializer=seed_generator(1))(z), level])
    x = layers.Dense(8 * 8, activation="tanh", kernel_initializer=seed_generator(2))(x)
    generator = Model([z, label], layers.Reshape((8, 8, 1))(x))
    image, label = Input((8, 8, 1)), Input((), dtype="int32")
    x = layers.Flatten()(image)
    inputs = [image]
    if with_labels_in_d:
        x = layers.Concatenate()([x, layers.CategoryEncoding(3, output_mode="one_hot")(label)])
        inputs.append(label)
    return zoo.GAN(generator, Model(inputs, layers.Dense(1)(x)), num_classes=3, seed=0)


def seed_generator(seed):
    import keras

    return keras.initializers.GlorotUniform(seed=seed)


def of_labels(gan, labels, seed):
    z = zoo.training.latents.latents(len(labels), gan.latent_dim, seed)
    return gan.generator([z, tf.constant(labels, tf.int32)], training=False)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_conditional_model(tmp_path, batch_size):
    gan = conditional()
    folder = zoo.export(gan, tmp_path, batch_size=batch_size)
    loaded = tf.saved_model.load(str(folder))
    served = loaded.signatures
    labels = [0, 1, 2, 2, 1]
    images = served["sample_float"](**draw(3, 5, 1.0, labels=labels))["images"]
    np.testing.assert_allclose(images, of_labels(gan, labels, 3), atol=1e-5)
    one = served["sample_float"](**draw(3, 5, 1.0, labels=[2]))["images"]
    np.testing.assert_allclose(one, of_labels(gan, [2] * 5, 3), atol=1e-5)
    drawn = served["sample"](**draw(3, 5))["images"].numpy()
    assert np.abs(drawn.astype(int) - to_uint8(gan.sample(5, seed=3))).max() <= 1
    for wrong, message in (([0, 1], "length 1 or n"), ([3], "0 .. 2"), ([-1], "0 .. 2")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            served["sample_float"](**draw(3, 5, 1.0, labels=wrong))
    z, labels = np.zeros((4, 4), np.float32), np.array([0, 1, 2, 0], np.int32)
    made = served["serving_default"](z=tf.constant(z), labels=tf.constant(labels))["images"]
    logits = served["discriminate"](images=made, labels=tf.constant(labels))["logits"]
    expected = gan.discriminate(made, tf.constant(labels), training=False)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_static_shapes_under_xla(gan, tmp_path):
    folder = zoo.export(gan, tmp_path, batch_size=4, jit_compile=True)
    loaded = tf.saved_model.load(str(folder))
    served = loaded.signatures
    assert served["serving_default"].structured_outputs["images"].shape == (4, 16, 16, 1)
    for n in (1, 4, 6):  # blocks of 4, cut to n
        images = served["sample_float"](**draw(5, n, 1.0))["images"]
        np.testing.assert_allclose(images, gan.sample(n, seed=5), atol=1e-5)
    assert served["discriminate"](images=tf.zeros((4, 16, 16, 1)))["logits"].shape == (4, 1)
    graph = saved_graph(folder)
    compiled = [f for f in graph.library.function if f.attr["_XlaMustCompile"].b]
    assert len(compiled) == 2  # the generator and the discriminator
    calls = {n.attr["f"].func.name for f in graph.library.function for n in f.node_def}
    assert {f.signature.name for f in compiled} <= calls
    plain = saved_graph(zoo.export(gan, tmp_path, batch_size=4))
    assert not any(f.attr["_XlaMustCompile"].b for f in plain.library.function)


def saved_graph(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def test_batch_normalisation_is_folded(gan, folder):
    generator = next(
        f for f in saved_graph(folder).library.function if any(n.op == "Tanh" for n in f.node_def)
    )
    operations = {n.op for n in generator.node_def}
    assert not operations & {"Rsqrt", "FusedBatchNormV3", "ReadVariableOp", "Mul"}


def test_bfloat16(gan, tmp_path):
    folder = zoo.export(gan, tmp_path, precision="bfloat16")
    run = check.open_export(folder)
    images = run(np.zeros((2, 4), np.float32))
    assert images.dtype == np.float32
    types = {n.attr["T"].type for f in saved_graph(folder).library.function for n in f.node_def}
    assert tf.bfloat16.as_datatype_enum in types


def test_a_model_in_half_precision_is_exported_in_float32(tmp_path):
    options = {"width": 8, "latent_dim": 4, "seed": 0}
    gan = zoo.create("sngan", (32, 32, 3), dtype="mixed_bfloat16", **options)
    assert runs.write_results(gan, tmp_path)["check"]["saved_model_max_abs"] < 1e-5
    folder = tmp_path / "export" / "1"
    z = latents.latents(8, 4, 0).numpy()
    expected = zoo.create("sngan", (32, 32, 3), **options).sample(8, seed=0)
    np.testing.assert_allclose(check.open_export(folder)(z), expected, atol=1e-5)
    types = {n.attr["T"].type for f in saved_graph(folder).library.function for n in f.node_def}
    assert tf.bfloat16.as_datatype_enum not in types
    assert np.abs(gan.sample(8, seed=0) - expected).max() > 1e-4  # the model itself stays


def test_points_instead_of_images(tmp_path):
    gan = zoo.create("gan", (2,), width=8, seed=0)
    folder = zoo.export(gan, tmp_path)
    loaded = tf.saved_model.load(str(folder))
    assert "sample_png" not in loaded.signatures
    points = loaded.signatures["sample_float"](**draw(1, 4, 1.0))["images"]
    np.testing.assert_allclose(points, gan.sample(4, seed=1), atol=1e-5)


def test_versions_are_numbered_and_never_overwritten(gan, tmp_path):
    (tmp_path / "1").mkdir()
    assert zoo.export(gan, tmp_path).name == "2"
    assert zoo.export(gan, tmp_path, version=7).name == "7"
    with pytest.raises(FileExistsError, match="version 8"):
        zoo.export(gan, tmp_path, version=7)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "7"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"formats": ("saved_modell",)}, 'Did you mean "saved_model"'),
        ({"formats": ()}, "at least one of saved_model, onnx"),
        ({"version": 0}, "version must be at least 1"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"jit_compile": True}, "needs static shapes: give batch_size"),
        ({"max_images": 0}, "max_images must be at least 1"),
    ],
)
def test_wrong_arguments(gan, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        zoo.export(gan, tmp_path / "served", **options)
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_nothing(gan, tmp_path, monkeypatch):
    from keras_gan_zoo.export import saved_model

    def broken(gan, network, folder, **options):
        (folder / "half").write_text("")
        raise OSError("disk full")

    monkeypatch.setattr(saved_model, "write", broken)
    with pytest.raises(OSError, match="disk full"):
        zoo.export(gan, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_makes_other_images_is_removed(gan, tmp_path, monkeypatch):
    monkeypatch.setitem(check.SAVED_MODEL_TOLERANCE, "float32", (1e-12, 1e-12))
    with pytest.raises(ExportMismatchError, match="off by up to .* Nothing was kept"):
        zoo.export(gan, tmp_path / "served")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ warm-up requests


def prediction_log():
    """TF Serving's messages, described by hand: an opinion independent of the writer's."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorflow.core.framework import tensor_pb2

    file = descriptor_pb2.FileDescriptorProto(
        name="warmup.proto", package="warmup", syntax="proto3"
    )
    file.dependency.append(tensor_pb2.DESCRIPTOR.name)
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name, *fields, parent=file.message_type):
        made = parent.add(name=name)
        for number, key, type_name in fields:
            kind = kinds.TYPE_MESSAGE if type_name else kinds.TYPE_STRING
            repeated = type_name.endswith("Entry")
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            about = {"type_name": type_name} if type_name else {}
            made.field.add(name=key, number=number, type=kind, label=label, **about)
        return made

    message("ModelSpec", (1, "name", ""), (3, "signature_name", ""))
    request = message(
        "PredictRequest",
        (1, "model_spec", ".warmup.ModelSpec"),
        (2, "inputs", ".warmup.PredictRequest.InputsEntry"),
    )
    entry = message(
        "InputsEntry", (1, "key", ""), (2, "value", ".tensorflow.TensorProto"),
        parent=request.nested_type,
    )  # fmt: skip
    entry.options.map_entry = True
    message("PredictLog", (1, "request", ".warmup.PredictRequest"))
    message("PredictionLog", (6, "predict_log", ".warmup.PredictLog"))
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("warmup.PredictionLog"))


def test_the_warm_up_requests_are_what_tf_serving_reads(folder, served):
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    kind = prediction_log()
    seen = []
    for record in records:
        request = kind.FromString(record).predict_log.request
        assert request.model_spec.name == folder.parent.name
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        served[request.model_spec.signature_name](**{k: tf.constant(v) for k, v in inputs.items()})
        seen.append(request.model_spec.signature_name)
    assert seen == ["serving_default", "sample"]

"""The Inception of the FID: against torch-fidelity's, and what its file of weights may hold."""

import hashlib
import importlib.util
import io
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_gan_zoo.hub.remote import DownloadError
from keras_gan_zoo.hub.verify import VerificationError
from keras_gan_zoo.metrics.features import Extractor, inception

# Files of torch, written by hand: opcodes of pickle protocol 2.


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integers(values):
    return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"


def tensor(key, storage, array, view, order="C"):
    strides = [s // array.itemsize for s in np.asarray(array, order=order).strides]
    identity = text("storage") + b"ctorch\n%s\n" % storage.encode() + text(key) + text("cpu")
    identity = b"(" + identity + b"J" + struct.pack("<i", array.size) + view + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    shape = integers(array.shape) + integers(strides)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + identity
        + b"K\0"
        + shape
        + b"\x89"
        + hooks
        + b"tR"
    )


def pickled(state, view=b"", storage="FloatStorage"):
    rows = (text(k) + tensor(str(i), storage, v, view) for i, (k, v) in enumerate(state.items()))
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + b"".join(rows) + b"u."


def zip_file(state, program=None, compression=zipfile.ZIP_STORED):
    """As torch 1.6 and later write it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("weights/data.pkl", pickled(state) if program is None else program)
        for i, value in enumerate(state.values()):
            archive.writestr(f"weights/data/{i}", value.tobytes())
        archive.writestr("weights/version", b"3\n")
    return stream.getvalue()


def stream_file(state, program=None):
    """As torch up to 1.5 wrote it."""
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, info)]
    parts.append(pickled(state, view=b"N") if program is None else program)
    parts.append(pickle.dumps([str(i) for i in range(len(state))], 2))
    for value in state.values():
        parts.append(struct.pack("<q", value.size) + value.tobytes())
    return b"".join(parts)


SMALL = {
    "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fc.bias": np.float32([0.5, -2]),
    "bn.count": np.array(7, np.float32),
}


@pytest.mark.parametrize("write", [zip_file, stream_file])
def test_tensors_are_read_without_torch(write):
    state = inception.read_torch(write(SMALL))
    assert list(state) == list(SMALL)
    for name, value in SMALL.items():
        np.testing.assert_array_equal(state[name], value, strict=True)
        assert not state[name].flags.writeable


def test_views_of_a_storage():
    """A transposed matrix is the same bytes with other strides."""
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    program = b"\x80\x02}(" + text("w") + tensor("0", "FloatStorage", value, b"", "F") + b"u."
    state = inception.read_torch(zip_file({"w": value}, program))
    np.testing.assert_array_equal(state["w"], [[0, 2, 4], [1, 3, 5]])


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


PROGRAMS = {
    "os.system": b"cos\nsystem\n(X\x04\x00\x00\x00truetR.",
    "builtins.eval": b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
    "torch.nn.modules.linear.Linear": b"\x80\x02ctorch.nn.modules.linear\nLinear\n)R.",
    "torch.load": b"\x80\x02ctorch\nload\n)R.",
    "torch._utils._rebuild_tensor_v2.__globals__": b"\x80\x04\x8c\x0ctorch._utils\x8c\x1e"
    b"_rebuild_tensor_v2.__globals__\x93.",
}


@pytest.mark.parametrize("write", [zip_file, stream_file])
@pytest.mark.parametrize("name", PROGRAMS)
def test_other_names_are_refused(write, name):
    with pytest.raises(pickle.UnpicklingError, match=f"Refused: the file asks for {name}"):
        inception.read_torch(write({}, PROGRAMS[name]))


@pytest.mark.parametrize("write", [zip_file, stream_file, lambda state, program: program])
def test_nothing_in_a_pickle_is_run(tmp_path, write):
    mark = tmp_path / "ran"
    program = pickle.dumps({"w": Malicious(mark)})
    pickle.loads(program)
    assert mark.exists()  # so it does with pickle
    mark.unlink()
    with pytest.raises(pickle.UnpicklingError, match="Refused"):
        inception.read_torch(write({}, program))
    assert not mark.exists()


def beyond(size, strides, offset=0):
    identity = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    identity += b"J" + struct.pack("<i", 6) + b"tQ"
    view = b"J" + struct.pack("<i", offset) + integers(size) + integers(strides)
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + view + b"\x89NtR"
    return zip_file({"w": SMALL["fc.weight"]}, b"\x80\x02}(" + text("w") + call + b"u.")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (beyond((3, 3), (3, 1)), "beyond its storage"),
        (beyond((2, 2), (5, 1)), "beyond its storage"),
        (beyond((1,), (1,), offset=6), "beyond its storage"),
        (beyond((1,), (1,), offset=-1), "beyond its storage"),
        (beyond((2,), (-1,), offset=3), "beyond its storage"),
        (beyond((1 << 30, 1 << 30), (0, 0)), "beyond its storage"),
        (beyond((2,), (1, 1)), "shorter|longer"),
        (zip_file(SMALL, compression=zipfile.ZIP_DEFLATED), "compressed"),
        (zip_file({}, pickle.dumps([1, 2])), "dict of tensors"),
        (zip_file({}, pickle.dumps({"w": 1})), "Wanted a tensor"),
        (zip_file(SMALL)[:-30], "Not a file of torch"),
        (stream_file(SMALL)[:-3], "buffer|Not a file"),
        (stream_file(SMALL)[:-60], "elements|buffer|Not a file"),
        (pickle.dumps([1]), "Not a file of torch"),
        (b"", "Not a file of torch"),
    ],
)
def test_what_is_no_file_of_tensors_is_refused(data, error):
    with pytest.raises(ValueError, match=error):
        inception.read_torch(data)


# The network.


def random_state(model):
    """The same arrays under torch's names on every machine, of sizes that keep the maps' scale."""
    rng = np.random.RandomState(0)

    def uniform(low, high, *shape):
        return rng.uniform(low, high, shape).astype(np.float32)

    state = {}
    kernels = {v.name: v for v in model.layers if isinstance(v, keras.layers.Conv2D)}
    for name in sorted(kernels):
        height, width, inputs, filters = kernels[name].kernel.shape
        bound = np.sqrt(6 / (height * width * inputs))
        state |= {
            f"{name}.conv.weight": uniform(-bound, bound, filters, inputs, height, width),
            f"{name}.bn.weight": uniform(0.5, 1.5, filters),
            f"{name}.bn.bias": uniform(-0.5, 0.5, filters),
            f"{name}.bn.running_mean": uniform(-0.5, 0.5, filters),
            f"{name}.bn.running_var": uniform(0.5, 1.5, filters),
        }
    state["fc.weight"] = uniform(-0.05, 0.05, inception.CLASSES, inception.FEATURES)
    state["fc.bias"] = uniform(-1, 1, inception.CLASSES)
    return state


def levels():
    """Three smooth and noisy images 45x32x3 of 0..255."""
    rng = np.random.RandomState(1)
    y, x, c = np.mgrid[0:45, 0:32, 0:3]
    waves = [127.5 + 110 * np.sin(x / (2 + k) + c) * np.cos(y / (3 + k)) for k in range(3)]
    return np.clip(np.stack(waves) + rng.uniform(-30, 30, (3, 45, 32, 3)), 0, 255).astype(np.uint8)


def scaled(images):
    return (images / 127.5 - 1).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as large as the real one, with random weights."""
    path = tmp_path_factory.mktemp("inception") / inception.FILENAME
    path.write_bytes(stream_file(random_state(inception.network())))
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def model(weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "SHA256", inception.digest(weights))
        return inception.load(weights)


# What torch-fidelity 0.4.0 (torch 2.14, CPU) answers to `levels()` with the weights of
# `random_state`: every 450th feature and every 200th logit (`logits_unbiased`), from 100 on.
# `test_equal_to_torch_fidelity` computes them anew.
FEATURES = np.array(
    [
        [4.7973285, 1.1400647, 6.241445, 6.427881, 7.878264],
        [4.841633, 1.1175435, 6.107537, 6.8356786, 8.341917],
        [4.329606, 0.92059064, 6.5134587, 7.0326595, 8.35491],
    ]
)
LOGITS = np.array(
    [
        [6.3332715, 3.5267255, -23.70156, -5.307507, 0.87405634],
        [6.4643807, 3.6723123, -23.51726, -5.552432, 1.0748873],
        [6.564694, 3.2803483, -23.302666, -5.249121, 0.8450229],
    ]
)


def distance(found, wanted):
    """Largest difference, relative to the root mean square."""
    return np.abs(found - wanted).max() / np.sqrt(np.mean(np.square(wanted)))


def test_answers_as_torch_fidelity_does(model):
    features, logits = model.predict(scaled(levels()), verbose=0)
    assert features.shape == (3, 2048) and logits.shape == (3, 1008)
    assert distance(features[:, 100::450], FEATURES) < 2e-5
    assert distance(logits[:, 100::200], LOGITS) < 2e-5


def test_as_many_weights_as_published(model):
    """keras.applications states 23,851,784 for Inception-v3 with 1000 classes and their biases.

    Of each BatchNormalization's three arrays (no scale) one, the bias, is left.
    """
    filters = [v.filters for v in model.layers if isinstance(v, keras.layers.Conv2D)]
    body = 23_851_784 - 1000 * (2048 + 1) - 2 * sum(filters)
    assert len(filters) == 94
    assert model.count_params() == body + 1008 * 2048


def test_grey_images_have_three_equal_channels(model):
    grey = scaled(levels())[:1, ..., :1]
    for one, three in zip(model(grey), model(np.repeat(grey, 3, -1)), strict=True):
        np.testing.assert_array_equal(one, three)
    with pytest.raises(ValueError, match=r"1 or 3\). Received: shape \(1, 8, 8, 2\)"):
        model(np.zeros((1, 8, 8, 2), np.float32))


def test_as_an_extractor(model):
    extractor = Extractor(model, "inception_v3", inception.SHA256, "by the model")
    assert (extractor.width, extractor.classes) == (2048, 1008)
    features, probabilities = extractor.outputs(scaled(levels())[:2])
    wanted = np.exp(LOGITS[:2] - LOGITS[:2, :1])
    found = np.asarray(probabilities)[:, 100::200]
    np.testing.assert_allclose(found / found[:, :1], wanted, rtol=2e-3)
    assert distance(np.asarray(features)[:, 100::450], FEATURES[:2]) < 2e-5


# What comes before the network.


def tensorflow_1(image, size):
    """Bilinear, corners not aligned, no half pixels: source = target * old / new, in float64."""

    def corners(old):
        place = np.arange(size) * (old / size)
        low = np.floor(place).astype(int)
        return low, np.minimum(low + 1, old - 1), place - low

    top, bottom, y = corners(image.shape[0])
    left, right, x = corners(image.shape[1])
    x, y = x[:, None], y[:, None, None]
    rows = image[:, left] * (1 - x) + image[:, right] * x
    return rows[top] * (1 - y) + rows[bottom] * y


@pytest.mark.parametrize("shape", [(45, 32), (7, 5), (1, 1), (400, 310), (299, 299)])
def test_resized_as_tensorflow_1_did(shape):
    image = np.random.RandomState(0).randint(0, 256, (*shape, 3))
    found = inception.InceptionInput()(scaled(image)[None])
    assert tuple(found.shape) == (1, 299, 299, 3)
    wanted = (tensorflow_1(image, 299) - 128) / 128
    np.testing.assert_allclose(found[0], wanted, atol=5e-4 if max(shape) > 64 else 1e-4)
    if shape == (299, 299):
        np.testing.assert_array_equal(found[0], (image - 128) / 128)


def test_rounded_to_the_levels_of_a_stored_image():
    value = np.float32([-1.7, -1, -0.999, 0.001, 0.5, 0.9999, 1, 3])
    wanted = [0, 0, 0, 128, 191, 255, 255, 255]  # 127.5 * 0.001 + 127.5 = 127.63
    image = np.broadcast_to(value[:, None, None, None], (8, 299, 299, 1))
    found = np.asarray(inception.InceptionInput()(image)) * 128 + 128
    np.testing.assert_array_equal(
        found, np.broadcast_to(np.reshape(wanted, (8, 1, 1, 1)), found.shape)
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_preprocessing_is_float32_under_every_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        images = keras.Input((None, None, 3), dtype="float32")
        prepared = inception.InceptionInput(dtype="float32")(images)
        head = keras.Model(images, prepared)
        found = head(scaled(levels()))
    finally:
        keras.config.set_dtype_policy(before)
    wanted = inception.InceptionInput()(scaled(levels()))
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, wanted)


# The file.


def test_the_pinned_sum_is_the_one_in_the_name():
    assert len(inception.SHA256) == 64
    for name in (inception.FILENAME, inception.URL):
        assert name.removesuffix(".pth").rpartition("-")[2] == inception.SHA256[:8]
    assert inception.URL.startswith("https://")


def test_another_file_is_refused(weights):
    with pytest.raises(VerificationError) as caught:
        inception.load(weights)
    for part in (inception.SHA256, inception.digest(weights), str(weights), inception.VARIABLE):
        assert part in str(caught.value)


def test_a_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{inception.URL}.*{inception.VARIABLE}"):
        inception.load(tmp_path / "none.pth")


def test_batch_normalization_becomes_part_of_the_convolution():
    patch, vector = keras.Input((3, 3, 3)), keras.Input((2048,))
    outputs = [
        keras.layers.Conv2D(2, 3, name="c")(patch),
        keras.layers.Dense(1008, use_bias=False, name="logits")(vector),
    ]
    small = keras.Model([patch, vector], outputs)
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(2, 3, 3, 3)), rng.normal(size=(1, 3, 3, 3))
    state = {"c.conv.weight": kernel, "c.bn.num_batches_tracked": np.array(9)}
    with pytest.raises(ValueError, match=r"'c.bn.weight' of shape \(2,\). Received: none"):
        inception._assign(small, state)
    scale, shift, mean, variance = np.array([[0.5, 2], [1, -1], [3, 4], [0.25, 9]])
    state |= {"c.bn.weight": scale, "c.bn.bias": shift}
    state |= {"c.bn.running_mean": mean, "c.bn.running_var": variance}
    state |= {"fc.weight": rng.normal(size=(1008, 2048)), "fc.bias": np.zeros(1008)}
    inception._assign(small, state)
    sums = np.einsum("oihw,bhwi->bo", kernel, x)
    wanted = scale * (sums - mean) / np.sqrt(variance + 0.001) + shift
    found = small([x, np.ones((1, 2048))])
    np.testing.assert_allclose(np.reshape(found[0], (1, 2)), wanted, rtol=1e-5)
    np.testing.assert_allclose(found[1][0], state["fc.weight"].sum(1), rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match=r"'c.conv.weight' .* Received: \(2, 3, 5, 5\)"):
        inception._assign(small, state | {"c.conv.weight": np.ones((2, 3, 5, 5))})
    with pytest.raises(ValueError, match=r"does not have. Received: \['aux.weight'\]"):
        inception._assign(small, state | {"aux.weight": np.ones(2)})


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache of its own and a release that answers with `release`, over file://."""
    release = tmp_path / "server" / inception.FILENAME
    release.parent.mkdir()
    release.write_bytes(b"the weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv(inception.VARIABLE, raising=False)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"the weights").hexdigest())
    monkeypatch.setattr(inception, "URL", release.as_uri())
    return tmp_path


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_variable_comes_first(home, monkeypatch):
    own = home / "own.pth"
    monkeypatch.setenv(inception.VARIABLE, str(own))
    with pytest.raises(FileNotFoundError, match="own.pth: no such file"):
        inception.locate()
    own.write_bytes(b"others")
    with pytest.raises(VerificationError, match="own.pth"):
        inception.locate()
    own.write_bytes(b"the weights")
    assert inception.locate() == own
    assert not (home / "cache").exists()


def test_downloaded_once_and_then_from_the_cache(home, monkeypatch):
    path = inception.locate()
    assert path == home / "cache" / "keras_gan_zoo" / inception.FILENAME
    assert files(home / "cache") == [f"keras_gan_zoo/{inception.FILENAME}"]
    monkeypatch.setattr(inception, "URL", (home / "gone").as_uri())
    assert inception.locate() == path


@pytest.mark.parametrize("name", [inception.FILENAME, "pt_inception-2015-12-05-6726825d.pth"])
def test_what_other_tools_have_downloaded_is_taken(home, monkeypatch, name):
    path = home / "cache" / "torch" / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the weights")
    assert inception.locate() == path
    monkeypatch.setenv("TORCH_HOME", str(home / "elsewhere"))
    assert inception.locate() != path


def test_a_damaged_file_in_the_cache_is_replaced(home, monkeypatch):
    path = home / "cache" / "keras_gan_zoo" / inception.FILENAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the wei")
    url = inception.URL
    monkeypatch.setattr(inception, "URL", (home / "gone").as_uri())
    with pytest.raises(DownloadError, match="damaged and was not used"):
        inception.locate()
    monkeypatch.setattr(inception, "URL", url)
    assert inception.locate().read_bytes() == b"the weights"


def test_a_wrong_download_is_not_kept(home):
    (home / "server" / inception.FILENAME).write_bytes(b"a login page")
    with pytest.raises(VerificationError, match="found .*12 bytes"):
        inception.locate()
    assert files(home / "cache") == []


def test_offline(home, monkeypatch):
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/weights.pth")  # nobody listens
    with pytest.raises(DownloadError, match=f"could not be downloaded.*{inception.VARIABLE}"):
        inception.locate()
    assert files(home / "cache") == []


# Against the others, each in a process of its own: torch and TensorFlow do not bear one another.


def other_process(name, code, *arguments):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    command = [sys.executable, "-c", code, *map(str, arguments)]
    subprocess.run(command, check=True)


TORCH_FIDELITY = """if True:
    import sys
    import numpy as np, torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    weights, images, target = sys.argv[1:]
    names = ["2048", "logits_unbiased", "logits"]
    network = FeatureExtractorInceptionV3("theirs", names, weights)
    found = {"count": np.array(sum(p.numel() for p in network.parameters()))}
    for key, batch in np.load(images).items():
        answers = network(torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()))
        found |= {f"{key}.{name}": a.numpy() for name, a in zip(names, answers)}
    np.savez(target, **found)
"""


@pytest.mark.slow
def test_equal_to_torch_fidelity(model, weights, tmp_path):
    images = {"levels": levels()}
    for size in (28, 299, 400):
        noise = np.random.RandomState(size).randint(0, 256, (2, size, size - size // 8, 3))
        images[str(size)] = noise.astype(np.uint8)
    np.savez(tmp_path / "images.npz", **images)
    theirs = tmp_path / "theirs.npz"
    other_process("torch_fidelity", TORCH_FIDELITY, weights, tmp_path / "images.npz", theirs)
    wanted = np.load(theirs)
    for key, batch in images.items():
        features, logits = model.predict(scaled(batch), verbose=0)
        assert distance(features, wanted[f"{key}.2048"]) < 2e-5
        assert distance(logits, wanted[f"{key}.logits_unbiased"]) < 2e-5
        assert distance(logits, wanted[f"{key}.logits"]) > 1e-2  # those with the bias
    assert distance(FEATURES, wanted["levels.2048"][:, 100::450]) < 2e-5
    assert distance(LOGITS, wanted["levels.logits_unbiased"][:, 100::200]) < 2e-5
    filters = sum(v.filters for v in model.layers if isinstance(v, keras.layers.Conv2D))
    scales_and_bias = filters + 1008
    assert model.count_params() == wanted["count"] - scales_and_bias


TORCH = """if True:
    import sys
    import numpy as np, torch

    folder, zipped = sys.argv[1], sys.argv[2] == "True"
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    whole = torch.arange(24.0).reshape(4, 6)
    state = network.state_dict()
    state |= {
        "transposed": whole.T,
        "part": whole[1:3, ::2],
        "half": whole.half(),
        "double": whole.double(),
        "int": torch.arange(5),
        "flag": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(whole[0]),
        "empty": torch.zeros(0, 3),
    }
    for name, what in (("state", state), ("network", network)):
        torch.save(what, f"{folder}/{name}.pth", _use_new_zipfile_serialization=zipped)
    np.savez(f"{folder}/state.npz", **{k: v.detach().numpy() for k, v in state.items()})
"""


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_writes_is_read(tmp_path, zipped):
    other_process("torch", TORCH, tmp_path, zipped)
    wanted = np.load(tmp_path / "state.npz")
    found = inception.read_torch((tmp_path / "state.pth").read_bytes())
    assert list(found) == list(wanted)
    for name, value in found.items():
        np.testing.assert_array_equal(value, wanted[name], strict=True)
    with pytest.raises(pickle.UnpicklingError, match="Refused"):
        inception.read_torch((tmp_path / "network.pth").read_bytes())

"""Manifests: what is accepted, what is refused, and what the message says."""

import copy
import json
import random

import pytest
from hub_presets import manifest_dict

from keras_gan_zoo.hub import _schema
from keras_gan_zoo.hub.manifest import MAX_MANIFEST_BYTES, Manifest, ManifestError, schema


def at(path, value):
    """A manifest in which the value at `path` is replaced; `...` removes it."""
    manifest = manifest_dict()
    *parents, last = path
    node = manifest
    for key in parents:
        node = node[key]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return manifest


def test_round_trip(tmp_path):
    manifest = Manifest.from_dict(manifest_dict())
    path = manifest.write(tmp_path)
    assert path == tmp_path / "manifest.json"
    assert Manifest.read(tmp_path) == manifest
    assert manifest.to_dict() == manifest_dict()
    assert list(json.loads(path.read_text())) == list(schema()["properties"])
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_a_manifest_does_not_share_its_dicts_with_what_it_came_from():
    value = manifest_dict()
    manifest = Manifest.from_dict(value)
    value["config"]["width"] = 99
    assert manifest.config["width"] == 8


BAD_PATHS = [
    "/etc/passwd", "../secret.h5", "a/../../b", "a/..", "..", ".", "", "a//b", "a/", "a\\b",
    "C:\\x", "C:x", "a\x00b", "a\n", ".hidden", "./a", "~/a", "a b",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_that_could_leave_the_folder(path):
    with pytest.raises(ManifestError, match=r"files\[0\].path must be a relative path"):
        Manifest.from_dict(at(["files", 0, "path"], path))


@pytest.mark.parametrize(
    "path, value, message",
    [
        (["name"], ..., "the key 'name' is missing; it must be \"model.tag\""),
        (["licence", "data"], ..., "the key 'licence.data' is missing"),
        (["licens"], {}, "unknown key 'licens'. Did you mean \"licence\""),
        (["golden", "tol"], 1, "unknown key 'golden.tol'"),
        (["schema_version"], 2, "schema_version must be 1. Received: 2. .* upgrade"),
        (["schema_version"], 0, "schema_version must be 1. Received: 0"),
        (["schema_version"], True, "schema_version must be 1. Received: True"),
        (["schema_version"], "1", "schema_version must be 1. Received: '1'"),
        (["name"], "DCGAN", 'name must be "model.tag"'),
        (["name"], "dcgan.test\n", 'name must be "model.tag"'),
        (["name"], "wgan.test", "name must begin with the builder, 'dcgan.'"),
        (["builder"], "os.system", "builder must be the name of a registered model"),
        (["config"], [], "config must be the arguments of zoo.create"),
        (["config"], {}, "the key 'config.image_shape' is missing"),
        (["config", "image_shape"], [28, 0, 1], r"config.image_shape\[1\] must be an integer"),
        (["config", "seed"], 3, "config must not hold 'seed'"),
        (["config", "name"], "x", "config must not hold 'name'"),
        (["config", "width"], 2**40, "config.width must be within"),
        (["config", "width"], float("nan"), "config.width must be a finite number"),
        (["files"], [], "files must be an array of 1 to 64 items"),
        (["files", 0, "bytes"], -1, r"files\[0\].bytes must be .* 0 to 8388608.* Received: -1"),
        (["files", 0, "bytes"], 8 * 2**20 + 1, r"files\[0\].bytes must be"),
        (["files", 0, "bytes"], 1.0, r"files\[0\].bytes must be"),
        (["files", 0, "bytes"], True, r"files\[0\].bytes must be"),
        (["files", 0, "bytes"], 2**2000, r"files\[0\].bytes must be a number of at most 64 bits"),
        (["files", 0, "sha256"], "AB" * 32, r"files\[0\].sha256 must be a sha256"),
        (["files", 0, "sha256"], "ab" * 31, r"files\[0\].sha256 must be a sha256"),
        (["files", 0, "path"], "README.md", "must not be manifest.json or README.md"),
        (["hub"], {"repo_id": "a/b", "revision": "main"}, "hub.revision must be a full commit"),
        (["hub"], {"repo_id": "a", "revision": "0" * 40}, "hub.repo_id must be"),
        (["data", "name"], "x\n# Free money", "data.name must be one line of text"),
        (["data", "name"], "\ud800", "data.name must be valid Unicode"),
        (["data", "size"], 0, "data.size must be the number of training images"),
        (["metrics", 0, "value"], "12", r"metrics\[0\].value must be a number. Received: '12'"),
        (["metrics", 0, "ci95"], [1.0], r"metrics\[0\].ci95 must be the 95% confidence"),
        (["golden", "seed"], 2**31, "golden.seed must be an integer from 0 to 2147483647"),
    ],
)
def test_refused(path, value, message):
    with pytest.raises(ManifestError, match="^there: .*" + message):
        Manifest.from_dict(at(path, value), "there")


@pytest.mark.parametrize("value", [None, [], "x", 1, {1: 2}])
def test_not_an_object(value):
    with pytest.raises(ManifestError, match="the manifest must be|must be strings"):
        Manifest.from_dict(value)


def test_files_together_and_twice():
    entry = manifest_dict()["files"][0]
    two = [entry | {"bytes": 5 * 2**20}, entry | {"path": "b", "bytes": 5 * 2**20}]
    with pytest.raises(ManifestError, match="at most 8,388,608 bytes .* Received: 10,485,760"):
        Manifest.from_dict(manifest_dict(files=two))
    twice = [entry, entry | {"path": entry["path"].upper()}]
    with pytest.raises(ManifestError, match=r"files\[1\].path must be unique"):
        Manifest.from_dict(manifest_dict(files=twice))


HINGE = {
    "module": "keras_gan_zoo.losses.adversarial",
    "class_name": "Hinge",
    "config": {},
    "registered_name": "keras_gan_zoo>Hinge",
}
ADAM = {
    "module": "keras.optimizers",
    "class_name": "Adam",
    "config": {"learning_rate": 1e-4},
    "registered_name": None,
}
LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"value": "4wEAAAA"}}},
    "registered_name": None,
}


@pytest.mark.parametrize(
    "argument, value",
    [
        ("loss", HINGE),
        ("loss", {"class_name": "f_alpha", "config": {"alpha": 2.0}}),
        ("penalties", [HINGE, "r1"]),
        ("g_optimizer", ADAM),
    ],
)
def test_classes_that_a_config_may_name(argument, value):
    Manifest.from_dict(at(["config", argument], value))


@pytest.mark.parametrize(
    "argument, value",
    [
        ("loss", LAMBDA),
        ("penalties", [LAMBDA]),
        ("g_optimizer", {**ADAM, "config": {"learning_rate": LAMBDA}}),
        ("g_optimizer", {**ADAM, "registered_name": "evil>Adam"}),
        ("g_optimizer", {**ADAM, "module": "os", "class_name": "system"}),
        ("g_optimizer", {**ADAM, "module": "keras.optimizers.evil"}),
        ("g_optimizer", {"class_name": "Adam", "config": {}}),
        ("loss", {**HINGE, "registered_name": "evil>Hinge"}),
        ("loss", {**HINGE, "module": "keras_gan_zoo.losses_of_mine"}),
        ("loss", {"class_name": "evil>Hinge", "config": {}}),
        ("loss", {"class_name": ["x"]}),
        ("activation", {"deep": {"deeper": [LAMBDA]}}),
        ("class_name", LAMBDA),
    ],
)
def test_classes_that_a_config_may_not_name(argument, value):
    with pytest.raises(ManifestError, match="nothing else is revived"):
        Manifest.from_dict(at(["config", argument], value))


def test_unreadable_files(tmp_path):
    path = tmp_path / "manifest.json"
    with pytest.raises(ManifestError, match="holds no manifest.json"):
        Manifest.read(tmp_path)
    for text in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}'):
        path.write_bytes(text)
        with pytest.raises(ManifestError, match="not readable as JSON"):
            Manifest.read(tmp_path)
    path.write_bytes(b" " * (MAX_MANIFEST_BYTES + 1))
    with pytest.raises(ManifestError, match="1,048,577 bytes; at most 1,048,576"):
        Manifest.read(tmp_path)
    path.write_text(json.dumps(manifest_dict()).replace("12.25", "1e999"))
    with pytest.raises(ManifestError, match="finite"):
        Manifest.read(tmp_path)


def test_nested_without_end():
    deep = 0
    for _ in range(20):
        deep = [deep]
    with pytest.raises(ManifestError, match="nested deeper"):
        Manifest.from_dict(at(["config", "x"], deep))


def test_an_invalid_manifest_is_not_written(tmp_path):
    manifest = Manifest.from_dict(manifest_dict())
    manifest.golden["atol"] = -1
    with pytest.raises(ManifestError, match="golden.atol"):
        manifest.write(tmp_path)
    assert not list(tmp_path.iterdir())


def nodes(schema):
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])


def test_the_schema_uses_only_what_the_reader_reads():
    for node in nodes(schema()):
        assert not set(node) - _schema.KEYWORDS
        assert "type" in node or "const" in node
        if "pattern" in node:
            assert node["pattern"].startswith("^") and node["pattern"].endswith("$")
        if isinstance(node.get("additionalProperties"), bool):
            assert set(node["properties"]) - set(node["required"]) <= {"protocol"}
            assert set(node["required"]) <= set(node["properties"])


def mutate(rng, value):
    """One random change somewhere in a JSON value."""
    places, pending = [], [value]
    while pending:
        node = pending.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        places += [(node, key) for key in keys]
        pending += [node[k] for k in keys if isinstance(node[k], (dict, list))]
    node, key = rng.choice(places)
    junk = [None, True, -1, 2**70, 0.5, "", "x" * 5000, "../x", [], {}, [[]], {"class_name": 1}]
    change = rng.randrange(3)
    if change == 0:
        del node[key]
    elif change == 1 and isinstance(node, dict):
        node[rng.choice(["x", "", "class_name", "é"])] = rng.choice(junk)
    else:
        node[key] = copy.deepcopy(rng.choice(junk))


def test_random_manifests_are_read_or_refused_and_agree_with_json_schema(tmp_path):
    jsonschema = None
    try:
        import jsonschema
    except ImportError:  # only another opinion
        pass
    rng, refused = random.Random(0), 0
    for _ in range(500):
        value = manifest_dict()
        for _ in range(rng.randint(1, 3)):
            mutate(rng, value)
        ours = _schema.problem(value, schema())
        if jsonschema:
            valid = jsonschema.Draft202012Validator(schema()).is_valid(value)
            assert valid == (ours is None), (value, ours)
        try:
            Manifest.from_dict(value)
        except ManifestError:
            refused += 1
        else:
            assert ours is None
    assert 200 < refused < 500


def test_any_json_is_read_or_refused():
    """Values that no mutation of a good manifest would give."""
    hypothesis = pytest.importorskip("hypothesis")
    st = hypothesis.strategies
    leaf = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
        st.sampled_from(["../x", "/etc/passwd", "dcgan.test", "keras.layers", "Lambda"]),
    )  # fmt: skip
    keys = st.one_of(
        st.text(max_size=5), st.sampled_from(["class_name", "module", "config", "path"])
    )
    value = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)
        ),
        max_leaves=12,
    )
    changes = st.dictionaries(st.sampled_from(sorted(manifest_dict())), value, min_size=1)

    @hypothesis.settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @hypothesis.given(changes)
    def read(changed):
        try:
            manifest = Manifest.from_dict(manifest_dict(**changed))
        except ManifestError as error:
            assert str(error).startswith("manifest.json: ")
        else:
            for entry in manifest.files:
                assert not entry["path"].startswith("/") and ".." not in entry["path"]
            assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest

    read()

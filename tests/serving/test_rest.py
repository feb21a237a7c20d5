"""The REST surface: what TensorFlow Serving's documentation states, and what is refused."""

import base64
import gzip
import io
import json
import math
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_gan_zoo.pictures import to_uint8
from keras_gan_zoo.serving.json_tensors import (
    RequestError,
    TensorSpec,
    read_inputs,
    shown,
    to_array,
)

Z = [[0.1, -0.2, 0.3, 0.0], [1.0, 2.0, -1.0, 0.5], [0, 1, 2, 3]]


def expected(gan, z):
    return np.asarray(gan.generator(np.array(z, np.float32), training=False))


# ------------------------------------------------------------------ predict


def test_rows_and_columns(server, small_gan):
    status, rows = server.post({"instances": Z})
    assert status == 200 and list(rows) == ["predictions"]
    np.testing.assert_allclose(rows["predictions"], expected(small_gan, Z), atol=1e-5)
    named = {"instances": [{"z": z} for z in Z], "signature_name": "serving_default"}
    assert server.post(named) == (200, rows)
    status, columns = server.post({"inputs": Z})
    assert status == 200 and list(columns) == ["outputs"]
    assert server.post({"inputs": {"z": Z}}) == (200, columns)
    np.testing.assert_array_equal(columns["outputs"], rows["predictions"])


def test_the_signatures_of_a_seed(server, small_gan):
    request = {"signature_name": "sample", "inputs": {"seed": 3, "n": 2}}
    status, body = server.post(request)
    assert status == 200
    difference = np.array(body["outputs"]) - to_uint8(small_gan.sample(2, seed=3))
    assert np.abs(difference).max() <= 1
    request = {
        "signature_name": "sample_png",
        "inputs": {"seed": 3, "n": 2, "truncation": 1.0},
    }
    status, pngs = server.post(request, "/v1/models/small/versions/1:predict")
    files = [base64.b64decode(item["b64"]) for item in pngs["outputs"]]
    images = [np.asarray(Image.open(io.BytesIO(data))) for data in files]
    np.testing.assert_array_equal(np.stack(images)[..., None], body["outputs"])


def test_the_discriminator(server, small_gan):
    images = expected(small_gan, Z).tolist()
    status, body = server.post({"signature_name": "discriminate", "instances": images})
    assert status == 200 and np.shape(body["predictions"]) == (3, 1)


def test_any_letter_case_and_escapes_in_the_path(server):
    assert server.post({"instances": Z}, "/V1/Models/small:Predict")[0] == 200
    assert server.post({"instances": Z}, "/v1/models/sm%61ll:predict")[0] == 200


# ------------------------------------------------------------------ status and metadata


def test_status(server):
    one = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert server.get("/v1/models/small") == (200, {"model_version_status": [one]})
    assert server.get("/v1/models/small/versions/1") == (200, {"model_version_status": [one]})


def test_metadata(server):
    status, body = server.get("/v1/models/small/metadata")
    assert status == 200
    assert body["model_spec"] == {"name": "small", "signature_name": "", "version": "1"}
    signatures = body["metadata"]["signature_def"]["signature_def"]
    z = signatures["serving_default"]["inputs"]["z"]
    assert z["dtype"] == "DT_FLOAT"
    assert [d["size"] for d in z["tensor_shape"]["dim"]] == ["-1", "4"]
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert {"sample", "sample_png", "discriminate"} <= set(signatures)


def test_health_and_metrics(server):
    assert server.get("/healthz") == (200, {"status": "ok"})
    server.post({"instances": Z})
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        status, text = server.get(path)
        assert status == 200
        assert 'keras_gan_zoo_requests_total{code="200",kind="predict"}' in text
        assert "keras_gan_zoo_model_version 1.0" in text
        assert "keras_gan_zoo_batch_rows_bucket" in text


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "request_, status, message",
    [
        (b"", 400, "The document is empty"),
        (b"{", 400, "JSON Parse error"),
        (b'{"instances": [NaN]}', 400, "JSON Parse error"),
        (b'{"instances": [[1e400, 0, 0, 0]]}', 400, "JSON Parse error|must be finite"),
        (b"\xff\xfe", 400, "JSON Parse error"),
        (b"[" * 50_000, 400, "JSON Parse error"),
        (b"[" * 1000 + b"]" * 1000, 400, "Is not object"),
        (b'{"inputs": 1, "instances": ' + b"[" * 900 + b"]" * 900 + b"}", 400, "only one of"),
        ([1], 400, "Is not object"),
        ({}, 400, "Missing 'inputs' or 'instances' key"),
        ({"inputs": Z, "instances": Z}, 400, "only one of"),
        ({"instances": 3}, 400, "to be an list/array"),
        ({"instances": []}, 400, "No values in 'instances'"),
        ({"instances": [[1, 2]]}, 400, r"must have the shape \[-1,4\]. Received: \[1,2\]"),
        ({"instances": [[1, 2, 3, 4], [1, 2]]}, 400, "unexpected size: 2 .* expected size: 4"),
        ({"instances": [[1, 2, 3, [4]]]}, 400, "list at unexpected level"),
        ({"instances": [[1, 2, 3, 4], 5]}, 400, "found at incorrect level"),
        ({"instances": [[1, 2, 3, "4"]]}, 400, "Type: String is not of expected type: float32"),
        ({"instances": [[1, 2, 3, True]]}, 400, "Type: Bool is not of expected type"),
        ({"instances": [[1, 2, 3, None]]}, 400, "Type: Null is not of expected type"),
        ({"instances": [[1, 2, 3, 1e39]]}, 400, "must be finite and fit float32"),
        ({"instances": [{"x": 1}]}, 400, "keys must be equal to: z"),
        ({"instances": [{"z": Z[0]}, Z[0]]}, 400, "Expecting object but got list at item 1"),
        ({"instances": [Z[0], {"z": Z[0]}]}, 400, "but got object at item 1"),
        ({"inputs": {"y": Z}}, 400, "Missing named input: z"),
        ({"inputs": {"b64": "eA=="}}, 400, "must have the shape"),
        ({"inputs": Z, "signature_name": "nope"}, 400, '"nope" not found in signature def'),
        ({"inputs": Z, "signature_name": 3}, 400, "'signature_name' key must be a string"),
        ({"inputs": Z * 14}, 400, "may have 1 to 40 rows. Received: 42"),
        ({"signature_name": "sample", "inputs": [1]}, 400, "inputs is a plain value/list"),
        ({"signature_name": "sample", "instances": [1]}, 400, "instances is a plain list"),
        (
            {"signature_name": "sample", "instances": [{"seed": 1, "n": 1}]},
            400,
            r"must have the shape \[\]. Received: \[1\]",
        ),
        ({"signature_name": "sample", "inputs": {"seed": 1, "n": 0}}, 400, "n must be at least 1"),
        ({"signature_name": "sample", "inputs": {"seed": 1, "n": 33}}, 400, "n must be at most 32"),
        ({"signature_name": "sample", "inputs": {"seed": 1, "n": 2**31}}, 400, "type: int32"),
        ({"signature_name": "sample", "inputs": {"seed": 2**63, "n": 1}}, 400, "type: int64"),
        ({"signature_name": "sample", "inputs": {"seed": 1, "n": 1.5}}, 400, "type: int32"),
        (
            {"signature_name": "sample_png", "inputs": {"seed": 1, "n": 1, "truncation": 2}},
            400,
            "truncation must be above 0",
        ),
        (b" " * 200_001, 413, "at most 200,000 bytes"),
    ],
)
def test_refused_with_a_reason(server, request_, status, message):
    code, body = server.post(request_)
    assert code == status, body
    with pytest.raises(ValueError, match=message):
        raise ValueError(body["error"])
    assert server.post({"instances": Z})[0] == 200  # the server is still up


@pytest.mark.parametrize(
    "method, path, status, message",
    [
        ("GET", "/v1/models", 400, "Missing model name"),
        ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
        ("GET", "/v1/models/small/versions/9", 404, "Could not find version 9 of model small"),
        ("GET", "/v1/models/small/versions/" + "9" * 30, 400, "Failed to convert version"),
        ("GET", "/v1/models/small/labels/stable", 400, "Unrecognized servable version label"),
        ("GET", "/v1/models/small/versions/9/metadata", 404, r"Specific\(small, 9\)"),
        ("GET", "/v1/models/small:predict", 400, "Malformed request: GET"),
        ("GET", "/v2/models/small", 404, "There is nothing to GET at /v2/models/small"),
        ("GET", "/v1/nothing", 400, "Malformed request: GET /v1/nothing"),
        ("POST", "/v1/models/none:predict", 404, r"Latest\(none\)"),
        ("POST", "/v1/models/small/versions/2:predict", 404, r"Specific\(small, 2\)"),
        ("POST", "/v1/models/small:classify", 501, "classify is not offered"),
        ("POST", "/v1/models/small", 400, "Malformed request: POST"),
        ("DELETE", "/v1/models/small", 400, "Malformed request: DELETE"),
        ("OPTIONS", "/v1/models/small", 400, "Malformed request: OPTIONS /v1/models/small"),
        ("PATCH", "/v1/models/small:predict", 400, "Malformed request: PATCH"),
        ("PATCH", "/nothing", 405, "There is nothing to PATCH at /nothing"),
        ("POST", "/healthz", 405, "There is nothing to POST at /healthz"),
        ("DELETE", "/metrics", 405, "There is nothing to DELETE at /metrics"),
    ],
)
def test_paths_that_lead_nowhere(server, method, path, status, message):
    code, body = server.request(method, path, b"{}" if method == "POST" else None)
    assert code == status, body
    with pytest.raises(ValueError, match=message):
        raise ValueError(body["error"])


def test_compressed_bodies(server):
    def post(body):
        return server.request(
            "POST", "/v1/models/small:predict", body, {"Content-Encoding": "gzip"}
        )

    body = json.dumps({"instances": Z}).encode()
    assert post(gzip.compress(body)) == server.post(body)
    status, answer = post(gzip.compress(b" " * 10**8))
    assert status == 413 and "at most 200,000 bytes" in answer["error"]
    whole = gzip.compress(body)
    for damaged in (body, whole[:-9], whole[:20] + b"xx" + whole[22:], whole + b"x"):
        status, answer = post(damaged)
        assert status == 400 and "is not gzip data" in answer["error"]


def test_values_are_shown_in_a_moment():
    wide = {str(i): [0.5] * 10 for i in range(200_000)}
    deep = []
    for _ in range(900):
        deep = [deep]
    begin = time.perf_counter()
    for value in (wide, [wide], deep, "x" * 10**7, [["y" * 10**6] * 100] * 100):
        assert len(shown(value)) < 210
    assert time.perf_counter() - begin < 0.2
    assert shown({"a": [1, None, "b"]}) == "{'a': [1, None, 'b']}"


def test_others_are_answered_while_a_large_body_is_read(server, monkeypatch):
    from keras_gan_zoo.serving import app

    begun, go_on = threading.Event(), threading.Event()
    read = app._read

    def slow(body, version):
        begun.set()
        assert go_on.wait(20)
        return read(body, version)

    monkeypatch.setattr(app, "_read", slow)
    answers = []
    body = json.dumps({"instances": Z}).encode().ljust(100_000)
    client = threading.Thread(target=lambda: answers.append(server.post(body)))
    client.start()
    assert begun.wait(20)
    assert server.get("/healthz")[0] == 200
    go_on.set()
    client.join()
    assert answers[0][0] == 200


def test_numbers_that_are_not_finite(server, monkeypatch):
    """As TensorFlow Serving writes them."""
    from keras_gan_zoo.serving.models import Signature

    special = np.array([[np.nan, 1.5], [np.inf, -np.inf]], np.float32)
    monkeypatch.setattr(Signature, "run", lambda self, inputs: {"images": special})
    status, columns = server.request(
        "POST", "/v1/models/small:predict", json.dumps({"inputs": Z[:2]})
    )
    assert status == 200
    ((first, second), (third, fourth)) = columns["outputs"]
    assert math.isnan(first) and (second, third, fourth) == (1.5, math.inf, -math.inf)
    values = {"a": special, "b": special[:, 0]}
    monkeypatch.setattr(Signature, "run", lambda self, inputs: values)
    status, answer = server.post({"instances": Z[:2]})
    assert status == 200 and answer["predictions"][1] == {"a": [math.inf, -math.inf], "b": math.inf}


def test_lists_may_not_be_nested_without_end():
    value = 1
    for _ in range(990):
        value = [value]
    with pytest.raises(RequestError, match="nested 32 deep"):
        to_array(value, TensorSpec("x", "float32", None))


def test_more_rows_than_a_batch(server, small_gan):
    z = np.random.default_rng(0).normal(size=(39, 4)).round(3).tolist()
    status, body = server.post({"instances": z})
    assert status == 200
    np.testing.assert_allclose(body["predictions"], expected(small_gan, z), atol=1e-5)


def test_a_body_that_states_too_much_is_not_read(server):
    status, body = server.request(
        "POST", "/v1/models/small:predict", b"{}", {"Content-Length": str(10**9)}
    )
    assert status == 413


# ------------------------------------------------------------------ any request at all

ANY = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([{"b64": "eA=="}, {"b64": "?"}, {"b64": 1}, {"z": [0.0] * 4}]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.sampled_from(["z", "seed", "n", "b64", "x"]), inner, max_size=4),
    ),
    max_leaves=20,
)
requests = st.one_of(
    values,
    st.fixed_dictionaries(
        {},
        optional={
            "signature_name": st.one_of(st.sampled_from(["", "sample", "discriminate"]), values),
            "instances": values,
            "inputs": values,
        },
    ),
)


@settings(ANY, max_examples=100)
@given(requests)
def test_any_json_is_answered_or_refused(server, request_):
    status, body = server.post(request_)
    assert status in (200, 400), body
    assert status == 200 or body["error"]


@settings(ANY, max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(server, data):
    status, body = server.post(b'{"instances": ' + data)
    assert status == 400 and body["error"]


DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool", "string")
SHAPES = (None, (), (-1,), (-1, 2), (2, 2))


@settings(ANY, max_examples=200)
@given(values, st.sampled_from(DTYPES), st.sampled_from(SHAPES))
def test_any_value_is_an_array_of_the_signature_or_refused(value, dtype, shape):
    spec = TensorSpec("x", dtype, shape)
    try:
        array = to_array(value, spec)
    except RequestError:
        return
    assert array.dtype == (object if dtype == "string" else np.dtype(dtype))
    if shape is not None:
        assert len(array.shape) == len(shape)
        assert all(w in (-1, s) for w, s in zip(shape, array.shape, strict=True))
    if array.dtype.kind == "f":
        assert np.isfinite(array).all()


@settings(ANY, max_examples=50)
@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3,
                      max_size=3), min_size=1, max_size=6)
)  # fmt: skip
def test_arrays_survive(rows):
    specs = {"x": TensorSpec("x", "float32", (-1, 3))}
    wanted = np.array(rows, np.float32)
    for key in ("instances", "inputs"):
        arrays, by_rows = read_inputs({key: rows}, "serving_default", specs)
        np.testing.assert_array_equal(arrays["x"], wanted)
        assert by_rows == (key == "instances")


def test_strings():
    spec = TensorSpec("x", "string", (-1,))
    array = to_array(["text", {"b64": base64.b64encode(b"\x00\xff").decode()}], spec)
    assert array.tolist() == [b"text", b"\x00\xff"]
    for wrong in ([1], [{"b64": "?"}], [{"b64": "eA==", "x": 1}], [["x"]]):
        with pytest.raises(RequestError):
            to_array(wrong, spec)


# ------------------------------------------------------------------ without the models' code


def test_it_serves_without_the_zoo_s_model_code(export_folder):
    script = """if True:
        import sys
        from pathlib import Path
        from keras_gan_zoo.serving import create_app, models
        create_app(sys.argv[1])
        model = models.Model("small", Path(sys.argv[1]))
        assert model.refresh()
        names = {m for m in sys.modules if m.startswith("keras_gan_zoo.")}
        wanted = ("keras_gan_zoo.serving", "keras_gan_zoo._text")
        sys.exit(f"{names}" if any(not m.startswith(wanted) for m in names) else 0)
    """
    subprocess.run([sys.executable, "-c", script, str(export_folder)], check=True)


def test_a_folder_without_versions(tmp_path):
    from keras_gan_zoo.serving import ServerOptions, create_app

    (tmp_path / "1").mkdir()
    with pytest.raises(FileNotFoundError, match="must hold numbered folders"):
        create_app(tmp_path)
    with pytest.raises(ValueError, match="max_batch must be greater than 0"):
        ServerOptions(max_batch=0)


def test_every_error_is_json_of_one_key(server):
    _, body = server.post(b"{")
    assert list(body) == ["error"] and json.dumps(body)

"""Protocols and records: what differs cannot be compared."""

import dataclasses
import json

import pytest

from keras_gan_zoo.metrics import Protocol, ProtocolMismatchError, Record

PROTOCOL = Protocol("grey28", "ab" * 32, "28x28", "mnist", "test", 10_000, 10_000, True, 0, "0.1.0")


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Protocol)])
def test_any_difference_refuses_a_comparison(field):
    value = getattr(PROTOCOL, field)
    other = dataclasses.replace(
        PROTOCOL, **{field: not value if isinstance(value, bool) else f"{value}1"}
    )
    a, b = Record("fid", 3.0, PROTOCOL), Record("fid", 2.0, other)
    with pytest.raises(ProtocolMismatchError, match=field):
        a.minus(b)
    with pytest.raises(ProtocolMismatchError, match=field):
        _ = a < b
    assert a.minus(b, ignore=(field,)) == 1.0


def test_equal_protocols_compare():
    a, b = Record("fid", 3.0, PROTOCOL), Record("fid", 2.0, PROTOCOL)
    assert a.minus(b) == 1.0 and b < a and a > b
    with pytest.raises(ValueError, match="same metric"):
        a.minus(Record("kid", 2.0, PROTOCOL))


def test_records_survive_json():
    record = Record("fid", 3.5, PROTOCOL, (3.0, 4.0), "evaluate")
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    with pytest.raises(ValueError, match="unknown \\['more'\\]"):
        Protocol.from_dict({**PROTOCOL.to_dict(), "more": 1})
    with pytest.raises(ValueError, match="number"):
        Record.from_dict({**record.to_dict(), "value": "low"})

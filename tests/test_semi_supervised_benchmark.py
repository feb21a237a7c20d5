"""The semi-supervised benchmark's bookkeeping: what is done, the table, the picture."""

import argparse
import json

import numpy as np
import pytest

from benchmarks import semi_supervised


def record(draw, errors, labels=100):
    return {
        "labels": labels,
        "draw": draw,
        "rate": 1e-3,
        "epochs": len(errors),
        "errors": errors[-1],
        "errors_present": errors[-1] + 10,
        "seconds": 60.0,
        "ms_per_step": 50.0,
        "history": {"errors": errors, "errors_present": [e + 10 for e in errors]},
    }


def test_table_has_mean_deviation_and_the_paper_s():
    rows = semi_supervised.table([record(0, [300, 90]), record(1, [200, 110])]).splitlines()
    cells = [c.strip() for c in rows[2].strip("|").split("|")]
    assert cells == ["100", "2", "2", "100.0 ± 14.1", "110.0 ± 14.1", "93 ± 6.5", "50.0", "60"]
    assert " 12.0 ± 0.0 " in semi_supervised.table([record(0, [12], labels=30)])


def test_a_run_is_done_when_it_has_a_record(tmp_path):
    options = argparse.Namespace(output=tmp_path, labels=100, epochs=2, rate=1e-3)
    assert not semi_supervised._done(options, 0)
    (tmp_path / "100.0.2-epochs.json").write_text(json.dumps(record(0, [5, 4])))
    assert semi_supervised._done(options, 0)
    options.epochs = 3  # another run: its rate falls later
    assert not semi_supervised._done(options, 0)
    options.epochs, options.rate = 2, 3e-3
    assert semi_supervised._record(options, 0).name == "100.0.2-epochs.rate-0.003.json"
    assert not semi_supervised._done(options, 0)
    (tmp_path / "100.0.2-epochs.rate-0.003.json").write_text(json.dumps(record(0, [5, 4])))
    with pytest.raises(SystemExit, match="2 epochs with rate 0.001; wanted 2 with 0.003"):
        semi_supervised._done(options, 0)


def test_the_rate_falls_over_the_last_third():
    options = argparse.Namespace(epochs=300, rate=1e-3)
    rates = [semi_supervised.rate_of(e, options) for e in (0, 200, 250, 299)]
    # min(3 - epoch / 100, 1): the first version of the authors' program
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 0.5e-3, 1e-5], rtol=1e-6)


def test_picture(tmp_path):
    path = tmp_path / "errors.png"
    semi_supervised.picture([record(0, [2000, 300, 90]), record(1, [1500, 200, 110])], path)
    assert path.stat().st_size > 1000


def test_errors_counts_both_kinds_of_weights():
    class Fake:
        def classify(self, images, batch_size, averaged):
            right = np.eye(10)[np.arange(20) % 10]
            return right if averaged else np.roll(right, 1, axis=1)

    found = semi_supervised.errors(Fake(), np.zeros((20, 28, 28, 1)), np.arange(20) % 10)
    assert found == {"errors": 0, "errors_present": 20}

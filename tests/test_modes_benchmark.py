"""benchmarks/modes.py: what is there is not done again, and other settings do not mix."""

import json

import pytest

from benchmarks import modes


@pytest.fixture
def done(monkeypatch, tmp_path):
    """Runs are replaced by records; the list of them, in order. Nothing of the checkout moves."""
    runs = []

    def one(job, options):
        name, dataset, seed = job
        runs.append(job)
        settings = {k: getattr(options, k) for k in ("steps", "g_rate", "d_rate")}
        found = {"modes": 8, "high_quality": 0.5, "reverse_kl": 0.1, "seconds": 1.0}
        record = {"model": name, "dataset": dataset, "seed": seed, **settings, **found}
        record["checkpoints"] = [{"step": 1, "modes": 4}]
        modes._record(options.output, *job).write_text(json.dumps(record))
        return job

    monkeypatch.setattr(modes, "_one", one)
    monkeypatch.setattr(modes, "RESULT", tmp_path / "result" / "modes.json")
    monkeypatch.setattr(modes, "DOCS", tmp_path / "docs")
    return runs


def call(folder, *arguments):
    modes.main(["--output", str(folder), "--jobs", "1", *arguments])


def test_goes_on_where_it_stopped(done, tmp_path, capsys):
    chosen = ("--models", "gan,veegan", "--datasets", "ring")
    call(tmp_path / "a", *chosen, "--seeds", "2")
    assert done == [("gan", "ring", 0), ("veegan", "ring", 0)] + [
        ("gan", "ring", 1),
        ("veegan", "ring", 1),
    ]
    call(tmp_path / "a", *chosen, "--seeds", "6")
    assert len(done) == 4 + 4 + 3  # the slow one stops at five seeds
    done.clear()
    call(tmp_path / "b", *chosen, "--seeds", "7")  # elsewhere: the record has the others
    assert done == [("gan", "ring", 6)]
    record = json.loads(modes.RESULT.read_text())
    assert [r["model"] for r in record["runs"]] == ["gan"] * 7 + ["veegan"] * 5
    shown = capsys.readouterr().out
    assert "8.0 ± 0.0" in shown and "7 of 7" in shown
    assert "modes-ring.png stays as it is: no samples of gan, veegan" in shown


def test_other_settings_are_other_runs(done, tmp_path, capsys):
    chosen = ("--models", "gan", "--datasets", "grid", "--seeds", "1")
    call(tmp_path / "a", *chosen)
    before = modes.RESULT.read_text()
    capsys.readouterr()
    call(tmp_path / "a", *chosen, "--steps", "10")
    assert len(done) == 2 and modes.RESULT.read_text() == before
    assert "0 of 1" in capsys.readouterr().out  # 8 modes of 25
    call(tmp_path / "a", *chosen, "--collect")  # in the place of ten steps: the recorded run
    assert len(done) == 2
    assert json.loads(modes.RESULT.read_text())["runs"] == json.loads(before)["runs"]


def test_unknown_names(done, tmp_path, capsys):
    with pytest.raises(SystemExit):
        call(tmp_path, "--models", "gan,goat")
    assert "unknown: goat" in capsys.readouterr().err and not done


def test_the_speed_is_that_of_the_protocol(done, tmp_path, capsys):
    with pytest.raises(SystemExit):
        call(tmp_path, "--speed", "--steps", "100")
    assert "default steps" in capsys.readouterr().err and not done


def test_runs_with_another_factor_are_done_again(done, tmp_path, monkeypatch):
    chosen = ("--models", "gan", "--datasets", "ring", "--seeds", "1")
    call(tmp_path / "a", *chosen)
    monkeypatch.setitem(modes.G_FACTOR, "gan", 0.5)
    call(tmp_path / "a", *chosen)
    assert len(done) == 2

"""The README's generated tables are up to date."""

import sys

import keras_gan_zoo as zoo


def test_generated_tables_are_up_to_date(monkeypatch):
    from pathlib import Path

    root = Path(zoo.__file__).parent.parent
    monkeypatch.syspath_prepend(str(root))
    from benchmarks import tables

    assert tables.main(["--check"]) == 0, "run `python -m benchmarks.tables`"
    sys.modules.pop("benchmarks.tables", None)

"""Write measured figures into the manifest of a preset, and its card and the index anew.

    keras-gan-zoo evaluate dcgan.fashion_mnist --dataset fashion_mnist --output report.json ...
    python -m benchmarks.record_preset report.json

The figures, their protocols and the command are those of the report; nothing is typed in.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from keras_gan_zoo.hub import index
from keras_gan_zoo.hub.resolve import locate
from keras_gan_zoo.metrics import Record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="of `keras-gan-zoo evaluate`")
    report = json.loads(parser.parse_args().report.read_text())
    folder, manifest = locate(report["model"])
    records = [Record.from_dict(r).manifest_entry() for r in report["records"]]
    print(dataclasses.replace(manifest, metrics=records).write(folder))
    for path in index.write_index(folder.parent):
        print(path)


if __name__ == "__main__":
    main()

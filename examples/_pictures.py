"""What the examples share: one command-line option and one way to make a slide."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE = {
    "font.size": 13,
    "axes.titlesize": 15,
    "figure.titlesize": 18,
    "legend.fontsize": 12,
    "legend.framealpha": 0.9,
    "lines.linewidth": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}


def output_folder(argv: Sequence[str] | None, description: str) -> Path:
    """Read `--output DIR` from the command line; `runs/examples` is the default."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), metavar="DIR")
    return parser.parse_args(argv).output


@contextlib.contextmanager
def slide(
    path: Path, title: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (12, 5.5)
) -> Iterator[tuple[Any, Any]]:
    """Yield (figure, axes) and write the PNG file `path` at the end."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
        figure.suptitle(title)
        yield figure, figure.subplots(rows, columns)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    print(f"picture: {path}")

"""One measurement of `benchmarks.metrics`, in a process of its own: time, peak memory, value.

    python -m benchmarks.metrics_workers CONTESTANT QUANTITY FOLDER

FOLDER holds `real.npy` and `fake.npy`. The answer is one line of JSON on standard output. Peers may
run under another interpreter: nothing but NumPy is imported before the contestant.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WARM_UP = 600  # rows of the untimed call
NEIGHBOURS = 5

Values = dict[str, float]
Call = Callable[[np.ndarray, np.ndarray], Values]


def _ours(quantity: str) -> Call:
    from keras_gan_zoo.metrics import functional

    return {
        "frechet": lambda real, fake: {"distance": functional.frechet_distance(real, fake)},
        "kernel": lambda real, fake: {"distance": functional.kernel_distance(real, fake)},
        "neighbours": lambda real, fake: functional.precision_recall_density_coverage(
            real, fake, k=NEIGHBOURS
        ),
    }[quantity]


def _prdc(quantity: str) -> Call:
    from prdc import compute_prdc

    return lambda real, fake: compute_prdc(real, fake, nearest_k=NEIGHBOURS)


def _scipy(quantity: str) -> Call:
    from scipy import linalg

    def frechet(real: np.ndarray, fake: np.ndarray) -> Values:
        shift = real.mean(axis=0, dtype=np.float64) - fake.mean(axis=0, dtype=np.float64)
        one, two = (np.cov(x, rowvar=False, dtype=np.float64) for x in (real, fake))
        root = linalg.sqrtm(one @ two).real
        return {"distance": shift @ shift + np.trace(one + two - 2.0 * root)}

    return frechet


def _torch_fidelity(quantity: str) -> Call:
    import torch
    from torch_fidelity import metric_fid, metric_kid, metric_prc

    def frechet(real: np.ndarray, fake: np.ndarray) -> Values:
        statistics = [
            metric_fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (real, fake)
        ]
        found = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
        return {"distance": found[metric_fid.KEY_METRIC_FID]}

    def kernel(real: np.ndarray, fake: np.ndarray) -> Values:
        # One subset of all rows is the estimate over all pairs.
        found = metric_kid.kid_features_to_metric(
            *(torch.from_numpy(x) for x in (real, fake)),
            kid_subsets=1,
            kid_subset_size=len(real),
            verbose=False,
        )
        return {"distance": found[metric_kid.KEY_METRIC_KID_MEAN]}

    def neighbours(real: np.ndarray, fake: np.ndarray) -> Values:
        found = metric_prc.prc_features_to_metric(
            *(torch.from_numpy(x) for x in (fake, real)),
            prc_neighborhood=NEIGHBOURS,
            save_cpu_ram=False,
            verbose=False,
        )
        return {
            "precision": found[metric_prc.KEY_METRIC_PRECISION],
            "recall": found[metric_prc.KEY_METRIC_RECALL],
        }

    return {"frechet": frechet, "kernel": kernel, "neighbours": neighbours}[quantity]


MAKERS = {"zoo": _ours, "prdc": _prdc, "scipy": _scipy, "torch_fidelity": _torch_fidelity}


def _status(field: str) -> float:
    """A field of /proc/self/status in MiB: VmRSS is the memory in use, VmHWM its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def measure(contestant: str, quantity: str, folder: Path) -> dict:
    """Return `seconds`, `peak_mib` above what inputs and libraries take, and `values`."""
    real, fake = (np.load(folder / f"{name}.npy") for name in ("real", "fake"))
    call = MAKERS[contestant](quantity)
    call(real[:WARM_UP], fake[:WARM_UP])
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is in use
    before = _status("VmRSS")
    start = time.perf_counter()
    values = call(real, fake)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak_mib": _status("VmHWM") - before,
        "values": {key: float(value) for key, value in values.items()},
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answer = measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    print(json.dumps(answer))

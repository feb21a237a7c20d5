"""Where a TensorFlow step spends its time: operations by time, from TensorFlow's profiler."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def profile(step: Callable[[int], Any], steps: int = 8, top: int = 25) -> dict[str, Any]:
    """Traces `step(steps)` and adds up the time of each operation.

    Args:
        step: runs so many steps; called once before, untraced.
        steps: steps to trace; steps that `step` runs on top of them count too.
        top: operations to list.

    Returns:
        `kinds` and `operations`: lists of `[name, milliseconds, share, calls]`, largest first. The
        milliseconds are calls times the median call: what interrupts one call drops out.
        Operations run side by side, so the shares are of the sum, not of the wall clock.
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    step(steps)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            step(steps)
        finally:
            tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for file in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(file.read_bytes())
    calls: dict[str, list[float]] = {}
    for plane in space.planes:
        names = {key: meta.name for key, meta in plane.event_metadata.items()}
        for event in (e for line in plane.lines for e in line.events):
            # an operation's event is called "path/in/graph:Kind"
            name = names[event.metadata_id]
            path, _, kind = name.rpartition(":")
            if path and kind.isidentifier() and not path.endswith(":"):
                calls.setdefault(name, []).append(event.duration_ps / 1e9)
    operations = {n: (statistics.median(ms) * len(ms), len(ms)) for n, ms in calls.items()}
    kinds: dict[str, tuple[float, int]] = {}
    for name, (ms, count) in operations.items():
        before = kinds.get(kind := name.rpartition(":")[2], (0.0, 0))
        kinds[kind] = (before[0] + ms, before[1] + count)
    return {"kinds": _largest(kinds, top), "operations": _largest(operations, top)}


def _largest(entries: dict[str, tuple[float, int]], top: int) -> list[list[Any]]:
    total = sum(ms for ms, _ in entries.values()) or 1.0
    ranked = sorted(entries.items(), key=lambda item: -item[1][0])[:top]
    return [[name, round(ms, 2), round(ms / total, 4), count] for name, (ms, count) in ranked]

"""What every benchmark shares: worker processes, the machine, versions, tables, result files."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("keras-gan-zoo", "tensorflow", "keras", "torch", "numpy")
_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")


def cores() -> int:
    """Number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Processor, cores, the vector instructions that decide the speed, memory, load, system."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.M)
    present = set(flags.group(1).split()) if flags else set()
    found: dict[str, Any] = {
        "cpu": model.group(1).strip() if model else platform.processor() or platform.machine(),
        "cores": cores(),
        "flags": [f for f in _CPU_FLAGS if f in present],
        "system": f"{platform.system()} {platform.machine()}",
    }
    memory = Path("/proc/meminfo")
    if memory.exists():
        total = re.search(r"^MemTotal:\s*(\d+)", memory.read_text(), re.M)
        found["memory_gib"] = round(int(total.group(1)) / 2**20, 1) if total else None
    return found


def load_average() -> float:
    """Processes that want to run, over the last minute: above ~0.5 at the start, do not trust."""
    return round(os.getloadavg()[0], 2)


class OthersLoad:
    """How much of the machine's processor time other processes took, between two moments.

    Children count as one's own once they have ended.
    """

    def __init__(self) -> None:
        self._start = self._read()

    @staticmethod
    def _read() -> tuple[float, float, float]:
        own = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        stat = Path("/proc/stat")
        if not stat.exists():
            return time.monotonic(), own, own
        # user, nice, system, idle, iowait, irq, softirq, steal: see proc(5)
        ticks = [int(t) for t in stat.read_text().split("\n", 1)[0].split()[1:9]]
        busy = sum(ticks) - ticks[3] - ticks[4]
        return time.monotonic(), own, busy / os.sysconf("SC_CLK_TCK")

    def share(self) -> float:
        """Share of all cores that others have used since the beginning, 0 to 1."""
        wall, own, busy = (b - a for a, b in zip(self._start, self._read(), strict=True))
        return round(max(0.0, busy - own) / (wall * (os.cpu_count() or 1)), 3)


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Installed versions by package name, Python's included; None where not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def stamp(command: str) -> dict[str, Any]:
    """The fields that make a result file traceable: command, date, machine, versions."""
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` to `path` as readable JSON; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def run_apart(
    module: str, job: Sequence[Any], options: Any, keys: Sequence[str], log: Path
) -> None:
    """One run of a benchmark in a process of its own: `python -m benchmarks.MODULE --one JOB ...`.

    Args:
        module: name of the benchmark.
        job: what `--one` takes.
        options, keys: parsed options, and the names of those that are handed on.
        log: where its errors go.

    Raises:
        subprocess.CalledProcessError: the run failed; `log` says why.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", "--one", *map(str, job)]
    for key in keys:
        command += [f"--{key.replace('_', '-')}", str(getattr(options, key))]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with log.open("w") as stream:
        subprocess.run(command, check=True, env=environment, stderr=stream)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table that also reads well in a terminal; numbers are flush right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(header), *cells]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = [c.rjust(w) for c, w in zip(row, widths, strict=True)]
        padded[0] = row[0].ljust(widths[0])
        return "| " + " | ".join(padded) + " |"

    rule = "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths))
    return "\n".join([line(list(header)), f"|{rule}|", *(line(r) for r in cells)])


class WorkerError(RuntimeError):
    """A worker process died or reported an exception."""


class Worker:
    """A process that stays alive and runs one request after the other.

    Two frameworks in one process fight over thread pools, and process-wide options (TensorFlow's
    graph rewriter) could not be compared; processes that take turns measure interleaved without
    sharing anything. Requests and answers are JSON, one a line.

    Args:
        module: run as `python -m module *arguments`; it calls `serve`.
        arguments: command line of the process.
        environment: added to the environment.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = " ".join(arguments)
        self._errors = tempfile.TemporaryFile(mode="w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, **request: Any) -> Any:
        """Sends a request and waits for the answer.

        Raises:
            WorkerError: the process died, or the request raised there.
        """
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            raise WorkerError(f"The worker {self.name!r} died:\n{self._errors.read()[-4000:]}")
        content = json.loads(answer)
        if "error" in content:
            raise WorkerError(f"The worker {self.name!r} failed:\n{content['error']}")
        return content["result"]

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def serve(handle: Callable[..., Any]) -> None:
    """The worker's side: answers requests with `handle(**request)` until the pipe closes.

    Whatever libraries print goes to standard error.
    """
    import traceback

    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            answer = {"result": handle(**json.loads(line))}
        except Exception:
            answer = {"error": traceback.format_exc()}
        channel.write(json.dumps(answer) + "\n")
        channel.flush()

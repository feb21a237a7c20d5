"""Dynamic batching: rows of requests that arrive together run as one batch.

While a batch runs, the rows that arrive wait; when it is done they are the next batch. Nobody waits
for a timer: a lone request is run at once, and under load batches grow by themselves.
"""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_gan_zoo.serving.json_tensors import RequestError
from keras_gan_zoo.serving.models import Signature

Arrays = Mapping[str, np.ndarray]


@dataclass
class _Waiting:
    inputs: Arrays
    rows: int
    done: asyncio.Future


class Batcher:
    """Runs signatures in worker threads.

    Args:
        max_rows: largest batch; also the most rows of one request.
        max_queue: most rows that wait for one signature; beyond it requests are refused (503).
        threads: batches that run at the same time.
        on_batch: called with the rows of each batch that was run.
    """

    def __init__(
        self,
        max_rows: int = 64,
        max_queue: int = 1024,
        threads: int = 1,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.max_rows, self.max_queue, self.on_batch = max_rows, max_queue, on_batch
        self.sizes = sizes(max_rows)
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self.queues: dict[int, _Queue] = {}

    async def run(self, signature: Signature, inputs: Arrays) -> dict[str, np.ndarray]:
        """Outputs of one request.

        Raises:
            RequestError: too many rows (400), rows that differ in number (400), a full queue
                (503), or what the signature says.
        """
        if not signature.batchable:
            loop = asyncio.get_running_loop()
            outputs = await loop.run_in_executor(self.pool, signature.run, inputs)
            self.on_batch(1)
            return outputs
        counts = {name: len(value) for name, value in inputs.items()}
        rows = next(iter(counts.values()))
        if len(set(counts.values())) > 1:
            raise RequestError(f"The inputs must have the same number of rows. Received: {counts}")
        if not 1 <= rows <= self.max_rows:
            raise RequestError(
                f"A request may have 1 to {self.max_rows} rows. Received: {rows}; split it."
            )
        queue = self.queues.get(id(signature))
        if queue is None:
            queue = self.queues[id(signature)] = _Queue(signature)
        if queue.rows + rows > self.max_queue:
            raise RequestError("The server is overloaded: the queue is full. Try again.", 503)
        waiting = _Waiting(inputs, rows, asyncio.get_running_loop().create_future())
        queue.waiting.append(waiting)
        queue.rows += rows
        if queue.task is None:
            queue.task = asyncio.create_task(self._work(queue))
        return await waiting.done

    @property
    def queued(self) -> int:
        """Rows that wait."""
        return sum(queue.rows for queue in self.queues.values())

    async def _work(self, queue: _Queue) -> None:
        """Run batches until the queue is empty; then forget it."""
        loop = asyncio.get_running_loop()
        try:
            while queue.waiting:
                batch, rows = queue.take(self.max_rows)
                try:
                    outputs = await loop.run_in_executor(
                        self.pool, self._together, queue.signature, batch
                    )
                except Exception as error:
                    await self._singly(queue.signature, batch, error)
                    continue
                self.on_batch(rows)
                begin = 0
                for item in batch:
                    part = {k: v[begin : begin + item.rows] for k, v in outputs.items()}
                    begin += item.rows
                    if not item.done.done():  # the client may have gone
                        item.done.set_result(part)
        finally:
            self.queues.pop(id(queue.signature), None)

    async def _singly(self, signature: Signature, batch: list[_Waiting], error: Exception) -> None:
        """After a failed batch: each request for itself, so that one cannot spoil another's."""
        loop = asyncio.get_running_loop()
        for item in batch:
            outcome: Any = error
            if len(batch) > 1:
                try:
                    outcome = await loop.run_in_executor(
                        self.pool, self._together, signature, [item]
                    )
                except Exception as own:
                    outcome = own
            if item.done.done():
                continue
            if isinstance(outcome, Exception):
                item.done.set_exception(outcome)
            else:
                item.done.set_result({k: v[: item.rows] for k, v in outcome.items()})

    def _together(self, signature: Signature, batch: list[_Waiting]) -> dict[str, np.ndarray]:
        """One call for all requests; rows are padded, so that few shapes are ever run."""
        rows = sum(item.rows for item in batch)
        missing = self.sizes[bisect.bisect_left(self.sizes, rows)] - rows
        inputs = {}
        for name in signature.inputs:
            parts = [item.inputs[name] for item in batch]
            if missing:
                parts.append(np.repeat(parts[-1][-1:], missing, axis=0))
            inputs[name] = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return {name: value[:rows] for name, value in signature.run(inputs).items()}

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self.pool.shutdown(wait=True)


class _Queue:
    def __init__(self, signature: Signature) -> None:
        self.signature = signature  # kept here, so that its id stays its own
        self.waiting: deque[_Waiting] = deque()
        self.rows = 0
        self.task: asyncio.Task | None = None

    def take(self, max_rows: int) -> tuple[list[_Waiting], int]:
        """The next requests that fit into one batch together."""
        batch, rows = [], 0
        while self.waiting and rows + self.waiting[0].rows <= max_rows:
            item = self.waiting.popleft()
            batch.append(item)
            rows += item.rows
        self.rows -= rows
        return batch, rows


def sizes(max_rows: int) -> list[int]:
    """The numbers of rows that batches are padded to: powers of two, and `max_rows`.

    Example:

    >>> sizes(20)
    [1, 2, 4, 8, 16, 20]
    """
    found = [1]
    while found[-1] * 2 <= max_rows:
        found.append(found[-1] * 2)
    return found if found[-1] == max_rows else [*found, max_rows]

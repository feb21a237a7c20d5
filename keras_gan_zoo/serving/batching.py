"""Dynamic batching: rows of requests that arrive together run as one batch.

While a batch runs, the rows that arrive wait; when it is done they are the next batch. Nobody waits
for a timer: a lone request is run at once, and under load batches grow by themselves. Requests to
signatures that are not batchable run each for itself, as they came.
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
        max_batch: largest batch; requests of more rows are cut into several.
        max_rows: most rows of one request; more are refused (400).
        max_queue: most rows that wait for one batchable signature, and for all others together;
            beyond it requests are refused (503). One request may always wait, however large.
        threads: that run signatures. One batchable signature runs one batch at a time.
        on_batch: called with the rows of each batch that was run.
    """

    def __init__(
        self,
        max_batch: int = 64,
        max_rows: int = 1024,
        max_queue: int = 1024,
        threads: int = 1,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.max_batch, self.max_rows, self.max_queue = max_batch, max_rows, max_queue
        self.on_batch = on_batch
        self.sizes = sizes(max_batch)
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self.queues: dict[int, _Queue] = {}
        self.alone = 0  # rows that wait and are not batched
        self._slots = asyncio.Semaphore(threads)

    async def run(self, signature: Signature, inputs: Arrays) -> dict[str, np.ndarray]:
        """Outputs of one request.

        Raises:
            RequestError: too many rows (400), rows that differ in number (400), a full queue
                (503), or what the signature says.
        """
        counts = {k: len(inputs[k]) for k, spec in signature.inputs.items() if spec.has_batch_axis}
        if signature.has_rows and len(set(counts.values())) > 1:
            raise RequestError(f"The inputs must have the same number of rows. Received: {counts}")
        rows = max(counts.values(), default=1)
        if not 1 <= rows <= self.max_rows:
            raise RequestError(
                f"A request may have 1 to {self.max_rows} rows. Received: {rows}; split it."
            )
        if not signature.batchable:
            return await self._alone(signature, inputs, rows)
        queue = self.queues.get(id(signature))
        if queue is None:
            queue = self.queues[id(signature)] = _Queue(signature)
        self._admit(queue.rows, rows)
        loop, pieces = asyncio.get_running_loop(), []
        for begin in range(0, rows, self.max_batch):
            part = {k: v[begin : begin + self.max_batch] for k, v in inputs.items()}
            size = min(self.max_batch, rows - begin)
            pieces.append(_Waiting(part, size, loop.create_future()))
        queue.waiting.extend(pieces)
        queue.rows += rows
        if queue.task is None:
            queue.task = asyncio.create_task(self._work(queue))
        outputs = await asyncio.gather(*(piece.done for piece in pieces))
        if len(outputs) == 1:
            return outputs[0]
        return {name: np.concatenate([o[name] for o in outputs]) for name in outputs[0]}

    @property
    def queued(self) -> int:
        """Rows that wait."""
        return self.alone + sum(queue.rows for queue in self.queues.values())

    def _admit(self, waiting: int, rows: int) -> None:
        if waiting and waiting + rows > self.max_queue:
            raise RequestError("The server is overloaded: the queue is full. Try again.", 503)

    async def _alone(
        self, signature: Signature, inputs: Arrays, rows: int
    ) -> dict[str, np.ndarray]:
        """One request in one call, its rows neither padded nor beside those of others."""
        self._admit(self.alone, rows)
        self.alone += rows
        try:
            await self._slots.acquire()
        finally:
            self.alone -= rows
        try:
            loop = asyncio.get_running_loop()
            outputs = await loop.run_in_executor(self.pool, signature.run, inputs)
        finally:
            self._slots.release()
        self.on_batch(rows)
        return outputs

    async def _work(self, queue: _Queue) -> None:
        """Run batches until the queue is empty; then forget it."""
        loop = asyncio.get_running_loop()
        try:
            while queue.waiting:
                batch, rows = queue.take(self.max_batch)
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

    def take(self, max_batch: int) -> tuple[list[_Waiting], int]:
        """The next requests that fit into one batch together."""
        batch, rows = [], 0
        while self.waiting and rows + self.waiting[0].rows <= max_batch:
            item = self.waiting.popleft()
            batch.append(item)
            rows += item.rows
        self.rows -= rows
        return batch, rows


def sizes(max_batch: int) -> list[int]:
    """The numbers of rows that batches are padded to: powers of two, and `max_batch`.

    Example:

    >>> sizes(20)
    [1, 2, 4, 8, 16, 20]
    """
    found = [1]
    while found[-1] * 2 <= max_batch:
        found.append(found[-1] * 2)
    return found if found[-1] == max_batch else [*found, max_batch]

"""Who starts the processes of engines: a new one for each case, or one that stays for all of them.

A process on a GPU takes seconds to start, and its errors end it for good; so there each engine has
one that builds case after case, and that is replaced when something in it has failed.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Protocol

from grugen.bench.workers import Order, TooSlow, Worker


class Crew(Protocol):
    """Starts workers and takes them back."""

    @property
    def on_device(self) -> bool:
        """Whether they work on a GPU."""

    def hire(self, order: Order, seconds: float) -> Worker:
        """A worker that has built what was ordered. Raises Skipped and Failed."""

    def leave(self, worker: Worker) -> None:
        """The case of a worker is done."""


class Passing:
    """A new process for each case."""

    on_device = False

    def hire(self, order: Order, seconds: float) -> Worker:
        """See `Crew`."""
        return Worker(order, seconds)

    def leave(self, worker: Worker) -> None:
        """See `Crew`."""
        worker.close()


class Staying:
    """A process for each engine of a GPU, for all cases; what runs on the CPU passes.

    Many threads may hire, each for another engine. To be left by `with`, which ends all.
    """

    on_device = True

    def __init__(self) -> None:
        self._waiting: dict[str, Worker] = {}
        self._names: dict[int, str] = {}
        self._early: dict[tuple[str, str, bool], Future[Worker]] = {}
        self._starting = ThreadPoolExecutor()

    def __enter__(self) -> Staying:
        return self

    def __exit__(self, *_: object) -> None:
        self._starting.shutdown(wait=False, cancel_futures=True)
        for worker in self._waiting.values():
            worker.close()
        for early in self._early.values():
            early.add_done_callback(_end)

    def start_early(self, order: Order, seconds: float) -> None:
        """Let an engine build in the background what is to be hired later, for the same numbers."""
        key = order.entry.name, order.spec, order.train
        self._early[key] = self._starting.submit(Worker, order, seconds)

    def hire(self, order: Order, seconds: float) -> Worker:
        """See `Crew`."""
        early = self._early.pop((order.entry.name, order.spec, order.train), None)
        if early is not None:
            try:
                return early.result(seconds)
            except FutureTimeout:
                early.add_done_callback(_end)
                raise TooSlow(f"it was not ready after another {seconds:.0f} s") from None
        if order.entry.device == "cpu":
            return Worker(order, seconds)
        worker = self._waiting.pop(order.entry.name, None)
        if worker is None or not worker.is_alive:
            worker = Worker(order, seconds)
        else:
            worker.build(order, seconds)
        self._names[id(worker)] = order.entry.name
        return worker

    def leave(self, worker: Worker) -> None:
        """See `Crew`."""
        name = self._names.pop(id(worker), None)
        if name is None:
            worker.close()
        elif worker.is_alive:
            self._waiting[name] = worker


def _end(early: Future[Worker]) -> None:
    if not early.cancelled() and early.exception() is None:
        early.result().close()

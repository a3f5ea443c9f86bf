"""The processes of the engines, as their parent sees them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grugen.bench.roster import Entry

SECONDS = 60.0
"""How long an answer may take beyond what was asked for."""

THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TBB_NUM_THREADS")


class Skipped(Exception):
    """An engine that is not measured; the text is the reason."""


class TooSlow(Skipped):
    """An engine that did not get ready in time."""


class Failed(Exception):
    """An engine that broke; the text says how."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an engine is to build: a case in `file`, as `grugen.bench.draw.save` wrote it."""

    entry: Entry
    spec: str
    file: Path
    train: bool
    threads: int


def environment_of(threads: int, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of an engine's process, from those of ours.

    Threads of OpenMP stay on their processors, as those of some engines do by themselves: after a
    rest, which is when the others run, Linux may wake all of a team on one processor, and then
    milliseconds pass until it looks again.
    """
    numbers = dict.fromkeys(THREAD_SETTINGS, str(threads))
    return {"OMP_PROC_BIND": "true", **given, **numbers}


class Worker:
    """One engine in a process of its own. Raises Skipped and Failed."""

    def __init__(self, order: Order, seconds: float) -> None:
        """Start it and let it build, for at most `seconds`."""
        self.is_alive = False
        reason = order.entry.missing()
        if reason:
            raise Skipped(reason)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grugen.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment_of(order.threads, os.environ),
            start_new_session=True,
        )
        self._unread = b""
        self.is_alive = True
        self.build(order, seconds)

    def build(self, order: Order, seconds: float) -> None:
        """Let it build something else in place of what it has; ends it where that fails."""
        request = {
            "do": "build",
            "build": order.entry.build,
            "spec": order.spec,
            "file": str(order.file),
            "train": order.train,
            "threads": order.threads,
            "cpus": _first_cpus(order.threads) if order.entry.affinity else [],
        }
        try:
            self.ask(request, seconds)
        except TimeoutError:
            self.close()
            raise TooSlow(f"it did not get ready within {seconds:.0f} s") from None
        except BaseException:
            self.close()
            raise

    def results(self, file: Path) -> None:
        """Run once, and write everything that was computed to `file`."""
        self._ask_in_time({"do": "results", "file": str(file)}, SECONDS)

    def seconds(self, calls: int, expected: float = 0.0) -> float:
        """The seconds of one call, as the mean of `calls` in a row after one that is not counted.

        `expected` seconds for each call are added to the time that it may take.
        """
        request = {"do": "time", "calls": calls}
        answer = self._ask_in_time(request, SECONDS + 10 * (calls + 1) * expected)
        return float(answer["seconds"])

    def close(self) -> None:
        """End the process, and the compilers that it may have started."""
        if not self.is_alive:
            return
        self.is_alive = False
        # its group may outlive it
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                pipe.close()

    def _ask_in_time(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            return self.ask(request, seconds)
        except TimeoutError:
            self.close()
            raise Failed(f"no answer within {seconds:.0f} s") from None

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a request; TimeoutError if it does not come."""
        if not self.is_alive:
            raise Failed("its process has ended")
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self._ending()) from None
        answer: dict[str, Any] = json.loads(self._line(time.monotonic() + seconds))
        if "skipped" in answer:
            raise Skipped(answer["skipped"])
        if "failed" in answer:
            raise Failed(_one_line(answer["failed"]))
        return answer

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            read = os.read(pipe, 65536)
            if not read:
                raise Failed(self._ending())
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _ending(self) -> str:
        """The exit status of a process that has gone, and the last that it said."""
        status = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        return _one_line(f"its process ended with status {status}{last}")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _first_cpus(count: int) -> list[int]:
    """CPUs for a framework that uses as many threads as it may use CPUs; empty: leave it."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    usable = sorted(os.sched_getaffinity(0))
    return usable[:count] if count < len(usable) else []

"""The process of one engine: reads requests from stdin, a JSON object a line, answers each.

    {"do": "build", "build": "own:openmp", "spec": ..., "file": ..., "train": ..., "threads": ...}
    {"do": "results", "file": ...}     runs once and writes all results there
    {"do": "time", "calls": n}         runs n times, answers {"seconds": of one call}

What cannot be done is answered by {"failed": why} or, for a cell that an engine does not have,
{"skipped": why}.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from grugen.bench.draw import restore
from grugen.bench.engines.job import Clocked, Job, NotPossible, Runner

FIRST_RUNS = 3


def main() -> None:
    """Answer until stdin ends."""
    # whatever a framework prints goes to stderr; the answers have the pipe for themselves
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session()
    for line in sys.stdin:
        print(json.dumps(session.answer(json.loads(line))), file=answers, flush=True)


class Session:
    """A runner, once it is built."""

    def __init__(self) -> None:
        self._runner: Runner | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        try:
            match request["do"]:
                case "build":
                    return self._build(request)
                case "results":
                    return self._results(Path(request["file"]))
                case "time":
                    return {"seconds": self._time(request["calls"])}
                case other:
                    return {"failed": f"there is no request '{other}'"}
        except NotPossible as error:
            return {"skipped": str(error)}
        except Exception as error:  # a framework may raise anything; the parent reports it
            return {"failed": f"{type(error).__name__}: {error}"}

    def _build(self, request: dict[str, Any]) -> dict[str, Any]:
        module, _, function = request["build"].partition(":")
        if request["cpus"] and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, request["cpus"])
        build = getattr(import_module(f"grugen.bench.engines.{module}"), function)
        data = restore(Path(request["file"]))
        self._runner = None
        gc.collect()
        self._runner = build(Job(request["spec"], data, request["train"], request["threads"]))
        # the first runs compile in some frameworks
        for _ in range(FIRST_RUNS):
            self._ready().run()
        return {}

    def _results(self, file: Path) -> dict[str, Any]:
        runner = self._ready()
        np.savez(file, allow_pickle=False, **runner.results(runner.run()))
        return {}

    def _time(self, calls: int) -> float:
        runner = self._ready()
        run = runner.run
        run()  # others have run since: bring data and threads back
        if isinstance(runner, Clocked):
            return runner.seconds(calls)
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - start) / calls

    def _ready(self) -> Runner:
        if self._runner is None:
            raise NotPossible("nothing is built yet")
        return self._runner


if __name__ == "__main__":
    main()

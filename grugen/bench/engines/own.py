"""grugen's own targets, called as a user calls them."""

from __future__ import annotations

from typing import Any

from grugen.bench.engines.job import Job
from grugen.bench.reference import Results, cast, named
from grugen.driver import load


class _Own:
    def __init__(self, job: Job, target: str) -> None:
        data = job.data
        settings: dict[str, Any] = {**data.sizes, **cast(data.constants, "float32")}
        self._cell = load(job.spec).Cell(target=target, dtype="float32", seed=0, **settings)
        self._cell.params.update(data.params)
        self._arrays: dict[str, Any] = {**data.inputs, **data.static}
        self._d_outputs = data.d_outputs
        self._train = job.train
        self._threads = job.threads
        self._lengths = data.lengths

    def run(self) -> Any:
        run = self._cell.forward(
            **self._arrays, lengths=self._lengths, tape=self._train, threads=self._threads
        )
        if not self._train:
            return run, None
        return run, self._cell.backward(run, outputs=self._d_outputs, threads=self._threads)

    def results(self, last: Any) -> Results:
        run, grads = last
        found = named("output", run.outputs) | named("state", run.states)
        if grads is not None:
            found |= named("d param", grads.params) | named("d input", grads.inputs)
        return found


def sequential(job: Job) -> _Own:
    """Plain C loops on one thread."""
    return _Own(job, "sequential")


def openmp(job: Job) -> _Own:
    """The fast CPU code."""
    return _Own(job, "openmp")

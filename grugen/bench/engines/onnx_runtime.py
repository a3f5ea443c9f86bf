"""ONNX Runtime on the CPU; forward only."""

from __future__ import annotations

from typing import Any

import onnxruntime

from grugen.bench.engines.job import Job
from grugen.bench.engines.onnx_model import onnx_model
from grugen.bench.reference import Results


class _Session:
    def __init__(self, job: Job) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job.threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            onnx_model(job).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (self._x,) = job.data.inputs.values()
        (self._output,) = job.data.d_outputs
        self._state = next(d.name for d in job.cell.declarations if d.role == "states")

    def run(self) -> Any:
        return self._session.run(None, {"X": self._x})

    def results(self, last: Any) -> Results:
        y, h = last
        return {f"output {self._output}": y[:, 0], f"state {self._state}": h[0]}


def session(job: Job) -> _Session:
    """The operator in a session of its own."""
    return _Session(job)

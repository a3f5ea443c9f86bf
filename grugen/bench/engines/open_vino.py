"""OpenVINO on the CPU, from the ONNX model; forward only, in float32."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import openvino

from grugen.bench.engines.job import Job
from grugen.bench.engines.onnx_model import onnx_model
from grugen.bench.reference import Results


class _Compiled:
    def __init__(self, job: Job) -> None:
        core = openvino.Core()
        model = core.read_model(BytesIO(onnx_model(job).SerializeToString()))
        # on processors with bfloat16 units it would round to bfloat16 if not told otherwise
        hints = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": job.threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._request = core.compile_model(model, "CPU", hints).create_infer_request()
        (self._x,) = job.data.inputs.values()
        self._request.set_input_tensor(openvino.Tensor(self._x, shared_memory=True))
        (self._output,) = job.data.d_outputs

    def run(self) -> Any:
        self._request.infer()
        return self._request.get_output_tensor(0).data

    def results(self, last: Any) -> Results:
        return {f"output {self._output}": last[:, 0].copy()}


def compiled(job: Job) -> _Compiled:
    """The model, compiled for low latency."""
    return _Compiled(job)

"""grugen's target `cuda`, called as a user of PyTorch calls it: tensors in, device arrays out."""

from __future__ import annotations

from typing import Any

import torch

from grugen.bench.engines.job import Job
from grugen.bench.engines.pytorch import DTYPES
from grugen.bench.engines.torch_cuda import Graph, Timed
from grugen.bench.reference import Results, cast
from grugen.driver import load
from grugen.runtime import release_memory

DEVICE = "cuda:0"


class _Own:
    def __init__(self, job: Job) -> None:
        data = job.data
        release_memory()
        settings: dict[str, Any] = {**data.sizes, **cast(data.constants, "float32")}
        cell = load(job.spec).Cell(target="cuda", dtype=data.numbers, seed=0, **settings)
        cell.params.update(data.params)
        self._cell = cell.to(DEVICE)
        dtype = DTYPES[data.numbers]
        self._arrays = _tensors({**data.inputs, **data.static}, dtype)
        self._d_outputs = _tensors(data.d_outputs, dtype)
        self._lengths = data.lengths
        self._train = job.train
        self._stream = torch.cuda.current_stream(DEVICE).cuda_stream

    def run(self) -> Any:
        run = self._cell.forward(
            **self._arrays, lengths=self._lengths, tape=self._train, stream=self._stream
        )
        if not self._train:
            return run, None
        return run, self._cell.backward(run, outputs=self._d_outputs, stream=self._stream)

    def results(self, last: Any) -> Results:
        run, grads = last
        found = _fetched("output", run.outputs) | _fetched("state", run.states)
        if grads is not None:
            found |= _fetched("d param", grads.params) | _fetched("d input", grads.inputs)
        return found


def _tensors(arrays: Any, dtype: torch.dtype) -> dict[str, Any]:
    return {name: torch.from_numpy(array).to(DEVICE, dtype) for name, array in arrays.items()}


def _fetched(what: str, arrays: Any) -> Results:
    return {
        f"{what} {name}": torch.from_dlpack(array).float().cpu().numpy()
        for name, array in arrays.items()
    }


def public(job: Job) -> Timed:
    """`Cell.forward` and `Cell.backward`."""
    return Timed(lambda: _Own(job))


def graph(job: Job) -> Timed:
    """The same in a CUDA graph: what the kernels take without Python."""
    return Timed(lambda: Graph(_Own(job)))

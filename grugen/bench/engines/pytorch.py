"""PyTorch: the framework's own layer, and hand-written loops: eager, scripted, compiled.

Training computes the gradients of all parameters and of the inputs that have one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from grugen.bench.engines.job import Job, NotPossible
from grugen.bench.reference import Results, named
from grugen.bench.suites import BFLOAT16, FLOAT32
from grugen.bench.weights import exported, gradients, pieces, stacked, tensors_of, unstacked

DTYPES = {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16}
LAYERS = {3: torch.nn.GRU, 4: torch.nn.LSTM, 1: torch.nn.RNN}
"""By how many pieces `weight_ih` is stacked of."""


class Layer:
    """`torch.nn.GRU` and its like, with the weights that `interchange: torch:` describes."""

    def __init__(self, job: Job, device: str = "cpu", dtype: torch.dtype | None = None) -> None:
        torch.set_num_threads(job.threads)
        dtype = dtype or DTYPES[job.data.numbers]
        self._tensors = tensors_of(job.cell, "torch")
        if not self._tensors:
            raise NotPossible("the spec has no table  interchange: torch:")
        self._job = job
        weights = exported(self._tensors, job.data.params)
        stacks = next(len(pieces(t)) for t in self._tensors if t.name == "weight_ih")
        ((self._input, x),) = job.data.inputs.items()
        hidden = weights["weight_hh"].shape[1]
        self._layer = LAYERS[stacks](x.shape[-1], hidden, device=device, dtype=dtype)
        with torch.no_grad():
            for name, array in weights.items():
                getattr(self._layer, f"{name}_l0").copy_(torch.from_numpy(array))
        self._x = torch.from_numpy(x).to(device, dtype).requires_grad_(job.train)
        self._layer.requires_grad_(job.train)
        self._layer.train(job.train)
        ((self._output, d_y),) = job.data.d_outputs.items()
        self._d_y = torch.from_numpy(d_y).to(device, dtype)
        self._weights = [getattr(self._layer, f"{t.name}_l0") for t in self._tensors]

    def output(self) -> Any:
        """What the layer computes for all steps."""
        return self._layer(self._x)[0]

    def run(self) -> Any:
        """See `Runner`."""
        if not self._job.train:
            with torch.inference_mode():
                return self.output(), None
        y = self.output()
        return y, torch.autograd.grad([y], [*self._weights, self._x], [self._d_y])

    def results(self, last: Any) -> Results:
        """See `Runner`."""
        y, grads = last
        found = {f"output {self._output}": _array(y)}
        if grads is not None:
            *weights, d_x = map(_array, grads)
            names = (tensor.name for tensor in self._tensors)
            back = gradients(
                self._tensors, self._job.data.params, dict(zip(names, weights, strict=True))
            )
            found |= named("d param", back) | {f"d input {self._input}": d_x}
        return found


class Loop:
    """A loop that was written by hand, or what a compiler of PyTorch made of it."""

    def __init__(self, job: Job, prepare: Callable[[Any], Any], device: str = "cpu") -> None:
        torch.set_num_threads(job.threads)
        loop = job.loop("torch")
        self._job = job
        self._layout = loop.LAYOUT
        self._run = prepare(loop)
        self._weights = _tensors(stacked(self._layout, job.data.params), job.train, device)
        inputs = {**job.data.inputs, **job.data.static}
        self._inputs = _tensors(inputs, False, device)
        self._constants = _tensors(job.data.constants, False, device)
        self._d_outputs = _tensors(job.data.d_outputs, False, device)
        self._wanted = [name for name in inputs if job.train and _has_gradient(job, name)]
        for name in self._wanted:
            self._inputs[name].requires_grad_()

    def run(self) -> Any:
        """See `Runner`."""
        if not self._job.train:
            with torch.no_grad():
                return self._run(self._weights, self._inputs, self._constants), None
        outputs, states = self._run(self._weights, self._inputs, self._constants)
        leaves = [*self._weights.values(), *(self._inputs[name] for name in self._wanted)]
        ends = [outputs[name] for name in self._d_outputs]
        return (outputs, states), torch.autograd.grad(ends, leaves, [*self._d_outputs.values()])

    def results(self, last: Any) -> Results:
        """See `Runner`."""
        (outputs, states), grads = last
        found = named("output", _arrays(outputs)) | named("state", _arrays(states))
        if grads is not None:
            arrays = dict(zip([*self._weights, *self._wanted], map(_array, grads), strict=True))
            inputs = {name: arrays.pop(name) for name in self._wanted}
            params = unstacked(self._layout, self._job.data.params, arrays)
            found |= named("d param", params) | named("d input", inputs)
        return found


def _has_gradient(job: Job, name: str) -> bool:
    declared = next(d for d in job.cell.declarations if d.name == name)
    return declared.gradient and not declared.mask


def _tensors(arrays: Any, gradient: bool, device: str) -> dict[str, Any]:
    return {
        name: torch.from_numpy(np.array(array)).to(device).requires_grad_(gradient)
        for name, array in arrays.items()
    }


def _array(tensor: Any) -> Any:
    found = tensor.detach().cpu()
    # NumPy has no type for it
    return (found.float() if found.dtype is torch.bfloat16 else found).numpy()


def _arrays(tensors: Any) -> dict[str, Any]:
    return {name: _array(tensor) for name, tensor in tensors.items()}


def eager(job: Job) -> Layer | Loop:
    """The framework's layer where it has this cell, else the loop as it stands."""
    if tensors_of(job.cell, "torch"):
        return Layer(job)
    return Loop(job, lambda loop: loop.run)


def script(job: Job) -> Loop:
    """The loop through `torch.jit.script`."""
    return Loop(job, lambda loop: torch.jit.script(loop.run))


def compile_loop(job: Job) -> Loop:
    """The loop through `torch.compile`, which unrolls it."""
    return Loop(job, lambda loop: torch.compile(loop.run))


def compile_step(job: Job) -> Loop:
    """The loop as it stands, but its step through `torch.compile`."""
    return Loop(job, with_compiled_step)


def with_compiled_step(loop: Any) -> Any:
    """The loop of a module whose step is compiled."""
    loop.step = torch.compile(loop.step)
    return loop.run

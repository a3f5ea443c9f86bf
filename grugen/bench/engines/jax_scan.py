"""JAX: a hand-written `lax.scan` under `jit`, forward and with its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from grugen.bench.engines.job import Job
from grugen.bench.reference import Results, named
from grugen.bench.weights import stacked, unstacked


class _Scan:
    def __init__(self, job: Job) -> None:
        loop = job.loop("jax")
        self._job = job
        self._layout = loop.LAYOUT
        weights = _device(stacked(self._layout, job.data.params))
        inputs = _device({**job.data.inputs, **job.data.static})
        self._wanted = {name: inputs.pop(name) for name in list(inputs) if _wanted(job, name)}
        constants = _device(job.data.constants)
        self._arguments = weights, self._wanted, inputs, constants, _device(job.data.d_outputs)
        self._run = jax.jit(_training(loop.run) if job.train else _forward(loop.run))

    def run(self) -> Any:
        return jax.block_until_ready(self._run(*self._arguments))

    def results(self, last: Any) -> Results:
        (outputs, states), grads = last
        found = named("output", _arrays(outputs)) | named("state", _arrays(states))
        if grads is not None:
            weights, inputs = grads
            params = unstacked(self._layout, self._job.data.params, _arrays(weights))
            found |= named("d param", params) | named("d input", _arrays(inputs))
        return found


def _forward(run: Callable[..., Any]) -> Callable[..., Any]:
    def forward(weights: Any, wanted: Any, rest: Any, constants: Any, d_outputs: Any) -> Any:
        return run(weights, wanted | rest, constants), None

    return forward


def _training(run: Callable[..., Any]) -> Callable[..., Any]:
    def training(weights: Any, wanted: Any, rest: Any, constants: Any, d_outputs: Any) -> Any:
        def loss(weights: Any, wanted: Any) -> Any:
            outputs, states = run(weights, wanted | rest, constants)
            total = sum((outputs[name] * d_outputs[name]).sum() for name in d_outputs)
            return total, (outputs, states)

        (_, found), grads = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(weights, wanted)
        return found, grads

    return training


def _wanted(job: Job, name: str) -> bool:
    declared = next(d for d in job.cell.declarations if d.name == name)
    return declared.gradient and not declared.mask


def _device(arrays: Any) -> dict[str, Any]:
    return {name: jax.device_put(array) for name, array in arrays.items()}


def _arrays(arrays: Any) -> dict[str, Any]:
    return {name: np.asarray(array) for name, array in arrays.items()}


def scan(job: Job) -> _Scan:
    """The scan, compiled by XLA when it is first run."""
    return _Scan(job)

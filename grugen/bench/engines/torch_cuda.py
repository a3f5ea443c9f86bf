"""PyTorch on a GPU: cuDNN's layers, packed sequences, loops by hand, CUDA graphs of them.

    layer             torch.nn.GRU and its like, which cuDNN runs
    packed            the same with a PackedSequence: packed and unpacked in every call
    packed_before     the same, packed and sorted before and left packed: what cuDNN alone takes
    loop              the loop that was written by hand
    compiled_step     the loop with its step through torch.compile; compiled_loop: all of it
    ..._graph         captured once, and replayed by every call

All is float32 without TF32. Times are those of the device's events around calls in a row.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from grugen.bench.engines.job import Job, NotPossible, Runner
from grugen.bench.engines.pytorch import Layer, Loop, with_compiled_step
from grugen.bench.reference import Results

WARM_RUNS = 3


class Timed:
    """A runner on a stream of its own, timed by the device."""

    def __init__(self, build: Callable[[], Runner], device: str = "cuda:0") -> None:
        self._device = device
        exact()
        if device == "cpu":
            self._runner = build()
            return
        torch.cuda.empty_cache()
        self._stream = _stream(device)
        torch.cuda.set_stream(self._stream)
        self._runner = build()
        torch.cuda.synchronize(device)

    def run(self) -> Any:
        """See `Runner`."""
        return self._runner.run()

    def results(self, last: Any) -> Results:
        """See `Runner`."""
        if self._device != "cpu":
            torch.cuda.synchronize(self._device)
        return self._runner.results(last)

    def seconds(self, calls: int) -> float:
        """See `Clocked`."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(self._device)
        begin.record(self._stream)
        for _ in range(calls):
            self._runner.run()
        end.record(self._stream)
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1e3 / calls


class Graph:
    """A runner captured into a CUDA graph; every run replays it into the same arrays."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        stream = torch.cuda.current_stream()
        # what is made once is made now
        for _ in range(WARM_RUNS):
            runner.run()
        torch.cuda.synchronize()
        gc.collect()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._last = runner.run()

    def run(self) -> Any:
        """See `Runner`."""
        self._graph.replay()
        return self._last

    def results(self, last: Any) -> Results:
        """See `Runner`."""
        return self._runner.results(last)


class Packed(Layer):
    """A layer on sequences of different lengths: padded arrays in and out, in any order."""

    def __init__(self, job: Job, device: str) -> None:
        super().__init__(job, device)
        if job.data.lengths is None:
            raise NotPossible("all sequences have the same length")
        # where PackedSequence wants them: on the host
        self._lengths = torch.from_numpy(job.data.lengths)

    def output(self) -> Any:
        """See `Layer`."""
        packed = pack_padded_sequence(self._x, self._lengths, enforce_sorted=False)
        y, _ = self._layer(packed)
        return pad_packed_sequence(y, total_length=self._x.shape[0])[0]


class PackedBefore(Packed):
    """The layer alone: what is packed, and in order, goes in; what is packed comes out."""

    def __init__(self, job: Job, device: str) -> None:
        super().__init__(job, device)
        order = torch.argsort(self._lengths, descending=True, stable=True)
        self._order = order.to(device)
        self._lengths = self._lengths[order]
        with torch.no_grad():
            packed = pack_padded_sequence(self._x[:, self._order], self._lengths)
            d_y = pack_padded_sequence(self._d_y[:, self._order], self._lengths)
        self._batches = packed.batch_sizes
        self._x = packed.data.detach().requires_grad_(job.train)
        self._d_y = d_y.data

    def output(self) -> Any:
        """See `Layer`."""
        y, _ = self._layer(PackedSequence(self._x, self._batches))
        return y.data

    def results(self, last: Any) -> Results:
        """See `Runner`."""
        y, grads = last
        if grads is None:
            return super().results((self._padded(y), None))
        *weights, d_x = grads
        return super().results((self._padded(y), (*weights, self._padded(d_x))))

    def _padded(self, data: Any) -> Any:
        steps = len(next(iter(self._job.data.inputs.values())))
        whole = PackedSequence(data.detach(), self._batches)
        padded, _ = pad_packed_sequence(whole, total_length=steps)
        back = torch.argsort(self._order)
        return padded[:, back]


@cache
def _stream(device: str) -> Any:
    """One for all cases: memory is kept for the stream that it was used on."""
    return torch.cuda.Stream(device)


def exact() -> None:
    """Products of float32 are float32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def layer(job: Job, device: str = "cuda:0") -> Timed:
    """The layer of the framework."""
    return Timed(lambda: Layer(job, device), device)


def layer_graph(job: Job) -> Timed:
    """The layer in a graph."""
    return Timed(lambda: Graph(Layer(job, "cuda:0")))


def layer_float64(job: Job, device: str = "cuda:0") -> Timed:
    """The layer in float64, which tells what is right."""
    return Timed(lambda: Layer(job, device, torch.float64), device)


def packed(job: Job, device: str = "cuda:0") -> Timed:
    """The layer on packed sequences."""
    return Timed(lambda: Packed(job, device), device)


def packed_before(job: Job, device: str = "cuda:0") -> Timed:
    """The layer on sequences that are packed already."""
    return Timed(lambda: PackedBefore(job, device), device)


def loop(job: Job, device: str = "cuda:0") -> Timed:
    """The loop as it stands."""
    return Timed(lambda: Loop(job, _as_it_is, device), device)


def loop_graph(job: Job) -> Timed:
    """The loop in a graph."""
    return Timed(lambda: Graph(Loop(job, _as_it_is, "cuda:0")))


def compiled_step(job: Job) -> Timed:
    """The loop with its step compiled."""
    return Timed(lambda: Loop(job, _compiled_step, "cuda:0"))


def compiled_step_graph(job: Job) -> Timed:
    """The loop with its step compiled, in a graph."""
    return Timed(lambda: Graph(Loop(job, _compiled_step, "cuda:0")))


def compiled_loop(job: Job) -> Timed:
    """All of the loop compiled, which unrolls it."""
    return Timed(lambda: Loop(job, _compiled, "cuda:0"))


def _as_it_is(found: Any) -> Any:
    return found.run


def _compiled_step(found: Any) -> Any:
    torch.compiler.reset()
    return with_compiled_step(found)


def _compiled(found: Any) -> Any:
    torch.compiler.reset()
    return torch.compile(found.run, dynamic=False)

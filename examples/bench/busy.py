"""How much a call loses when other processes want its processors.

    python examples/bench/busy.py gru gru_reset_after --shape 48,128,33,64 --shape 100,1,512,512

Every shape runs three times: on idle processors, beside one process that never rests, and beside
one on each processor. A program that shares a processor gets half of it, so a call on two threads
may take twice as long; what is more than that was lost by waiting.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import grugen
from grugen.bench.machine import describe

SHAPES = ("48,128,33,64", "100,1,512,512")
LEAST_CALLS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", default=["gru_reset_after"], metavar="SPEC")
    parser.add_argument("--shape", action="append", metavar="T,B,D,H")
    parser.add_argument("--threads", type=int, default=grugen.get_num_threads())
    parser.add_argument("--train", action="store_true", help="forward and backward")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))[: arguments.threads]
    print(f"{arguments.threads} threads on CPUs {cpus}; milliseconds a call, medians\n")
    print("| engine | T,B,D,H | plan | idle | one busy | all busy |")
    print("| --- | --- | --- | --- | --- | --- |")
    for shape in arguments.shape or SHAPES:
        sizes = [int(size) for size in shape.split(",")]
        engines = {
            spec: own(spec, sizes, arguments.threads, arguments.train) for spec in arguments.specs
        }
        if importlib.util.find_spec("torch"):
            engines["torch"] = torch_gru(sizes, arguments.threads, arguments.train)
        for name, (plan, run) in engines.items():
            found = []
            for busy in ([], cpus[:1], cpus):
                with spinning(busy):
                    found.append(median(run, arguments.seconds))
            print(f"| {name} | {shape} | {plan} | {_shown(found)} |", flush=True)
    machine = describe()
    print(f"\n{machine['processor']}, {machine['compiler']}, {machine['date']}")


def _shown(found: list[float]) -> str:
    idle, *others = found
    return " | ".join([f"{idle:.2f}", *(f"{each:.2f} ({each / idle:.1f}x)" for each in others)])


@contextlib.contextmanager
def spinning(cpus: list[int]) -> Iterator[None]:
    """A process on each of `cpus` that wants all of it."""
    code = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", code, str(cpu)]) for cpu in cpus]
    try:
        time.sleep(0.3 if cpus else 0)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def median(run: Callable[[], object], seconds: float) -> float:
    """Milliseconds of wall time: what a caller waits, and what the others take is part of it."""
    run()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        found.append((time.perf_counter() - start) * 1e3)
    return statistics.median(found)


def own(spec: str, sizes: list[int], threads: int, train: bool) -> tuple[str, Callable[[], object]]:
    """The plan that is taken, and a call."""
    steps, batch, depth, width = sizes
    cell = grugen.load(spec).Cell(D=depth, H=width, seed=0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((steps, batch, depth)).astype(np.float32)

    def run() -> Any:
        done = cell.forward(x=x, tape=train, threads=threads)
        return cell.backward(done, outputs=d_outputs, threads=threads) if train else done

    once = cell.forward(x=x, threads=threads)
    d_outputs = {
        name: rng.standard_normal(array.shape).astype(np.float32)
        for name, array in once.outputs.items()
    }
    return once.plan.name, run


def torch_gru(sizes: list[int], threads: int, train: bool) -> tuple[str, Callable[[], object]]:
    """The same layer of torch's."""
    import torch

    steps, batch, depth, width = sizes
    torch.set_num_threads(threads)
    layer = torch.nn.GRU(depth, width)
    x = torch.randn(steps, batch, depth, requires_grad=train)
    d_y = torch.randn(steps, batch, width)

    def run() -> Any:
        with torch.inference_mode(not train):
            y, _ = layer(x)
        return torch.autograd.grad(y, (x, *layer.parameters()), d_y) if train else y

    return "", run


if __name__ == "__main__":
    main()

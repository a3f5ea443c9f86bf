"""Small calls of target `cuda` in all ways to run a loop, compared with the interpreter.

    python -m grugen.bench.small_calls SPEC ...

A SPEC may end with `:bfloat16`. For a GPU that is seen for the first time, and for programs that
watch each access to its memory. A line a call; the exit code is 1 if one is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from grugen.bench.draw import Data, draw
from grugen.bench.reference import BOUNDS, Results, largest_error, named, reference
from grugen.bench.suites import BFLOAT16, FLOAT32, Case
from grugen.driver import bundle, compile_spec, load
from grugen.runtime import CellModule, cuda_engine
from grugen.runtime.elements import element_type
from grugen.runtime.loading import Build
from grugen.toolchain.build import build

REGIMES = ("by the model", "rows", "grid", "steps", "clusters")
TAPES: tuple[Literal["gates", "states"], ...] = ("gates", "states")
STEPS, BATCH = 4, 9
SIZES = {FLOAT32: (20,), BFLOAT16: (20, 136)}
"""What the last dim of a cell is, one after the other; the others are smaller. Products of bfloat16
go through chunks of 64 elements: of the larger one there are two that are whole, and a rest."""


def check(
    spec: str, build_library: Build = build, numbers: str = FLOAT32, largest: int = 20
) -> Iterator[tuple[str, float]]:
    """Each call in words, and how far its results are from the interpreter.

    The cell's last dim is `largest`; with it the batch grows, so that tiles of rows are whole, too.
    """
    compiled = compile_spec(spec)
    interface = compiled.interface
    # sizes that differ, and that no tile divides
    sizes = tuple(largest - 7 * (len(interface.dims) - 1 - i) for i in range(len(interface.dims)))
    batch = max(BATCH, largest // 2)
    even = Case(spec, STEPS, batch, sizes, "training", numbers=numbers)
    sources = bundle(compiled, "cuda", numbers)
    name = spec if numbers == FLOAT32 else f"{spec} {numbers} {largest}"
    for case in (even, replace(even, ragged=True)):
        data = draw(case, interface)
        wanted = reference(load(spec), data, train=True)
        for regime, words in enumerate(REGIMES):
            for tape in TAPES:
                found = _run(interface, sources, data, regime, tape, build_library)
                shape = "ragged" if case.ragged else "even"
                yield f"{name} {shape}, {words}, tape of {tape}", largest_error(found, wanted)[0]


def _run(
    interface: Any, sources: Any, data: Data, regime: int, tape: Any, build_library: Build
) -> Results:
    def engine(_: str, dtype: Any) -> Any:
        return cuda_engine(sources, interface, dtype, regime=regime, build_library=build_library)

    element = element_type(data.numbers)

    def elements(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: array.astype(element) for name, array in arrays.items()}

    settings: dict[str, Any] = {**data.sizes, **elements(data.constants)}
    cell = CellModule(interface, engine, "cuda").Cell(seed=0, dtype=data.numbers, **settings)
    cell.params.update(elements(data.params))
    arrays = elements({**data.inputs, **data.static})
    run = cell.forward(**arrays, lengths=data.lengths, tape=tape)
    grads = cell.backward(run, outputs=elements(data.d_outputs))
    found = named("output", run.outputs) | named("state", run.states)
    return found | named("d param", grads.params) | named("d input", grads.inputs)


def main(specs: Sequence[str], build_library: Build = build) -> int:
    """Check all of them; returns the exit code."""
    wrong = 0
    for word in specs:
        spec, _, given = word.partition(":")
        numbers = given or FLOAT32
        for largest in SIZES[numbers]:
            for words, error in check(spec, build_library, numbers, largest):
                is_right = error <= BOUNDS[numbers]
                wrong += not is_right
                print(f"{words}: {error:.1e}{'' if is_right else ' WRONG'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

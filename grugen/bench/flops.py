"""How many floating point operations a case needs: those of its products, by the IR.

A multiplication and an addition count as two. Elementwise work is not counted, so a fraction of the
peak says how well the products are done and no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from grugen.bench.draw import Data
from grugen.bench.suites import Case
from grugen.ir.nodes import Function, Op
from grugen.passes.pipeline import Steps
from grugen.passes.split_strata import split_strata
from grugen.spec.dims import Shape

_COUNTED = frozenset({Op.MATVEC, Op.MATVEC_T, Op.OUTER})


def flops_of(steps: Steps, data: Data, case: Case) -> int:
    """The operations of one call, the backward pass included if the case is training.

    Steps past the end of a sequence do not count.
    """
    functions = [steps.forward] + ([steps.backward] if case.mode == "training" else [])
    rows = case.steps * case.batch if data.lengths is None else int(data.lengths.sum())
    return rows * sum(_of_step(function, data.sizes) for function in functions)


def _of_step(function: Function, sizes: Mapping[str, int]) -> int:
    types = function.types()
    matrices = (
        types[let.name if let.op is Op.OUTER else let.args[0]].shape
        for let in function.lets
        if let.op in _COUNTED
    )
    return sum(2 * _elements(shape, sizes) for shape in matrices)


def loop_bytes(forward: Function, sizes: Mapping[str, int]) -> int:
    """The bytes of float32 weights that one step of the forward time loop reads."""
    inside = {name for loop in split_strata(forward).loops for name in loop.lines}
    read = {let.args[0] for let in forward.lets if let.op in _COUNTED and let.name in inside}
    types = forward.types()
    return sum(4 * _elements(types[name].shape, sizes) for name in read)


def _elements(shape: Shape, sizes: Mapping[str, int]) -> int:
    rows, columns = (dim.size(sizes) for dim in shape)
    return rows * columns

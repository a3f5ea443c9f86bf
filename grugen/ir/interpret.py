"""What a step means: NumPy, one step of all running sequences at a time.

This is the definition that every target, pass and plan is checked against; it is written to be
read, not to be fast. Complex arrays are accepted, so that derivatives can be checked by the
complex step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.ir.nodes import Function, Let, Op, ResultRole, SourceRole

Array = NDArray[Any]
Given = Mapping[tuple[SourceRole, str], Array]
Results = dict[tuple[ResultRole, str], Array]

_PER_STEP = (SourceRole.INPUT, SourceRole.TAPE, SourceRole.OUTPUT_GRADIENT)


def _sigmoid(a: Array) -> Array:
    # exp of a number that is never positive: no overflow for any a
    e = np.exp(np.where(a.real < 0, a, -a))
    return np.where(a.real < 0, e / (1 + e), 1 / (1 + e))


def _softplus(a: Array) -> Array:
    e = np.exp(np.where(a.real < 0, a, -a))
    return np.where(a.real > 0, a, 0) + np.log1p(e)


def _where(condition: Array, taken: Array, otherwise: Array | float) -> Array:
    chosen: Array = np.where(condition, taken, otherwise)
    return chosen


def _power(a: Array, exponent: float) -> Array:
    # a whole exponent keeps negative bases real
    return np.power(a, int(exponent) if exponent.is_integer() else exponent)


ELEMENTWISE: dict[Op, Callable[..., Array]] = {
    Op.NEG: np.negative,
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.DIV: np.divide,
    Op.MIN: lambda a, b: _where(b.real < a.real, b, a),
    Op.MAX: lambda a, b: _where(b.real > a.real, b, a),
    Op.EXP: np.exp,
    Op.LOG: np.log,
    Op.SQRT: np.sqrt,
    # + 0: the absolute value of -0.0 is 0.0
    Op.ABS: lambda a: _where(a.real < 0, -a, a) + 0,
    Op.FLOOR: lambda a: np.floor(a.real).astype(a.dtype),
    Op.SIGMOID: _sigmoid,
    Op.TANH: np.tanh,
    Op.RELU: lambda a: np.where(a.real <= 0, 0, a),
    Op.SOFTPLUS: _softplus,
    Op.LT: lambda a, b: a.real < b.real,
    Op.LE: lambda a, b: a.real <= b.real,
    Op.GT: lambda a, b: a.real > b.real,
    Op.GE: lambda a, b: a.real >= b.real,
    Op.EQ: lambda a, b: a.real == b.real,
    Op.NE: lambda a, b: a.real != b.real,
    Op.SELECT: _where,
}


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step needs beside its values: sizes, element type, running rows, summation order."""

    sizes: Mapping[str, int]
    dtype: np.dtype[Any]
    rows: int
    shuffle: np.random.Generator | None

    def order(self, count: int) -> NDArray[np.intp] | slice:
        """The order in which `count` terms are summed."""
        return slice(None) if self.shuffle is None else self.shuffle.permutation(count)

    def spread(self, value: Array) -> Array:
        """One row for each running sequence, also where all rows are the same."""
        return np.broadcast_to(value, (self.rows, *value.shape[1:]))


def _literal(step: _Step, let: Let) -> Array:
    return np.full((1, 1), let.value, step.dtype)


def _extent(step: _Step, let: Let) -> Array:
    assert let.size is not None
    return np.full((1, 1), let.size.size(step.sizes), step.dtype)


def _raise(step: _Step, let: Let, a: Array) -> Array:
    assert let.value is not None
    return _power(a, let.value)


def _broadcast(step: _Step, let: Let, a: Array) -> Array:
    assert let.size is not None
    return np.repeat(a, let.size.size(step.sizes), axis=1)


def _slice(step: _Step, let: Let, a: Array) -> Array:
    assert let.size is not None
    assert let.offset is not None
    start = let.offset.size(step.sizes)
    part: Array = a[:, start : start + let.size.size(step.sizes)]
    return part


def _concat(step: _Step, let: Let, *parts: Array) -> Array:
    rows = max(part.shape[0] for part in parts)
    return np.concatenate([np.broadcast_to(part, (rows, part.shape[1])) for part in parts], axis=1)


def _sum(step: _Step, let: Let, a: Array) -> Array:
    total: Array = a[:, step.order(a.shape[1])].sum(axis=1, keepdims=True)
    return total


def _dot(step: _Step, let: Let, a: Array, b: Array) -> Array:
    order = step.order(a.shape[1])
    total: Array = (a[:, order] * b[:, order]).sum(axis=1, keepdims=True)
    return total


def _matvec(step: _Step, let: Let, matrix: Array, v: Array) -> Array:
    order = step.order(v.shape[1])
    product: Array = v[:, order] @ matrix[:, order].T
    return product


def _matvec_t(step: _Step, let: Let, matrix: Array, v: Array) -> Array:
    order = step.order(v.shape[1])
    product: Array = v[:, order] @ matrix[order, :]
    return product


def _outer(step: _Step, let: Let, a: Array, b: Array) -> Array:
    order = step.order(step.rows)
    return step.spread(a)[order].T @ step.spread(b)[order]


STRUCTURAL: dict[Op, Callable[..., Array]] = {
    Op.LITERAL: _literal,
    Op.EXTENT: _extent,
    Op.POWER: _raise,
    Op.BROADCAST: _broadcast,
    Op.SLICE: _slice,
    Op.CONCAT: _concat,
    Op.SUM: _sum,
    Op.DOT: _dot,
    Op.MATVEC: _matvec,
    Op.MATVEC_T: _matvec_t,
    Op.OUTER: _outer,
}
"""Operations that need sizes, attributes or an order of summation; OUTER sums over the rows."""


def run(
    function: Function,
    *,
    sizes: Mapping[str, int],
    steps: int,
    batch: int,
    given: Given,
    lengths: NDArray[np.int64] | None = None,
    reverse: bool = False,
    dtype: np.dtype[Any],
    shuffle: np.random.Generator | None = None,
) -> Results:
    """Run `function` over `steps` time steps of `batch` sequences.

    `given` holds an array for every source, laid out as its role says. Sequence b runs over its
    first `lengths[b]` steps (all by default), backwards in time if `reverse`; after its end its
    states are held, its outputs are 0 and its inputs are never read. Sums are formed in a random
    order when `shuffle` is given. Returns an array for every result; NEXT_STATE is the last state.
    """
    ends = np.full(batch, steps, np.int64) if lengths is None else lengths
    shapes = {name: type_.shape for name, type_ in function.types().items()}
    results: Results = {}
    for result in function.results:
        shape = tuple(dim.size(sizes) for dim in shapes[result.value])
        leading = {ResultRole.TOTAL: (), ResultRole.SEQUENCE_SUM: (batch,)}
        results[result.role, result.key] = np.zeros(
            leading.get(result.role, (steps, batch)) + shape, dtype
        )
    states = {s.key: _rows(given[s.role, s.key]) for s in function.sources_of(SourceRole.STATE)}
    with np.errstate(all="ignore"):
        for t in reversed(range(steps)) if reverse else range(steps):
            running = np.flatnonzero(t < ends)
            if running.size:
                step = _Step(sizes, dtype, running.size, shuffle)
                values = _step_values(function, step, given, states, t, running)
                _store(function, step, values, results, states, t, running)
    for result in function.results_of(ResultRole.NEXT_STATE):
        last = states[result.key]
        results[result.role, result.key] = last if shapes[result.value] else last[:, 0]
    return results


def _rows(array: Array) -> Array:
    """(B,) to (B, 1), so that numbers and vectors spread alike; a copy."""
    return (array[:, None] if array.ndim == 1 else array).copy()


def _step_values(
    function: Function,
    step: _Step,
    given: Given,
    states: Mapping[str, Array],
    t: int,
    running: NDArray[np.intp],
) -> dict[str, Array]:
    values: dict[str, Array] = {}
    for source in function.sources:
        if source.role is SourceRole.STATE:
            values[source.name] = states[source.key][running]
            continue
        array = np.asarray(given[source.role, source.key])
        if source.role in _PER_STEP:
            array = array[t][running]
        elif source.role is SourceRole.STATIC:
            array = array[running]
        elif len(source.type.shape) < 2:
            array = array[None]
        values[source.name] = array if array.ndim == 2 else array[:, None]
    for let in function.lets:
        args = [values[arg] for arg in let.args]
        if let.op in ELEMENTWISE:
            values[let.name] = ELEMENTWISE[let.op](*args)
        else:
            values[let.name] = STRUCTURAL[let.op](step, let, *args)
    return values


def _store(
    function: Function,
    step: _Step,
    values: Mapping[str, Array],
    results: Results,
    states: dict[str, Array],
    t: int,
    running: NDArray[np.intp],
) -> None:
    for result in function.results:
        target = results[result.role, result.key]
        value = values[result.value]
        if result.role is ResultRole.TOTAL and target.ndim == 2:
            target += value
            continue
        rows = step.spread(value)
        if result.role is ResultRole.NEXT_STATE:
            states[result.key][running] = rows
        elif result.role is ResultRole.SEQUENCE_SUM:
            target[running] += rows.reshape(step.rows, *target.shape[1:])
        elif result.role is ResultRole.TOTAL:
            target += rows[step.order(step.rows)].sum(axis=0).reshape(target.shape)
        else:
            target[t, running] = rows.reshape(step.rows, *target.shape[2:])

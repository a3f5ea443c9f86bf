"""Sums in the order in which their terms are known, so that as few values as can be wait for a loop.

Targets that run phases use it; the definition of a cell keeps the order of its spec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from grugen.ir.build import Builder
from grugen.ir.nodes import Function, Let, Op
from grugen.ir.shapes import PRODUCTS
from grugen.ir.types import Level
from grugen.passes.split_strata import split_strata

_SUMS = (Op.ADD, Op.SUB)


@dataclass(frozen=True, slots=True)
class _Term:
    value: str
    negative: bool


def order_terms(function: Function) -> Function:
    """Terms that are known earlier are added earlier; of those known together, products come first.

    With h a state and x an input:

    t1 = matvec W, x                       t1 = matvec W, x
    t2 = matvec U, h                       t4 = add t1, b             (leaves the loop)
    t3 = add t1, t2                 ->     t2 = matvec U, h
    z_pre = add t3, b                      z_pre = add t4, t2
    """
    uses = Counter(arg for let in function.lets for arg in let.args)
    uses.update(result.value for result in function.results)
    lets = {let.name: let for let in function.lets}
    inner = {name for let in function.lets for name in _absorbed(let, lets, uses)}
    builder = Builder(function.sources, lets)
    ranks = _ranks(function)
    for let in function.lets:
        if let.name in inner:
            continue
        terms = _terms(let, lets, inner) if let.op in _SUMS else []
        if len(terms) > 2:
            _add_up(builder, let, terms, lets, ranks)
        else:
            builder.add(let)
    return replace(function, lets=tuple(builder.lets))


def _absorbed(let: Let, lets: Mapping[str, Let], uses: Mapping[str, int]) -> Iterable[str]:
    """The arguments of a sum that are sums themselves and wanted by nobody else."""
    if let.op not in _SUMS:
        return
    for arg in let.args:
        found = lets.get(arg)
        if found is None or found.given or uses[arg] != 1:
            continue
        if found.op in _SUMS and found.type.shape == let.type.shape:
            yield arg


def _terms(let: Let, lets: Mapping[str, Let], inner: set[str], negative: bool = False) -> list[_Term]:
    terms: list[_Term] = []
    for place, arg in enumerate(let.args):
        sign = negative != (let.op is Op.SUB and place == 1)
        if arg in inner:
            terms += _terms(lets[arg], lets, inner, sign)
        else:
            terms.append(_Term(arg, sign))
    return terms


def _ranks(function: Function) -> dict[str, int]:
    """When each value is known: 0 and 1 for a whole call and a sequence, then phase by phase."""
    strata = split_strata(function)
    ranks = {source.name: int(source.type.level) for source in function.sources}
    for name in strata.once:
        ranks[name] = int(Level.CALL)
    for name in strata.per_sequence:
        ranks[name] = int(Level.SEQUENCE)
    first = int(Level.STEP)
    for number, lines in enumerate(strata.rows):
        ranks |= dict.fromkeys(lines, first + 2 * number)
    for number, loop in enumerate(strata.loops):
        ranks |= dict.fromkeys((*loop.lines, *loop.states), first + 2 * number + 1)
    return ranks


def _add_up(
    builder: Builder,
    let: Let,
    terms: list[_Term],
    lets: Mapping[str, Let],
    ranks: Mapping[str, int],
) -> None:
    """Append the sum of `terms` under the name of `let`."""

    def is_product(term: _Term) -> bool:
        found = lets.get(term.value)
        return found is not None and found.op in PRODUCTS

    def order(term: _Term) -> tuple[int, bool, bool]:
        return ranks[term.value], not is_product(term), term.negative

    steady = sorted((t for t in terms if ranks[t.value] < int(Level.STEP)), key=order)
    moving = sorted((t for t in terms if ranks[t.value] >= int(Level.STEP)), key=order)
    known = [t for t in moving if ranks[t.value] == ranks[moving[0].value]]
    if steady and moving:
        # what is the same for all steps is added up by itself, and joins what is known first
        steady = [_folded(builder, let, steady)]
    _folded(builder, let, [*known, *steady, *moving[len(known) :]], let.name)


def _folded(builder: Builder, let: Let, terms: list[_Term], name: str = "") -> _Term:
    """The sum of `terms` from left to right as one term; with a `name` it is positive."""
    total = terms[0]
    for number, term in enumerate(terms[1:], start=2):
        last = number == len(terms) and not (total.negative and term.negative)
        total = _added(builder, let, total, term, name if last else "")
    if name and total.negative:
        return _Term(_line(builder, let, Op.NEG, total.value, name=name), False)
    return total


def _added(builder: Builder, let: Let, left: _Term, right: _Term, name: str) -> _Term:
    """left + right as one term."""
    if left.negative == right.negative:
        return _Term(_line(builder, let, Op.ADD, left.value, right.value, name=name), left.negative)
    plus, minus = (right, left) if left.negative else (left, right)
    return _Term(_line(builder, let, Op.SUB, plus.value, minus.value, name=name), False)


def _line(builder: Builder, let: Let, op: Op, *args: str, name: str) -> str:
    given = let.given and bool(name)
    return builder.let(op, *args, name=name, span=let.span, equation=let.equation, given=given)

"""Products in a sum are added to each other first, those that are known earlier before the others.

Targets that run phases use it: such sums end in one accumulator, and as few of them as can be wait
for a loop. The definition of a cell keeps the order of its spec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
    """Every sum with products among its terms is a sum of products plus the sum of the others.

    The others keep their order, so that what cancels out exactly still does. With h a state:

    t1 = matvec W, x                       t1 = matvec W, x
    t2 = matvec U, h                       t3 = matvec V, m
    t3 = matvec V, m                       t4 = add t1, t3            (leaves the loop)
    t4 = add t1, t2                 ->     t2 = matvec U, h
    t5 = add t4, t3                        t5 = add t4, t2
    z_pre = add t5, b                      z_pre = add t5, b
    """
    lets = {let.name: let for let in function.lets}
    uses = Counter(arg for let in function.lets for arg in let.args)
    uses.update(result.value for result in function.results)
    inner: dict[str, Let] = {}
    for let in function.lets:
        if let.op in _SUMS:
            inner |= _inner_sums(let, lets, uses)
    ranks = _ranks(function)
    builder = Builder(function.sources, lets)
    for let in function.lets:
        if let.name in inner:
            continue
        inside = _inner_sums(let, lets, uses) if let.op in _SUMS else {}
        sums = {**inside, let.name: let}
        products = _products(sums, lets)
        if inside and len(products) > 1:
            _Sum(builder, let, sums, products).write(ranks)
        else:
            for kept in sums.values():
                builder.add(kept)
    return replace(function, lets=tuple(builder.lets))


def _inner_sums(let: Let, lets: Mapping[str, Let], uses: Mapping[str, int]) -> dict[str, Let]:
    """The sums inside a sum that nobody else wants, each after those inside it."""
    found: dict[str, Let] = {}
    for arg in let.args:
        inside = lets.get(arg)
        if inside is None or inside.given or uses[arg] != 1 or inside.op not in _SUMS:
            continue
        if inside.type.shape == let.type.shape:
            found |= {**_inner_sums(inside, lets, uses), arg: inside}
    return found


def _products(sums: Mapping[str, Let], lets: Mapping[str, Let]) -> list[str]:
    """The terms of `sums` that are matrix products."""
    terms = [arg for let in sums.values() for arg in let.args if arg not in sums]
    return [term for term in terms if term in lets and lets[term].op in PRODUCTS]


def _ranks(function: Function) -> dict[str, int]:
    """The phase in which each line is known, counted from the first over rows."""
    strata = split_strata(function)
    ranks: dict[str, int] = {}
    first = int(Level.STEP)
    for name in strata.once:
        ranks[name] = int(Level.CALL)
    for name in strata.per_sequence:
        ranks[name] = int(Level.SEQUENCE)
    for number, lines in enumerate(strata.rows):
        ranks |= dict.fromkeys(lines, first + 2 * number)
    for number, loop in enumerate(strata.loops):
        ranks |= dict.fromkeys(loop.lines, first + 2 * number + 1)
    return ranks


@dataclass(slots=True)
class _Sum:
    """A sum about to be written anew; `sums` are the additions it is made of."""

    builder: Builder
    let: Let
    sums: Mapping[str, Let]
    products: list[str]
    signed: list[_Term] = field(default_factory=list)

    def write(self, ranks: Mapping[str, int]) -> None:
        """Append the lines of the sum; the last has its name."""
        others = self.without_products(_Term(self.let.name, False))
        terms = sorted(self.signed, key=lambda term: (ranks[term.value], term.negative))
        terms += [others] if others is not None else []
        total = terms[0]
        for number, term in enumerate(terms[1:], start=2):
            last = number == len(terms) and not (total.negative and term.negative)
            total = self.added(total, term, self.let.name if last else "")
        if total.negative:
            self.line(Op.NEG, total.value, name=self.let.name)

    def without_products(self, term: _Term) -> _Term | None:
        """What is left of a term without the products in it, which are put aside."""
        if term.value in self.products:
            self.signed.append(term)
            return None
        inside = self.sums.get(term.value)
        if inside is None:
            return term
        left = self.without_products(_Term(inside.args[0], term.negative))
        turned = term.negative != (inside.op is Op.SUB)
        right = self.without_products(_Term(inside.args[1], turned))
        if left is None or right is None:
            return left or right
        return self.added(left, right, "")

    def added(self, left: _Term, right: _Term, name: str) -> _Term:
        """left + right as one term."""
        if left.negative == right.negative:
            return _Term(self.line(Op.ADD, left.value, right.value, name=name), left.negative)
        plus, minus = (right, left) if left.negative else (left, right)
        return _Term(self.line(Op.SUB, plus.value, minus.value, name=name), False)

    def line(self, op: Op, *args: str, name: str) -> str:
        let = self.let
        given = let.given and bool(name)
        return self.builder.let(
            op, *args, name=name, span=let.span, equation=let.equation, given=given
        )

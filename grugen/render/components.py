"""What an instrumented build tells apart: names for readers of a spec, numbers for the marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from grugen.ir.nodes import Let, Op
from grugen.render.views import NestView
from grugen.target.meetings import own_copies
from grugen.target.nests import Pointwise
from grugen.target.plan import KernelPlan, Loop, Phase
from grugen.target.stages import Stage
from grugen.target.totals import outer_totals, vector_totals

PACKING = "packing"
WAITING = "waiting for other threads"
REST = "the rest"

_NAMED = 4
"""So many products are named, and how many more there are."""


@dataclass(frozen=True, slots=True)
class Components:
    """`names` in the order of the code; `of` has, by phase, the number of each nest and copy.

    A stage has the number of its epilogue, and its products have the one before. `totals` are
    those of the calls that form totals.
    """

    names: tuple[str, ...]
    of: Mapping[str, tuple[int, ...]]
    totals: tuple[int, ...]

    def quoted(self) -> tuple[str, ...]:
        """The names as C has them."""
        return tuple(f'"{name}"' for name in self.names)

    def mark(self, number: int, comment: str = "") -> str:
        """The line where component `number` begins."""
        return f"grugen_enter({number}); {comment or f'// {self.names[number]}'}"

    def marked(self, phase: Phase, nests: Iterable[NestView]) -> tuple[NestView, ...]:
        """`nests`, with a mark at each whose component is not that of the nest before."""
        found: list[NestView] = []
        before = -1
        for nest, number in zip(nests, self.of[phase.name], strict=True):
            mark = "" if number == before else self.mark(number, nest.title * bool(nest.multiplies))
            found.append(replace(nest, mark=mark))
            before = number
        return tuple(found)


def components_of(plan: KernelPlan) -> Components:
    """The components of a kernel with tiles."""
    stages = plan.stages()
    names = _Names()
    names.number(PACKING)
    loops = {part.phase.name: part for part in plan.body if isinstance(part, Loop)}
    of: dict[str, tuple[int, ...]] = {}
    for phase in plan.phases():
        loop = loops.get(phase.name)
        if loop is not None and loop.in_place:
            # one loop, also where its states only take each other's values
            of[phase.name] = (names.number(f"{phase.name}: loops"),)
            continue
        numbers = []
        for nest in phase.nests:
            stage = stages.get(nest) if isinstance(nest, Pointwise) else None
            numbers.append(
                names.number(f"{phase.name}: loops") if stage is None else names.stage(phase, stage)
            )
        copies = len(phase.copies if loop is None else own_copies(plan, loop))
        carries = 0 if loop is None else len(loop.carries)
        numbers += [names.number(f"{phase.name}: copies") for _ in range(copies + carries)]
        of[phase.name] = tuple(numbers)
    totals = [
        names.number(f"gradients: {_listed(total.argument.key for total in group.all)}")
        for group in outer_totals(plan.totals)
    ]
    vectors = vector_totals(plan.totals)
    if vectors:
        keys = _listed(total.argument.key for total in vectors)
        totals.append(names.number(f"gradients: {keys}"))
    names.number(WAITING)
    names.number(REST)
    return Components(tuple(names.found), of, tuple(totals))


class _Names:
    """Names in order, and their numbers; stages of one name are told apart."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.found.setdefault(name, len(self.found))

    def stage(self, phase: Phase, stage: Stage) -> int:
        """The number of the epilogue, which follows that of the products."""
        products = [product_text(let) for segment in stage.segments for let in segment.lets]
        name, number = _listed(products), 1
        while f"{phase.name}: {_again(name, number)}" in self.found:
            number += 1
        name = _again(name, number)
        self.number(f"{phase.name}: {name}")
        return self.number(f"{phase.name}: epilogue of {name}")


def product_text(let: Let) -> str:
    """`U_z @ h`, or `U_z^T @ d_z` where the matrix is turned."""
    return f"{let.args[0]}{'^T' if let.op is Op.MATVEC_T else ''} @ {let.args[1]}"


def _again(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"


def _listed(words: Iterable[str]) -> str:
    first, more = (found := list(words))[:_NAMED], len(found) - _NAMED
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")

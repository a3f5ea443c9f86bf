"""A forward step becomes its derivative, which is again a step, run the other way in time.

Its states are the gradients of the forward states; its totals are the gradients of parameters.
It recomputes the whole forward step from the inputs and the states that entered it; what should
be kept instead is decided by `plan_tape`. The method is reverse mode, line by line backwards
(Griewank & Walther 2008, chapter 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from grugen.ir.build import Builder
from grugen.ir.nodes import Function, Let, Op, Result, ResultRole, Source, SourceRole
from grugen.ir.types import Level, Type
from grugen.passes.rename import renamed
from grugen.passes.vjp_rules import BRANCHING, VJP_RULES, Backward
from grugen.spec.dims import Dim

_DIFFERENTIABLE = (SourceRole.INPUT, SourceRole.STATIC, SourceRole.PARAM, SourceRole.STATE)
_RESULT_ROLES = {
    SourceRole.INPUT: ResultRole.OUTPUT,
    SourceRole.STATIC: ResultRole.SEQUENCE_SUM,
    SourceRole.PARAM: ResultRole.TOTAL,
    SourceRole.STATE: ResultRole.NEXT_STATE,
}


@dataclass(slots=True)
class _Gradients:
    """What has flowed back so far, by forward value.

    `parts` holds contributions to slices of a value, `outer` those to matrices, which are never
    added up within a step; `exposed` the values that some contribution reached outside a branch.
    """

    builder: Builder
    sums: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[tuple[Dim, str, bool]]] = field(default_factory=dict)
    outer: dict[str, list[str]] = field(default_factory=dict)
    exposed: set[str] = field(default_factory=set)

    def add(self, name: str, contribution: str, exposed: bool, at: Let | None) -> None:
        """Count `contribution` towards the gradient of `name`, brought to its shape."""
        wanted = self.builder.types[name].shape
        found = self.builder.types[contribution].shape
        if len(found) == 2:
            self.outer.setdefault(name, []).append(contribution)
            return
        if found and not wanted:
            contribution = self._line(at, Op.SUM, contribution)
        elif wanted and not found:
            contribution = self._line(at, Op.BROADCAST, contribution, size=wanted[0])
        if name in self.sums:
            contribution = self._line(at, Op.ADD, self.sums[name], contribution)
        self.sums[name] = contribution
        if exposed:
            self.exposed.add(name)

    def gather_parts(self, name: str, at: Let | None) -> None:
        """Join the contributions to slices of `name` into one of its own shape."""
        by_size: dict[Dim, dict[Dim, str]] = {}
        found = self.parts.pop(name)
        for offset, part, _ in found:
            (size,) = self.builder.types[part].shape
            ordered = by_size.setdefault(size, {})
            before = ordered.get(offset)
            ordered[offset] = self._line(at, Op.ADD, before, part) if before else part
        (whole,) = self.builder.types[name].shape
        for size, ordered in by_size.items():
            # what nobody reads has a gradient of 0 that must stay 0, as behind a select
            exposed = whole == size.times(len(ordered)) and all(seen for _, _, seen in found)
            self.add(name, self._joined(name, size, ordered, at), exposed, at)

    def _joined(self, name: str, size: Dim, ordered: dict[Dim, str], at: Let | None) -> str:
        """The equal parts of one split in order; those that nobody read are zero."""
        (whole,) = self.builder.types[name].shape
        zero = self._line(at, Op.BROADCAST, self._line(at, Op.LITERAL, value=0.0), size=size)
        joined: list[str] = []
        place = Dim(())
        while place != whole:
            joined.append(ordered.get(place, zero))
            place = place + size
        return self._line(at, Op.CONCAT, *joined)

    def _line(
        self,
        at: Let | None,
        op: Op,
        *args: str,
        value: float | None = None,
        size: Dim | None = None,
    ) -> str:
        span = at.span if at else None
        equation = at.equation if at else None
        return self.builder.let(op, *args, value=value, size=size, span=span, equation=equation)


def differentiate(forward: Function, constant: Iterable[str] = ()) -> Function:
    """The step that gives the gradients of everything `forward` reads, but for `constant` names.

    Reads the forward sources, the states that entered each step (TAPE), the gradients of outputs
    (OUTPUT_GRADIENT) and, as its own states, the gradients of the forward's next states.
    """
    fixed = set(constant)
    active = _active_values(forward, fixed)
    primal = [_entering(source) for source in forward.sources]
    ends = _ends(forward, active, Builder(primal, [let.name for let in forward.lets]))
    sources = (*primal, *dict.fromkeys(ends.values()))
    builder = Builder(sources)
    for let in forward.lets:
        builder.add(let)
    gradients = _Gradients(builder)
    for result, source in ends.items():
        if result.value in active:
            gradients.add(result.value, source.name, True, None)
    for let in reversed(forward.lets):
        _differentiate_line(let, gradients, active)
    results = _results(forward, gradients, fixed)
    backward = Function(f"{forward.name} backward", sources, tuple(builder.lets), tuple(results))
    return renamed(backward, _gradient_names(forward, backward, gradients))


def _ends(forward: Function, active: set[str], names: Builder) -> dict[Result, Source]:
    """What the derivative is given for each forward result: where gradients start."""
    types = forward.types()
    ends: dict[Result, Source] = {}
    for result in forward.results:
        type_ = Type(types[result.value].shape, Level.STEP)
        if result.role is ResultRole.NEXT_STATE:
            name = names.fresh(f"d_{result.key}_carried")
            ends[result] = Source(name, SourceRole.STATE, result.key, type_)
        elif result.value in active:
            name = names.fresh(f"d_{result.key}")
            ends[result] = Source(name, SourceRole.OUTPUT_GRADIENT, result.key, type_)
    return ends


def _entering(source: Source) -> Source:
    """A forward source as the derivative sees it: states come from the tape."""
    if source.role is not SourceRole.STATE:
        return source
    return Source(source.name, SourceRole.TAPE, source.key, source.type, source.span)


def _active_values(forward: Function, fixed: set[str]) -> set[str]:
    """The values that depend on something whose gradient is wanted."""
    active = {s.name for s in forward.sources_of(*_DIFFERENTIABLE) if s.key not in fixed}
    for let in forward.lets:
        if not let.type.condition and not active.isdisjoint(let.args):
            active.add(let.name)
    return active


def _differentiate_line(let: Let, gradients: _Gradients, active: set[str]) -> None:
    if let.name in gradients.parts:
        gradients.gather_parts(let.name, let)
    if let.name not in gradients.sums or let.name not in active:
        return
    gradient = gradients.sums[let.name]
    shielded = let.name not in gradients.exposed
    if let.op is Op.SLICE:
        assert let.offset is not None
        part = (let.offset, gradient, not shielded)
        gradients.parts.setdefault(let.args[0], []).append(part)
        return
    exposed = not shielded and let.op not in BRANCHING
    backward = Backward(gradients.builder, let, gradient, shielded)
    for place, contribution in VJP_RULES[let.op](backward):
        if let.args[place] in active:
            gradients.add(let.args[place], contribution, exposed, let)


def _results(forward: Function, gradients: _Gradients, fixed: set[str]) -> list[Result]:
    results: list[Result] = []
    builder = gradients.builder
    for source in forward.sources_of(*_DIFFERENTIABLE):
        if source.key in fixed:
            continue
        role = _RESULT_ROLES[source.role]
        if source.name in gradients.parts:
            gradients.gather_parts(source.name, None)
        if len(source.type.shape) == 2:
            outers = gradients.outer.get(source.name, [])
            results += [Result(value, role, source.key) for value in outers]
            continue
        value = gradients.sums.get(source.name, "")
        if not value:
            value = builder.let(Op.LITERAL, value=0.0)
            if source.type.shape:
                value = builder.let(Op.BROADCAST, value, size=source.type.shape[0])
        results.append(Result(value, role, source.key))
    return results


def _gradient_names(forward: Function, backward: Function, gradients: _Gradients) -> dict[str, str]:
    """Names for nameless lines that are the gradient of something the spec names.

    `d_z` is the gradient of z, `d_z_pre` of the argument of z's activation.
    """
    labels = {source.name: source.name for source in forward.sources}
    for let in forward.lets:
        if let.given:
            labels[let.name] = let.name
            if len(let.args) == 1:
                labels.setdefault(let.args[0], f"{let.name}_pre")
    names = Builder(backward.sources, [let.name for let in backward.lets])
    nameless = {let.name for let in backward.lets} - {let.name for let in forward.lets}
    granted: dict[str, str] = {}
    for value, gradient in gradients.sums.items():
        if gradient in nameless and gradient not in granted and value in labels:
            granted[gradient] = names.fresh(f"d_{labels[value]}")
    for let in backward.lets:
        if let.op is Op.MATVEC_T and let.name in nameless and let.name not in granted:
            vector = granted.get(let.args[1], let.args[1])
            granted[let.name] = names.fresh(f"{let.args[0]}_T_{vector}")
    for result in backward.results_of(ResultRole.TOTAL):
        if result.value in nameless and result.value not in granted:
            granted[result.value] = names.fresh(f"d_{result.key}")
    return granted

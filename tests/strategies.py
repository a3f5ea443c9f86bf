"""Hypothesis strategies that invent cells: several states, equations in any order, outputs.

Values stay bounded from step to step, so that sequences of any length can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from terms import ANYTHING, PER_CALL, PER_SEQUENCE, Known, Term, Writer

from grugen.spec.dims import Dim

STATE_BOUND = 6.0
SECTIONS = ("inputs", "static", "constants", "hyper", "states", "params")


@dataclass(frozen=True, slots=True)
class Invented:
    """A cell; entries of the input (or static input) x may be NaN where m is 0, for all `gaps`.

    Where m is not 0 entries of x must be positive.
    """

    text: str
    gaps: tuple[tuple[str, str], ...] = ()

    def named(self, name: str) -> str:
        """The spec, its cell called `name`."""
        return self.text.replace("name: invented", f"name: {name}", 1)


@st.composite
def cells(draw: st.DrawFn) -> Invented:
    """A cell of one to three states with up to five values beside them."""
    writer = Writer(draw, odd=draw(st.integers(0, 7)) == 7)
    states = _states(writer)
    for make in draw(st.permutations(_equations(writer, states))):
        make()
    if "inputs" not in writer.sections:
        # without an input nothing would say how many steps there are
        _define(writer, writer.declare_leaf("input", None))
    return Invented(_text(writer, _outputs(writer, states)), tuple(writer.gaps))


def _states(writer: Writer) -> list[Known]:
    states: list[Known] = []
    for _ in range(writer.draw(st.integers(1, 3))):
        if states and writer.often():
            shape = states[-1].shape
        else:
            shape = None if writer.rarely() else writer.dim()
        name = writer.name("hcd"[len(states)])
        axes = () if shape is None else (shape,)
        states.append(writer.declare("states", name, axes, _init(writer, shape)))
    return states


def _init(writer: Writer, shape: Dim | None) -> str:
    form = writer.draw(st.integers(0, 11))
    if form in (9, 10):
        return writer.choose("init: 0.5", "init: -1.25", "init: 0")
    if form == 11:
        source = writer.declare_leaf("input", writer.choose(shape, None))
        return f"init: first({source.text})"
    return ""


def _equations(writer: Writer, states: list[Known]) -> list:
    """What is still to be written, each a function that writes it."""
    count = writer.draw(st.integers(0, 5))
    values = [writer.choose(_value, _split, _alias, _fixed) for _ in range(count)]
    makers = [lambda value=value: value(writer) for value in values]
    return makers + [lambda state=state: _next_state(writer, state, states) for state in states]


def _define(writer: Writer, term: Term, shape: Dim | None = None) -> None:
    name = writer.name("v")
    writer.lines.append(f"{name} = {term.text}")
    # other equations may read it within bounds only
    if term.size <= STATE_BOUND:
        writer.known.append(Known(name, "value", shape, max(term.size, 0.1)))
    writer.unread[name] = None


def _shape(writer: Writer) -> Dim | None:
    return None if writer.rarely() else writer.dim()


def _value(writer: Writer) -> None:
    shape = _shape(writer)
    depth = writer.draw(st.integers(1, 4))
    _define(writer, writer.bounded(shape, depth, 50.0), shape)


def _alias(writer: Writer) -> None:
    """Another name for an input, a parameter, a state."""
    shape = _shape(writer)
    _define(writer, writer.leaf(shape), shape)


def _fixed(writer: Writer) -> None:
    """What is the same for the whole call, or for the whole sequence."""
    shape = _shape(writer)
    with writer.only(writer.choose(PER_CALL, PER_SEQUENCE)):
        term = writer.bounded(shape, writer.draw(st.integers(1, 3)), 50.0)
    _define(writer, term, shape)


def _split(writer: Writer) -> None:
    part = writer.dim()
    count = writer.choose(2, 3)
    whole = writer.bounded(part.times(count), writer.draw(st.integers(0, 2)), STATE_BOUND)
    names = [writer.name("p") for _ in range(count)]
    writer.lines.append(f"{', '.join(names)} = split({whole.text}, {count})")
    for name in names:
        writer.known.append(Known(name, "value", part, max(whole.size, 0.1)))
        writer.unread[name] = None


def _next_state(writer: Writer, state: Known, states: list[Known]) -> None:
    depth = writer.draw(st.integers(0, 4))
    forms = (_squashed, _mixed, _mixed, _squashed, _decaying, _scanned, _delayed, _swapped)
    forms += (_constant, _held, _clipped, _counting, _spread)
    form = writer.choose(*forms)
    text = form(writer, state, states, depth)
    name = f"{state.name}'"
    writer.lines.append(f"{name} = {text}")
    # in the rest of the step a number is a number, also where it becomes a whole state
    shape = None if form in (_spread, _constant) else state.shape
    writer.known.append(Known(name, "value", shape, STATE_BOUND))


def _squashed(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    return f"tanh({writer.term(state.shape, depth).text})"


def _mixed(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    gate = writer.term(state.shape, depth).text
    new = writer.bounded(state.shape, depth, 2.0).inner
    return f"(1 - sigmoid({gate})) * {state.name} + sigmoid({gate}) * {new}"


def _decaying(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    return f"exp(-relu({writer.term(state.shape, depth).text})) * {state.name}"


def _scanned(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    factor = f"sigmoid({writer.leaf(state.shape).text})" if writer.often() else "0.9"
    return f"{factor} * {state.name} + 0.1 * {writer.bounded(state.shape, depth, 2.0).inner}"


def _delayed(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    with writer.only(("input",)):
        return writer.leaf(state.shape).text


def _swapped(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    """The old or the new value of another state as it is."""
    names = [other.name for other in states if other.shape == state.shape and other != state]
    names += [k.name for k in writer.known if k.shape == state.shape and k.name.endswith("'")]
    return writer.choose(*(names or [state.name]))


def _constant(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    with writer.only(PER_SEQUENCE):
        return writer.leaf(None).text


def _held(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    """The last observed value."""
    return writer.gap("input", state.shape, state.name).text


def _clipped(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    return f"clip({state.name} + {writer.term(state.shape, depth).inner}, -2, 1.5)"


def _counting(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    return f"mod({state.name} + {writer.bounded(state.shape, depth, 4.0).inner}, 3)"


def _spread(writer: Writer, state: Known, states: list[Known], depth: int) -> str:
    """A number, which becomes every element of the state."""
    return writer.bounded(None, depth, STATE_BOUND).text


def _outputs(writer: Writer, states: list[Known]) -> dict[str, str]:
    """Everything that nothing else reads, and some values more, the same one twice among them."""
    ready = [f"{state.name}'" for state in states]
    ready += [line.split(" = ")[0] for line in writer.lines if "," not in line.split(" = ")[0]]
    extra = writer.draw(st.lists(st.sampled_from(ready), max_size=2))
    wanted = [*writer.unread, *extra] or ready[:1]
    names: dict[str, str] = {}
    for number, value in enumerate(wanted):
        plain = "y" if not number else f"y{number + 1}"
        name = value.rstrip("'") if writer.rarely() else plain
        names[plain if name in names else name] = value
    return names


def _text(writer: Writer, outputs: dict[str, str]) -> str:
    lines = ["spec: 1", "name: invented"]
    for section in SECTIONS:
        if section in writer.sections:
            lines.append(f"{section}:")
            lines += [f'  "{name}": {entry}' for name, entry in writer.sections[section].items()]
    lines += ["equations: |", *(f"  {line}" for line in writer.lines), "outputs:"]
    lines += [f'  "{name}": {value}' for name, value in outputs.items()]
    return "\n".join(lines) + "\n"


__all__ = ["ANYTHING", "Invented", "cells"]

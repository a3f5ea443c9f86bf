"""sink_cheap: cheap lines that only a loop reads run in it, where what they read is in memory."""

from __future__ import annotations

import pytest
from snippets import step

from grugen.passes.sink_cheap import sink_cheap
from grugen.passes.split_strata import Strata, split_strata

HEAD = """\
spec: 1
name: snippet
inputs: {x: [H], m: [H]}
static: {s: [H]}
states: {h: [H], g: [H]}
params: {U: [H, H], b: [H]}
"""


def sunk(equations: str, output: str = "h'", head: str = HEAD) -> Strata:
    function = step(equations, head, output)
    return sink_cheap(function, split_strata(function))


def inside(strata: Strata, state: str = "h") -> tuple[str, ...]:
    """The lines of the loop over `state`."""
    return next(loop.lines for loop in strata.loops if state in loop.states)


ALL = "g' = tanh(U @ g) * s + b * m + h'"
"""An equation that reads what a snippet leaves out."""


@pytest.mark.parametrize(
    ("equations", "output", "leaves"),
    [
        ("z = 1 - x\nh' = tanh(U @ h + z * x)", "h'", True),  # from what the caller gave
        ("z = x * s\nh' = tanh(U @ h + z)", "h'", True),  # a sequence's own value
        ("z = (x + b) * m\nh' = tanh(U @ h + z)", "h'", True),  # through a line that sinks, too
        ("z = exp(x)\nh' = tanh(U @ h + z)", "h'", False),  # costs more than memory
        ("z = 1 + U @ x\nh' = tanh(U @ h + z)", "h'", False),  # a product is no cheap line
        ("z = 1 + tanh(x)\nh' = tanh(U @ h + z)", "h'", False),  # what it reads is not given
        ("z = 1 - x\nh' = tanh(U @ h + z)", "z", False),  # stored anyway
        ("z = 1 - x\nh' = tanh(U @ h + z) + U @ z", "h'", False),  # read whole ahead of the loop
    ],
)
def test_what_sinks(equations: str, output: str, leaves: bool) -> None:
    strata = sunk(f"{equations}\n{ALL}", output)
    assert ("z" in inside(strata)) == leaves
    assert any("z" in rows for rows in strata.rows) != leaves


def test_nothing_is_lost_and_nothing_is_twice() -> None:
    equations = f"z = (x + b) * m\nu = z - 1\nh' = tanh(U @ h + u * exp(x))\n{ALL}"
    function = step(equations, HEAD)
    strata = sink_cheap(function, split_strata(function))
    found = [*strata.once, *strata.per_sequence]
    for lines in (*strata.rows, *(loop.lines for loop in strata.loops)):
        found += lines
    assert sorted(found) == sorted(let.name for let in function.lets)


def test_lines_keep_the_order_of_the_step() -> None:
    function = step(f"z = (x + b) * m\nh' = tanh(U @ h + z)\n{ALL}", HEAD)
    order = [let.name for let in function.lets]
    for loop in sink_cheap(function, split_strata(function)).loops:
        assert sorted(loop.lines, key=order.index) == list(loop.lines)


def test_what_two_loops_read_stays() -> None:
    strata = sunk(f"z = 1 - x\nh' = tanh(U @ h + z)\n{ALL} * z")
    assert "z" in strata.rows[0]

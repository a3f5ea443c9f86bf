"""sink_cheap: lines run where they are read, if what they read is in memory anyway."""

from __future__ import annotations

import pytest
from snippets import step

from grugen.ir.nodes import Function
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


def sunk(equations: str, output: str = "h'") -> tuple[Function, Strata]:
    function = step(equations, HEAD, output)
    return sink_cheap(function, split_strata(function))


def inside(strata: Strata, state: str = "h") -> tuple[str, ...]:
    """The lines of the loop over `state`."""
    return next(loop.lines for loop in strata.loops if state in loop.states)


def everywhere(strata: Strata) -> list[str]:
    """All lines in order of execution."""
    found = [*strata.once, *strata.per_sequence, *strata.rows[0]]
    for loop, rows in zip(strata.loops, strata.rows[1:], strict=True):
        found += [*loop.lines, *rows]
    return found


ALL = "g' = tanh(U @ g) * s + b * m + h'"
"""An equation that reads what a snippet leaves out."""


@pytest.mark.parametrize(
    ("equations", "output", "leaves"),
    [
        ("z = 1 - x\nh' = tanh(U @ h + z * x)", "h'", True),  # from what the caller gave
        ("z = x * s\nh' = tanh(U @ h + z)", "h'", True),  # a sequence's own value
        ("z = (x + b) * m\nh' = tanh((U @ h) * x + z)", "h'", True),  # one array more is read
        ("z = exp(x)\nh' = tanh(U @ h + z)", "h'", False),  # costs more than memory
        ("z = 1 + U @ x\nh' = tanh(U @ h + z)", "h'", False),  # what it reads is not given
        ("z = 1 + tanh(x)\nh' = tanh(U @ h + z)", "h'", False),
        ("z = 1 - x\nh' = tanh(U @ h + z)", "z", False),  # stored anyway
        ("z = x * m\nh' = tanh(U @ h + z)", "h'", False),  # two arrays in place of one
    ],
)
def test_what_runs_in_the_loop(equations: str, output: str, leaves: bool) -> None:
    _, strata = sunk(f"{equations}\n{ALL}", output)
    assert ("z_2" in inside(strata)) == leaves
    assert any("z" in rows for rows in strata.rows) != leaves


def test_each_loop_has_its_own_copy() -> None:
    function, strata = sunk("z = 1 - x\nh' = tanh(U @ h + z)\ng' = tanh(U @ g + z) * s + b * m")
    assert "z_2" in inside(strata, "h")
    assert "z_3" in inside(strata, "g")
    assert "z" not in {let.name for let in function.lets}


def test_a_product_runs_where_its_result_is_added() -> None:
    # the product of x needs no loop, but its only reader comes behind one
    _, strata = sunk(f"v = U @ x\nh' = tanh(U @ h)\ny = v + U @ h\n{ALL}", "y")
    assert not any("v" in rows for rows in strata.rows[:1])
    assert any("v" in rows for rows in strata.rows[1:])


def test_what_a_state_takes_is_known_before_its_loop() -> None:
    # h takes exp(x) and nobody reads it in the loop itself
    _, strata = sunk(f"z = exp(x)\nh' = z\ny = z * h\n{ALL}", "y")
    order = everywhere(strata)
    number = next(i for i, loop in enumerate(strata.loops) if "h" in loop.states)
    before = [name for rows in strata.rows[: number + 1] for name in rows]
    assert {"z", "h_next"} & set(before), order


def test_every_line_stands_once_and_behind_what_it_reads() -> None:
    equations = f"z = (x + b) * m\nu = z - 1\nh' = tanh(U @ h + u * exp(x) * m * x)\n{ALL} * z"
    function, strata = sunk(equations)
    order = everywhere(strata)
    assert sorted(order) == sorted(let.name for let in function.lets)
    known = {source.name for source in function.sources}
    lets = {let.name: let for let in function.lets}
    for name in order:
        assert known.issuperset(lets[name].args), name
        known.add(name)

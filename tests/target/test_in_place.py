"""Which loops overwrite their states as they go, and what then needs no memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from grugen.driver import compile_spec
from grugen.ir.from_spec import lower_spec
from grugen.source import SourceText
from grugen.spec import read_text
from grugen.target.abi import Argument, Group
from grugen.target.plan import KernelPlan, Loop
from grugen.target.planning import plan_openmp, plan_sequential

VALID = Path(__file__).parents[1] / "spec" / "valid"
HEAD = """\
spec: 1
name: snippet
inputs: {x: [H], v: []}
states: {h: [H], g: [H], n: []}
params: {W: [H, H], u: [H]}
"""
REST = ("n' = 0.5 * n + v", "y = h' + g' + n' + W @ (u * x)")


def loops(plan: KernelPlan) -> dict[str, bool]:
    """For the states of each loop, whether it runs in place."""
    found = [part for part in plan.body if isinstance(part, Loop)]
    return {" ".join(carry.state for carry in loop.carries): loop.in_place for loop in found}


def planned(*equations: str) -> KernelPlan:
    block = "".join(f"  {line}\n" for line in (*equations, *REST))
    text = f"{HEAD}equations: |\n{block}outputs: {{y: y}}\n"
    return plan_openmp(lower_spec(read_text(SourceText("snippet.yaml", text))), "forward")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("indrnn", {"h": True}),
        ("mingru", {"h": True}),
        ("brc", {"h": True}),
        ("minlstm", {"h": True}),
        ("gru_d", {"x_last": True, "h": False}),
        ("gru", {"h": False}),
        ("lstm_peephole", {"h c": False}),
    ],
)
def test_cells(name: str, expected: dict[str, bool]) -> None:
    valid = VALID / f"{name}.yaml"
    steps = compile_spec(valid if valid.exists() else name).steps
    assert loops(plan_openmp(steps.forward, "forward")) == expected
    backward = loops(plan_openmp(steps.backward, "backward"))
    assert list(backward.values()) == list(reversed(expected.values()))
    assert not any(loops(plan_sequential(steps.forward, "forward")).values())


@pytest.mark.parametrize(
    ("equations", "expected"),
    [
        # the next value comes from elsewhere, or is another state
        (("h' = x", "g' = h"), {"h": True, "g": True, "n": False}),
        (("h' = g", "g' = 0.5 * h + v * x"), {"h g": True, "n": False}),
        # the state of an earlier loop is one more value in memory
        (("h' = u * h + x", "g' = tanh(g + h)"), {"h": True, "g": True, "n": False}),
        # elements that need each other, or a number that is computed in the loop
        (("h' = h / (1 + sum(h * x))", "g' = u * g"), {"h": False, "g": True, "n": False}),
        (("h' = n * h", "g' = (v + 1) * g"), {"n": False, "h": True, "g": False}),
        (("h' = tanh(W @ h)", "g' = tanh(W @ x + g)"), {"h": False, "g": True, "n": False}),
    ],
)
def test_equations(equations: tuple[str, ...], expected: dict[str, bool]) -> None:
    assert loops(planned(*equations)) == expected


def test_what_only_the_loop_reads_needs_no_memory() -> None:
    """No next value, no gate: only what lies ahead, and the state itself."""
    for name in ("indrnn", "mingru"):
        plan = plan_openmp(compile_spec(name).steps.forward, "forward")
        assert "h" in {buffer.name for buffer in plan.buffers()}
        assert not {"h_next", "h.entering"} & {buffer.name for buffer in plan.buffers()}
        assert not any(part.phase.copies for part in plan.body if isinstance(part, Loop))


def test_a_state_read_behind_its_loop_is_kept_as_it_enters() -> None:
    plan = plan_openmp(compile_spec("gru_d").steps.forward, "forward")
    (loop, *_) = (part for part in plan.body if isinstance(part, Loop))
    entering, tape = loop.phase.writes["x_last"]
    assert entering == plan.reads["x_last"]
    assert isinstance(tape.array, Argument)
    assert tape.array.group is Group.TAPE

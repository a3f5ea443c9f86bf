"""drop_dead: what no result needs is gone; states stay, because they are results, too."""

from __future__ import annotations

from dataclasses import replace

from snippets import lines, results, step

from grugen.ir.nodes import ResultRole
from grugen.passes.drop_dead import drop_dead, drop_results


def test_unneeded_lines_and_sources_go() -> None:
    function = step("z = sigmoid(W @ x)\nh' = tanh(b + h)", output="z")
    alone = drop_results(function, ResultRole.OUTPUT)
    assert lines(alone) == ["t1 = add b, h", "h_next = tanh t1"]
    assert [source.name for source in alone.sources] == ["h", "b"]
    assert results(alone) == ["next_state h = h_next"]


def test_what_is_needed_stays() -> None:
    function = step("z = sigmoid(W @ x)\nh' = tanh(z + b) * h")
    assert drop_dead(function) == function


def test_a_state_that_nobody_reads_stays() -> None:
    function = step("h' = x")
    assert [source.name for source in drop_dead(function).sources] == ["x", "h"]


def test_chains_go_from_their_end() -> None:
    function = step("a = exp(x)\nc = tanh(a)\nd = relu(c)\nh' = x + h", output="d")
    nexts = replace(function, results=function.results[:1])
    assert lines(drop_dead(nexts)) == ["h_next = add x, h"]

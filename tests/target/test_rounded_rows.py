"""Which rows are kept as factors of products."""

from __future__ import annotations

import pytest

from grugen.driver import compile_spec
from grugen.target.plan import OuterTotal, VectorTotal
from grugen.target.planning import plan_cuda
from grugen.target.rounded_rows import rounded_rows


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gru_reset_after", {"d_n_pre", "d_z_pre", "d_r_pre", "d_c_n.rows"}),
        # r * h of every step is a factor of the gradient of U_n
        ("gru", {"d_n_pre", "d_z_pre", "d_r_pre", "t5.rows"}),
        ("lstm", {"d_o_pre", "d_g_pre", "d_f_pre", "d_i_pre"}),
    ],
)
def test_gradients_of_gates_are_factors(name: str, wanted: set[str]) -> None:
    backward = plan_cuda(compile_spec(name).steps.backward, "backward")
    assert {buffer.name for buffer in rounded_rows(backward)} == wanted


def test_forward_keeps_numbers_as_they_are() -> None:
    """Hoisted products are added to others."""
    assert not rounded_rows(plan_cuda(compile_spec("gru").steps.forward, "forward"))


def test_what_is_only_summed_up_is_not_rounded() -> None:
    plan = plan_cuda(compile_spec("gru_d").steps.backward, "backward")
    rounded = rounded_rows(plan)
    factors = {
        plan.total_reads[value].array
        for total in plan.totals
        if isinstance(total, OuterTotal)
        for value in (total.left, total.right)
    }
    summed = {plan.total_reads[t.value].array for t in plan.totals if isinstance(t, VectorTotal)}
    assert summed - factors
    assert rounded.isdisjoint(summed - factors)


def test_what_the_loop_reads_is_not_rounded() -> None:
    """Gates that are computed anew are read element by element."""
    steps = compile_spec("gru").steps
    plan = plan_cuda(steps.backward_states, "backward_states")
    names = {buffer.name for buffer in rounded_rows(plan)}
    assert "d_n_pre" in names
    assert names.isdisjoint({"z", "r", "n"})

"""How many blocks of a launch for one step the registers of a processor have to do for."""

from __future__ import annotations

import re

import pytest

from grugen.driver import bundle, compile_spec

STEP = re.compile(
    r"__launch_bounds__\(GRUGEN_THREADS,\s+(\d)\)\s+\w+_forward_\d+_step_\w+_kernel\("
)


@pytest.mark.parametrize(
    ("name", "element", "blocks"),
    [("lstm", "float64", "1"), ("lstm", "float32", "2"), ("gru_reset_after", "float64", "2")],
)
def test_many_sums_of_doubles_have_all_registers(name: str, element: str, blocks: str) -> None:
    sources = bundle(compile_spec(name), "cuda", element)
    assert STEP.findall(sources.text(sources.main)) == [blocks]

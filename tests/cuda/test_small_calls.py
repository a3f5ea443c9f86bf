"""The calls with which a GPU is looked at for the first time, on the emulated one."""

from __future__ import annotations

import pytest
from emulated import build_emulated, left_out

from grugen.bench.reference import BOUNDS
from grugen.bench.small_calls import REGIMES, check

pytestmark = pytest.mark.compiles


@pytest.mark.parametrize(
    ("numbers", "bound"), [("float32", 1e-5), ("bfloat16", BOUNDS["bfloat16"])]
)
def test_small_calls(numbers: str, bound: float) -> None:
    if left_out():
        pytest.skip(left_out())
    found = dict(check("gru", build_emulated, numbers))
    assert len(found) == 2 * len(REGIMES) * 2
    assert max(found.values()) < bound

"""What runs on a GPU, where torch is installed on the CPU: everything but graphs and events."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from grugen.bench.draw import draw
from grugen.bench.engines.job import Job, NotPossible
from grugen.bench.reference import largest_error, reference
from grugen.bench.suites import Case
from grugen.driver import load

pytest.importorskip("torch")


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    ("name", "spec", "ragged"),
    [
        ("layer", "gru_reset_after", False),
        ("layer_float64", "lstm", False),
        ("packed", "gru_reset_after", True),
        ("packed_before", "gru_reset_after", True),
        ("packed_before", "lstm", True),
        ("loop", "gru_d", False),
        ("loop", "layernorm_gru", False),
    ],
)
def test_engine_is_the_interpreter(name: str, spec: str, ragged: bool, train: bool) -> None:
    case = Case(spec, 9, 4, (5, 7), "training" if train else "forward", ragged)
    data = draw(case, load(spec).interface)
    engine: Any = getattr(import_module("grugen.bench.engines.torch_cuda"), name)
    runner = engine(Job(spec, data, train, 1), "cpu")
    found = runner.results(runner.run())
    wanted = reference(load(spec), data, train=train)
    assert largest_error(found, wanted)[0] < (1e-12 if name == "layer_float64" else 1e-5)
    gradients = {name for name in wanted if name.startswith("d ")}
    assert not train or gradients <= set(found)


def test_packed_needs_lengths() -> None:
    data = draw(Case("gru_reset_after", 3, 2, (3, 4), "forward"), load("gru_reset_after").interface)
    packed: Any = import_module("grugen.bench.engines.torch_cuda").packed
    with pytest.raises(NotPossible, match="the same length"):
        packed(Job("gru_reset_after", data, False, 1), "cpu")

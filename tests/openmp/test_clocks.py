"""Instrumented builds: the same numbers, and seconds for components that a reader understands."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from calls import random_call, run, run_forward

from grugen.assets import shipped_specs
from grugen.bench.probe import Build, Probe, build_of
from grugen.driver import compile_spec
from grugen.errors import UsageError
from grugen.render.components import PACKING, REST, WAITING, components_of
from grugen.target.planning import plan_openmp

CALLS = ((7, 30, 21), (4, 1, 64), (3, 1, 150))
"""Steps, sequences and sizes: tiles for one thread each, a single thread, and a team."""
KERNELS = ("forward", "backward", "backward_states")
EPILOGUE = "epilogue of "


@cache
def built(spec: str, instrumented: bool) -> Build:
    return build_of(compile_spec(spec), instrumented=instrumented)


@pytest.mark.compiles
@pytest.mark.parametrize("spec", ["gru", "gru_d"])
def test_clocks_change_no_bit(spec: str) -> None:
    interface = compile_spec(spec).interface
    rng = np.random.default_rng(3)
    for steps, batch, size in CALLS:
        sizes = dict.fromkeys(interface.dims, size)
        call = random_call(interface, rng, sizes=sizes, steps=steps, batch=batch, everything=True)
        for threads in (1, 2):
            plain, clocked = (
                run(built(spec, which).module, call, "openmp", "float32", threads)
                for which in (False, True)
            )
            assert plain.keys() == clocked.keys()
            for name, array in plain.items():
                assert array.tobytes() == clocked[name].tobytes(), f"{name} of {call}"


@pytest.mark.compiles
@pytest.mark.parametrize("threads", [1, 2])
def test_components_fill_the_call(threads: int) -> None:
    build = built("gru", True)
    probe = Probe(build.library, f"{build.stem}_forward")
    interface = compile_spec("gru").interface
    sizes = dict.fromkeys(interface.dims, 128)
    rng = np.random.default_rng(4)
    call = random_call(interface, rng, sizes=sizes, steps=30, batch=48, everything=True)
    run_forward(build.module, call, "openmp", "float32", threads)
    probe.reset()
    assert set(probe.seconds().values()) == {0.0}
    start = time.perf_counter()
    run_forward(build.module, call, "openmp", "float32", threads)
    wall = time.perf_counter() - start
    seconds = probe.seconds()
    assert all(spent >= 0 for spent in seconds.values())
    # the call draws parameters and copies arrays, too, and may wait for a processor to start; no
    # processor does its multiplications and additions faster than 1 TFLOP/s
    operations = 30 * 48 * 2 * 3 * 128 * (128 + 128)
    assert operations / 1e12 < sum(seconds.values()) < 1.05 * threads * wall
    products = [spent for name, spent in seconds.items() if "@" in name and EPILOGUE not in name]
    assert all(products)
    assert probe.seconds() == seconds


@pytest.mark.compiles
def test_clocks_are_in_instrumented_libraries_only() -> None:
    plain = built("gru", False)
    for kernel in KERNELS:
        assert Probe(built("gru", True).library, f"{plain.stem}_{kernel}").names
        with pytest.raises(UsageError, match="has no clocks in it"):
            Probe(plain.library, f"{plain.stem}_{kernel}")


@pytest.mark.parametrize("spec", shipped_specs())
def test_names(spec: str) -> None:
    steps = compile_spec(spec).steps
    for function, kernel in (
        (steps.forward, "forward"),
        (steps.backward, "backward"),
        (steps.backward_states, "backward_states"),
    ):
        found = components_of(plan_openmp(function, kernel))
        assert len(set(found.names)) == len(found.names)
        assert all(name.isprintable() and name.strip() for name in found.names)
        assert found.names[0] == PACKING
        assert found.names[-2:] == (WAITING, REST)
        # a mark in a stage is its epilogue's, and its products come before
        for number, name in enumerate(found.names):
            if EPILOGUE in name:
                assert found.names[number - 1] == name.replace(EPILOGUE, "")

"""`grugen profile --target cuda`: marks and clocks of generated text on the emulated device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated import build_emulated, left_out
from emulator.build import set_device

from grugen.bench.device_clocks import HEADER, with_clocks
from grugen.bench.device_profiling import (
    DeviceProfile,
    component_name,
    device_profile,
    device_profile_text,
)
from grugen.bench.suites import Case
from grugen.driver import bundle, compile_spec
from grugen.runtime.loading import Build
from grugen.toolchain.build import BuildOptions, SourceBundle


@pytest.fixture
def build_for_few() -> Iterator[Build]:
    """Libraries on a device of few processors: hundreds of calls are timed, which end sooner."""
    made: list[Path] = []

    def make(bundle: SourceBundle, options: BuildOptions, *, afresh: bool = False) -> Path:
        made.append(build_emulated(bundle, options, afresh=afresh))
        set_device(made[-1], 4)
        return made[-1]

    yield make
    for library in made:
        set_device(library)


@pytest.mark.parametrize("mode", ["forward", "training"])
def test_parts_of_a_call(mode: str, build_for_few: Build) -> None:
    if left_out():
        pytest.skip(left_out())
    case = Case("gru_d", 4, 5, (3, 6), mode, ragged=True)
    profiles = device_profile(compile_spec("gru_d"), case, 2, build_for_few)
    assert [one.kernel for one in profiles] == ["forward", "backward"][: len(profiles)]
    forward = profiles[0]
    assert next(iter(forward.parts)) == "packing"
    assert {"recurrence: h", "recurrence: x_last", "past the end"} <= set(forward.parts)
    assert all(seconds >= 0 for seconds in forward.parts.values())
    assert forward.row > 0
    assert forward.carried > 0
    if mode == "training":
        assert {"totals: outers", "totals: vectors"} <= set(profiles[1].parts)
    assert f"{case}, cuda\n\n| kernel " in device_profile_text(case, profiles)


def test_waiting_of_blocks_is_apart(build_for_few: Build) -> None:
    if left_out():
        pytest.skip(left_out())
    case = Case("gru", 4, 5, (3, 20), "forward")
    (forward,) = device_profile(compile_spec("gru"), case, 1, build_for_few, regime=2)
    assert forward.plan == "grid"
    assert forward.parts["recurrence: h, blocks wait"] > 0
    assert forward.as_kernel().kernel == "forward (grid)"


def test_marks_are_nothing_in_a_normal_build() -> None:
    sources = bundle(compile_spec("gru"), "cuda", "float32")
    assert HEADER not in dict(sources.files)
    assert with_clocks(sources).main == sources.main
    assert "#define GRUGEN_MARK(stream, name) ((void)0)" in sources.text("grugen_memory.cuh")


def test_names() -> None:
    assert component_name("step_h") == "recurrence: h"
    assert component_name("3_between_1") == "hoisted: 3_between_1"
    assert component_name("packing") == "packing"
    assert component_name("outers") == "totals: outers"


def test_table() -> None:
    one = DeviceProfile("forward", "grid", {"packing": 1e-6, "recurrence: h": 3e-6}, 5e-6, 9e-6)
    text = device_profile_text(Case("leaky", 5, 3, (4, 6), "forward"), (one,))
    assert text == (
        "leaky 5,3,4,6 forward, cuda\n\n"
        "| kernel  | part          |  us | share |\n"
        "| ------- | ------------- | --: | ----: |\n"
        "| forward | packing       |   1 | 25.0% |\n"
        "| forward | recurrence: h |   3 | 75.0% |\n\n"
        "forward (grid): 4 us in all parts; a call in a row takes 5 us, with NumPy's arrays "
        "carried to the GPU and back 9 us\n"
    )

"""`grugen profile`: clocks that count to known numbers, and the real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grugen.bench.probe import Probe
from grugen.bench.profile_report import profile_text, shares
from grugen.bench.profiling import KernelProfile
from grugen.bench.suites import Case
from grugen.cli import main
from grugen.errors import UsageError
from grugen.toolchain.build import SourceBundle, build

CLOCKS = """
#include <stdint.h>
static const char *const SYMBOL_names[] = {"product of U", "epilogue"};
int32_t SYMBOL_components(void) { return 2; }
const char *SYMBOL_component_name(int32_t i) { return SYMBOL_names[i]; }
void SYMBOL_component_seconds(double *seconds, int32_t reset) {
    seconds[0] = reset ? 0 : 3e-6;
    seconds[1] = reset ? 0 : 1e-6;
}
"""


@pytest.mark.compiles
def test_clocks_of_a_library() -> None:
    library = build(
        SourceBundle("clocks", (("clocks.c", CLOCKS.replace("SYMBOL", "a_f32_forward")),))
    )
    probe = Probe(library, "a_f32_forward")
    assert probe.names == ("product of U", "epilogue")
    probe.reset()
    assert probe.seconds() == {"product of U": 3e-6, "epilogue": 1e-6}
    with pytest.raises(UsageError, match="'b_f32_forward' has no clocks in it"):
        Probe(library, "b_f32_forward")


PROFILE = KernelProfile("forward", {"product of U": 3e-6, "epilogue": 1e-6}, 4e-6, 3.9e-6)


def test_what_is_in_no_component() -> None:
    assert PROFILE.elsewhere(1) == 0.0
    assert PROFILE.elsewhere(2) == pytest.approx(4e-6)
    assert shares(PROFILE, 2) == pytest.approx(
        {"product of U": 0.375, "epilogue": 0.125, "elsewhere": 0.5}
    )


def test_table() -> None:
    case = Case("leaky", 5, 3, (4, 6), "forward")
    assert profile_text(case, 2, [PROFILE]) == (
        "leaky 5,3,4,6 forward, 2 threads\n\n"
        "| kernel  | component    |  us | share |\n"
        "| ------- | ------------ | --: | ----: |\n"
        "| forward | product of U | 1.5 | 37.5% |\n"
        "| forward | epilogue     | 0.5 | 12.5% |\n"
        "| forward | elsewhere    |   2 | 50.0% |\n\n"
        "forward: 4 us with clocks, 3.9 us without: 1.026 x\n"
    )
    slow = replace(PROFILE, instrumented=8e-6)
    assert "the clocks cost too much to be believed" in profile_text(case, 2, [slow])


@pytest.mark.compiles
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gru", "--shape", "9,20,33,40", "--train", "--threads", "2", "--repeats", "3"]
    assert main(["profile", *words, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("gru 9,20,33,40 training, 2 threads\n")
    assert "| backward | packing " in out
    (file,) = tmp_path.glob("*.json")
    kernels = json.loads(file.read_text())["kernels"]
    assert [one["kernel"] for one in kernels] == ["forward", "backward"]
    assert kernels[0]["components"]["step_h: U_z @ h, U_r @ h"] > 0
    assert kernels[0]["plain"] > 0

"""Each barrier and each ordered access of a text is needed: without it, the race detector speaks.

All mutations of a cell are one library, in which a variable says what is left out.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from calls import Call, stored
from emulated_cells import BLOCK, CLUSTER, GRID, Emulated, emulated
from emulator.mutate import ARGUED, DECLARED, SWITCH, mutations, switched
from raced_cells import calls_of, cell_of

from grugen.driver import bundle, compile_spec
from grugen.toolchain.build import SourceBundle

HELPERS = ("team.meet", "team.meet_all", "team.meet_others")
WEAKER = {
    r"emulator::add_release\((\w+), (\w+)\)": r"atomicAdd(\1, \2)",
    r"emulator::load_acquire\((\w+)\)": r"atomicAdd(const_cast<unsigned *>(\1), 0u)",
    r"emulator::sync_cluster\(emulator::Site::here\(\)\)": r"__syncthreads()",
}
"""Accesses that order others, and what they are without that."""
SHARED = "every_meeting"
"""The cell that needs all of the headers but those of OTHERS."""
TENSOR = "gru bfloat16"
"""The one whose blocks multiply on tensor cores what others post."""
OTHERS = {
    "grugen_post.cuh": "gru",
    "grugen_tensor_post.cuh": TENSOR,
    "grugen_paired.cuh": TENSOR,
}
"""Headers that another cell needs: one whose blocks need not meet."""
ALL = bool(os.environ.get("GRUGEN_ALL"))
NAMES = (SHARED, "gru", "layernorm_gru", TENSOR, *(("lstm",) if ALL else ()))

pytestmark = pytest.mark.compiles


@dataclass(frozen=True, slots=True)
class Site:
    file: str
    line: int
    call: str
    is_argued: bool
    on_tensor_cores: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.call}"


def all_sites(sources: SourceBundle) -> tuple[SourceBundle, list[Site]]:
    """The sources with all of their sites behind switches."""
    files: list[tuple[str, str]] = []
    sites: list[Site] = []
    for name, text in sources.files:
        if name.endswith((".cu", ".cuh")):
            found = mutations(text, HELPERS)
            # the first one is number 1
            behind, count = switched(text, HELPERS, len(sites) + 1)
            assert count == len(found)
            sites += [
                Site(name, one.line, one.call, one.is_argued, _is_of_tensor_cores(text, one.line))
                for one in found
            ]
            behind = _weakened(name, behind, sites)
            files.append((name, DECLARED + behind if name == sources.main else behind))
        else:
            files.append((name, text))
    return SourceBundle(sources.stem, tuple(files)), sites


def _is_of_tensor_cores(text: str, line: int) -> bool:
    """Whether the sums of warps are added up behind a barrier."""
    return any("grugen_add_shares(" in after for after in text.splitlines()[line : line + 4])


def _weakened(name: str, text: str, sites: list[Site]) -> str:
    for ordered, weaker in WEAKER.items():
        for found in re.finditer(ordered, text):
            line = text.count("\n", 0, found.start()) + 1
            sites.append(Site(name, line, found.group(), False))
            is_left_out = f"{SWITCH} == {len(sites)}"
            # two branches of one type: that of the weaker one is cast away where nobody asks for it
            both = f"({is_left_out} ? {found.expand(weaker)} : {found.group()})"
            if "load" not in ordered:
                both = f"({is_left_out} ? (void){found.expand(weaker)} : (void){found.group()})"
            text = text.replace(found.group(), both, 1)
    return text


@dataclass(frozen=True, slots=True)
class Mutated:
    """A cell's library with switches."""

    name: str
    library: Emulated
    sites: Sequence[Site]
    calls: Sequence[Call]

    def message_without(self, number: int) -> str:
        """The first message in which site `number` is missed; 0 leaves nothing out."""
        left_out = ctypes.c_int.in_dll(ctypes.CDLL(str(self.library.library)), SWITCH)
        left_out.value = number
        try:
            return next(filter(None, self._messages()), "")
        finally:
            left_out.value = 0

    def _messages(self) -> Iterator[str]:
        for call in self.calls:
            for regime, processors in ((GRID, 4), (BLOCK, 2), (CLUSTER, 4)):
                for tape in (True, "states"):
                    self.library.device(processors)
                    yield self.library.message_of(call, regime=regime, tape=tape)


@pytest.fixture(scope="module", params=NAMES)
def mutated(request: pytest.FixtureRequest) -> Mutated:
    name, *elements = request.param.split()
    element = elements[0] if elements else "float32"
    cell = cell_of(name)
    sources, sites = all_sites(bundle(cell, "cuda", element))
    library = emulated(cell, element, "race", sources, ("-O0", "-w"))
    calls = [stored(call, element) for call in calls_of(cell)]
    return Mutated(request.param, library, sites, calls)


def test_nothing_is_wrong_to_begin_with(mutated: Mutated) -> None:
    assert not mutated.message_without(0)
    assert any(site.file.endswith(".cu") for site in mutated.sites)
    assert {site.call.split("(")[0] for site in mutated.sites if site.file.endswith(".cuh")} == {
        "__syncthreads",
        "__syncthreads_or",
        "__syncwarp",
        "__pipeline_wait_prior",
        "emulator::add_release",
        "emulator::load_acquire",
        "emulator::sync_cluster",
    }


def test_each_is_noticed(mutated: Mutated) -> None:
    unseen: list[Site] = []
    argued = 0
    for number, site in enumerate(mutated.sites, start=1):
        # the headers are the same for all cells, and so is most of a text for all element types
        if site.file.endswith(".cuh") and mutated.name != OTHERS.get(site.file, SHARED):
            continue
        if site.file.endswith(".cu") and mutated.name == TENSOR and not site.on_tensor_cores:
            continue
        if mutated.message_without(number):
            argued += site.is_argued
        else:
            unseen.append(site)
    wrong = "\n".join(str(site) for site in unseen if not site.is_argued)
    assert not wrong, f"nobody misses these, and no comment says '{ARGUED}':\n{wrong}"
    # what is argued for is needed by loops that do not begin with a meeting of their own
    assert bool(argued) == (mutated.name not in ("layernorm_gru", TENSOR))


def test_loops_in_registers_wait_for_nobody() -> None:
    text = bundle(compile_spec("indrnn"), "cuda", "float32")
    assert not mutations(text.text(text.main), HELPERS)

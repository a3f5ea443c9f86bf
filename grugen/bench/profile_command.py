"""`grugen profile`: where the time of a cell goes."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from grugen.bench.device_peak import asked
from grugen.bench.device_profiling import device_profile, device_profile_text
from grugen.bench.machine import describe, file_stem
from grugen.bench.output import write_text
from grugen.bench.profile_report import profile_data, profile_text
from grugen.bench.profiling import profile
from grugen.bench.suites import Case, parse_shape
from grugen.driver import compile_spec
from grugen.runtime.threads import checked_threads, get_num_threads

SHAPE = "48,128,33,64"


@dataclass(frozen=True, slots=True)
class ProfileWish:
    """The words of the command line."""

    spec: str
    shape: str
    threads: int | None
    train: bool
    repeats: int
    out: Path
    target: str = "openmp"


def profile_spec(wish: ProfileWish) -> int:
    """Print the table; write JSON and, where matplotlib is installed, a picture."""
    if wish.target == "cuda":
        return profile_on_device(wish)
    compiled = compile_spec(wish.spec)
    case = _case(wish)
    threads = get_num_threads() if wish.threads is None else checked_threads(wish.threads)
    profiles = profile(compiled, case, threads, wish.repeats)
    print(profile_text(case, threads, profiles), end="")
    machine = describe()
    shape = case.shape.replace(",", "-")
    stem = f"{file_stem(machine)}-profile-{compiled.spec.name}-{shape}-{case.mode}"
    data = profile_data(case, threads, profiles, machine)
    file = wish.out / f"{stem}.json"
    write_text(file, json.dumps(data, indent=1) + "\n")
    print(f"wrote {file}", file=sys.stderr)
    if find_spec("matplotlib") is not None:
        picture = file.with_suffix(".png")
        plots = import_module("grugen.bench.profile_plot")
        plots.stacked_bars(f"{case}, {threads} threads, float32", threads, profiles, picture)
        print(f"wrote {picture}", file=sys.stderr)
    return 0


def profile_on_device(wish: ProfileWish) -> int:
    """The same on a GPU."""
    compiled = compile_spec(wish.spec)
    case = _case(wish)
    profiles = device_profile(compiled, case, wish.repeats)
    print(device_profile_text(case, profiles), end="")
    machine = describe() | {"gpu": asked(torch=False)["gpu"]}
    shape = case.shape.replace(",", "-")
    stem = f"{file_stem(machine)}-profile-{compiled.spec.name}-{shape}-{case.mode}"
    data = {
        "machine": machine,
        "case": asdict(case),
        "target": "cuda",
        "kernels": [asdict(one) for one in profiles],
    }
    file = wish.out / f"{stem}.json"
    write_text(file, json.dumps(data, indent=1) + "\n")
    print(f"wrote {file}", file=sys.stderr)
    if find_spec("matplotlib") is not None:
        picture = file.with_suffix(".png")
        plots = import_module("grugen.bench.profile_plot")
        bars = [one.as_kernel() for one in profiles]
        plots.stacked_bars(f"{case}, cuda, float32", 1, bars, picture)
        print(f"wrote {picture}", file=sys.stderr)
    return 0


def _case(wish: ProfileWish) -> Case:
    steps, batch, *sizes = parse_shape(wish.shape)
    return Case(wish.spec, steps, batch, tuple(sizes), "training" if wish.train else "forward")

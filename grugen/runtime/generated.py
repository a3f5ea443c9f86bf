"""A generated folder becomes a cell module: its sources are built when a cell first needs them.

Only the interpreter reads the spec that lies in the folder. Importing a generated package builds
and loads nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.cuda.engine import cuda_engine
from grugen.runtime.elements import name_of
from grugen.runtime.engine import Engine
from grugen.runtime.interpreted import interpreted_engine
from grugen.runtime.library import compiled_engine
from grugen.runtime.module import CellModule
from grugen.target.abi import SUFFIXES, Interface
from grugen.target.arithmetic import IEEE
from grugen.toolchain.build import BuildOptions, SourceBundle
from grugen.toolchain.march import NATIVE

SUFFIXES_READ = (".c", ".h", ".cu", ".cuh")
PREFERRED = ("openmp", "sequential", "cuda")
"""The target of a cell that names none: the first of these that was generated, else numpy."""


def generated_module(
    init_file: str,
    *,
    interface: Interface,
    spec: str,
    digest: str,
    builds: tuple[tuple[str, str], ...],
    march: str = NATIVE,
    arch: str = NATIVE,
    products: str = IEEE,
) -> CellModule:
    """The module of the folder of `init_file`.

    `builds` has the (target, dtype) pairs whose sources lie in the sub-folders; `spec` is the name
    of the spec file that they came from; the spec itself lies in the folder as `NAME.yaml`.
    `march` and `arch` are what libraries are built for, and `products` are those of target `cuda`
    with float32, as `grugen.load` takes them.
    `digest` stands in every source that was generated together with the module.
    """
    folder = Path(init_file).resolve().parent
    targets = [target for target, _ in builds]
    default = next((target for target in PREFERRED if target in targets), "numpy")

    def engine(target: str, dtype: np.dtype[Any]) -> Engine:
        if target == "numpy":
            return interpreted_engine(folder / f"{interface.name}.yaml", dtype)
        element = name_of(dtype)
        if (target, element) not in builds:
            raise UsageError(
                f"'{interface.name}' was not generated for target '{target}' and {element}\n"
                f"help: run  grugen build {spec} --target {target} --dtype {element}"
            )
        stem = f"{interface.name}_{SUFFIXES[element]}"
        sources = read_bundle(folder / target, stem, main_suffix(target))
        _check_digest(sources, digest, folder / target, spec)
        options = BuildOptions(march, arch=arch)
        if target == "cuda":
            return cuda_engine(sources, interface, dtype, options)
        return compiled_engine(sources, interface, target, dtype, options)

    return CellModule(interface, engine, default, products=products)


def _check_digest(sources: SourceBundle, digest: str, folder: Path, spec: str) -> None:
    """A build that was killed may have left files of two specs side by side."""
    for name in (sources.main, f"{sources.stem}_abi.h"):
        if digest not in sources.text(name):
            raise UsageError(
                f"'{folder / name}' was generated from another spec than the module beside it\n"
                f"help: run  grugen build {spec}"
            )


def main_suffix(target: str) -> str:
    """What the name of a target's main file ends with."""
    return ".cu" if target == "cuda" else ".c"


def read_bundle(folder: Path, stem: str, suffix: str = ".c") -> SourceBundle:
    """The sources of one library: all of `folder`, but those that belong to another dtype."""
    first = (f"{stem}{suffix}", f"{stem}_abi.h")
    others = tuple(f"{stem.rpartition('_')[0]}_{suffix}" for suffix in SUFFIXES.values())
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES_READ)
        mine = [n for n in names if n.startswith(stem) or not n.startswith(others)]
        ordered = [*first, *(name for name in mine if name not in first)]
        return SourceBundle(
            stem, tuple((name, (folder / name).read_text(encoding="utf-8")) for name in ordered)
        )
    except OSError as error:
        raise UsageError(
            f"generated sources are missing: {error.filename}: {error.strerror}\n"
            "help: run  grugen build  again"
        ) from error

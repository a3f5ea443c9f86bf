"""The whole street: from a spec to a cell that runs.

    read           text of a spec            -> CellSpec          grugen.spec
    lower_spec     CellSpec                  -> Function          grugen.ir
    lower          Function                  -> Steps             grugen.passes
    plan           Function                  -> KernelPlan        grugen.target
    render         KernelPlan                -> text              grugen.render
    build          text                      -> shared library    grugen.toolchain
    load           shared library            -> CellModule        grugen.runtime

Each layer hands the next one a frozen value and knows nothing of what comes after it; only this
file knows them all. The derivative of a step is a step again, so everything from `plan` on is
done twice, forward and backward, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grugen.ir.from_spec import lower_spec
from grugen.ir.nodes import Function
from grugen.ir.text import function_text
from grugen.passes.pipeline import Observer, Steps, ignore, lower
from grugen.render.files import TextFile, kernel_files, module_files, stem_of
from grugen.runtime import CellModule, Engine, InterpretedEngine, compiled_engine, cuda_engine
from grugen.runtime.elements import name_of
from grugen.runtime.engine import BUILT, ON_CPU
from grugen.runtime.module import check_offered, checked_dtype, checked_target
from grugen.spec import read_spec
from grugen.spec.model import CellSpec
from grugen.target.abi import SUFFIXES, Interface
from grugen.target.arithmetic import IEEE, check_products_of, checked_products
from grugen.target.interface import constant_names, interface_of
from grugen.target.plan import KernelPlan
from grugen.target.planning import plan_cuda, plan_openmp, plan_sequential
from grugen.toolchain.arch import checked_arch
from grugen.toolchain.build import BuildOptions, SourceBundle
from grugen.toolchain.march import NATIVE, checked_march

TARGETS = BUILT
"""What can be built; the target `numpy` needs no building."""
CPU_TARGETS = ON_CPU
"""Those of them that a C compiler builds."""

PLANS: dict[str, Callable[[Function, str], KernelPlan]] = {
    "sequential": plan_sequential,
    "openmp": plan_openmp,
    "cuda": plan_cuda,
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A cell before any target has been chosen."""

    spec: CellSpec
    steps: Steps
    interface: Interface


def compile_spec(path: str | Path, observe: Observer = ignore) -> Compiled:
    """Read a spec (a path, or the name of a shipped one) and bring it to its two steps.

    Raises SpecFileError if it cannot be read and SpecError with all mistakes that are in it.
    """
    spec = read_spec(path)  # text -> CellSpec
    step = lower_spec(spec)  # CellSpec -> Function
    observe("from-spec", step)
    steps = lower(step, constant_names(spec), observe=observe)  # Function -> Steps
    return Compiled(spec, steps, interface_of(spec, steps))


def render(cell: Compiled, target: str, element: str, products: str = IEEE) -> tuple[TextFile, ...]:
    """The sources of one library, the main file first; see `load` for `products`."""
    plan = PLANS[target]
    plans = {  # Function -> KernelPlan
        "forward": plan(cell.steps.forward, "forward"),
        "backward": plan(cell.steps.backward, "backward"),
        "backward_states": plan(cell.steps.backward_states, "backward_states"),
    }
    # KernelPlan -> text
    return kernel_files(cell.spec, cell.interface, plans, target, element, products)


def render_module(
    cell: Compiled,
    builds: Iterable[tuple[str, str]],
    march: str = NATIVE,
    arch: str = NATIVE,
    products: str = IEEE,
) -> dict[str, str]:
    """All files of `generated/NAME` for these (target, dtype) pairs, by relative path.

    `march` and `arch` are what the module builds its libraries for, `products` those of target
    `cuda` with float32.
    """
    # what is built last leaves no trace
    known = [(target, element) for target in BUILT for element in SUFFIXES]
    wanted = tuple(sorted(set(builds), key=known.index))
    files: dict[str, str] = {}
    for target, element in wanted:
        chosen = products if (target, element) == ("cuda", "float32") else IEEE
        for file in render(cell, target, element, chosen):
            files[f"{target}/{file.path}"] = file.text
    # the module comes last: what it names is there when it is
    ir = ir_text(cell.steps)
    for file in module_files(cell.spec, cell.interface, wanted, ir, march, arch, products):
        files[file.path] = file.text
    return files


def bundle(cell: Compiled, target: str, element: str, products: str = IEEE) -> SourceBundle:
    """The sources of one library as the toolchain takes them."""
    files = render(cell, target, element, products)
    stem = stem_of(cell.spec.name, element)
    return SourceBundle(stem, tuple((file.path, file.text) for file in files))


def load(
    spec: str | Path,
    target: str | None = None,
    dtype: str | None = None,
    *,
    march: str = NATIVE,
    arch: str = NATIVE,
    products: str = IEEE,
) -> CellModule:
    """The module of a spec (a path, or the name of a shipped one), built when first needed.

    `target` (openmp by default) and `dtype` (float32; float64 for target numpy) are what
    `Cell(...)` takes when it names none; bfloat16 is for target `cuda`. `march` is the instruction
    set: `native`, `baseline`, `levels` (several in one library, which picks one), or what `-march=`
    takes; `arch` is for target `cuda`: `native`, or GPU architectures such as `sm_80,sm_90`.
    `products` is how target `cuda` forms products of float32 over all rows: `ieee`, or on tensor
    cores `tf32` or `3xtf32`, with which other targets and dtypes are refused. Libraries are kept in
    the cache. Raises SpecError, SpecFileError or UsageError here; ToolchainError, or DeviceError
    for a missing GPU, where a library is first needed.
    """
    default_target = checked_target("openmp" if target is None else target)
    default_dtype = None
    if dtype is not None:
        element_type = checked_dtype(dtype)
        check_offered(default_target, element_type)
        default_dtype = name_of(element_type)
    options = BuildOptions(checked_march(march), arch=checked_arch(arch))
    chosen = checked_products(products)
    usual = "float64" if default_target == "numpy" else "float32"
    check_products_of(chosen, default_target, default_dtype or usual)
    cell = compile_spec(spec)

    def engine(target: str, element: np.dtype[Any]) -> Engine:
        check_products_of(chosen, target, name_of(element))
        if target == "numpy":
            return InterpretedEngine(cell.steps, element)
        sources = bundle(cell, target, name_of(element), chosen)
        # text -> library
        if target == "cuda":
            return cuda_engine(sources, cell.interface, element, options)
        return compiled_engine(sources, cell.interface, target, element, options)

    return CellModule(cell.interface, engine, default_target, default_dtype, products=chosen)


def ir_text(steps: Steps, element: str = "f32") -> str:
    """Both steps as printed."""
    functions = (steps.forward, steps.backward, steps.backward_states)
    return "\n".join(function_text(function, element) for function in functions)

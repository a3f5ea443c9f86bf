"""What the commands of the command line do, one function a command; each returns an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from grugen.driver import CPU_TARGETS, TARGETS, Compiled, bundle, compile_spec, render_module
from grugen.errors import GrugenError, SpecError, SpecFileError, ToolchainError, UsageError
from grugen.ir.nodes import Function
from grugen.ir.shapes import PRODUCTS
from grugen.ir.text import function_text
from grugen.passes.find_shielded import find_shielded_products
from grugen.passes.split_strata import Strata, split_strata
from grugen.render.files import products_in, stem_of
from grugen.runtime.engine import OFFERED
from grugen.runtime.generated import main_suffix
from grugen.runtime.module import check_offered, checked_dtype
from grugen.spec import spec_text
from grugen.spec.dims import shape_text
from grugen.spec.names import did_you_mean
from grugen.target.abi import SUFFIXES
from grugen.target.arithmetic import IEEE, check_products_of, checked_products
from grugen.target.planning import plan_openmp
from grugen.target.tile_report import tile_lines
from grugen.toolchain.arch import checked_arch
from grugen.toolchain.build import BuildOptions, build
from grugen.toolchain.cache import cache_of
from grugen.toolchain.march import NATIVE, checked_march
from grugen.toolchain.nvcc import find_nvcc
from grugen.toolchain.output import difference, write_files


def check_specs(specs: Sequence[str], *, expand: bool) -> int:
    """Print what the compiler makes of each spec, or the merged spec; 1 if any is wrong."""
    failed = 0
    for number, path in enumerate(specs):
        try:
            cell = compile_spec(path)
        except (SpecError, SpecFileError) as error:
            print(error, file=sys.stderr)
            failed = 1
            continue
        if number:
            print()
        print(spec_text(cell.spec).rstrip() if expand else "\n".join(_report(cell)))
    return failed


def _report(cell: Compiled) -> Iterable[str]:
    forward = cell.steps.forward
    strata = split_strata(forward)
    yield f"{cell.spec.name}: {' '.join(cell.spec.doc.split())}".rstrip(": ")
    sections = (
        ("inputs", cell.interface.inputs),
        ("static", cell.interface.static),
        ("constants", cell.interface.constants),
        ("states", cell.interface.states),
        ("params", cell.interface.params),
        ("outputs", cell.interface.outputs),
    )
    for title, arrays in sections:
        if arrays:
            shapes = (f"{array.name} {shape_text(array.shape)}" for array in arrays)
            yield f"  {title + ':':<11}" + ", ".join(shapes)
    if cell.interface.hyper:
        yield "  hyper:     " + ", ".join(f"{name} = {x:g}" for name, x in cell.interface.hyper)
    yield ""
    yield "  values"
    yield from _values(forward, strata)
    yield ""
    yield from _strata(forward, strata)
    for direction, step in (("forward", forward), ("backward", cell.steps.backward)):
        for line in tile_lines(plan_openmp(step, direction)):
            yield f"  {direction} {line}"
    for let in find_shielded_products(forward):
        yield (
            f"  note: {let.args[0]} @ {let.args[1]} stands in a branch of where: its operand must "
            "be finite in every element, selected or not"
        )


def _values(forward: Function, strata: Strata) -> Iterable[str]:
    """Every value that the spec names, with its shape and where it is computed."""
    where = dict.fromkeys(strata.once, "once a call")
    where |= dict.fromkeys(strata.per_sequence, "once a sequence")
    for loop in strata.loops:
        where |= dict.fromkeys(loop.lines, f"in the loop of {', '.join(loop.states)}")
    named = [let for let in forward.lets if let.given]
    width = max((len(let.name) for let in named), default=0)
    shapes = max((len(shape_text(let.type.shape)) for let in named), default=0)
    for let in named:
        place = where.get(let.name, "all steps at once")
        yield f"    {let.name:<{width}}  {shape_text(let.type.shape):<{shapes}}  {place}"


def _strata(forward: Function, strata: Strata) -> Iterable[str]:
    """The loops in order, and how many products stay in them."""
    products = {let.name for let in forward.lets if let.op in PRODUCTS}
    inside = {name for loop in strata.loops for name in loop.lines} & products
    yield f"  matrix products in a loop / all: {len(inside)} / {len(products)}"
    for loop in strata.loops:
        depth = f", {loop.depth} dependent products a step" if loop.depth else ""
        yield f"  loop over {', '.join(loop.states)}: {loop.kind}{depth}"


def build_specs(
    specs: Sequence[str],
    target: str,
    dtype: str,
    out: str,
    *,
    march: str,
    arch: str,
    products: str,
    check_only: bool,
) -> int:
    """Write `out/NAME` for each spec and compile it; with `check_only` compare instead.

    What was built there before for another target or dtype is brought up to date, too. `march` and
    `arch` are what libraries are built for, here and wherever the module builds them anew.
    `products` are those of target `cuda`; what is not built now keeps those it has. All
    targets are those that a compiler is found for; what is only compared needs no compiler, and
    all targets are those of the CPU and what was built there before. Of targets those count that
    have elements of `dtype`.
    """
    options = BuildOptions(checked_march(march), arch=checked_arch(arch))
    check_products_of(checked_products(products), target, dtype)
    if target == "all":
        targets = _all_targets(dtype, check_only)
    else:
        check_offered(target, checked_dtype(dtype))
        targets = (target,)
    stale = 0
    for path in specs:
        cell = compile_spec(path)
        folder = Path(out) / cell.spec.name
        builds = [(found, dtype) for found in targets]
        named = products if ("cuda", "float32") in builds else _products_before(cell, folder)
        files = render_module(cell, [*builds, *_built_before(cell, folder)], march, arch, named)
        if check_only:
            found = difference(folder, files)
            print(found, end="")
            stale |= bool(found)
            continue
        for built, element in builds:
            build(bundle(cell, built, element, products), options)
        changed = write_files(folder, files)
        print(f"{folder}: {', '.join(targets)} {dtype}, {len(changed)} files changed")
    if stale:
        words = f"--target {target} --dtype {dtype} --out {out}"
        words += f" --march {march}" if march != NATIVE else ""
        words += f" --arch {arch}" if arch != NATIVE else ""
        words += f" --products {products}" if products != IEEE else ""
        print(f"help: run  grugen build {' '.join(specs)} {words}", file=sys.stderr)
    return stale


def _all_targets(dtype: str, check_only: bool) -> tuple[str, ...]:
    """The targets that can be built here; says what is left out, and why."""
    offering = tuple(target for target in TARGETS if dtype in OFFERED[target])
    if offering != TARGETS:
        lacking = (target for target in TARGETS if target not in offering)
        print(f"left out: targets {', '.join(lacking)}: they have no {dtype}")
        return offering
    if check_only:
        return CPU_TARGETS
    try:
        find_nvcc(cache_of(os.environ), os.environ)
    except ToolchainError as error:
        print(f"left out: target cuda: {str(error).splitlines()[0]}")
        return CPU_TARGETS
    return TARGETS


def _built_before(cell: Compiled, folder: Path) -> list[tuple[str, str]]:
    return [
        (target, element)
        for target in TARGETS
        for element in SUFFIXES
        if (folder / target / f"{stem_of(cell.spec.name, element)}{main_suffix(target)}").is_file()
    ]


def _products_before(cell: Compiled, folder: Path) -> str:
    """How the library for devices that was built before forms products over all rows."""
    stem = stem_of(cell.spec.name, "float32")
    main = folder / "cuda" / f"{stem}{main_suffix('cuda')}"
    return products_in(main.read_text(encoding="utf-8")) if main.is_file() else IEEE


def dump_spec(spec: str, after: str | None, dtype: str) -> int:
    """Print the steps after every pass, or as one pass left them."""
    seen: list[tuple[str, Function]] = []
    try:
        compile_spec(spec, lambda name, function: seen.append((name, function)))
    except GrugenError:
        _print_dump(seen, dtype)
        raise
    names = list(dict.fromkeys(name for name, _ in seen))
    if after is not None:
        if after not in names:
            advice = did_you_mean(after, names) or f"the passes are {', '.join(names)}"
            raise UsageError(f"there is no pass '{after}'\nhelp: {advice}")
        # a pass that runs on both steps leaves a forward and a backward one: the last of each
        last = {function.name: (name, function) for name, function in seen if name == after}
        seen = list(last.values())
    _print_dump(seen, dtype)
    return 0


def _print_dump(seen: Iterable[tuple[str, Function]], dtype: str) -> None:
    for number, (name, function) in enumerate(seen):
        print(f"// ---- {number:02} {name}")
        print(function_text(function, SUFFIXES[dtype]))

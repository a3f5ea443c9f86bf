"""Plans become the files of a build: names, banners, text. Nothing is written here."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from grugen.assets import templates_folder
from grugen.render.c_expr import C_TYPES, ElementType
from grugen.render.cuda_text import cuda_view
from grugen.render.cuda_views import CudaFileView
from grugen.render.environment import environment
from grugen.render.header_text import struct_view
from grugen.render.kernel_text import kernel_view
from grugen.render.layout import lay_out
from grugen.render.python_literal import python_literal
from grugen.render.views import FileView, HeaderView, ModuleView, TileView
from grugen.spec.model import CellSpec
from grugen.spec.text import spec_text
from grugen.target.abi import COMPUTED, SUFFIXES, Interface
from grugen.target.arithmetic import IEEE, TF32
from grugen.target.plan import KernelPlan
from grugen.target.schedule import Schedule

_COMMON = (
    *("common/grugen_level.h", "common/grugen_math.h", "common/grugen_memory.h"),
    "common/grugen_needs.h",
)
_CUDA = (
    "bfloat16 stored math memory host elements rows team panel product sum cluster tiling graph "
    "told held post fragments tensor_post fetch shape sums tensor_sums total paired block_product "
    "outer"
)
SUPPORT = {
    "cuda": tuple(f"cuda/grugen_{name}.cuh" for name in _CUDA.split()),
    "sequential": _COMMON,
    "openmp": (
        *_COMMON,
        "openmp/grugen_profile.h",
        "openmp/grugen_vector.h",
        "openmp/grugen_vector_math.h",
        "openmp/grugen_vector_exp.h",
        "openmp/grugen_vector_log.h",
        "openmp/grugen_vector_power.h",
        "openmp/grugen_team.h",
        "openmp/grugen_wanted.h",
        "openmp/grugen_panel.h",
        "openmp/grugen_product.h",
        "openmp/grugen_tiling.h",
        "openmp/grugen_outer.h",
        "openmp/grugen_total.h",
        "openmp/grugen_sum.h",
    ),
}
"""Headers without holes that stand beside the sources of a target."""

KERNEL = {
    "sequential": ("sequential/kernel.c.j2",),
    "openmp": ("openmp/memory.c.j2", "openmp/kernel.c.j2"),
}
"""The templates of a kernel, one after the other."""

MODULE_NAMES = (
    *("Argument", "ArrayInfo", "Group", "Interface", "OutputInfo", "ParamInfo", "ParamInit"),
    *("Signature", "StateInfo", "StateInit", "shape"),
)
"""What the literal of an interface may mention, sorted."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of a build; `path` is relative, with forward slashes."""

    path: str
    text: str


def stem_of(name: str, element: ElementType) -> str:
    """`gru_f32`: the name of a library's main file, and the prefix of its symbols."""
    return f"{name}_{SUFFIXES[element]}"


def kernel_files(
    spec: CellSpec,
    interface: Interface,
    plans: Mapping[str, KernelPlan],
    target: str,
    element: ElementType,
    products: str = IEEE,
) -> tuple[TextFile, ...]:
    """The sources of one library, the main file first; `plans` by direction.

    `products` (of `grugen.target.arithmetic`) is for target `cuda`.
    """
    stem = stem_of(spec.name, element)
    env = environment()
    banner = _banner(spec, target, element)
    if target == "cuda":
        return _cuda_files(interface, plans, HeaderView(banner, stem, ()), element, products)
    views = [kernel_view(plan, stem, element, interface.dims) for plan in plans.values()]
    kernels = tuple(
        "\n".join(env.get_template(name).render(k=view) for name in KERNEL[target])
        for view in views
    )
    schedule = next(iter(plans.values())).schedule
    file = FileView(
        banner=banner,
        stem=stem,
        real=C_TYPES[element],
        real_is_f32="1" if element == "float32" else "0",
        tiles=tile_views(schedule),
        tile_sequences=str(schedule.tile_sequences),
        block_bytes=str(schedule.block_bytes),
        kernels=kernels,
    )
    structs = tuple(
        struct_view(plan.signature, direction, stem, element, interface.dims)
        for direction, plan in plans.items()
    )
    header = HeaderView(banner, stem, structs)
    main = env.get_template(f"{target}/file.c.j2").render(f=file)
    declarations = env.get_template("common/abi.h.j2").render(h=header)
    outer = env.get_template("common/header.h.j2").render(h=header)
    levels = env.get_template("common/levels.c.j2").render(h=header)
    return (
        TextFile(f"{stem}.c", lay_out(main)),
        TextFile(f"{stem}_abi.h", lay_out(declarations)),
        TextFile(f"{stem}.h", outer),
        TextFile(f"{stem}_levels.c", lay_out(levels)),
        *_support(target),
    )


def _cuda_files(
    interface: Interface,
    plans: Mapping[str, KernelPlan],
    empty: HeaderView,
    element: ElementType,
    products: str,
) -> tuple[TextFile, ...]:
    """The sources of a library for devices; `empty` is its header without structs."""
    env = environment()
    stem = empty.stem
    real = COMPUTED[element]
    stored = "" if real == element else f"grugen_{element}.cuh"
    # tf32 has all numbers of bfloat16
    arithmetic = TF32 if element == "bfloat16" else products
    kernels = tuple(
        env.get_template("cuda/kernel.cu.j2").render(
            k=cuda_view(plan, stem, element, interface.dims)
        )
        for plan in plans.values()
    )
    structs = tuple(
        struct_view(plan.signature, direction, stem, element, interface.dims)
        for direction, plan in plans.items()
    )
    header = HeaderView(empty.banner, stem, structs)
    main = env.get_template("cuda/file.cu.j2").render(
        f=CudaFileView(empty.banner, stem, C_TYPES[real], stored, _named(arithmetic), kernels)
    )
    parts = ("cuda/abi.h.j2", "cuda/host_abi.h.j2")
    declarations = "".join(env.get_template(part).render(h=header) for part in parts)
    return (
        TextFile(f"{stem}.cu", lay_out(main)),
        TextFile(f"{stem}_abi.h", lay_out(declarations)),
        TextFile(f"{stem}.h", env.get_template("cuda/header.h.j2").render(h=header)),
        *_support("cuda"),
    )


def _named(products: str) -> str:
    """What grugen_shape.cuh calls it."""
    return f"GRUGEN_{products.upper()}"


def products_in(main: str) -> str:
    """The products that the text of a main file was rendered with; those of IEEE by default."""
    found = re.search(r"^#define GRUGEN_PRODUCTS GRUGEN_(\w+)$", main, re.MULTILINE)
    return found[1].lower() if found else IEEE


def _support(target: str) -> tuple[TextFile, ...]:
    paths = [templates_folder() / path for path in SUPPORT[target]]
    return tuple(TextFile(path.name, path.read_text(encoding="utf-8")) for path in paths)


def module_files(
    spec: CellSpec,
    interface: Interface,
    builds: tuple[tuple[str, str], ...],
    ir: str,
    march: str,
    arch: str,
    products: str = IEEE,
) -> tuple[TextFile, ...]:
    """What stands beside the sources: the Python module, the merged spec, the printed steps."""
    literal = python_literal(interface, indent=4)
    view = ModuleView(
        docstring=_docstring(spec),
        spec_name=repr(spec.source.file_name),
        digest=repr(digest_of(spec)),
        names=tuple(name for name in MODULE_NAMES if re.search(rf"\b{name}\b", literal)),
        interface=literal,
        builds=python_literal(builds, indent=4),
        march=repr(march),
        # what has nothing for GPUs does not say for which
        arch=repr(arch) if any(target == "cuda" for target, _ in builds) else "",
        products="" if products == IEEE else repr(products),
    )
    return (
        TextFile("__init__.py", environment().get_template("python/module.py.j2").render(m=view)),
        TextFile(f"{spec.name}.yaml", spec_text(spec)),
        TextFile(f"{spec.name}.ir", ir),
    )


def _docstring(spec: CellSpec) -> str:
    """A string literal that no text of the spec can close."""
    about = textwrap.wrap(f"{spec.name}: {spec.doc}", 96)
    lines = [*about, "", *_origin(spec)]
    return '"""' + _safe("\n".join(lines)) + '\n"""'


def _safe(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _banner(spec: CellSpec, target: str, element: ElementType) -> tuple[str, ...]:
    """Comment lines; `doc` is free text, so it is brought to one line without backslashes."""
    doc = " ".join(spec.doc.replace("\\", "/").replace("??", "? ?").split())
    summary = textwrap.shorten(f"{spec.name}: {doc}", 96, placeholder=" ...")
    return (summary, f"Target {target}, {element}.", *_origin(spec))


def _origin(spec: CellSpec) -> tuple[str, str]:
    file_name = spec.source.file_name
    return (
        f"@generated by grugen from {file_name} (sha256 of the merged spec {digest_of(spec)}).",
        f"Do not edit; change the spec and run: grugen build {file_name}",
    )


def digest_of(spec: CellSpec) -> str:
    """Tells whether files were generated from the same spec."""
    return hashlib.sha256(spec_text(spec).encode()).hexdigest()[:16]


def tile_views(schedule: Schedule) -> tuple[TileView, ...]:
    """The register tiles of all instruction sets, each behind its `#if`."""
    views: list[TileView] = []
    for shapes in schedule.tiles:
        word = "#elif" if views else "#if"
        macro = shapes.unit.macro
        condition = f"{word} defined({macro})" if macro else "#else"
        steps = [
            f"(v) <= {vectors} ? {rows} : "
            for vectors, rows in enumerate(shapes.rows[:-1], start=1)
            if rows != shapes.rows[vectors]
        ]
        rows_of = "".join(steps) + str(shapes.rows[-1])
        views.append(
            TileView(condition, str(shapes.unit.vector_bytes), str(len(shapes.rows)), rows_of)
        )
    return tuple(views)

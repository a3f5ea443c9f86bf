"""How a bundle is compiled: by which commands, and what else decides what its library is like.

Nothing is compiled here but the small programs that a compiler is tried with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from grugen.toolchain.arch import arch_flags, architectures
from grugen.toolchain.cache import Cache
from grugen.toolchain.compilers import Compiler, find_compiler
from grugen.toolchain.cpu import cpu_features
from grugen.toolchain.march import BASELINE, LEVELS, NATIVE, levels_of, machine
from grugen.toolchain.nvcc import TELLING, find_nvcc
from grugen.toolchain.sources import BuildOptions, SourceBundle


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what the library of `bundle` is like.

    `what` is what messages call the compiler. The commands run in the folder of the sources, so
    they name no other folder; `facts` are texts about the machine and the environment.
    """

    bundle: SourceBundle
    what: str
    version: str
    commands: tuple[tuple[str, ...], ...]
    facts: tuple[str, ...]

    @property
    def library(self) -> str:
        """The name of the file that the last command makes."""
        return library_of(self.bundle)

    @property
    def name(self) -> str:
        """The stem and a hash of everything."""
        main, *others = self.bundle.files
        parts = [word for command in self.commands for word in (*command, "\n")]
        parts += [self.version, *self.facts]
        for file_name, text in (main, *sorted(others)):
            parts += [file_name, text]
        # a length before each part, so that no two lists of parts look alike
        data = "".join(f"{len(part)} {part}\n" for part in parts)
        return f"{self.bundle.stem}-{hashlib.sha256(data.encode()).hexdigest()[:32]}"


def library_of(bundle: SourceBundle) -> str:
    """The file name of a bundle's library."""
    return f"{bundle.stem}.so"


def recipe_of(
    bundle: SourceBundle, options: BuildOptions, cache: Cache, environment: Mapping[str, str]
) -> Recipe:
    """The recipe for `bundle` on this machine. Raises ToolchainError without a compiler."""
    make = _cuda_recipe if bundle.is_cuda else _c_recipe
    return make(bundle, options, cache, environment)


def _c_recipe(
    bundle: SourceBundle, options: BuildOptions, cache: Cache, environment: Mapping[str, str]
) -> Recipe:
    compiler = find_compiler(cache, environment)
    # a library for a named instruction set is the same on every machine of its architecture
    fact = cpu_features() if options.march == NATIVE else f"machine: {machine()}"
    commands = _c_commands(bundle, compiler, options)
    return Recipe(bundle, "C compiler", compiler.version, commands, (fact,))


def _c_commands(
    bundle: SourceBundle, compiler: Compiler, options: BuildOptions
) -> tuple[tuple[str, ...], ...]:
    """One command; for several instruction sets one for each, and one for what chooses."""

    def call(march: str, without: str = "") -> tuple[str, ...]:
        flags = (flag for flag in compiler.flags(march) if flag != without)
        return (*compiler.command, *flags, *options.extra)

    levels = levels_of(machine()) if options.march == LEVELS else ()
    library = library_of(bundle)
    if not levels:
        march = BASELINE if options.march == LEVELS else options.march
        return ((*call(march), bundle.main, "-o", library, "-lm"),)
    objects = tuple(f"{bundle.stem}{ending}.o" for ending, _ in levels)
    compiled = (
        (*call(march, "-shared"), f"-DGRUGEN_LEVEL={ending}", "-c", bundle.main, "-o", made)
        for (ending, march), made in zip(levels, objects, strict=True)
    )
    # what chooses among the levels must run on the lowest
    chooser = (*call(levels[0][1]), f"{bundle.stem}_levels.c", *objects)
    return (*compiled, (*chooser, "-o", library, "-lm"))


def _cuda_recipe(
    bundle: SourceBundle, options: BuildOptions, cache: Cache, environment: Mapping[str, str]
) -> Recipe:
    nvcc = find_nvcc(cache, environment)
    names = architectures(options.arch, nvcc.known, nvcc.version, environment)
    flags = (*nvcc.flags(arch_flags(names)), *options.extra)
    command = (*nvcc.command, *flags, bundle.main, "-o", library_of(bundle))
    settings = (f"{name}: {environment.get(name, '')}" for name in TELLING)
    facts = (f"machine: {machine()}", *settings)
    return Recipe(bundle, "CUDA compiler", nvcc.version, (command,), facts)

"""Compiles the text of a `.cu` file with g++ and the emulator, and reaches what the library says.

    library = compile_library(Path("gru.cu"), "race", tmp_path)
    set_order(library, Order.RANDOM, seed=3)
    status = ctypes.CDLL(str(library)).gru_forward(...)
    assert not status, last_message(library)

Everything that speaks to a library takes its path: loading it again, by ctypes or cffi, is the same
library with the same state. No device is used here, and none is looked for.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Literal, get_args

HERE = Path(__file__).resolve().parent
INCLUDE = HERE / "include"
RUNTIME = HERE / "runtime"

Mode = Literal["plain", "race", "asan"]
MODES: tuple[Mode, ...] = get_args(Mode)

COMMON = (
    *("-std=c++17", "-fPIC", "-fvisibility=hidden", "-pthread"),
    # kernels load float4 from arrays of float
    "-fno-strict-aliasing",
    # shared memory is initialised by nobody: no wrapper around each access
    "-fno-extern-tls-init",
    *("-Wall", "-Wextra", "-Wshadow", "-Werror", "-Wno-unknown-pragmas"),
)
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
# the kernel alone is instrumented. The runtime is the detector of races: libtsan must not come in
# by the linker
KERNEL_FLAGS: Mapping[Mode, tuple[str, ...]] = {
    # nothing is thrown in a kernel, and nobody looks at the stack of one
    "plain": ("-O2", "-fno-exceptions", "-fno-asynchronous-unwind-tables"),
    # lines are all that messages name
    "race": ("-g1", "-O1", "-fsanitize=thread", "-DEMULATOR_RACE", "-Wno-tsan"),
    "asan": ("-g1", "-O1", "-DEMULATOR_ASAN", *SANITIZED),
}
RUNTIME_FLAGS: Mapping[Mode, tuple[str, ...]] = {
    "plain": ("-O2",),
    "race": ("-O2", "-DEMULATOR_RACE"),
    "asan": ("-O2", "-DEMULATOR_ASAN"),
}
LINK_FLAGS: Mapping[Mode, tuple[str, ...]] = {"plain": (), "race": ("-ldl",), "asan": SANITIZED}

WANTED = (
    "cuda_runtime_api.h",
    "crt/host_defines.h",
    "cuda_bf16.h",
    ("nv/target", "cccl/nv/target"),
)
"""What a folder of headers must hold; of a tuple, one."""
INSTALL = "'make test-cuda' installs CUDA's headers and compiler from PyPI; g++ is in Debian's g++"


class Unavailable(Exception):
    """There is no g++ or there are no CUDA headers; the message says where they were looked for."""


class Order(IntEnum):
    """In which order threads and blocks go on."""

    FORWARD = 0
    REVERSE = 1
    RANDOM = 2


def compile_library(
    source: Path,
    mode: Mode,
    into: Path,
    definitions: Sequence[str] = (),
    include: Sequence[Path] = (),
    flags: Sequence[str] = (),
) -> Path:
    """The shared library of `source` for `mode`, in the folder `into`.

    `definitions` are written as for -D, `include` are folders searched after the source's own;
    `flags` come last: texts that were changed are compiled with -w.
    """
    into.mkdir(parents=True, exist_ok=True)
    suffix = _digest([str(source), *definitions])[:8] if definitions else ""
    library = into / f"{source.stem}{suffix and '-' + suffix}.{mode}.so"
    object_file = library.with_suffix(".o")
    folders = [flag for folder in include for flag in ("-I", str(folder))]
    defined = [f"-D{definition}" for definition in definitions]
    # without -x the linker is handed a file that it does not know
    compiled = [*KERNEL_FLAGS[mode], *defined, *folders, "-x", "c++", "-c", str(source)]
    _run([*compiler_line(), *compiled, *flags, "-o", str(object_file)])
    linked = [str(object_file), *map(str, runtime_objects(mode)), *LINK_FLAGS[mode]]
    _run([compiler(), "-shared", "-pthread", *linked, "-Wl,-Bsymbolic", "-o", str(library)])
    object_file.unlink()
    return library


def runtime_objects(mode: Mode) -> tuple[Path, ...]:
    """The compiled runtime; compiled when its text, its flags or the compiler have changed."""
    sources = sorted(path for path in RUNTIME.glob("*.cpp") if _belongs(path, mode))
    line = [*compiler_line(), *RUNTIME_FLAGS[mode], "-I", str(INCLUDE)]
    texts = [path.read_text(encoding="utf-8") for path in _all_sources()]
    kept = _cache() / f"runtime-{mode}-{_digest([_version(), *line, *texts])[:16]}.o"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            # one translation unit: the system's headers are read once
            together = Path(folder) / "together.cpp"
            together.write_text("".join(f'#include "{path}"\n' for path in sources))
            made = together.with_suffix(".o")
            _run([*line, "-c", str(together), "-o", str(made)])
            os.replace(made, kept)
    return (kept,)


def compiler_line() -> list[str]:
    """The compiler, the flags of all modes, and the folders: the emulator's headers come first."""
    headers = find_headers()
    system = [headers, *(folder for folder in [headers / "cccl"] if folder.is_dir())]
    folders = [flag for folder in system for flag in ("-isystem", str(folder))]
    return [compiler(), *COMMON, "-I", str(INCLUDE), *folders]


@functools.cache
def compiler() -> str:
    """The C++ compiler: `CXX` if that is set, else g++."""
    named = os.environ.get("CXX", "g++")
    found = shutil.which(named)
    if found is None:
        raise Unavailable(f"no C++ compiler was found: there is no '{named}' on PATH\n{INSTALL}")
    return found


@functools.cache
def find_headers() -> Path:
    """The folder of CUDA's headers: of a toolkit, or of wheels in this Python environment."""
    looked = list(dict.fromkeys(_header_folders()))
    for folder in looked:
        if not _missing(folder):
            return folder
    lines = [f"  {folder}: no {', '.join(_missing(folder))}" for folder in looked]
    raise Unavailable("\n".join(["no CUDA headers were found; looked in", *lines, INSTALL]))


def unavailable() -> str:
    """Why nothing can be compiled here; empty if it can."""
    try:
        compiler(), find_headers()
    except Unavailable as error:
        return str(error)
    return ""


def find_nvcc() -> Path | None:
    """CUDA's own compiler, of a toolkit or of a wheel."""
    named = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    on_path = shutil.which("nvcc")
    places = [folder / "bin" / "nvcc" for folder in named]
    places += [Path(on_path)] if on_path else []
    places += [Path("/usr/local/cuda/bin/nvcc")]
    places += [folder.parent / "bin" / "nvcc" for folder in _wheel_folders()]
    return next((place for place in places if os.access(place, os.X_OK)), None)


def nvcc_command(nvcc: Path) -> list[str]:
    """The compiler and the flags that every text must bear; warnings are errors."""
    # wheels have their libraries where their own compiler does not look
    libraries = nvcc.resolve().parent.parent / "lib"
    folders = [f"-L{libraries}"] if libraries.is_dir() else []
    flags = ["-std=c++17", "-arch=sm_90", "-O3", "-Werror", "all-warnings", "-Xcompiler", "-fPIC"]
    return [str(nvcc), *flags, *folders]


def _header_folders() -> Iterator[Path]:
    for name in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(name):
            yield Path(os.environ[name]) / "include"
    yield Path("/usr/local/cuda/include")
    nvcc = shutil.which("nvcc")
    if nvcc:
        yield Path(nvcc).resolve().parent.parent / "include"
    yield from _wheel_folders()


def _wheel_folders() -> Iterator[Path]:
    for site in dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib")):
        folders = sorted(Path(site, "nvidia").glob("cu*/include"), reverse=True)
        yield from folders or [Path(site, "nvidia", "cu13", "include")]


def _missing(folder: Path) -> list[str]:
    groups = [name if isinstance(name, tuple) else (name,) for name in WANTED]
    return [names[0] for names in groups if not any((folder / name).exists() for name in names)]


def _belongs(path: Path, mode: Mode) -> bool:
    return mode == "race" or not path.name.startswith("race_")


def _all_sources() -> list[Path]:
    return sorted([*RUNTIME.glob("*.*"), *INCLUDE.rglob("*.h")])


def _cache() -> Path:
    """Beside grugen's own libraries, where the tests have a folder of their own."""
    folder = Path(os.environ.get("GRUGEN_CACHE") or _own_folder()) / "emulator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def _own_folder() -> str:
    return tempfile.mkdtemp(prefix="grugen-emulator-")


@functools.cache
def _version() -> str:
    return subprocess.run(
        [compiler(), "--version"], capture_output=True, text=True, check=True
    ).stdout


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class CompilationError(Exception):
    """g++ did not take a text; the message has the command and what it said."""


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompilationError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")


# --- what a library can be told and asked ---------------------------------------------------------


def set_order(library: Path, order: Order, seed: int = 1) -> None:
    """From now on; the same order and seed are the same run, to the bit and to the message."""
    _loaded(library).emulator_set_order(int(order), ctypes.c_ulonglong(seed))


def set_device(library: Path, processors: int = 132, blocks_per_processor: int = 0) -> None:
    """How many blocks run at once; 0 blocks stands for what threads and shared memory allow."""
    _loaded(library).emulator_set_device(processors, blocks_per_processor)


def set_most_spins(library: Path, most: int) -> None:
    """A loop that waits ends with a message after so many turns without a barrier passed."""
    _loaded(library).emulator_set_most_spins(most)


def last_message(library: Path) -> str:
    """The first message since the last call of this function, empty if all went well."""
    take = _loaded(library).emulator_take_message
    take.restype = ctypes.c_char_p
    message: bytes = take()
    return message.decode()


def allocations(library: Path) -> int:
    """Allocations of device memory that are not freed."""
    return int(_loaded(library).emulator_allocations())


def graphs(library: Path) -> int:
    """Graphs, executable or not, that are not destroyed."""
    return int(_loaded(library).emulator_graphs())


def set_failure(library: Path, calls: int) -> int:
    """After so many calls that launch, or make streams, captures and graphs, one fails; -1: none.

    Returns how many of the calls that were set before are left.
    """
    return int(_loaded(library).emulator_set_failure(calls))


def begin_capture(library: Path, stream: int) -> None:
    """What is put into the stream from now on is recorded."""
    status = _loaded(library).emulator_begin_capture(ctypes.c_void_p(stream))
    assert not status, f"error {status}: {last_message(library)}"


def end_capture(library: Path, stream: int, times: int) -> None:
    """Launch so many times what was recorded."""
    status = _loaded(library).emulator_end_capture(ctypes.c_void_p(stream), times)
    assert not status, f"error {status}: {last_message(library)}"


def _loaded(library: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(library.resolve()))


# --- the address sanitizer, which must be loaded before Python is ---------------------------------


def sanitized_environment() -> dict[str, str]:
    """The environment of a process that may load a library of mode `asan`."""
    line = [compiler(), "-print-file-name=libasan.so"]
    found = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        raise Unavailable("the C++ compiler has no address sanitizer")
    # Python itself leaves memory behind; frames of fibers do not nest as the check expects
    options = "detect_leaks=0:detect_stack_use_after_return=0"
    return {**os.environ, "LD_PRELOAD": found, "ASAN_OPTIONS": options}


def run_sanitized(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Python with these arguments and the sanitizer; its report is in `stderr`."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=sanitized_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Say what is found; 1 if it is not enough to compile with both compilers."""
    reason, nvcc = unavailable(), find_nvcc()
    if not reason:
        print(f"C++ compiler: {compiler()}\nCUDA headers: {find_headers()}")
    print(reason or f"nvcc: {nvcc or 'not found'}")
    return int(bool(reason) or nvcc is None)


if __name__ == "__main__":
    sys.exit(main())

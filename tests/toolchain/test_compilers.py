"""Which compiler is taken, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grugen.errors import ToolchainError
from grugen.toolchain.cache import Cache, cache_of
from grugen.toolchain.compilers import FLAGS, find_compiler
from grugen.toolchain.cpu import cpu_features

HELP = (
    "help: install one (Debian: apt-get install gcc libc6-dev; clang needs libomp-dev too), "
    "or set CC to one that works"
)


@pytest.fixture
def cache(environment: dict[str, str]) -> Cache:
    return cache_of(environment)


def failure(cache: Cache, environment: dict[str, str]) -> str:
    with pytest.raises(ToolchainError) as caught:
        find_compiler(cache, environment)
    return str(caught.value)


@pytest.mark.compiles
def test_found_on_path(cache: Cache, environment: dict[str, str]) -> None:
    compiler = find_compiler(cache, environment)
    assert Path(compiler.command[0]).is_absolute()
    assert compiler.version
    assert compiler.flags("x86-64-v3") == (*FLAGS, "-march=x86-64-v3")


def test_nothing_on_path(cache: Cache, environment: dict[str, str], tmp_path: Path) -> None:
    environment["PATH"] = str(tmp_path)
    expected = f"no C compiler was found: looked for cc, gcc, clang on PATH\n{HELP}"
    assert failure(cache, environment) == expected


def test_cc_names_nothing(cache: Cache, environment: dict[str, str]) -> None:
    environment["CC"] = "/none/cc -m64"
    assert failure(cache, environment) == (
        "no C compiler was found: CC is '/none/cc -m64', and there is no program '/none/cc'\n"
        + HELP
    )


def test_cc_is_no_command(cache: Cache, environment: dict[str, str]) -> None:
    environment["CC"] = "gcc '"
    assert failure(cache, environment) == "CC is no command: gcc ' (No closing quotation)"


def test_cc_is_no_program(cache: Cache, environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "text"
    script.write_text("hello")
    script.chmod(0o755)
    environment["CC"] = str(script)
    assert failure(cache, environment) == f"'{script}' cannot be run: Exec format error\n{HELP}"


def test_cc_fails(cache: Cache, environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "cc"
    script.write_text("#!/bin/sh\necho broken; exit 1\n")
    script.chmod(0o755)
    environment["CC"] = str(script)
    assert failure(cache, environment) == (
        f"'{script} --version' failed (exit status 1)\nbroken\n{HELP}"
    )


def test_without_openmp(cache: Cache, environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "cc"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo v1\necho no omp.h; exit 1\n')
    script.chmod(0o755)
    environment["CC"] = str(script)
    assert failure(cache, environment) == (
        f"'{script}' cannot build a small OpenMP program (exit status 1)\n"
        f"command: {script} {' '.join(FLAGS)} probe.c -o probe.so -lm\nno omp.h\n{HELP}"
    )


def test_first_that_works_is_taken(
    cache: Cache, environment: dict[str, str], tmp_path: Path
) -> None:
    for name, body in (("cc", "exit 1"), ("gcc", "echo good")):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    environment["PATH"] = f"{tmp_path}:/usr/bin:/bin"
    compiler = find_compiler(cache, environment)
    assert compiler.command == (str(tmp_path / "gcc"),)
    assert compiler.version == "good"


@pytest.mark.parametrize(
    ("refused", "native"),
    [("none", ("-march=native",)), ("*-march=*", ("-mcpu=native",)), ("*native*", ())],
)
def test_native_flag_that_the_compiler_knows(
    refused: str,
    native: tuple[str, ...],
    cache: Cache,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    script = tmp_path / "cc"
    script.write_text(f'#!/bin/sh\ncase "$*" in {refused}) exit 1 ;; esac\necho v1\n')
    script.chmod(0o755)
    environment["CC"] = str(script)
    assert find_compiler(cache, environment).flags("native") == (*FLAGS, *native)


def test_examined_once_until_it_changes(
    cache: Cache, environment: dict[str, str], fake_compiler: Callable[[str], str], tmp_path: Path
) -> None:
    script = Path(fake_compiler(""))
    script.write_text(script.read_text().replace("\n", f"\necho run >> {tmp_path}/runs\n", 1))
    environment["CC"] = str(script)
    first = find_compiler(cache, environment)
    count = len((tmp_path / "runs").read_text().splitlines())
    assert find_compiler(cache, environment) == first
    assert len((tmp_path / "runs").read_text().splitlines()) == count
    script.write_text(script.read_text().replace("fakecc 1.0", "fakecc 2.00"))
    assert find_compiler(cache, environment).version == "fakecc 2.00"


def test_broken_record_is_made_anew(
    cache: Cache, environment: dict[str, str], fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler("")
    first = find_compiler(cache, environment)
    (record,) = cache.compilers.iterdir()
    record.write_text("{")
    assert find_compiler(cache, environment) == first


def test_cc_may_have_arguments(
    cache: Cache, environment: dict[str, str], fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = f"env {fake_compiler('')}"
    assert find_compiler(cache, environment).command[1:] == (fake_compiler(""),)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"GRUGEN_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"GRUGEN_CACHE": "here"}, Path.cwd() / "here"),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/grugen")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/grugen"),
        ({}, Path.home() / ".cache/grugen"),
    ],
)
def test_cache_folder(environment: dict[str, str], folder: Path) -> None:
    assert cache_of(environment).folder == folder


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(
        ToolchainError, match=r"^there is no home folder .*\nhelp: set GRUGEN_CACHE"
    ):
        cache_of({})


def test_cpu_features_are_those_of_the_first_processor(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags\t\t: fma avx\ncpu MHz : 1000\nmodel : 1\n\nflags : other\n")
    assert cpu_features(info).splitlines()[1:] == ["flags: avx fma", "model: 1"]
    assert cpu_features(tmp_path / "none").splitlines()[1].startswith("processor: ")

"""One library for equal sources, compiler and flags; whatever happens, nothing half-made."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cffi
import pytest

from grugen.errors import InternalError, ToolchainError
from grugen.toolchain import build as build_module
from grugen.toolchain import recipes
from grugen.toolchain.build import BuildOptions, SourceBundle, build

BUILD = """
import sys
from grugen.toolchain.build import SourceBundle, build
print(build(SourceBundle("three", (("three.c", "int three(void) { return 3; }\\n"),))))
"""
# stands in for a compiler: says that it was started, waits until told, then makes a library
SLOW = """\
echo started >> "$MARKS/started"
while [ ! -e "$MARKS/go" ]; do sleep 0.02; done
while [ $# -gt 1 ]; do [ "$1" = -o ] && echo library > "$2"; shift; done
"""


def unfinished(environment: dict[str, str]) -> list[Path]:
    return list((Path(environment["GRUGEN_CACHE"]) / "unfinished").iterdir())


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD], env=environment, stdout=subprocess.PIPE, text=True
    )


def wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.01)


@pytest.fixture
def marks(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    folder = tmp_path / "marks"
    folder.mkdir()
    environment["MARKS"] = str(folder)
    yield folder
    # orphans of killed builds wait for it
    (folder / "go").touch()


@pytest.mark.compiles
def test_library_works_without_warnings(bundle: SourceBundle, environment: dict[str, str]) -> None:
    library = build(bundle, BuildOptions(extra=("-Werror",)), environment=environment)
    ffi = cffi.FFI()
    ffi.cdef("int64_t three(void);")
    assert ffi.dlopen(str(library)).three() == 3
    assert unfinished(environment) == []


@pytest.mark.compiles
def test_log_and_sources_lie_beside_the_library(
    bundle: SourceBundle, environment: dict[str, str]
) -> None:
    folder = build(bundle, environment=environment).parent
    names = ["build.txt", "three.c", "three.h", "three.so", "three.so.sha256"]
    assert sorted(path.name for path in folder.iterdir()) == names
    log = (folder / "build.txt").read_text()
    pattern = (
        r"compiler: .*\ncommand: /\S+ -std=c11 -O3 -fPIC -shared -fopenmp -ffp-contract=fast "
        r"-fno-math-errno -fno-trapping-math -Wall -Wextra (-m\S+=native )?three.c -o three.so -lm"
        r"\nending: exit status 0\nmachine: "
    )
    assert re.match(pattern, log)


@pytest.mark.compiles
def test_second_build_starts_nothing(
    bundle: SourceBundle, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(bundle, environment=environment)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert build(bundle, environment=environment) == first


@pytest.mark.parametrize(
    "other",
    [
        {"bundle": SourceBundle("three", (("three.c", "int three(void) { return 4; }\n"),))},
        {"options": BuildOptions(march="x86-64-v2")},
        {"options": BuildOptions(march="baseline")},
        {"options": BuildOptions(march="levels")},
        {"options": BuildOptions(extra=("-DNEW",))},
    ],
)
def test_key_changes_with(
    other: dict[str, object],
    bundle: SourceBundle,
    environment: dict[str, str],
    fake_compiler: Callable[[str], str],
) -> None:
    environment["CC"] = fake_compiler("for last; do :; done\necho x > three.so\n")
    first = build(bundle, environment=environment)
    assert build(**{"bundle": bundle, **other}, environment=environment) != first  # type: ignore[arg-type]


def test_key_knows_compiler_and_cpu(
    bundle: SourceBundle,
    environment: dict[str, str],
    fake_compiler: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment["CC"] = fake_compiler("echo x > three.so\n")
    paths = {build(bundle, environment=environment)}
    monkeypatch.setattr(recipes, "cpu_features", lambda: "another")
    paths.add(build(bundle, environment=environment))
    script = Path(environment["CC"])
    script.write_text(script.read_text().replace("1.0", "1.01"))
    paths.add(build(bundle, environment=environment))
    assert len(paths) == 3


def test_key_is_blind_to_the_order_of_headers(
    bundle: SourceBundle, environment: dict[str, str], fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler("echo x > three.so\n")
    main, header = bundle.files
    more = ("more.h", "")
    one = build(replace(bundle, files=(main, header, more)), environment=environment)
    assert build(replace(bundle, files=(main, more, header)), environment=environment) == one


@pytest.mark.compiles
@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "no hash"])
def test_damaged_library_is_built_again(
    damage: str, bundle: SourceBundle, environment: dict[str, str]
) -> None:
    library = build(bundle, environment=environment)
    whole = library.read_bytes()
    match damage:
        case "truncated":
            library.write_bytes(whole[: len(whole) // 2])
        case "changed":
            library.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "gone":
            library.unlink()
        case _:
            (library.parent / "three.so.sha256").unlink()
    assert build(bundle, environment=environment) == library
    assert library.stat().st_size == len(whole)
    assert unfinished(environment) == []


def test_two_processes_compile_once(
    environment: dict[str, str], marks: Path, fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler(SLOW)
    both = [start(environment), start(environment)]
    wait_for(marks / "started")
    time.sleep(0.3)
    (marks / "go").touch()
    paths = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert (marks / "started").read_text() == "started\n"
    assert Path(paths.pop()).read_text() == "library\n"
    assert not paths


def test_killed_build_leaves_nothing(
    environment: dict[str, str], marks: Path, fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler(SLOW)
    process = start(environment)
    wait_for(marks / "started")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cache = Path(environment["GRUGEN_CACHE"])
    assert not (cache / "libraries").exists()
    assert len(unfinished(environment)) == 1
    (marks / "go").touch()
    # the next build is of something else, and still cleans up
    other = SourceBundle("four", (("four.c", ""),))
    build(other, environment=environment)
    assert unfinished(environment) == []
    again = start(environment)
    assert Path(again.communicate(timeout=60)[0].strip()).read_text() == "library\n"


def test_build_in_progress_is_left_alone(
    environment: dict[str, str], marks: Path, fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler(
        f'case "$*" in *four.c*) echo x > four.so; exit 0 ;; esac\n{SLOW}'
    )
    process = start(environment)
    wait_for(marks / "started")
    build(SourceBundle("four", (("four.c", ""),)), environment=environment)
    assert len(unfinished(environment)) == 1
    (marks / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_failing_compiler(
    bundle: SourceBundle, environment: dict[str, str], fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler("for i in $(seq 17); do echo line $i; done\nexit 3\n")
    with pytest.raises(ToolchainError) as caught:
        build(bundle, environment=environment)
    (kept,) = (Path(environment["GRUGEN_CACHE"]) / "failed").iterdir()
    assert str(caught.value) == "\n".join(
        [
            "the C compiler failed on three.c (exit status 3)",
            f"command: cd {kept} && {environment['CC']} -std=c11 -O3 -fPIC -shared -fopenmp "
            "-ffp-contract=fast -fno-math-errno -fno-trapping-math -Wall -Wextra -march=native "
            "three.c -o three.so -lm",
            "compiler: fakecc 1.0",
            *(f"line {i}" for i in range(1, 16)),
            f"... 2 more lines in {kept}/build.txt",
            f"source: {kept}/three.c",
        ]
    )
    assert (kept / "three.c").read_text() == bundle.text("three.c")
    assert (kept / "build.txt").read_text().endswith("\nline 17\n")
    assert unfinished(environment) == []


def test_failing_twice_keeps_the_last(
    bundle: SourceBundle, environment: dict[str, str], fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler("kill -9 $$\n")
    for _ in range(2):
        with pytest.raises(ToolchainError, match="killed by signal 9"):
            build(bundle, environment=environment)
    assert len(list((Path(environment["GRUGEN_CACHE"]) / "failed").iterdir())) == 1


def test_compiler_that_hangs(
    bundle: SourceBundle,
    environment: dict[str, str],
    fake_compiler: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build_module, "BUILD_SECONDS", 0.2)
    environment["CC"] = fake_compiler("sleep 60 & wait\n")
    before = time.monotonic()
    with pytest.raises(ToolchainError, match=re.escape("(stopped: it took too long)")):
        build(bundle, environment=environment)
    assert time.monotonic() - before < 20


def test_compiler_that_makes_nothing(
    bundle: SourceBundle, environment: dict[str, str], fake_compiler: Callable[[str], str]
) -> None:
    environment["CC"] = fake_compiler("exit 0\n")
    with pytest.raises(ToolchainError, match="made no library and reported no error\ncommand: "):
        build(bundle, environment=environment)


@pytest.mark.compiles
def test_cache_that_cannot_be_written(
    bundle: SourceBundle, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    environment["GRUGEN_CACHE"] = str(tmp_path / "file")
    with pytest.raises(ToolchainError) as caught:
        build(bundle, environment=environment)
    assert str(caught.value) == (
        f"cannot write to the cache folder '{tmp_path}/file': Not a directory\n"
        "help: set GRUGEN_CACHE to a folder that can be written"
    )


@pytest.mark.compiles
@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_cache_that_is_read_only_still_serves(
    bundle: SourceBundle, environment: dict[str, str]
) -> None:
    library = build(bundle, environment=environment)
    folder = Path(environment["GRUGEN_CACHE"])
    folder.chmod(0o500)
    try:
        assert build(bundle, environment=environment) == library
        with pytest.raises(ToolchainError, match="cannot write to the cache folder"):
            build(replace(bundle, stem="other"), environment=environment)
    finally:
        folder.chmod(0o700)


def test_file_names_stay_in_the_folder() -> None:
    with pytest.raises(InternalError, match=r"'\.\./a\.c' is no plain name of a source file"):
        SourceBundle("a", (("../a.c", ""),))

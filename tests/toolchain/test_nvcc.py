"""Which CUDA compiler is taken, for which GPUs it builds, and what is said when there is none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grugen.errors import ToolchainError, UsageError
from grugen.toolchain import nvcc as nvcc_module
from grugen.toolchain.arch import arch_flags, architectures, checked_arch, gpus_here
from grugen.toolchain.build import BuildOptions, SourceBundle, build
from grugen.toolchain.cache import Cache, cache_of
from grugen.toolchain.nvcc import FLAGS, INSTALL, find_nvcc

HELP = (
    "help: install CUDA's toolkit, or its compiler with pip (pip install nvidia-cuda-nvcc "
    "nvidia-cuda-cccl), or set NVCC to one that works"
)
KNOWN = ("sm_75", "sm_80", "sm_90", "sm_120")

MakeNvcc = Callable[..., Path]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with a cache of the test's own, a few programs, and no CUDA anywhere."""
    monkeypatch.setattr(nvcc_module, "TOOLKIT", Path("/none/cuda"))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "gcc", "echo", "cat"):
        found = shutil.which(name)
        (programs / name).symlink_to(found or "/bin/true")
    return {"PATH": str(programs), "GRUGEN_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def cache(environment: dict[str, str]) -> Cache:
    return cache_of(environment)


@pytest.fixture
def fake_nvcc() -> MakeNvcc:
    """Makes a shell script that answers what a probe asks, and else runs `body`."""

    def make(path: Path, body: str = "", version: str = "13.0") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f'  *--version*) echo "nvcc: a driver"; echo "tools, release {version}"; exit 0 ;;\n'
            f'  *--list-gpu-code*) echo "{" ".join(KNOWN)}"; exit 0 ;;\n'
            "  *probe.cu*) exit 0 ;;\n"
            "esac\n" + body
        )
        path.chmod(0o755)
        return path

    return make


def failure(cache: Cache, environment: dict[str, str]) -> str:
    with pytest.raises(ToolchainError) as caught:
        find_nvcc(cache, environment, ())
    return str(caught.value)


def test_nothing_anywhere(cache: Cache, environment: dict[str, str]) -> None:
    assert failure(cache, environment) == (
        "no CUDA compiler was found: looked for nvcc on PATH, in /none/cuda, "
        f"and in Python's packages (nvidia)\n{HELP}"
    )
    environment["CUDA_HOME"] = "/none/home"
    assert failure(cache, environment).startswith(
        "no CUDA compiler was found: looked for nvcc on PATH, in $CUDA_HOME (/none/home), in "
    )
    assert f"help: {INSTALL}" == HELP


def test_nvcc_names_nothing(cache: Cache, environment: dict[str, str]) -> None:
    environment["NVCC"] = "/none/nvcc -O0"
    assert failure(cache, environment) == (
        "no CUDA compiler was found: NVCC is '/none/nvcc -O0', and there is no program "
        f"'/none/nvcc'\n{HELP}"
    )


def test_nvcc_is_no_command(cache: Cache, environment: dict[str, str]) -> None:
    environment["NVCC"] = "nvcc '"
    assert failure(cache, environment) == "NVCC is no command: nvcc ' (No closing quotation)"


def test_nvcc_fails(cache: Cache, environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "nvcc"
    script.write_text("#!/bin/sh\necho broken; exit 1\n")
    script.chmod(0o755)
    environment["NVCC"] = str(script)
    assert failure(cache, environment) == (
        f"'{script} --version' failed (exit status 1)\nbroken\n{HELP}"
    )


def test_nvcc_that_cannot_build(
    cache: Cache, environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path
) -> None:
    script = fake_nvcc(tmp_path / "nvcc")
    script.write_text(script.read_text().replace("*probe.cu*) exit 0", "*probe.cu*) exit 9"))
    environment["NVCC"] = str(script)
    assert failure(cache, environment) == (
        f"'{script}' cannot build a small CUDA program (exit status 9)\n"
        f"command: {script} {' '.join(FLAGS)} probe.cu -o probe.so\n{HELP}"
    )


def test_host_compiler_is_missing(
    cache: Cache, environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path
) -> None:
    script = fake_nvcc(tmp_path / "nvcc")
    text = "nvcc fatal   : Failed to preprocess host compiler properties."
    script.write_text(
        script.read_text().replace("*probe.cu*) exit 0", f'*probe.cu*) echo "{text}"; exit 1')
    )
    environment["NVCC"] = str(script)
    (tmp_path / "programs/gcc").unlink()
    assert failure(cache, environment) == (
        f"'{script}' cannot build a small CUDA program (exit status 1)\n"
        f"command: {script} {' '.join(FLAGS)} probe.cu -o probe.so\n{text}\n"
        "help: nvcc needs a C++ compiler beside it: install g++ (Debian: apt-get install g++), or "
        "set NVCC_CCBIN to one"
    )


@pytest.mark.parametrize(
    "place",
    [
        "programs/nvcc",
        "toolkit/bin/nvcc",
        "home/bin/nvcc",
        "site/nvidia/cu13/bin/nvcc",
        "site/nvidia/cuda_nvcc/bin/nvcc",
    ],
)
def test_where_it_may_be(
    place: str,
    cache: Cache,
    environment: dict[str, str],
    fake_nvcc: MakeNvcc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nvcc_module, "TOOLKIT", tmp_path / "toolkit")
    environment["CUDA_HOME"] = str(tmp_path / "home")
    script = fake_nvcc(tmp_path / place)
    found = find_nvcc(cache, environment, ["", "/none", str(tmp_path / "site")])
    assert found.command == (str(script),)
    assert found.version == "tools, release 13.0"
    assert found.known == KNOWN


def test_the_newest_of_several_packages(
    cache: Cache, environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path
) -> None:
    for folder in ("cu13", "cu14"):
        fake_nvcc(tmp_path / "nvidia" / folder / "bin/nvcc")
    found = find_nvcc(cache, environment, [str(tmp_path)])
    assert found.command == (str(tmp_path / "nvidia/cu14/bin/nvcc"),)


def test_a_package_says_where_its_libraries_are(
    cache: Cache, environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path
) -> None:
    top = tmp_path / "nvidia/cu13"
    fake_nvcc(top / "bin/nvcc")
    (top / "lib").mkdir()
    (top / "lib/libcudart_static.a").touch()
    found = find_nvcc(cache, environment, [str(tmp_path)])
    assert found.flags(("-G",)) == (*FLAGS, "-L", str(top / "lib"), "-G")


def test_examined_once_until_it_or_its_settings_change(
    cache: Cache, environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path
) -> None:
    script = fake_nvcc(tmp_path / "nvcc")
    script.write_text(script.read_text().replace("\n", f"\necho run >> {tmp_path}/runs\n", 1))
    environment["NVCC"] = str(script)

    def runs() -> int:
        find_nvcc(cache, environment, ())
        return len((tmp_path / "runs").read_text().splitlines())

    assert [runs(), runs()] == [3, 3]
    environment["NVCC_CCBIN"] = "g++-12"
    assert [runs(), runs()] == [6, 6]
    script.write_text(script.read_text().replace("13.0", "13.02"))
    assert find_nvcc(cache, environment, ()).version == "tools, release 13.02"


# --- architectures ---


@pytest.mark.parametrize("arch", ["native", "sm_90", "sm_80,sm_90", "sm_90a"])
def test_arch_that_can_be_one(arch: str) -> None:
    assert checked_arch(arch) == arch


@pytest.mark.parametrize("arch", ["", "90", "sm_80, sm_90", "sm_80;x", "compute_80", None, 90])
def test_arch_that_is_none(arch: object) -> None:
    with pytest.raises(UsageError) as caught:
        checked_arch(arch)
    assert str(caught.value) == (
        f"arch is {arch!r}; 'native' or names of GPU architectures such as 'sm_80,sm_90' are needed"
    )


def test_flags_have_ptx_of_the_last() -> None:
    assert arch_flags(("sm_80", "sm_90a")) == (
        "--generate-code=arch=compute_80,code=sm_80",
        "--generate-code=arch=compute_90a,code=[compute_90a,sm_90a]",
    )


def test_arch_that_nvcc_does_not_know(environment: dict[str, str]) -> None:
    with pytest.raises(ToolchainError) as caught:
        architectures("sm_80,sm_100", KNOWN, "release 13.0", environment)
    assert str(caught.value) == (
        "arch names sm_100, which nvcc cannot build for\n"
        "compiler: release 13.0\nhelp: it builds for sm_80, sm_90, sm_120"
    )


def test_arch_that_is_too_old(environment: dict[str, str]) -> None:
    with pytest.raises(ToolchainError) as caught:
        architectures("sm_75,sm_80", KNOWN, "release 13.0", environment)
    assert str(caught.value) == (
        "arch names sm_75, which is too old for the kernels\n"
        "compiler: release 13.0\nhelp: they need sm_80 or newer"
    )


def test_nvcc_that_is_too_old(environment: dict[str, str]) -> None:
    with pytest.raises(ToolchainError) as caught:
        architectures("native", ("sm_50", "sm_70"), "release 9.0", environment)
    assert str(caught.value) == (
        "the newest GPU that nvcc builds for is sm_70, which is too old for the kernels\n"
        "compiler: release 9.0\nhelp: they need sm_80 or newer"
    )


def test_native_without_a_gpu(environment: dict[str, str]) -> None:
    assert gpus_here(environment) == ()
    assert architectures("native", KNOWN, "", environment) == ("sm_80", "sm_90")
    assert architectures("native", ("sm_50", "sm_90"), "", environment) == ("sm_90",)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("echo 9.0; echo 8.6; echo 9.0", ("sm_86", "sm_90")),
        ("echo 12.0", ("sm_120",)),
        ("echo NVIDIA-SMI has failed; exit 9", ()),
        ("echo '[N/A]'", ()),
    ],
)
def test_native_with_gpus(
    body: str, found: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "programs/nvidia-smi"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    assert gpus_here(environment) == found


def test_gpu_that_nvcc_does_not_know(environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "programs/nvidia-smi"
    script.write_text("#!/bin/sh\necho 10.0\n")
    script.chmod(0o755)
    with pytest.raises(ToolchainError) as caught:
        architectures("native", KNOWN, "release 13.0", environment)
    assert str(caught.value) == (
        "the GPU of this machine is sm_100, which nvcc cannot build for\n"
        "compiler: release 13.0\nhelp: it builds for sm_80, sm_90, sm_120"
    )


# --- builds ---

SOURCES = SourceBundle("three", (("three.cu", '#include "three.h"\n'), ("three.h", "\n")))


def test_command_and_log(environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path) -> None:
    environment["NVCC"] = str(fake_nvcc(tmp_path / "nvcc", "echo x > three.so\necho said\n"))
    options = BuildOptions(arch="sm_80", extra=("-lineinfo",))
    built = build(SOURCES, options, environment=environment)
    log = built.with_name("build.txt").read_text()
    assert log.startswith(
        f"compiler: tools, release 13.0\ncommand: {tmp_path}/nvcc -std=c++17 -O3 -shared "
        "-Xcompiler -fPIC -ftz=true '--generate-code=arch=compute_80,code=[compute_80,sm_80]' "
        "-lineinfo three.cu -o three.so\nending: exit status 0\nmachine: "
    )
    assert log.endswith("\nNVCC_CCBIN: \nNVCC_PREPEND_FLAGS: \nNVCC_APPEND_FLAGS: \n\nsaid\n")


def test_key_changes_with(environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path) -> None:
    environment["NVCC"] = str(fake_nvcc(tmp_path / "nvcc", "echo x > three.so\n"))
    paths = [build(SOURCES, BuildOptions(arch=arch), environment=environment) for arch in
             ("native", "sm_80", "sm_80,sm_90")]  # fmt: skip
    paths.append(build(SOURCES, BuildOptions(extra=("-G",)), environment=environment))
    environment["NVCC_APPEND_FLAGS"] = "-O1"
    paths.append(build(SOURCES, environment=environment))
    fake_nvcc(tmp_path / "nvcc", "echo x > three.so\n", version="13.1")
    paths.append(build(SOURCES, environment=environment))
    # without a GPU `native` is the usual two
    assert paths[0] == paths[2]
    assert len(set(paths)) == 5
    # the instruction set of the CPU is no part of it
    other = BuildOptions(march="baseline")
    assert build(SOURCES, other, environment=environment) == paths[-1]


def test_failure_of_a_build(
    environment: dict[str, str], fake_nvcc: MakeNvcc, tmp_path: Path
) -> None:
    environment["NVCC"] = str(fake_nvcc(tmp_path / "nvcc", "echo wrong; exit 2\n"))
    with pytest.raises(ToolchainError) as caught:
        build(SOURCES, environment=environment)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the CUDA compiler failed on three.cu (exit status 2)"
    assert lines[1].startswith(f"command: cd {tmp_path}/cache/failed/three-")
    assert lines[2:4] == ["compiler: tools, release 13.0", "wrong"]
    assert re.fullmatch(rf"source: {tmp_path}/cache/failed/three-\w+/three\.cu", lines[4])


def test_real_compiler_builds_without_a_gpu(tmp_path: Path) -> None:
    environment = {**os.environ, "GRUGEN_CACHE": str(tmp_path / "cache")}
    try:
        find_nvcc(cache_of(environment), environment)
    except ToolchainError as error:
        pytest.skip(f"left out: {str(error).splitlines()[0]}")
    text = '__global__ void f(int *a) { *a = 3; }\nextern "C" int three(void) { return 3; }\n'
    sources = SourceBundle("three", (("three.cu", text),))
    options = BuildOptions(arch="sm_90", extra=("-Werror=all-warnings",))
    assert build(sources, options, environment=environment).is_file()

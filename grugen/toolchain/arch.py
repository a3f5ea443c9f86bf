"""Which GPUs a CUDA library is built for: the words that `arch` takes, and nvcc's flags for them.

native           the GPUs of this machine; where there is none, those of USUAL
sm_80,sm_90      machine code for these, and PTX of the last one, from which a driver makes code
                 for GPUs that are newer
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from grugen.errors import ToolchainError, UsageError
from grugen.toolchain.command import run_command
from grugen.toolchain.march import NATIVE

USUAL = ("sm_80", "sm_90")
"""What is built for where no GPU tells: the data centre GPUs of two generations."""

OLDEST = 80
"""The kernels copy to shared memory beside their work (`cp.async`), which older GPUs cannot."""

ASK_SECONDS = 30.0


def checked_arch(arch: object) -> str:
    """`arch` if it can be one. Raises UsageError; whether nvcc knows it shows in a build."""
    if isinstance(arch, str) and re.fullmatch(r"native|sm_\d+[af]?(,sm_\d+[af]?)*", arch):
        return arch
    raise UsageError(
        f"arch is {arch!r}; 'native' or names of GPU architectures such as 'sm_80,sm_90' are needed"
    )


def architectures(
    arch: str, known: Sequence[str], version: str, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """The architectures that `arch` stands for here; `known` are those that nvcc builds for.

    Raises ToolchainError for one that it does not know, or that is older than the kernels need.
    """
    here = arch == NATIVE
    found = gpus_here(environment) if here else tuple(dict.fromkeys(arch.split(",")))
    what = "the GPU of this machine is" if here else "arch names"
    if not found:
        # some nvcc know only older or only newer ones
        found = tuple(name for name in USUAL if name in known) or (max(known, key=_number),)
        what = "the newest GPU that nvcc builds for is"
    for name in found:
        if _number(name) < OLDEST:
            raise ToolchainError(
                f"{what} {name}, which is too old for the kernels\n"
                f"compiler: {version}\nhelp: they need sm_{OLDEST} or newer"
            )
        if name.rstrip("af") not in known:
            usable = (name for name in known if _number(name) >= OLDEST)
            listed = ", ".join(sorted(usable, key=_number))
            raise ToolchainError(
                f"{what} {name}, which nvcc cannot build for\n"
                f"compiler: {version}\nhelp: it builds for {listed}"
            )
    return found


def arch_flags(names: Sequence[str]) -> tuple[str, ...]:
    """Flags for machine code for all of `names`, and PTX of the last one."""
    flags: list[str] = []
    for name in names:
        virtual = name.replace("sm_", "compute_")
        code = f"[{virtual},{name}]" if name == names[-1] else name
        flags.append(f"--generate-code=arch={virtual},code={code}")
    return tuple(flags)


def gpus_here(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The architectures of this machine's GPUs, in order; none where there is no driver.

    The driver's own program is asked: asking CUDA in this process would keep its children from
    using it.
    """
    command = ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
    try:
        with tempfile.TemporaryDirectory() as folder:
            told = run_command(command, Path(folder), ASK_SECONDS, environment)
    except OSError:
        return ()
    numbers = re.findall(r"^(\d+)\.(\d+)$", told.text, re.MULTILINE) if told.status == 0 else []
    names = {f"sm_{major}{minor}" for major, minor in numbers}
    return tuple(sorted(names, key=_number))


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name))

"""The command line: arguments in, exit codes out. What the commands do is the driver's business.

Exit codes: 0 done, 1 a spec is wrong or committed sources are stale, 2 a wrong call, 3 no
compiler, a compiler or a GPU that failed, or a folder that cannot be written, 70 a defect of
grugen.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import grugen.driver as driver
from grugen.bench.cli import add_bench, add_profile
from grugen.commands import build_specs, check_specs, dump_spec
from grugen.errors import (
    DeviceError,
    GrugenError,
    SpecError,
    SpecFileError,
    ToolchainError,
    UsageError,
)
from grugen.runtime.engine import DTYPES
from grugen.spec.names import did_you_mean
from grugen.target.arithmetic import IEEE
from grugen.toolchain.march import NATIVE

EXIT_CODES: tuple[tuple[type[GrugenError], int], ...] = (
    (SpecError, 1),
    (SpecFileError, 1),
    (UsageError, 2),
    (ToolchainError, 3),
    (DeviceError, 3),
)


class _Parser(argparse.ArgumentParser):
    """Wrong words on the command line get a suggestion and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        words = [*COMMANDS, *driver.TARGETS, *DTYPES, "all"]
        wrong = message.split("invalid choice: '")[-1].split("'")[0]
        advice = did_you_mean(wrong, words) if "invalid choice" in message else ""
        print(f"grugen: {message}" + (f"\nhelp: {advice}" if advice else ""), file=sys.stderr)
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; returns the exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.run
    try:
        code = command(arguments)
        sys.stdout.flush()
        return code
    except GrugenError as error:
        print(error, file=sys.stderr)
        return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 70)
    except BrokenPipeError:
        # the reader of our output has gone; nothing is left to say
        _write_no_more()
        return 0
    except OSError as error:
        _write_no_more()
        print(f"cannot write the output: {error.strerror or error}", file=sys.stderr)
        return 3


def _write_no_more() -> None:
    """Send what is still buffered nowhere; the interpreter flushes it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="grugen", description="Recurrent cells: from equations to fast C.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name, (add, text) in COMMANDS.items():
        add(commands.add_parser(name, help=text, description=text))
    return parser


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="+", metavar="SPEC", help="a file or a shipped name")
    parser.add_argument("--expand", action="store_true", help="print the spec with extends merged")
    parser.set_defaults(run=lambda a: check_specs(a.specs, expand=a.expand))


def _build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="+", metavar="SPEC", help="a file or a shipped name")
    parser.add_argument("--target", choices=[*driver.TARGETS, "all"], default="all")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--out", default="generated", metavar="FOLDER", help="default: generated")
    parser.add_argument(
        "--march",
        default=NATIVE,
        metavar="WORD",
        help="native (default), baseline, levels (several in one library, which picks one when it "
        "runs), or what -march= of the compiler takes, such as x86-64-v3",
    )
    parser.add_argument(
        "--arch",
        default=NATIVE,
        metavar="WORDS",
        help="for target cuda: native (default), or GPU architectures such as sm_80,sm_90",
    )
    parser.add_argument(
        "--products",
        default=IEEE,
        metavar="WORD",
        help="for float32 of target cuda: how products over all rows are formed: ieee (default), "
        "or on tensor cores tf32 or 3xtf32",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the folder is not up to date"
    )
    parser.set_defaults(
        run=lambda a: build_specs(
            a.specs,
            a.target,
            a.dtype,
            a.out,
            march=a.march,
            arch=a.arch,
            products=a.products,
            check_only=a.check,
        )
    )


def _dump(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a file or a shipped name")
    parser.add_argument("--after", metavar="PASS", help="only the step as this pass left it")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.set_defaults(run=lambda a: dump_spec(a.spec, a.after, a.dtype))


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "check": (_check, "check specs; show types, shapes and what stays in the time loop"),
    "build": (_build, "write and compile the module of each spec"),
    "dump": (_dump, "print the steps of a spec as the compiler sees them"),
    "bench": (add_bench, "measure grugen beside other frameworks"),
    "profile": (add_profile, "show where the time of a cell goes"),
}

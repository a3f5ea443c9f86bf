"""The words of `grugen bench` and `grugen profile`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from grugen.bench.command import RESULTS, Wish, bench, render
from grugen.bench.measure import Effort
from grugen.bench.profile_command import SHAPE, ProfileWish, profile_spec
from grugen.bench.suites import MODES
from grugen.errors import UsageError

TARGETS = ("openmp", "cuda")


def add_bench(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grugen bench`."""
    add = parser.add_argument
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add("--suite", **several, metavar="NAME", help="default: clinical")
    add("--spec", **several, metavar="SPEC", help="a file or a shipped name")
    add("--shape", **several, metavar="T,B,D,H", help="steps, batch, dims")
    add("--mode", **several, choices=MODES, help="default: both")
    add("--target", choices=TARGETS, default="openmp", help="default: openmp")
    add("--engines", default="", metavar="NAME,...", help="default: all that are installed")
    add("--threads", type=int, metavar="N", help="default: the CPUs there are")
    add("--repeats", type=int, default=15, metavar="N", help="samples of each engine; default: 15")
    add("--seconds", type=float, default=3.0, metavar="S", help="for each engine; default: 3")
    add(
        "--build-seconds", type=float, default=120.0, metavar="S", help="to get ready; default: 120"
    )
    add("--out", type=Path, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")
    add("--table", action="store_true", help="print the table, too")
    add("--plot", action="store_true", help="insist on the picture")
    add("--render", type=Path, metavar="FILE", help="measure nothing; make table and picture again")
    add(
        "--readme",
        type=Path,
        metavar="FILE",
        help="put table and picture between its two comments, too",
    )
    parser.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    if arguments.render is not None:
        return render(
            arguments.render, table=arguments.table, plot=arguments.plot, readme=arguments.readme
        )
    if arguments.repeats < 1 or arguments.seconds <= 0 or arguments.build_seconds <= 0:
        raise UsageError("--repeats, --seconds and --build-seconds must be more than 0")
    return bench(
        Wish(
            suites=arguments.suite,
            specs=arguments.spec,
            shapes=arguments.shape,
            modes=arguments.mode,
            engines=[name.strip() for name in arguments.engines.split(",") if name.strip()],
            threads=arguments.threads,
            effort=Effort(arguments.repeats, arguments.seconds, arguments.build_seconds),
            out=arguments.out,
            table=arguments.table,
            plot=arguments.plot,
            readme=arguments.readme,
            target=arguments.target,
        )
    )


def add_profile(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grugen profile`."""
    add = parser.add_argument
    add("spec", metavar="SPEC", help="a file or a shipped name")
    add("--shape", default=SHAPE, metavar="T,B,D,H", help=f"steps, batch, dims; default: {SHAPE}")
    add("--threads", type=int, metavar="N", help="default: the CPUs there are")
    add("--train", action="store_true", help="keep a tape, and profile the backward pass too")
    add("--target", choices=TARGETS, default="openmp", help="default: openmp")
    add("--repeats", type=int, default=31, metavar="N", help="calls of each build; default: 31")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")
    parser.set_defaults(run=_profile)


def _profile(arguments: argparse.Namespace) -> int:
    if arguments.repeats < 1:
        raise UsageError("--repeats must be more than 0")
    return profile_spec(
        ProfileWish(
            spec=arguments.spec,
            shape=arguments.shape,
            threads=arguments.threads,
            train=arguments.train,
            repeats=arguments.repeats,
            out=arguments.out,
            target=arguments.target,
        )
    )

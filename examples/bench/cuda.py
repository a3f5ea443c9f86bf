"""Measures target `cuda` on the GPU of this machine, all that is to be known about it, unattended.

    python examples/bench/cuda.py [--minutes 8] [--out examples/bench/results]

Needs nvcc (on PATH, in $CUDA_HOME or in /usr/local/cuda), torch with CUDA for what is compared
with, and grugen's own four packages; matplotlib makes the pictures, compute-sanitizer is used where
it is found. What matters most comes first, each part runs in processes of its own with a limit, and
DATE-CARD.json has all that is known so far. What fails stands in it as text. Later:

    grugen bench --render examples/bench/results/DATE-CARD.json --readme README.md
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from grugen.bench.command import (
    DEVICE_SUITES,
    device_report,
    render,
    runners_for,
    thread_counts,
)
from grugen.bench.crew import Staying
from grugen.bench.device_clocks import instrumented, with_clocks
from grugen.bench.device_peak import asked
from grugen.bench.draw import draw, save
from grugen.bench.machine import file_stem
from grugen.bench.measure import Effort, measure
from grugen.bench.results import Report, write
from grugen.bench.roster import entries_of
from grugen.bench.suites import FLOAT32, Case, cases_of
from grugen.bench.workers import Order
from grugen.driver import bundle, compile_spec
from grugen.runtime.threads import get_num_threads
from grugen.toolchain.build import DEFAULTS, build

PROFILED = (
    ("gru_d", "48,128,33,64"),
    ("gru_reset_after", "100,32,256,256"),
    ("gru", "256,16,512,512"),
)
SMALL = ("gru", "gru_d", "layernorm_gru", "gru:bfloat16")
"""Specs, of float32 where nothing else is said."""
WATCHED = ("gru", "gru_d", "gru:bfloat16")
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SANITIZER = "/usr/local/cuda/bin/compute-sanitizer"
SLOW = ("compiled loop", "compiled step", "compiled step graph")
"""Engines that begin to get ready at once, beside the compilers."""
CALL = ", tape of "
"""What the lines of small calls have in them."""
LEAST_SECONDS = 15.0
"""What is left when no further case is begun."""
RESERVED = {"profiles": 60.0, "sanitizers": 55.0}
"""Seconds that are kept for the parts that come after the table, if they are wanted."""


@dataclass(slots=True)
class Run:
    """The report so far, where it goes, and when it has to be done."""

    file: Path
    until: float
    effort: Effort
    report: Report
    crew: Any
    reserved: float
    """Seconds that are kept for what comes after the table."""
    builds: dict[str, Future[Any]] = field(default_factory=dict)

    def left(self) -> float:
        """Seconds until it has to be done."""
        return self.until - time.monotonic()

    def note(self, name: str, **facts: Any) -> None:
        """What was found out goes to the report, and to the disk."""
        self.report = replace(self.report, checks={**self.report.checks, name: facts})
        self.flush()
        if "text" in facts:
            say(f"  {name}: {facts['text']}")

    def flush(self) -> None:
        """Write what is known."""
        write(self.report, self.file)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="when to be done; default: 8")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR")
    parser.add_argument("--repeats", type=int, default=11, metavar="N", help="samples; default: 11")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="for each engine")
    parser.add_argument("--suite", nargs="+", default=list(DEVICE_SUITES), metavar="NAME")
    parser.add_argument("--skip", nargs="*", default=[], metavar="PART", help="of the list below")
    parser.epilog = f"parts: {', '.join(PARTS)}"
    arguments = parser.parse_args(words)
    # the processes of engines find what this one found
    os.environ["PYTHONPATH"] = python_path()
    until = time.monotonic() + 60 * arguments.minutes
    effort = Effort(arguments.repeats, arguments.seconds, 90.0)
    cases = [case for name in arguments.suite for case in cases_of([name])]
    pool = ThreadPoolExecutor(max(4, (os.cpu_count() or 4) // 2))
    with Staying() as crew:
        builds = {
            f"{spec} {numbers}": pool.submit(built, spec, numbers)
            for spec, numbers in libraries_of(cases)
        }
        facts = asked(min(150.0, 60 * arguments.minutes))
        report = device_report(facts, effort, get_num_threads())
        run = Run(
            arguments.out / f"{file_stem(dict(report.machine))}.json",
            until,
            effort,
            report,
            crew,
            reserved_for(arguments.skip),
            builds,
        )
        run.flush()
        say(f"{report.machine['gpu']}, peaks {dict(report.peak)}")
        for part, does in PARTS.items():
            if part not in arguments.skip:
                attempt(run, part, partial(does, run, pool, cases))
        run.note("finished", seconds=round(60 * arguments.minutes - run.left(), 1))
        attempt(run, "pictures", partial(pictures, run), 0.0)
    pool.shutdown(wait=False, cancel_futures=True)
    say(f"wrote {run.file}")
    return 0


def reserved_for(skipped: Sequence[str]) -> float:
    """Seconds that the table leaves to the parts after it."""
    return LEAST_SECONDS + sum(s for part, s in RESERVED.items() if part not in skipped)


def attempt(run: Run, part: str, does: Callable[[], None], least: float = LEAST_SECONDS) -> None:
    """A part that breaks is text in the report."""
    say(f"{part} ({run.left():.0f} s left)")
    if least and run.left() < least:
        run.note(part, text="skipped, no time was left")
        return
    try:
        does()
    except Exception as error:
        run.note(
            part,
            text=f"failed, {type(error).__name__}: {one_line(str(error))}",
            trace=calls_of(error),
        )


def calls_of(error: Exception) -> list[str]:
    """Where an error came from, by the names of files: folders are a machine's own."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def one_line(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."


def libraries_of(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """Every spec with what it is to compute with."""
    words = (word.partition(":") for word in SMALL)
    small = ((spec, numbers or FLOAT32) for spec, _, numbers in words)
    return list(dict.fromkeys([*((case.spec, case.numbers) for case in cases), *small]))


# --- parts ---


def built(spec: str, numbers: str, clocked: bool = False) -> float:
    """Seconds that a library took to build."""
    start = time.monotonic()
    sources = bundle(compile_spec(spec), "cuda", numbers)
    build(with_clocks(sources), instrumented()) if clocked else build(sources, DEFAULTS)
    return round(time.monotonic() - start, 1)


def start_slow_ones(run: Run, pool: ThreadPoolExecutor, cases: Sequence[Case]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="grugen-early-"))
    for case in cases:
        for entry in entries_of([name for name in case.engines if name in SLOW]):
            file = folder / f"{case.spec}-{case.shape}.npz"
            if not file.is_file():
                save(draw(case, compile_spec(case.spec).interface), file)
            order = Order(entry, case.spec, file, case.mode == "training", 1)
            run.crew.start_early(order, max(60.0, run.left() / 2))


def builds(run: Run, pool: ThreadPoolExecutor, cases: Sequence[Case]) -> None:
    """Wait for the libraries; those with clocks go on beside what follows."""
    told: dict[str, Any] = {}
    for spec, future in run.builds.items():
        try:
            told[spec] = future.result(max(1.0, run.left()))
        except Exception as error:
            told[spec] = one_line(f"{type(error).__name__}: {error}", 3000)
    failed = [spec for spec, found in told.items() if isinstance(found, str)]
    text = f"{len(told) - len(failed)} libraries in {sum_of(told)} s of compilers"
    run.note(
        "builds",
        text=text + "".join(f"; {s} failed: {one_line(told[s])}" for s in failed),
        seconds=told,
    )
    for spec, _ in PROFILED:
        run.builds[f"{spec} with clocks"] = pool.submit(built, spec, FLOAT32, True)


def sum_of(told: Mapping[str, Any]) -> int:
    return round(sum(found for found in told.values() if not isinstance(found, str)))


def small_calls(run: Run, pool: ThreadPoolExecutor, cases: Sequence[Case]) -> None:
    """All ways to run a loop, against the interpreter."""
    # one spec a process: an error of a GPU ends all calls of its process
    futures = {spec: pool.submit(program, python("small_calls", spec), 120.0) for spec in SMALL}
    for spec, future in futures.items():
        code, text = future.result()
        lines = [line for line in text.splitlines() if CALL in line]
        last = "" if code == 0 else f"; {one_line(text[-400:])}"
        wrong = sum("WRONG" in line for line in lines)
        run.note(
            f"small calls of {spec}",
            lines=text.splitlines()[-40:],
            code=code,
            text=f"{len(lines)} compared with the interpreter, {wrong} wrong{last}",
        )


def suites(run: Run, pool: ThreadPoolExecutor, cases: Sequence[Case]) -> None:
    """The table, one case after the other."""
    ladder = thread_counts(get_num_threads())
    missed = []
    for number, case in enumerate(cases, 1):
        if run.left() < run.reserved:
            missed.append(str(case))
            continue
        say(f"{number}/{len(cases)} {case} ({run.left():.0f} s left)")
        runners = runners_for(case, (), "cuda", ladder)
        effort = replace(run.effort, build_seconds=min(run.effort.build_seconds, run.left()))
        try:
            found = measure(case, runners, effort, say, run.crew)
        except Exception as error:
            run.note(
                f"case {case}",
                text=one_line(f"{type(error).__name__}: {error}"),
                trace=calls_of(error),
            )
            continue
        run.report = run.report.with_case(found)
        run.flush()
        for one in found.engines:
            took = f"{one.seconds * 1e6:,.1f} us" if one.times else f"{one.status}, {one.reason}"
            say(f"    {one.engine}: {took}")
    if missed:
        run.note("cases not begun for want of time", text="; ".join(missed))


def sanitizers(run: Run, pool: ThreadPoolExecutor, cases: Sequence[Case]) -> None:
    """compute-sanitizer over the small calls, all of its tools at the same time."""
    found = shutil.which("compute-sanitizer") or (SANITIZER if Path(SANITIZER).exists() else None)
    if found is None:
        run.note("compute-sanitizer", text="not found")
        return
    limit = max(20.0, min(100.0, run.left() - 45))
    futures = {
        (tool, spec): pool.submit(
            program,
            [found, "--tool", tool, "--error-exitcode", "9", *python("small_calls", spec)],
            limit,
        )
        for tool in TOOLS
        for spec in WATCHED
    }
    for (tool, spec), future in futures.items():
        code, text = future.result()
        lines = text.splitlines()
        said = [line for line in lines if line.startswith("=========")]
        calls = sum(CALL in line for line in lines)
        summary = next((s for s in reversed(said) if "SUMMARY" in s), said[-1] if said else "")
        run.note(
            f"{tool} over {spec}",
            code=code,
            lines=said[:60] or lines[-20:],
            text=f"{one_line(summary.strip('= ')) or 'no summary'} "
            f"({calls} calls{'' if code in (0, 9) else f', exit code {code}'})",
        )


def profiles(run: Run, pool: ThreadPoolExecutor, cases: Sequence[Case]) -> None:
    """Where the time goes, each spec in a process of its own."""
    for spec, shape in PROFILED:
        if run.left() < LEAST_SECONDS:
            run.note(f"profile of {spec} {shape}", text="skipped, no time was left")
            continue
        run.builds[f"{spec} with clocks"].exception(max(1.0, run.left()))
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "grugen", "profile", spec, "--shape", shape, "--train"]
            words += ["--target", "cuda", "--repeats", "9", "--out", folder]
            code, text = program(words, min(120.0, run.left()))
            # where its files were is nobody's business: they are gone
            said = [line for line in text.splitlines() if folder not in line]
            known: dict[str, Any] = {"lines": said[-60:], "code": code}
            if code:
                known["text"] = f"failed, {one_line(text[-300:])}"
            for file in Path(folder).glob("*.json"):
                known |= {"kernels": json.loads(file.read_text(encoding="utf-8"))["kernels"]}
            run.note(f"profile of {spec} {shape}", **known)


def pictures(run: Run) -> None:
    with_them = bool(find_matplotlib())
    render(run.file, table=True, plot=with_them)


def find_matplotlib() -> bool:
    return program([sys.executable, "-c", "import matplotlib"], 60.0)[0] == 0


# --- programs ---


def python_path() -> str:
    """The project first."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(HERE.parent.parent), *filter(None, known)]))


def python(module: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"grugen.bench.{module}", *words]


def program(command: Sequence[str], seconds: float) -> tuple[int, str]:
    """The exit code and all that a program says; 124 if it was stopped at the limit."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            return 127, str(error)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = 124
        said.seek(0)
        return code, said.read().decode("utf-8", "replace")


PARTS: dict[str, Callable[[Run, ThreadPoolExecutor, Sequence[Case]], None]] = {
    "slow engines": start_slow_ones,
    "builds": builds,
    "small calls": small_calls,
    "suites": suites,
    "profiles": profiles,
    "sanitizers": sanitizers,
}

if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # compilers that are still busy are not waited for
    os._exit(exit_code)

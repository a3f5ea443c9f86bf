"""Drops the barriers, fences and waits of a `.cu` text one at a time.

A dropped one that no test notices is either not needed, or a hole in the tests. A place where that
is known and argued for has a comment with the words of ARGUED, on its line or the line above.

    python tests/emulator/mutate.py kernel.cu --helper own_barrier     # lists the places
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ARGUED = "no test can show"
NOTHING = "static_cast<void>(0)"
SWITCH = "emulator_left_out"
DECLARED = f'extern "C" __attribute__((visibility("default"))) int {SWITCH}; int {SWITCH}; '
"""Goes before a text that `switched` made; on its first line, so that lines keep their numbers."""

CALLS = (
    r"__sync\w+",
    r"__threadfence\w*",
    r"__pipeline_wait_prior",
    # grid.sync(), cg::this_grid().sync(), cg::sync(grid)
    r"(?:[\w:]+(?:\(\))?\.)+(?:sync|barrier_wait|barrier_arrive)",
    r"(?:cg|cooperative_groups)::sync",
)

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_BEFORE_A_STATEMENT = re.compile(r"(?:^|[;{})]|\belse)\s*$")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A text without one call; `line` is the call's, as it was."""

    line: int
    call: str
    is_argued: bool
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.call}" + (" (argued)" if self.is_argued else "")


def mutations(text: str, helpers: Sequence[str] = ()) -> list[Mutation]:
    """One for each statement that is a barrier, a fence or a wait, or calls one of `helpers`."""
    code = _without_comments(text)
    return [
        Mutation(
            line=text.count("\n", 0, start) + 1,
            call=" ".join(text[start:end].split()),
            is_argued=_is_argued(text, start),
            # as many lines as before: messages name the lines of the original
            text=text[:start] + NOTHING + "\n" * text.count("\n", start, end) + text[end:],
        )
        for start, end in _sites(code, helpers)
    ]


def switched(text: str, helpers: Sequence[str] = (), first: int = 1) -> tuple[str, int]:
    """One text for all mutations: site n is left out where the variable SWITCH is `first` + n.

    Also how many sites there are. Compiling takes much longer than running.
    """
    sites = list(_sites(_without_comments(text), helpers))
    for number, (start, end) in reversed(list(enumerate(sites, first))):
        call = text[start:end]
        text = f"{text[:start]}({SWITCH} == {number} ? {NOTHING} : (void)({call})){text[end:]}"
    return text, len(sites)


def _sites(code: str, helpers: Sequence[str]) -> Iterator[tuple[int, int]]:
    names = "|".join([*CALLS, *map(re.escape, helpers)])
    call = re.compile(rf"(?<![\w.:])(?:{names})(?:<[^;<>]*>)?\s*\(")
    for found in call.finditer(code):
        end = _closing(code, found.end())
        is_statement = _BEFORE_A_STATEMENT.search(code[max(0, found.start() - 200) : found.start()])
        if is_statement and code[end:].lstrip().startswith(";"):
            yield found.start(), end


def _closing(code: str, start: int) -> int:
    """The place behind the parenthesis that closes the one before `start`."""
    depth = 1
    for place in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[place], 0)
        if not depth:
            return place + 1
    return len(code)


def _without_comments(text: str) -> str:
    """The text with blanks in place of comments: every place stays where it is."""
    return _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def _is_argued(text: str, start: int) -> bool:
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    above = text[:line_start].rstrip("\n").rsplit("\n", 1)[-1].strip()
    return ARGUED in line or (above.startswith(("//", "/*", "*")) and ARGUED in above)


def main() -> None:
    """List the places of a file."""
    parser = argparse.ArgumentParser(description="List the barriers, fences and waits of a file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("--helper", action="append", default=[], help="a barrier of one's own")
    arguments = parser.parse_args()
    for mutation in mutations(arguments.source.read_text(encoding="utf-8"), arguments.helper):
        print(f"{arguments.source}: {mutation}")


if __name__ == "__main__":
    main()

"""Indentation and line width of generated C, decided once, from the braces.

Templates and line makers write statements flush left; nothing else here knows C.
"""

from __future__ import annotations

from grugen.errors import InternalError

WIDTH = 100
_STEP = "    "


def lay_out(text: str) -> str:
    """Indent by depth of braces and break long statements at spaces; laying out again is a no-op."""
    lines: list[str] = []
    depth = 0
    for raw in text.split("\n"):
        line = raw.strip()
        if line.startswith("#"):
            # pragmas go with the code, other directives stay flush left
            lines.append((_STEP * depth if line.startswith("#pragma omp") else "") + line)
            continue
        code = _code(line)
        closing = len(code) - len(code.lstrip("}"))
        own = depth - closing
        depth += code.count("{") - code.count("}")
        if own < 0 or depth < 0:
            raise InternalError(f"unbalanced braces in generated text at '{line}'")
        lines += _broken(line, _STEP * own) if line else [""]
    if depth:
        raise InternalError("unbalanced braces at the end of generated text")
    return _without_double_blanks(lines)


def _code(line: str) -> str:
    """The line without its comment; generated text has no braces in strings."""
    return line.split("//")[0] if "//" in line else line


def _broken(line: str, indent: str) -> list[str]:
    """The line, in several if it is too wide; comments are left alone."""
    if line.startswith(("//", "*", "/*")) or len(indent) + len(line) <= WIDTH:
        return [indent + line]
    pieces: list[str] = []
    rest = line
    lead = indent
    while len(lead) + len(rest) > WIDTH:
        cut = rest.rfind(" ", 1, WIDTH - len(lead) + 1)
        if cut < 0:
            break
        pieces.append(lead + rest[:cut].rstrip())
        rest = rest[cut + 1 :]
        lead = indent + 2 * _STEP
    return [*pieces, lead + rest]


def _without_double_blanks(lines: list[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1] and not kept[-1].endswith("{")):
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"

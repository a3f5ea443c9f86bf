"""Indentation and line width of generated C, decided once, from the braces.

Templates and line makers write statements flush left; nothing else here knows C.
"""

from __future__ import annotations

from grugen.errors import InternalError

WIDTH = 100
_STEP = "    "
_PARAGRAPHS = ("//", "for ", "const ", "#pragma", "if ", "return ")
"""What begins a paragraph after a block; other statements belong to it."""


def lay_out(text: str) -> str:
    """Indent by depth of braces, break long statements at spaces; a second time changes nothing.

    Inside functions, blank lines stand after nested blocks and nowhere else.
    """
    lines: list[str] = []
    depth = 0
    continued = False
    after_block = False
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            if depth == 0:
                lines.append("")
            continue
        if line.startswith("#") and not line.startswith("#pragma omp"):
            lines.append(line)
            continue
        code = "" if line.startswith("#") else line.split("//")[0].rstrip()
        closing = len(code) - len(code.lstrip("}"))
        own = depth - closing
        depth += code.count("{") - code.count("}")
        if own < 0 or depth < 0:
            raise InternalError(f"unbalanced braces in generated text at '{line}'")
        if after_block and not closing and line.startswith(_PARAGRAPHS):
            lines.append("")
        lines += _broken(line, own, continued and not code.startswith("{"))
        after_block = code == "}" and depth > 0
        if code:
            whole = code.endswith((";", "{", "}", ":", "*/")) or code.startswith("template <")
            continued = not whole
    if depth:
        raise InternalError("unbalanced braces at the end of generated text")
    return _without_double_blanks(lines)


def _broken(line: str, depth: int, continued: bool) -> list[str]:
    """The line, in several if it is too wide; comments are left alone."""
    lead = _STEP * (depth + 2 * continued)
    if line.startswith(("//", "#")):
        return [_STEP * depth + line]
    if line.startswith('"'):
        # an argument or an element, wherever the line before it ended
        return _broken_string(line, _STEP * (depth + 2))
    code, mark, comment = line.partition("//")
    if mark and len(lead) + len(line) > WIDTH:
        # a comment cannot be broken, so it stands above what it explains
        return [_STEP * depth + mark + comment, *_broken(code.rstrip(), depth, continued)]
    pieces: list[str] = []
    rest = line
    while len(lead) + len(rest) > WIDTH:
        cut = _cut(rest, WIDTH - len(lead))
        if cut < 0:
            break
        pieces.append(lead + rest[:cut].rstrip())
        rest = rest[cut + 1 :]
        lead = _STEP * (depth + 2)
    return [*pieces, lead + rest]


def _broken_string(line: str, lead: str) -> list[str]:
    """A line that is a string, in several strings side by side if it is too wide."""
    pieces: list[str] = []
    while len(lead) + len(line) > WIDTH:
        # a quote closes the piece
        cut = line.rfind(" ", 1, WIDTH - len(lead) - 1) + 1
        if cut < 2:
            break
        pieces.append(f'{lead}{line[:cut]}"')
        line = f'"{line[cut:]}'
    return [*pieces, lead + line]


def _cut(line: str, room: int) -> int:
    """Where to break a line to fit: after a comma, else before an operator, not too early."""
    for mark in (", ", " + ", " - ", " ? ", " "):
        found = line.rfind(mark, room // 3, room)
        if found > 0:
            return found + len(mark.rstrip()) if mark == ", " else found
    return line.rfind(" ", 1, room + 1)


def _without_double_blanks(lines: list[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"

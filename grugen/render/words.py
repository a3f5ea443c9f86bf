"""Which names lines of code mention, and the declarations that follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from grugen.render.places import Spelling
from grugen.target.c_names import member_name


def words_of(lines: Iterable[str]) -> set[str]:
    """The identifiers that stand for themselves in lines of code, members of structs left out."""
    code = (line for line in lines if not line.startswith("//"))
    return {word for line in code for word in re.findall(r"(?<![>.\w])[A-Za-z_]\w*", line)}


def sizes_of(spelling: Spelling, lines: Iterable[str]) -> tuple[str, ...]:
    """The declarations of the dimensions that lines mention."""
    words = words_of(lines)
    return tuple(
        f"const int64_t {name} = call->dims.{member_name(dim)};"
        for dim, name in spelling.names.dims.items()
        if name in words
    )

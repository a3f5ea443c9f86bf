"""The section `interchange` -> how frameworks store the parameters, names and shapes unchecked."""

from __future__ import annotations

import re

from grugen.errors import Diagnostic
from grugen.spec.fields import (
    flag_of,
    found_text,
    items,
    known_fields,
    mapping_entries,
    part_of,
    whole_of,
)
from grugen.spec.model import ExternalTensor, Piece
from grugen.spec.tree import Entry, Mapping, Node, Scalar, Sequence

LAYOUTS = ("stack", "rows", "cols")
_PIECE = re.compile(r"(-?)(?:([A-Za-z][A-Za-z0-9_]*)|diag\(([A-Za-z][A-Za-z0-9_]*)\))")


def read_interchange(node: Node, found: list[Diagnostic]) -> tuple[ExternalTensor, ...]:
    """The tensors of all formats in the order of the file."""
    tensors = []
    for chosen in mapping_entries(node, "formats, such as  torch: {...}", found):
        what = f"tensors, such as  bias: [b_z, b_r]  in '{chosen.key.text}'"
        entries = mapping_entries(chosen.value, what, found)
        if not entries and isinstance(chosen.value, Mapping | Scalar):
            message = f"format '{chosen.key.text}' has no tensor"
            found.append(Diagnostic(message, chosen.key.span))
        for entry in entries:
            tensor = _read_tensor(chosen.key.text, entry, found)
            if tensor is not None:
                tensors.append(tensor)
    return tuple(tensors)


def _read_tensor(chosen: str, entry: Entry, found: list[Diagnostic]) -> ExternalTensor | None:
    name, span = entry.key.text, entry.key.span
    if isinstance(entry.value, Sequence):
        row = _read_row(entry.value, found)
        return (
            None if row is None else ExternalTensor(chosen, name, "stack", (row,), False, 0, span)
        )
    if not isinstance(entry.value, Mapping):
        message = f"expected a list of parameters for '{name}', found {found_text(entry.value)}"
        found.append(Diagnostic(message, entry.value.span))
        return None
    fields = known_fields(entry.value, (*LAYOUTS, "transpose", "lead"), f"'{name}'", found)
    layouts = [layout for layout in LAYOUTS if layout in fields]
    if len(layouts) != 1:
        shown = " and ".join(f"'{layout}'" for layout in layouts) or "none"
        message = f"'{name}' needs one of 'stack', 'rows' and 'cols', found {shown}"
        found.append(Diagnostic(message, span))
        return None
    transpose = "transpose" in fields and flag_of(fields["transpose"], "'transpose'", found)
    lead = whole_of(fields["lead"], "'lead'", 0, found) if "lead" in fields else 0
    rows = _read_rows(layouts[0], fields[layouts[0]], found)
    if rows is None:
        return None
    return ExternalTensor(chosen, name, layouts[0], rows, bool(transpose), lead or 0, span)


def _read_rows(
    layout: str, node: Node, found: list[Diagnostic]
) -> tuple[tuple[Piece, ...], ...] | None:
    if layout != "rows":
        row = _read_row(node, found)
        return None if row is None else (row,)
    nodes = items(node, "a list of rows, such as  [[b_z, b_r], [c_z, c_r]]", found)
    if nodes is None:
        return None
    rows = [_read_row(item, found) for item in nodes]
    if not rows:
        found.append(Diagnostic("expected at least one row", node.span))
    return None if None in rows else tuple(row for row in rows if row) or None


def _read_row(node: Node, found: list[Diagnostic]) -> tuple[Piece, ...] | None:
    nodes = items(node, "a list of parameters", found)
    if nodes is None:
        return None
    if not nodes:
        found.append(Diagnostic("expected at least one parameter", node.span))
        return None
    pieces = [_read_piece(item, found) for item in nodes]
    return None if None in pieces else tuple(piece for piece in pieces if piece)


def _read_piece(node: Node, found: list[Diagnostic]) -> Piece | None:
    piece = _PIECE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if piece is None or not isinstance(node, Scalar):
        message = f"expected a parameter, found {found_text(node)}"
        advice = "write  W,  -W  (negated) or  diag(w)  (a matrix with w on its diagonal)"
        found.append(Diagnostic(message, node.span, help=advice))
        return None
    group = 2 if piece[2] else 3
    span = part_of(node, piece.start(group), len(piece[group]))
    return Piece(piece[group], bool(piece[1]), group == 3, span)

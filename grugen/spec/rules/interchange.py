"""Rules about the interchange table: every format holds every parameter, and its shapes fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.spec.declarations import noun
from grugen.spec.dims import Dim, Shape, shape_text
from grugen.spec.draft import Draft
from grugen.spec.model import ExternalTensor, Piece, Role
from grugen.spec.names import did_you_mean, listed
from grugen.spec.rules.scope import declarations, of_role


def pieces_are_parameters(draft: Draft) -> Iterator[Diagnostic]:
    """Only trained values are stored."""
    known = declarations(draft)
    params = [param.name for param in of_role(draft, Role.PARAM)]
    for piece in _pieces(draft.interchange or ()):
        if piece.name in params:
            continue
        message = f"unknown parameter '{piece.name}'"
        if piece.name in known:
            message = f"'{piece.name}' is {noun(known[piece.name].role)}, not a parameter"
        yield Diagnostic(message, piece.span, help=did_you_mean(piece.name, params))


def formats_hold_every_parameter(draft: Draft) -> Iterator[Diagnostic]:
    """Otherwise an import would leave a parameter as it was drawn."""
    by_format: dict[str, list[ExternalTensor]] = {}
    for tensor in draft.interchange or ():
        by_format.setdefault(tensor.format, []).append(tensor)
    for name, tensors in by_format.items():
        held = {piece.name for piece in _pieces(tensors)}
        missing = [p.name for p in of_role(draft, Role.PARAM) if p.name not in held]
        if missing:
            message = f"format '{name}' lacks {listed(missing)}"
            advice = "every parameter is stored somewhere in each format"
            yield Diagnostic(message, tensors[0].span, help=advice)


def pieces_join(draft: Draft) -> Iterator[Diagnostic]:
    """Pieces that stand side by side must agree in the axes along which they are not joined."""
    shapes = {param.name: param.shape for param in of_role(draft, Role.PARAM)}
    for tensor in draft.interchange or ():
        pieces = list(_pieces([tensor]))
        if any(piece.name not in shapes for piece in pieces):
            continue
        try:
            rank = _rank(tensor, shapes)
        except _Misfit as misfit:
            yield misfit.diagnostic
            continue
        if tensor.transpose and rank != 2:
            message = f"'{tensor.name}' cannot be transposed: it has {rank} dimensions, not 2"
            yield Diagnostic(message, tensor.span, help="leave 'transpose' out")


class _Misfit(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


def _rank(tensor: ExternalTensor, shapes: dict[str, Shape]) -> int:
    """The number of dimensions of the joined tensor, before `lead`."""
    joined = [_joined(row, tensor.layout, shapes) for row in tensor.rows]
    for shape, row in zip(joined, tensor.rows, strict=True):
        if shape != joined[0]:
            message = f"this row is {shape_text(shape)}, the first one is {shape_text(joined[0])}"
            raise _Misfit(Diagnostic(message, row[0].span, help="rows have equal shapes"))
    return len(joined[0]) + (tensor.layout == "rows")


def _joined(row: tuple[Piece, ...], layout: str, shapes: dict[str, Shape]) -> Shape:
    found = [_shape(piece, shapes) for piece in row]
    first = found[0]
    axis = 1 if layout == "cols" else 0
    if len(first) <= axis and (len(row) > 1 or layout == "cols"):
        what = "columns" if layout == "cols" else "more than one piece"
        message = f"'{row[0].name}' is {shape_text(first)}: it cannot be part of {what}"
        raise _Misfit(Diagnostic(message, row[0].span))
    for shape, piece in zip(found, row, strict=True):
        if len(shape) != len(first) or _without(shape, axis) != _without(first, axis):
            message = f"'{piece.name}' is {shape_text(shape)}, but '{row[0].name}' is"
            side = "columns" if axis == 0 else "rows"
            advice = f"pieces that are joined have the same number of {side}"
            raise _Misfit(Diagnostic(f"{message} {shape_text(first)}", piece.span, help=advice))
    if not first:
        return ()
    length = Dim(())
    for shape in found:
        length += shape[axis]
    return (*first[:axis], length, *first[axis + 1 :])


def _shape(piece: Piece, shapes: dict[str, Shape]) -> Shape:
    shape = shapes[piece.name]
    if not piece.diagonal:
        return shape
    if len(shape) != 1:
        message = f"diag takes a vector, but '{piece.name}' is {shape_text(shape)}"
        raise _Misfit(Diagnostic(message, piece.span))
    return (*shape, *shape)


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _pieces(tensors: tuple[ExternalTensor, ...] | list[ExternalTensor]) -> Iterator[Piece]:
    rows = itertools.chain.from_iterable(tensor.rows for tensor in tensors)
    return itertools.chain.from_iterable(rows)


RULES = (pieces_are_parameters, formats_hold_every_parameter, pieces_join)

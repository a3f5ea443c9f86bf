"""Parameters in the layout of a framework, and its gradients back in the spec's.

The layouts come from the spec's `interchange` table. A parameter that stands in several places, as
one bias where a framework has two, is written to the first and the others are 0; so its gradient is
that of the first place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.spec.model import CellSpec, ExternalTensor, Piece

Arrays = Mapping[str, NDArray[Any]]


def tensors_of(spec: CellSpec, format: str) -> tuple[ExternalTensor, ...]:
    """The table of one framework, empty where the spec has none."""
    return tuple(tensor for tensor in spec.interchange if tensor.format == format)


def pieces(tensor: ExternalTensor) -> tuple[str, ...]:
    """The parameters that stand in a tensor, in order."""
    return tuple(piece.name for row in tensor.rows for piece in row)


def exported(tensors: Iterable[ExternalTensor], params: Arrays) -> dict[str, NDArray[Any]]:
    """The framework's tensors, contiguous."""
    seen: set[str] = set()
    return {tensor.name: _joined(tensor, params, seen) for tensor in tensors}


def _joined(tensor: ExternalTensor, params: Arrays, seen: set[str]) -> NDArray[Any]:
    axis = -1 if tensor.layout == "cols" else 0
    rows = [
        np.concatenate([_piece(piece, params, seen) for piece in row], axis) for row in tensor.rows
    ]
    whole = np.stack(rows) if tensor.layout == "rows" else rows[0]
    whole = whole.T if tensor.transpose else whole
    return np.ascontiguousarray(whole[(None,) * tensor.lead])


def _piece(piece: Piece, params: Arrays, seen: set[str]) -> NDArray[Any]:
    array = np.diag(params[piece.name]) if piece.diagonal else params[piece.name]
    if piece.name in seen:
        return np.zeros_like(array)
    seen.add(piece.name)
    return -array if piece.negated else array


def gradients(
    tensors: Iterable[ExternalTensor], params: Arrays, found: Arrays
) -> dict[str, NDArray[Any]]:
    """The gradients of the parameters, from those of the framework's tensors."""
    taken: dict[str, NDArray[Any]] = {}
    for tensor in tensors:
        block = found[tensor.name]
        for _ in range(tensor.lead):
            block = block[0]
        block = block.T if tensor.transpose else block
        parts = list(block) if tensor.layout == "rows" else [block]
        axis = -1 if tensor.layout == "cols" else 0
        for row, part in zip(tensor.rows, parts, strict=True):
            for name, cut in _cut(row, params, part, axis):
                taken.setdefault(name, cut)
    return taken


def _cut(
    row: Sequence[Piece], params: Arrays, part: NDArray[Any], axis: int
) -> Iterator[tuple[str, NDArray[Any]]]:
    """The pieces of one row, each with its parameter's name and shape."""
    ends = np.cumsum([params[piece.name].shape[0 if piece.diagonal else axis] for piece in row])
    for piece, cut in zip(row, np.split(part, ends[:-1], axis), strict=True):
        whole = np.diagonal(cut) if piece.diagonal else cut
        yield piece.name, -whole if piece.negated else whole


def stacked(layout: Mapping[str, Sequence[str]], params: Arrays) -> dict[str, NDArray[Any]]:
    """The parameters as a hand-written loop holds them: lists of names joined along axis 0."""
    named = {name for names in layout.values() for name in names}
    if named != set(params):
        wrong = ", ".join(sorted(named ^ set(params)))
        raise UsageError(f"LAYOUT does not name every parameter once: {wrong}")
    return {
        name: np.ascontiguousarray(np.concatenate([params[part] for part in parts]))
        for name, parts in layout.items()
    }


def unstacked(
    layout: Mapping[str, Sequence[str]], params: Arrays, found: Arrays
) -> dict[str, NDArray[Any]]:
    """`stacked` undone, for gradients."""
    cut: dict[str, NDArray[Any]] = {}
    for name, parts in layout.items():
        ends = np.cumsum([len(params[part]) for part in parts])[:-1]
        cut |= dict(zip(parts, np.split(found[name], ends), strict=True))
    return cut

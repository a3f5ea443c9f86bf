"""A `CellSpec` -> YAML that reads back to an equal one: whatever it extended is merged in."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator

from grugen.spec.dims import shape_text
from grugen.spec.expressions import expression_text, number_text
from grugen.spec.model import CellSpec, Declaration, ExternalTensor, Init, Piece, Role
from grugen.spec.tree import is_plain_key

_PLAIN_IN_BRACES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ ().;*/+-]*|-inf")


def spec_text(spec: CellSpec) -> str:
    """The whole spec as the text of one file."""
    return "\n".join(_lines(spec)) + "\n"


def _lines(spec: CellSpec) -> Iterator[str]:
    yield "spec: 1"
    yield f"name: {_key(spec.name)}"
    if spec.doc:
        yield f"doc: {_quoted(spec.doc)}"
    if spec.cite:
        yield f"cite: {_quoted(spec.cite)}"
    described = [f"  {_key(name)}: {_quoted(doc)}" for name, doc in spec.dims if doc]
    if described:
        yield from ["", "dims:", *described]
    for role in Role:
        declared = [item for item in spec.declarations if item.role is role]
        if declared:
            yield from ["", f"{role.value}:", *_section(declared)]
    yield from ["", "equations: |", *(f"  {equation.text}" for equation in spec.equations)]
    outputs = (f"  {_key(output.name)}: {output.value}" for output in spec.outputs)
    yield from ["", "outputs:", *outputs]
    if spec.interchange:
        yield from ["", "interchange:", *_formats(spec)]


def _section(declared: list[Declaration]) -> Iterator[str]:
    """Neighbours with the same entry share a line."""
    for entry, group in itertools.groupby(declared, _entry):
        yield f"  {_key(', '.join(item.name for item in group))}: {entry}"


def _entry(declared: Declaration) -> str:
    fields = {} if declared.role is Role.HYPER else {"shape": shape_text(declared.shape)}
    if declared.mask:
        fields["role"] = "mask"
    if declared.default is not None:
        fields["default"] = number_text(declared.default)
    if declared.role in (Role.INPUT, Role.STATIC) and not declared.gradient and not declared.mask:
        fields["grad"] = "false"
    if declared.init is not None:
        fields["init"] = _init(declared.init, declared.role)
        if declared.init.blocks != 1:
            fields["blocks"] = str(declared.init.blocks)
    if declared.doc:
        fields["doc"] = _quoted(declared.doc)
    if list(fields) in (["shape"], ["default"]):
        return next(iter(fields.values()))
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


def _init(init: Init, role: Role) -> str:
    if init.kind == "first":
        return f"first({init.input_name})"
    args = "; ".join(expression_text(arg) for arg in init.args)
    if role is Role.STATE:
        return args
    text = f"{init.kind}({args})" if args else init.kind
    return text if _PLAIN_IN_BRACES.fullmatch(text) else _quoted(text)


def _formats(spec: CellSpec) -> Iterator[str]:
    for name, tensors in itertools.groupby(spec.interchange, lambda tensor: tensor.format):
        yield f"  {_key(name)}:"
        for tensor in tensors:
            yield f"    {_key(tensor.name)}: {_tensor(tensor)}"


def _tensor(tensor: ExternalTensor) -> str:
    rows = ["[" + ", ".join(_piece(piece) for piece in row) + "]" for row in tensor.rows]
    if tensor.layout == "stack" and not tensor.transpose and not tensor.lead:
        return rows[0]
    joined = "[" + ", ".join(rows) + "]" if tensor.layout == "rows" else rows[0]
    fields = [f"{tensor.layout}: {joined}"]
    if tensor.transpose:
        fields.append("transpose: true")
    if tensor.lead:
        fields.append(f"lead: {tensor.lead}")
    return "{" + ", ".join(fields) + "}"


def _piece(piece: Piece) -> str:
    name = f"diag({piece.name})" if piece.diagonal else piece.name
    return f"-{name}" if piece.negated else name


def _key(name: str) -> str:
    return name if is_plain_key(name) else _quoted(name)


def _quoted(text: str) -> str:
    """In double quotes; the escapes of JSON are YAML's too."""
    return json.dumps(text, ensure_ascii=False)

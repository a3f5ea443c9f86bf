"""The sections inputs, static, constants, hyper, states and params -> declarations."""

from __future__ import annotations

from collections.abc import Callable

from grugen.errors import Diagnostic
from grugen.spec.dims import Shape
from grugen.spec.fields import (
    Word,
    flag_of,
    known_fields,
    mapping_entries,
    names_of,
    number_of,
    prose,
    shares_next,
    text_of,
    whole_of,
)
from grugen.spec.inits import read_param_init, read_state_init
from grugen.spec.model import Declaration, Init, Number, Role
from grugen.spec.shapes import read_shape
from grugen.spec.tree import Entry, Mapping, Node

FIELDS: dict[Role, tuple[str, ...]] = {
    Role.INPUT: ("shape", "role", "default", "grad", "doc"),
    Role.STATIC: ("shape", "role", "default", "grad", "doc"),
    Role.CONSTANT: ("shape", "doc"),
    Role.HYPER: ("default", "doc"),
    Role.STATE: ("shape", "init", "doc"),
    Role.PARAM: ("shape", "init", "blocks", "doc"),
}
"""The keys of an entry's long form, by section."""

_NOUNS = {
    Role.INPUT: "an input",
    Role.STATIC: "a static input",
    Role.CONSTANT: "a constant",
    Role.HYPER: "a hyper",
    Role.STATE: "a state",
    Role.PARAM: "a parameter",
}


def noun(role: Role) -> str:
    """`an input`, `a state`: what messages call a declared name."""
    return _NOUNS[role]


def read_section(
    role: Role, node: Node, uses: dict[str, Word], found: list[Diagnostic]
) -> tuple[Declaration, ...]:
    """The declarations of one section, one for each name; dims are added to `uses`."""
    declared: list[Declaration] = []
    form = "name: 1.0" if role is Role.HYPER else "name: [H]"
    waiting: list[Word] = []
    entries = mapping_entries(node, f"entries such as  {form}  in '{role}'", found)
    for number, entry in enumerate(entries, start=1):
        if shares_next(entry) and number < len(entries):
            waiting += names_of(entry.key)
            continue
        read = _read_hyper if role is Role.HYPER else _read_shaped
        entry_read = read(role, entry, uses, found)
        if entry_read is not None:
            declared += (entry_read(name) for name in (*waiting, *names_of(entry.key)))
        waiting = []
    return tuple(declared)


_Make = Callable[[Word], Declaration]


def _fields(role: Role, entry: Entry, found: list[Diagnostic]) -> dict[str, Node]:
    """The entry's long form; the short form has only a shape, or for a hyper a default."""
    if isinstance(entry.value, Mapping):
        return known_fields(entry.value, FIELDS[role], f"'{entry.key.text}'", found)
    return {FIELDS[role][0]: entry.value}


def _read_hyper(
    role: Role, entry: Entry, uses: dict[str, Word], found: list[Diagnostic]
) -> _Make | None:
    fields = _fields(role, entry, found)
    what = f"a number as the default of the hyper '{entry.key.text}'"
    if "default" not in fields:
        found.append(Diagnostic(f"expected {what}", entry.key.span, help="add  default: 1.0"))
        return None
    default = number_of(fields["default"], what, found)
    doc = prose(fields["doc"], "text", found) if "doc" in fields else ""
    if default is None:
        return None
    return lambda name: Declaration(
        name.text, role, (), name.span, doc=doc, gradient=False, default=default
    )


def _read_shaped(
    role: Role, entry: Entry, uses: dict[str, Word], found: list[Diagnostic]
) -> _Make | None:
    fields = _fields(role, entry, found)
    doc = prose(fields["doc"], "text", found) if "doc" in fields else ""
    default = None
    if "default" in fields:
        default = number_of(fields["default"], f"a number as the default of {_named(entry)}", found)
    mask = _read_mask(fields, entry, found)
    gradient = _read_gradient(role, fields, mask, entry, found)
    if "shape" not in fields and isinstance(entry.value, Mapping):
        if len(fields) < len(entry.value.entries):
            return None  # an unknown key, reported already, may have been meant for it
        advice = "add  shape: [H]  for a vector,  shape: []  for one number"
        found.append(Diagnostic(f"{_named(entry)} has no shape", entry.key.span, help=advice))
        return None
    shape = read_shape(fields["shape"], uses, found)
    if shape is None:
        return None
    blocks = 1
    if "blocks" in fields:
        blocks = whole_of(fields["blocks"], "the number of row blocks", 1, found) or 1
    given = None
    if "init" in fields:
        read = read_state_init(fields["init"], found) if role is Role.STATE else None
        given = read or (
            read_param_init(fields["init"], blocks, found) if role is Role.PARAM else None
        )

    def declaration(name: Word) -> Declaration:
        init = given or _default_init(role, shape, blocks, name)
        return Declaration(name.text, role, shape, name.span, doc, mask, gradient, default, init)

    return declaration


def _default_init(role: Role, shape: Shape, blocks: int, name: Word) -> Init | None:
    if role is Role.STATE:
        return Init("constant", (Number(0.0, name.span),), 1, "", name.span)
    if role is Role.PARAM:
        kind = "glorot_uniform" if len(shape) == 2 else "zeros"
        return Init(kind, (), blocks, "", name.span)
    return None


def _read_mask(fields: dict[str, Node], entry: Entry, found: list[Diagnostic]) -> bool:
    if "role" not in fields:
        return False
    node = fields["role"]
    role = text_of(node, "a role, 'value' or 'mask'", found)
    if role is not None and role not in ("value", "mask"):
        message = f"unknown role '{role}' of {_named(entry)}"
        found.append(Diagnostic(message, node.span, help="expected 'value' or 'mask'"))
    return role == "mask"


def _read_gradient(
    role: Role, fields: dict[str, Node], mask: bool, entry: Entry, found: list[Diagnostic]
) -> bool:
    if role is Role.CONSTANT:
        return False
    if "grad" not in fields:
        return not mask
    node = fields["grad"]
    gradient = flag_of(node, "'grad'", found)
    if gradient and mask:
        message = f"{_named(entry)} is a mask: it has no gradient"
        advice = "leave 'grad' out, or use 'role: value'"
        found.append(Diagnostic(message, node.span, help=advice))
    return bool(gradient)


def _named(entry: Entry) -> str:
    return f"'{entry.key.text}'"

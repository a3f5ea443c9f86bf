"""Signatures become the declarations of a library: what headers show and cffi reads."""

from __future__ import annotations

from collections.abc import Iterable

from grugen.render.c_expr import C_TYPES, ElementType
from grugen.render.views import GroupView, StructView
from grugen.spec.dims import Shape
from grugen.target.abi import (
    COMPUTED,
    IN_FULL,
    PER_SEQUENCE,
    PER_STEP,
    WRITTEN,
    Argument,
    Group,
    Signature,
)
from grugen.target.c_names import member_name

_TITLES = {
    "forward": {
        Group.INPUT: "per step",
        Group.STATIC: "per sequence",
        Group.CONSTANT: "not trained",
        Group.HYPER: "numbers",
        Group.PARAM: "trained",
        Group.INITIAL: "states before the first step",
        Group.FINAL: "written: states after the last step of each sequence",
        Group.OUTPUT: "written: per step, 0 past a sequence's end",
        Group.TAPE: "written if keep_tape: what the backward passes read",
    },
    "backward": {
        Group.INPUT: "per step, as the forward pass had them",
        Group.TAPE_READ: "per step, as the forward pass wrote them",
        Group.OUTPUT_GRADIENT: "d loss / d outputs, per step",
        Group.STATIC: "per sequence",
        Group.CONSTANT: "not trained",
        Group.HYPER: "numbers",
        Group.PARAM: "trained",
        Group.INITIAL: "d loss / d states after the last step",
        Group.FINAL: "written: d loss / d states before the first step",
        Group.OUTPUT: "written: d loss / d inputs, per step",
        Group.SEQUENCE_SUM: "written: d loss / d what is given per sequence",
        Group.TOTAL: "written: d loss / d parameters",
    },
}
_NOTES = {
    "forward": "The forward pass over whole sequences.",
    "backward": "The backward pass; `reverse` is the opposite of the forward call's.",
    "backward_states": "The same from the states alone: everything else is computed anew.",
}


def struct_view(
    signature: Signature, direction: str, stem: str, element: ElementType, dims: Iterable[str]
) -> StructView:
    """The struct that a kernel is called with; `dims` in the order of the interface."""
    titles = _TITLES["forward" if direction == "forward" else "backward"]
    groups = [
        GroupView(
            group,
            titles[group],
            tuple(_member(found, element) for found in signature.arguments if found.group is group),
        )
        for group in titles
    ]
    return StructView(
        symbol=f"{stem}_{direction}",
        title=_NOTES[direction],
        dims=tuple(f"int64_t {member_name(dim)};" for dim in dims),
        groups=tuple(group for group in groups if group.members),
    )


def _member(argument: Argument, element: ElementType) -> str:
    c_type = C_TYPES[COMPUTED[element]]
    if argument.group is Group.HYPER:
        return f"{c_type} {argument.field};"
    const = "" if argument.group in WRITTEN else "const "
    layout = _layout(argument.group, argument.shape)
    if argument.group not in IN_FULL and COMPUTED[element] != element:
        # C has no name for such elements, and every library one of its own
        return f"{const}void *{argument.field}; // {layout} of {element}"
    return f"{const}{c_type} *{argument.field}; // {layout}"


def _layout(group: Group, shape: Shape) -> str:
    leading = ["T", "B"] if group in PER_STEP else ["B"] if group in PER_SEQUENCE else []
    return "(" + ", ".join([*leading, *map(str, shape)]) + ")"

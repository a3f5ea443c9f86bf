"""What a runtime must know of a cell, gathered from its spec and its two steps."""

from __future__ import annotations

from grugen.ir.nodes import ResultRole
from grugen.passes.pipeline import Steps
from grugen.spec.expressions import expression_text
from grugen.spec.model import CellSpec, Declaration, Init, Role
from grugen.target.abi import (
    ArrayInfo,
    Interface,
    OutputInfo,
    ParamInfo,
    ParamInit,
    StateInfo,
    StateInit,
    signature_of,
)


def interface_of(spec: CellSpec, steps: Steps) -> Interface:
    """The interface of a cell; declarations keep the order of the spec."""
    types = steps.forward.types()
    outputs = {
        r.key: types[r.value].shape for r in steps.forward.results if r.role is ResultRole.OUTPUT
    }
    return Interface(
        name=spec.name,
        doc=spec.doc,
        dims=tuple(name for name, _ in spec.dims),
        inputs=tuple(map(_array, _declared(spec, Role.INPUT))),
        static=tuple(map(_array, _declared(spec, Role.STATIC))),
        constants=tuple(map(_array, _declared(spec, Role.CONSTANT))),
        hyper=tuple((d.name, d.default or 0.0) for d in _declared(spec, Role.HYPER)),
        states=tuple(
            StateInfo(d.name, d.shape, _state_init(d), d.doc) for d in _declared(spec, Role.STATE)
        ),
        params=tuple(
            ParamInfo(d.name, d.shape, _param_init(d), d.doc) for d in _declared(spec, Role.PARAM)
        ),
        outputs=tuple(OutputInfo(name, shape) for name, shape in outputs.items()),
        forward=signature_of(steps.forward),
        backward=signature_of(steps.backward),
        backward_states=signature_of(steps.backward_states),
    )


def constant_names(spec: CellSpec) -> tuple[str, ...]:
    """Inputs and static inputs that want no gradient."""
    wanted = (Role.INPUT, Role.STATIC)
    return tuple(d.name for d in spec.declarations if d.role in wanted and not d.gradient)


def _declared(spec: CellSpec, role: Role) -> list[Declaration]:
    return [found for found in spec.declarations if found.role is role]


def _array(found: Declaration) -> ArrayInfo:
    return ArrayInfo(found.name, found.shape, found.doc, found.mask, found.gradient, found.default)


def _param_init(found: Declaration) -> ParamInit:
    init = _init(found)
    return ParamInit(init.kind, tuple(map(expression_text, init.args)), init.blocks)


def _state_init(found: Declaration) -> StateInit:
    init = _init(found)
    if init.kind == "first":
        return StateInit(first=init.input_name)
    return StateInit(value=float(expression_text(init.args[0])))


def _init(found: Declaration) -> Init:
    assert found.init is not None
    return found.init

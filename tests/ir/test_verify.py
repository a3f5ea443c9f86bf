"""verify refuses every step that a pass could have broken, and names the line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grugen.errors import InternalError
from grugen.ir.from_spec import lower_spec
from grugen.ir.nodes import Function, Let, Op, Result, ResultRole
from grugen.ir.types import Level, Type
from grugen.ir.verify import verify
from grugen.source import SourceText
from grugen.spec import read_text
from grugen.spec.dims import Dim

SPEC = """\
spec: 1
name: sound
inputs: {x: [D]}
static: {s: [H]}
states: {h: [H]}
params: {W: [H, D], b: [H]}
equations: |
  z  = sigmoid(W @ x + b)
  h' = z * h + where(z > 0.5, s, 1)
outputs: {y: h'}
"""


@pytest.fixture
def sound() -> Function:
    return lower_spec(read_text(SourceText("sound.yaml", SPEC)))


def changed(function: Function, name: str, **fields: object) -> Function:
    """The step with fields of one line replaced."""
    lets = tuple(
        replace(let, **fields) if let.name == name else let  # type: ignore[arg-type]
        for let in function.lets
    )
    return replace(function, lets=lets)


def refused(function: Function, message: str) -> None:
    with pytest.raises(InternalError, match=message):
        verify(function)


def test_a_sound_step_passes(sound: Function) -> None:
    assert verify(sound) is sound


def test_a_source_twice(sound: Function) -> None:
    refused(replace(sound, sources=(*sound.sources, sound.sources[0])), "'x' stands twice")


def test_a_source_of_the_wrong_level(sound: Function) -> None:
    source = next(source for source in sound.sources if source.name == "s")
    wrong = replace(source, type=Type(source.type.shape, Level.STEP))
    sources = tuple(wrong if found is source else found for found in sound.sources)
    refused(replace(sound, sources=sources), "source 's'")


def test_a_name_assigned_twice(sound: Function) -> None:
    refused(replace(sound, lets=(*sound.lets, sound.lets[0])), "assigned twice")


def test_a_value_read_before_its_definition(sound: Function) -> None:
    refused(replace(sound, lets=tuple(reversed(sound.lets))), "before its definition")


def test_a_value_that_is_nowhere(sound: Function) -> None:
    refused(changed(sound, "z", args=("nowhere",)), "'z' reads 'nowhere'")


def test_shapes_that_do_not_fit(sound: Function) -> None:
    refused(changed(sound, "z", op=Op.ADD, args=("b", "x")), "'z': .*differ")


def test_too_few_arguments(sound: Function) -> None:
    refused(changed(sound, "z", op=Op.ADD), "'z': add takes 2 arguments")


def test_a_type_that_does_not_follow(sound: Function) -> None:
    refused(changed(sound, "z", type=Type((Dim.named("D"),), Level.STEP)), "'z' is .* should be")
    refused(changed(sound, "z", type=Type((Dim.named("H"),), Level.CALL)), "'z' is .* should be")


@pytest.mark.parametrize(
    "attribute", [{"value": 1.0}, {"size": Dim.named("H")}, {"offset": Dim.named("H")}]
)
def test_attributes_of_another_operation(sound: Function, attribute: dict[str, object]) -> None:
    refused(changed(sound, "z", **attribute), "'z' has wrong attributes for sigmoid")


def test_a_literal_without_its_value(sound: Function) -> None:
    literal = next(let for let in sound.lets if let.op is Op.LITERAL)
    refused(changed(sound, literal.name, value=None), "wrong attributes for literal")


def test_a_number_as_condition(sound: Function) -> None:
    select = next(let for let in sound.lets if let.op is Op.SELECT)
    refused(changed(sound, select.name, args=("z", *select.args[1:])), "comparison")


def test_a_condition_as_number(sound: Function) -> None:
    condition = next(let for let in sound.lets if let.type.condition)
    extra = Let("extra", Op.NEG, (condition.name,), condition.type)
    refused(replace(sound, lets=(*sound.lets, extra)), "comparison")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Result("nowhere", ResultRole.OUTPUT, "v"), "'v' is not defined"),
        (Result("W", ResultRole.OUTPUT, "v"), "must be no matrix"),
        (Result("z", ResultRole.NEXT_STATE, "z"), "'z' is no state"),
        (Result("x", ResultRole.NEXT_STATE, "h"), "has another shape"),
        (Result("z", ResultRole.NEXT_STATE, "h"), "not every state has one next value"),
    ],
)
def test_results(sound: Function, result: Result, message: str) -> None:
    refused(replace(sound, results=(*sound.results, result)), message)


def test_a_condition_as_result(sound: Function) -> None:
    condition = next(let for let in sound.lets if let.type.condition)
    result = Result(condition.name, ResultRole.OUTPUT, "v")
    refused(replace(sound, results=(*sound.results, result)), "is a condition")


def test_a_state_without_next_value(sound: Function) -> None:
    refused(replace(sound, results=sound.results[1:]), "not every state has one next value")

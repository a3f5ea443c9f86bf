"""A child completed from its parent."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import without_places

from grugen.errors import SpecError, SpecFileError
from grugen.source import SourceText
from grugen.spec import read_spec, read_text
from grugen.spec.model import CellSpec

PARENT = """spec: 1
name: parent
doc: old
dims: {D: features, H: units}
inputs: {x: [D]}
states: {h: [H]}
params:
  W: [H, D]
  u, b: [H]
equations: |
  a = W @ x
  n = tanh(a + u * h + b)
  h' = n
outputs: {y: h', gate: a}
interchange:
  one: {W: [W], u: [u], b: [b]}
  two: {all: [u, b], W: {stack: [W], transpose: true}}
"""


def child(text: str) -> CellSpec:
    source = SourceText("child.yaml", f"spec: 1\nname: child\nextends: parent.yaml\n{text}")

    def find_parent(name: str) -> SourceText:
        if name != "parent.yaml":
            raise SpecFileError(f"no '{name}'")
        return SourceText("parent.yaml", PARENT)

    return read_text(source, find_parent)


def equations(spec: CellSpec) -> list[str]:
    return [equation.text for equation in spec.equations]


def test_a_child_that_changes_nothing() -> None:
    spec = child("")
    parent = read_text(SourceText("parent.yaml", PARENT))
    assert spec.name == "child"
    assert spec.source.name == "child.yaml"
    assert without_places(spec)[2:] == without_places(parent)[2:]


def test_an_equation_is_replaced_in_its_place() -> None:
    spec = child("equations: |\n  n = relu(a + u * h + b)\n")
    assert equations(spec) == ["a = W @ x", "n = relu(a + u * h + b)", "h' = n"]
    assert [e.span.cite for e in spec.equations] == [
        "parent.yaml:11",
        "child.yaml:5",
        "parent.yaml:13",
    ]


def test_new_values_come_before_the_first_state_update() -> None:
    spec = child("equations: |\n  h' = k * h + n\n  k = tanh(n)\n  j = 1 - k\noutputs: {j: j}\n")
    assert equations(spec)[1:] == [
        "n = tanh(a + u * h + b)",
        "k = tanh(n)",
        "j = 1 - k",
        "h' = k * h + n",
    ]
    assert [output.name for output in spec.outputs] == ["y", "gate", "j"]


def test_declarations_outputs_and_doc_are_overridden_by_name() -> None:
    spec = child(
        "doc: new\ndims: {H: neurons}\nstates: {h: {shape: [H], init: 1}}\noutputs: {gate: n}\n"
        "constants: {c: [H]}\nequations: |\n  h' = n + c\n"
    )
    assert spec.doc == "new"
    assert spec.dims == (("D", "features"), ("H", "neurons"))
    assert [item.name for item in spec.declarations] == ["x", "c", "h", "W", "u", "b"]
    assert [str(output.value) for output in spec.outputs] == ["h'", "n"]
    assert [item.span.source.name for item in spec.declarations][1:4] == [
        "child.yaml",
        "child.yaml",
        "parent.yaml",
    ]


def test_a_name_may_change_its_role() -> None:
    spec = child("constants: {b: [H]}\n")
    assert [item.role.value for item in spec.declarations if item.name == "b"] == ["constants"]
    assert spec.interchange == ()


def test_drop_removes_declarations_equations_and_outputs() -> None:
    spec = child("drop: [b, a, gate]\nequations: |\n  n = tanh(W @ x + u * h)\n")
    assert equations(spec) == ["n = tanh(W @ x + u * h)", "h' = n"]
    assert [item.name for item in spec.declarations] == ["x", "h", "W", "u"]
    assert [output.name for output in spec.outputs] == ["y"]


def test_a_dropped_name_can_be_defined_anew_at_the_end() -> None:
    spec = child("drop: [a]\nequations: |\n  n = tanh(W @ x + u * h + b)\n  a = 1 - n\n")
    assert equations(spec) == ["n = tanh(W @ x + u * h + b)", "a = 1 - n", "h' = n"]


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("equations: |\n  n = relu(a + u * h + b)\n", ["one", "one", "one", "two", "two"]),
        ("params: {u: {shape: [H], init: ones}}\n", ["one", "one", "one", "two", "two"]),
        ("params: {c: [H]}\nequations: |\n  a = W @ x + c\n", []),
        ("params: {u: []}\n", []),
        ("drop: [b]\nequations: |\n  n = tanh(a + u * h)\n", []),
        ("interchange: {one: {W: [W], rest: [u, b]}}\n", ["two", "two", "one", "one"]),
        ("interchange: {}\n", []),
    ],
)
def test_interchange_is_inherited_while_no_parameter_changes(text: str, formats: list[str]) -> None:
    assert [tensor.format for tensor in child(text).interchange] == formats


def test_a_parent_is_found_beside_the_child_and_among_the_shipped(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(PARENT)
    path = tmp_path / "child.yaml"
    path.write_text("spec: 1\nname: child\nextends: parent.yaml\n")
    assert read_spec(path).equations[0].span.source.name == str(tmp_path / "parent.yaml")
    path.write_text("spec: 1\nname: child\nextends: gru\n")
    assert len(read_spec(path).equations) == 4


def test_a_parent_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_bytes(b"\xff")
    path = tmp_path / "child.yaml"
    path.write_text("spec: 1\nname: child\nextends: parent.yaml\n")
    with pytest.raises(SpecError, match=r"3:10: error: .*not UTF-8"):
        read_spec(path)


def test_a_text_without_a_folder_extends_shipped_specs_only() -> None:
    text = "spec: 1\nname: child\nextends: {}\n"
    assert len(read_text(SourceText("a", text.format("gru"))).equations) == 4
    with pytest.raises(SpecError, match=r"no shipped spec is called 'gru\.yaml'"):
        read_text(SourceText("a", text.format("gru.yaml")))


def test_the_mask_of_gru_d_dropout_is_not_on_the_carried_state() -> None:
    texts = equations(read_spec("gru_d_dropout"))
    assert texts[-2:] == ["h'      = (1 - z) * h_hat + z * n", "x_last' = where(m > 0, x, x_last)"]
    assert all("h_keep" in text and "x_keep" in text for text in texts[4:7])

"""Templates put lines in places: they decide nothing, and they say what they need."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import jinja2
import pytest
from jinja2 import meta, nodes

from grugen.assets import templates_folder
from grugen.render import cuda_views, views
from grugen.render.environment import environment

FOLDER = templates_folder()
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Name,
    nodes.Getattr,
    nodes.Filter,
    nodes.Macro,
    nodes.Call,
    nodes.FromImport,
    nodes.Const,
    nodes.Not,
)
MACROS_SAY = "{#- macros: "


def source(name: str) -> str:
    return (FOLDER / name).read_text()


def has_macros(name: str) -> bool:
    """Whether a file has no text of its own."""
    return source(name).startswith(MACROS_SAY)


MACROS = {
    macro.name
    for name in TEMPLATES
    if has_macros(name)
    for macro in environment().parse(source(name)).find_all(nodes.Macro)
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_only_loop_choose_and_insert(name: str) -> None:
    tree = environment().parse(source(name))
    for node in tree.find_all(nodes.Node):
        assert isinstance(node, ALLOWED), f"{name}:{node.lineno}: {type(node).__name__}"
    for call in tree.find_all(nodes.Call):
        assert isinstance(call.node, nodes.Name)
        assert call.node.name in MACROS, f"{name}:{call.lineno}: calls {call.node.name}"
    for used in tree.find_all(nodes.Filter):
        assert used.name == "join", f"{name}:{used.lineno}: filter {used.name}"


def read_by(name: str) -> tuple[str, set[str]]:
    """The view that a template says it needs, and the fields of it that it reads."""
    text = source(name)
    header = re.match(r"\{#- needs: (\w): (\w+) -#\}\n", text)
    assert header is not None, f"{name} does not say what it needs"
    variable, view = header.groups()
    tree = environment().parse(text)
    assert meta.find_undeclared_variables(tree) == {variable}
    # macros are handed the view under its name
    called = [
        environment().parse(source(node.template.value))
        for node in tree.find_all(nodes.FromImport)
        if isinstance(node.template, nodes.Const)
    ]
    read = {
        node.attr
        for text_read in (tree, *called)
        for node in text_read.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == variable
    }
    return view, read


def view_of(name: str) -> type:
    """A view by its name."""
    found: type = getattr(views, name, None) or getattr(cuda_views, name)
    return found


def test_views_and_templates_agree() -> None:
    """A template reads only what its view has, and no view has what no template reads."""
    found: dict[str, set[str]] = {}
    for name in TEMPLATES:
        if not has_macros(name):
            view, read = read_by(name)
            found.setdefault(view, set()).update(read)
    for view, read in found.items():
        assert read == {field.name for field in fields(view_of(view))}, view


def test_parts_of_cuda_views_are_read() -> None:
    trees = [environment().parse(source(name)) for name in TEMPLATES if name.startswith("cuda/")]
    read = {node.attr for tree in trees for node in tree.find_all(nodes.Getattr)}
    for view in vars(cuda_views).values():
        if is_dataclass(view) and isinstance(view, type):
            unread = {field.name for field in fields(view)} - read
            assert not unread, view.__name__


def test_missing_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("float x = {{ typo }};").render()


def test_readme_lists_every_template() -> None:
    text = (FOLDER / "README.md").read_text()
    for path in FOLDER.rglob("*.*"):
        if path.suffix in (".j2", ".h", ".cuh"):
            assert Path(path.relative_to(FOLDER)).as_posix() in text, path

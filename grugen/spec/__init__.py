"""A spec as YAML text -> a checked `CellSpec`: what a cell says, and nothing of what it means."""

from grugen.spec.load import read_spec as read_spec
from grugen.spec.load import read_text as read_text
from grugen.spec.text import spec_text as spec_text

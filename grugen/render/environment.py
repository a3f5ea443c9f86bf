"""The Jinja environment: the one place that decides how templates are read."""

from __future__ import annotations

from functools import cache

import jinja2

from grugen.assets import templates_folder


@cache
def environment() -> jinja2.Environment:
    """Templates by their path under `templates/`; a name that a view lacks is an error.

    One for the whole process: a template that is used again is not read again.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )

"""What the pages of runs are made with: the files of `templates/`, and a style that no policy forbids."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def source(name: str) -> str:
    """A file of `templates/`, as text."""
    return files("imitative").joinpath("templates", name).read_text(encoding="utf-8")


def digest(style: str) -> str:
    """The SHA-256 of a style sheet in base64, by which a page's content security policy allows it."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


@cache
def template(name: str) -> Template:
    """A template that escapes what it is given, and misses nothing silently."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source(name))

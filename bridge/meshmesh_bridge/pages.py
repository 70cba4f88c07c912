"""Pages for people: Jinja2 with autoescape, imported at the first page and not at the start."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, *, status_code: int = 200, **values: object) -> web.Response:
    """A page.

    Args:
        template: file name under `templates/`.
        status_code: HTTP status.
        values: what the template shows; escaped there.
    """
    text = _environment().get_template(template).render(values)
    return web.Response(text=text, status=status_code, content_type="text/html")


@cache
def static(name: str) -> bytes:
    """A file under `static/`."""
    return (_HERE / "static" / name).read_bytes()

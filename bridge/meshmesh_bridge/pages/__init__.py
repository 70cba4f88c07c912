"""Pages for people: Jinja2 with autoescape, imported at the first page and not at the start.

A page of the dashboard is two things. Its shell is the same for anybody and knows nothing. Its content is a fragment
of HTML, rendered here for who has the owner's session, and put into the shell by htmx. What is done on a page is done
through the API, by the same calls that every other program makes.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_BRIDGE = Path(__file__).parent.parent
# Control characters but for tab and line feed, and those that turn the line around or take no room.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def _seen(value: object) -> object:
    """What a template shows, without a letter that nobody sees: such a one could make a name look like another."""
    return _UNSEEN.sub("\ufffd", value) if type(value) is str else value


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_BRIDGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def markup(template: str, values: Mapping[str, object]) -> str:
    """HTML.

    Args:
        template: file name under `templates/`.
        values: what the template shows; escaped there.
    """
    return _environment().get_template(template).render(values)


def render(template: str, *, status_code: int = 200, **values: object) -> web.Response:
    """A page.

    Args:
        template: file name under `templates/`.
        status_code: HTTP status.
        values: what the template shows; escaped there.
    """
    return web.Response(text=markup(template, values), status=status_code, content_type="text/html")


def shell() -> web.Response:
    """The shell of every page of the dashboard.

    Whatever page of another site it opens, or is opened by, has no hold on it, and it has none on that page.
    """
    response = render("dashboard.html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


@cache
def static(name: str) -> bytes:
    """A file under `static/`."""
    return (_BRIDGE / "static" / name).read_bytes()

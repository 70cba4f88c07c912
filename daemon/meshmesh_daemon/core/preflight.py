"""What an authorize address answers to a visitor without cookies: the login page, or an error that a person would meet.

Asked before the browser opens where the app is the person's own, so that a mistyped client id or callback is told in our
words at once and not on a page of Salesforce's that never comes back.
"""

import re
from html import unescape
from urllib.parse import parse_qs, unquote_plus, urljoin, urlsplit

from meshmesh_daemon.core.errors import Action, Failure, error_page_failure, redirect_failure
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Reason

_REDIRECTS = range(300, 400)
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_LOOKED_AT = 64 * 1024
_WRITTEN = re.compile(r"\berror=([A-Za-z_-]{3,64})(?:&error_description=([^\s\"'<>&]{0,200}(?: [^\"'<>&]{0,200})?))?")


def authorize_failure(
    *, authorize_url: str, redirect_uri: str, status: int, location: str, body: bytes
) -> Failure | None:
    """What is wrong with a sign-in before it began, or None where the login page would come.

    Args:
        authorize_url: the address that was asked.
        redirect_uri: our callback.
        status: HTTP status of the answer.
        location: its Location header, or "".
        body: its body.
    """
    if status in _REDIRECTS:
        target = urljoin(authorize_url, location)
        if target.startswith(redirect_uri):
            query = parse_qs(urlsplit(target).query)
            return redirect_failure(_first(query, "error"), _first(query, "error_description"))
        return error_page_failure(target)
    written = _WRITTEN.search(unescape(body[:_LOOKED_AT].decode("utf-8", "replace")))
    if written is None:
        return _without_login_page(status)
    return redirect_failure(written[1], unquote_plus(written[2] or ""))


def _without_login_page(status: int) -> Failure | None:
    """An answer that is no login page, and tells no error of OAuth either."""
    if status >= _SERVER_ERROR:
        return Failure(
            action=Action.RETRY,
            reason=Reason.SERVICE_UNAVAILABLE,
            title="Salesforce is not available",
            detail="Salesforce's login page is out of order just now.",
            next_step=Next("Try again in a while"),
            evidence=f"authorize endpoint: {status}",
        )
    if status >= _CLIENT_ERROR:
        return Failure(
            action=Action.CONFIG,
            reason=None,
            title="There is no login page",
            detail="No Salesforce org answers at this address.",
            next_step=Next("Check the My Domain: Setup > My Domain shows it"),
            evidence=f"authorize endpoint: {status}",
        )
    return None


def _first(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]

"""The org's pages: plain HTML that works without a script, each with a policy that lets nothing else in."""

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

from aiohttp import web

from meshmesh_demo.oauth.apps import SCOPES, App
from meshmesh_demo.users import User

STYLE_PATH = "/meshmesh-demo.css"
LOGIN_PATH = "/login"
CONSENT_PATH = "/setup/secur/RemoteAccessAuthorizationPage.apexp"
ERROR_PATH = "/setup/secur/RemoteAccessErrorPage.apexp"
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0; background: light-dark(#f3f4f6, #16181d); color: light-dark(#16181d, #eceef2); }
main { max-width: 26rem; margin: 8vh auto; padding: 2rem; border-radius: .75rem;
  background: light-dark(#fff, #22262e); }
h1 { font-size: 1.25rem; margin-top: 0; }
form { display: grid; gap: .75rem; margin: 1rem 0; }
button, input { font: inherit; padding: .6rem .9rem; border-radius: .5rem; border: 1px solid #6b7280; }
button { cursor: pointer; text-align: left; background: transparent; color: inherit; }
button.main { background: #0b5cab; border-color: #0b5cab; color: #fff; }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
small { display: block; opacity: .8; }
[role=alert] { border-left: 4px solid #b91c1c; padding-left: .75rem; }
"""


def page(title: str, body: str, *, status: int = 200, goes_to: str = "") -> web.Response:
    """A page.

    Args:
        title: of the page, not escaped yet.
        body: inner HTML.
        status: HTTP status.
        goes_to: an address that its forms may end at; browsers hold the redirect after a form to the policy too.
    """
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} | MeshMesh Demo</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{STYLE_PATH}">'
        f"</head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    policy = f"default-src 'none'; style-src 'self'; form-action 'self' {_source(goes_to)}".strip()
    headers = {
        "Content-Security-Policy": policy + "; base-uri 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=headers)


def _source(address: str) -> str:
    """An address as a source of a Content-Security-Policy: its origin, or its scheme where it is an app's own."""
    parts = urlsplit(address)
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:" if parts.scheme else ""


def style() -> web.Response:
    """The one style sheet."""
    return web.Response(text=_STYLE, content_type="text/css", charset="utf-8")


def login(key: str, users: Iterable[User], *, hint: str, problem: str, goes_to: str) -> web.Response:
    """Who are you? The users as buttons, the hinted one first, and a field for a username."""
    ordered = sorted(users, key=lambda user: user.username.casefold() != hint.casefold())
    buttons = "".join(
        f'<button name="user" value="{escape(user.username)}"{_main(index)}>{escape(str(user.record["Name"]))}'
        f"<small>{escape(str(user.profile['Name']))}, {escape(user.username)}</small></button>"
        for index, user in enumerate(ordered)
    )
    hidden = f'<input type="hidden" name="request" value="{escape(key)}">'
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    body = (
        f"{alert}<p>This is a demo org on your own computer. Choose who you want to be; there is no password.</p>"
        f'<form method="post" action="{LOGIN_PATH}">{hidden}{buttons}</form>'
        f'<form method="post" action="{LOGIN_PATH}">{hidden}<label for="username">Username</label>'
        f'<input id="username" name="user" value="{escape(hint)}" autocomplete="username" spellcheck="false">'
        "<button>Log In</button></form>"
    )
    return page("Log in", body, goes_to=goes_to)


def _main(index: int) -> str:
    return "" if index else ' class="main"'


def consent(key: str, app: App, user: User, scope: str, *, goes_to: str) -> web.Response:
    """Allow or deny."""
    labels = dict.fromkeys(f"{SCOPES.get(one, one)}" for one in scope.split())
    items = "".join(f"<li>{escape(label)}</li>" for label in labels)
    body = (
        f"<p><strong>{escape(app.name)}</strong> asks to:</p><ul>{items}</ul>"
        f"<p>You are {escape(str(user.record['Name']))} ({escape(user.username)}).</p>"
        f'<form method="post" action="{CONSENT_PATH}"><input type="hidden" name="request" value="{escape(key)}">'
        '<button name="decision" value="allow" class="main">Allow</button>'
        '<button name="decision" value="deny">Deny</button></form>'
    )
    return page("Allow access?", body, goes_to=goes_to)


def oauth_error(code: str, description: str) -> web.Response:
    """Salesforce's page for what cannot be told to the app."""
    body = (
        '<p role="alert">We can’t authorize you because of an OAuth error. For more information, contact your '
        f"Salesforce administrator.</p><p>{escape(code)} : {escape(description)}</p>"
    )
    return page("OAuth Error", body)


def notice(title: str, text: str, *, status: int = 200) -> web.Response:
    """A page of one sentence."""
    return page(title, f"<p>{escape(text)}</p>", status=status)

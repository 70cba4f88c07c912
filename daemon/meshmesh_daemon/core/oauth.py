"""OAuth as values: what to send, and what an answer says. No socket, no clock, no randomness.

authlib builds the addresses, the forms and the PKCE challenge. Its answer parsers are not used: they raise on a missing
`state` only after the code was taken, know no `error` beside a code, and Salesforce's token answer needs rules that
RFC 6749 does not have (`instance_url` and `id`, no `expires_in`). Its clients are bound to httpx or requests, and we
have one aiohttp session.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from meshmesh_daemon.core.ids import to18

AUTHORIZE_PATH = "/services/oauth2/authorize"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
REVOKE_PATH = "/services/oauth2/revoke"
INTROSPECT_PATH = "/services/oauth2/introspect"
USERINFO_PATH = "/services/oauth2/userinfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The app that asks: its client id, and its secret where it has one."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """A good answer of the token endpoint. `refresh_token` is None where the answer brings none."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    token_type: str
    instance_url: str
    identity_url: str
    org_id: str
    user_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A redirect that brings a code."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A redirect that brings an error."""

    error: str
    description: str


class BadAnswer(Exception):
    """A 200 of the token endpoint without what a token answer must have; `str()` names what is missing."""


def authorize_url(
    login_origin: str,
    app: Registration,
    *,
    redirect_uri: str,
    scopes: tuple[str, ...],
    state: str,
    code_verifier: str,
    prompt_login: bool,
    login_hint: str | None = None,
) -> str:
    """Where the person's browser goes (RFC 6749, section 4.1.1; RFC 7636, section 4.3).

    Args:
        login_origin: the login host, with scheme.
        app: who asks.
        redirect_uri: our callback.
        scopes: what is asked for.
        state: 256 random bits, as text.
        code_verifier: PKCE's secret; only its S256 challenge goes into the address.
        prompt_login: whether the login page must be shown although the browser has a session.
        login_hint: the user name to fill in.
    """
    from authlib.oauth2.rfc6749 import parameters  # late: it costs a start 80 ms
    from authlib.oauth2.rfc7636 import challenge

    s256 = cast("Callable[[str], str]", challenge.create_s256_code_challenge)  # pyright: ignore[reportUnknownMemberType]
    prepare = cast("Callable[..., str]", parameters.prepare_grant_uri)  # pyright: ignore[reportUnknownMemberType]
    return prepare(
        login_origin + AUTHORIZE_PATH,
        client_id=app.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=" ".join(scopes),
        state=state,
        code_challenge=s256(code_verifier),
        code_challenge_method="S256",
        prompt="login" if prompt_login else None,
        login_hint=login_hint,
    )


def code_form(app: Registration, *, code: str, redirect_uri: str, code_verifier: str) -> str:
    """The form that trades a code for tokens (RFC 6749, section 4.1.3; RFC 7636, section 4.5)."""
    return _form("authorization_code", app, redirect_uri=redirect_uri, code=code, code_verifier=code_verifier)


def refresh_form(app: Registration, refresh_token: str) -> str:
    """The form that renews a session (RFC 6749, section 6); a secret goes with it as with the code."""
    return _form("refresh_token", app, refresh_token=refresh_token)


def client_credentials_form(app: Registration) -> str:
    """The form of the client credentials grant (RFC 6749, section 4.4); Salesforce takes no scope here."""
    return _form("client_credentials", app)


def revoke_form(token: str) -> str:
    """The form that ends a token (RFC 7009, section 2.1)."""
    from authlib.common.urls import add_params_to_qs

    form: str = add_params_to_qs("", [("token", token)])
    return form


def introspect_form(app: Registration, access_token: str) -> str:
    """The form that asks how long a token lives (RFC 7662, section 2.1)."""
    from authlib.common.urls import add_params_to_qs

    secret = [("client_secret", app.client_secret)] if app.client_secret else []
    fields = [("token", access_token), ("token_type_hint", "access_token"), ("client_id", app.client_id), *secret]
    form: str = add_params_to_qs("", fields)
    return form


def _form(grant_type: str, app: Registration, *, redirect_uri: str | None = None, **fields: str) -> str:
    from authlib.oauth2.rfc6749 import parameters

    prepare = cast("Callable[..., str]", parameters.prepare_token_request)  # pyright: ignore[reportUnknownMemberType]
    return prepare(
        grant_type,
        redirect_uri=redirect_uri,
        client_id=app.client_id,
        client_secret=app.client_secret,
        **fields,
    )


def read_redirect(query: Mapping[str, str]) -> Code | Refused:
    """What the browser brought back, after its `state` was found alive (RFC 6749, section 4.1.2).

    Args:
        query: the redirect's parameters, each once.
    """
    if "error" in query:
        return Refused(query["error"], query.get("error_description", ""))
    code = query.get("code", "")
    return Code(code) if code else Refused("missing_code", "")


def read_tokens(body: bytes) -> TokenSet:
    """A 200 of the token endpoint.

    Args:
        body: the answer's body.

    Returns:
        The tokens; org and user are taken from the `id` address alone.

    Raises:
        BadAnswer: it is no JSON object, or lacks `access_token`, `instance_url` or a whole `id`.
    """
    document = _document(body)
    identity = _text(document, "id")
    org_id, user_id = _pinned(identity)
    access_token = _text(document, "access_token")
    instance_url = _text(document, "instance_url")
    if not access_token or not instance_url:
        raise BadAnswer("instance_url" if access_token else "access_token")
    return TokenSet(
        access_token=access_token,
        refresh_token=_text(document, "refresh_token") or None,
        token_type=_text(document, "token_type") or "Bearer",
        instance_url=instance_url,
        identity_url=identity,
        org_id=org_id,
        user_id=user_id,
        scopes=tuple(_text(document, "scope").split()),
    )


def read_lifetime(body: bytes) -> float | None:
    """Seconds from issue to end, as introspection tells (`exp` less `iat`).

    Both times are the server's, so that a wrong clock of ours does not matter.

    Args:
        body: the answer's body.

    Returns:
        The lifetime, or None where the answer does not say.
    """
    try:
        document = _document(body)
    except BadAnswer:
        return None
    ends, begins = document.get("exp"), document.get("iat")
    if document.get("active") is not True or not isinstance(ends, int) or not isinstance(begins, int):
        return None
    return float(ends - begins) if ends > begins else None


def _document(body: bytes) -> dict[str, object]:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer("JSON") from None
    if not isinstance(value, dict):
        raise BadAnswer("JSON object")
    return cast("dict[str, object]", value)


def _pinned(identity: str) -> tuple[str, str]:
    """Org and user of an identity address, `https://HOST/id/ORG/USER`."""
    parts = urlsplit(identity).path.split("/")
    org_id, user_id = (to18(parts[-2]), to18(parts[-1])) if len(parts) > 1 else (None, None)
    if org_id is None or user_id is None or not (org_id.startswith("00D") and user_id.startswith("005")):
        raise BadAnswer("id")
    return org_id, user_id


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""

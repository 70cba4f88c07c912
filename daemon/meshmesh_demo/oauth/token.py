"""`POST /services/oauth2/token`: codes, refresh tokens and client credentials for access tokens."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from meshmesh_demo import users
from meshmesh_demo.oauth.approvals import Issued
from meshmesh_demo.oauth.apps import App
from meshmesh_demo.oauth.authorize import texts
from meshmesh_demo.oauth.errors import OAuthError
from meshmesh_demo.oauth.secrets import signature
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.users import User

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The app that asks, and the secret that it proved itself with."""

    app: App
    secret: str | None


async def token(request: web.Request) -> web.StreamResponse:
    """Answer a token request."""
    org = request.app[ORG]
    try:
        form = await texts(request)
        issued, client = await _grant(org, form, request.headers.get("Authorization", ""))
    except OAuthError as error:
        return web.json_response(error.body(), status=400, headers=NO_STORE)
    return web.json_response(_document(org, issued, client), headers=NO_STORE)


async def _grant(org: Org, form: Mapping[str, str], authorization: str) -> tuple[Issued, Client]:
    kind = form.get("grant_type")
    match kind:
        case "authorization_code":
            client = authenticate(org, form, authorization, needs_secret=lambda app: app.secret_for_code)
            _may_be_used(client.app)
            issued = await _redeem(org, form, client)
        case "refresh_token":
            client = authenticate(org, form, authorization, needs_secret=lambda app: app.secret_for_refresh)
            issued = await _refresh(org, form, client)
        case "client_credentials":
            client = authenticate(org, form, authorization, needs_secret=lambda _app: True)
            _may_be_used(client.app)
            issued = await org.grants.client_credentials(client.app, _run_as(org, client.app).id)
        case _:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
    return issued, client


async def _redeem(org: Org, form: Mapping[str, str], client: Client) -> Issued:
    if not form.get("code"):
        raise OAuthError("invalid_grant", "invalid authorization code")
    if not form.get("redirect_uri"):
        raise OAuthError("redirect_uri_missing", "redirect_uri must match configuration")
    user_id = await org.grants.user_of_code(form["code"])
    if user_id is not None:
        _may_go_on(client.app, users.by_id(org.store, user_id))
    verifier = form.get("code_verifier")
    return await org.grants.redeem(form["code"], app=client.app, redirect_uri=form["redirect_uri"], verifier=verifier)


async def _refresh(org: Org, form: Mapping[str, str], client: Client) -> Issued:
    given = form.get("refresh_token", "")
    held = await org.grants.find(given)
    if held is not None and held.is_refresh:
        if client.app.blocked:
            raise OAuthError("app_blocked", "this app is blocked by admin")
        _may_go_on(client.app, users.by_id(org.store, held.grant.user_id))
    return await org.grants.refresh(given, app=client.app)


def authenticate(
    org: Org, form: Mapping[str, str], authorization: str, *, needs_secret: Callable[[App], bool]
) -> Client:
    """Which app asks, and whether it proves it. A header is not read where the body names the client.

    Raises:
        OAuthError: invalid_client_id or invalid_client.
    """
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if client_id is None and authorization.startswith("Basic "):
        client_id, secret = _basic(authorization)
    app = org.apps.get(client_id or "")
    if (secret and not app.proves(secret)) or (not secret and needs_secret(app)):
        raise OAuthError("invalid_client", "invalid client credentials")
    return Client(app=app, secret=secret or None)


def _basic(authorization: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError("invalid_client", "invalid client credentials") from None
    client_id, _, secret = text.partition(":")
    return client_id, secret


def _may_be_used(app: App) -> None:
    if app.blocked:
        raise OAuthError("app_blocked", "this app is blocked by admin")
    if not app.installed:
        raise OAuthError("invalid_client", "app must be installed into org")


def _may_go_on(app: App, user: User) -> None:
    if not user.is_active:
        raise OAuthError("invalid_grant", "inactive user")
    if app.ip_restricted:
        raise OAuthError("invalid_grant", "ip restricted")
    if app.permitted_users is not None and user.username not in app.permitted_users:
        raise OAuthError("invalid_app_access", "user is not admin approved to access this app")


def _run_as(org: Org, app: App) -> User:
    if not app.client_credentials:
        raise OAuthError("invalid_grant", "client credentials flow not enabled")
    user = users.by_name(org.store, app.run_as) if app.run_as else None
    if user is None:
        raise OAuthError("invalid_grant", "no client credentials user enabled")
    _may_go_on(app, user)
    return user


def identity_url(org: Org, user_id: str) -> str:
    """The address that says who a user is."""
    return f"{org.origin}/id/{org.store.org_id}/{user_id}"


def _document(org: Org, issued: Issued, client: Client) -> dict[str, str]:
    identity = identity_url(org, issued.grant.user_id)
    issued_at = str(int(issued.issued_at.timestamp() * 1000))
    document = {"access_token": issued.access_token}
    if issued.refresh_token:
        document["refresh_token"] = issued.refresh_token
    if client.secret:  # the key of the signature; it is known here only while the app shows it
        document["signature"] = signature(client.secret, identity, issued_at)
    return document | {
        "scope": issued.grant.scope,
        "instance_url": org.origin,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }

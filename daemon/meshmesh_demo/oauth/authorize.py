"""`/services/oauth2/authorize` and the pages behind it: who are you, do you allow it, back to the app.

Until client and redirect address are known to belong together, an error stays on a page of this org; from then on it
goes to the app (RFC 6749, 4.1.2.1). The app's own policies are looked at once the user is known.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from aiohttp import web

from meshmesh_demo import users
from meshmesh_demo.oauth import pages
from meshmesh_demo.oauth.approvals import Approval
from meshmesh_demo.oauth.apps import OFFLINE, App
from meshmesh_demo.oauth.errors import OAuthError
from meshmesh_demo.oauth.visits import SESSION_SECONDS, Pending
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.users import User

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


async def authorize(request: web.Request) -> web.StreamResponse:
    """`GET` or `POST /services/oauth2/authorize`."""
    org = request.app[ORG]
    asked = dict(request.query) | (await texts(request) if request.method == "POST" else {})
    try:
        app = org.apps.get(asked.get("client_id", ""))
        redirect_uri = _trusted(app, asked)
    except OAuthError as error:
        return _error_page(error)
    try:
        pending = _pending(app, redirect_uri, asked)
    except OAuthError as error:
        return _back(redirect_uri, error.body(), asked.get("state"))
    user = _signed_in(request, org)
    prompts = asked.get("prompt", "").split()
    if asked.get("immediate") == "true":
        if user is None or not await org.grants.has_approved(app, user.id, pending.scope):
            refusal = OAuthError("immediate_unsuccessful", "immediate unsuccessful")
            return _back(redirect_uri, refusal.body(), pending.state)
        return await _finish(org, pending, user)
    key = org.visits.pending.put(pending)
    if user is None or {"login", "select_account"} & set(prompts):
        return _login_page(org, key, pending)
    return await _go_on(org, key, org.visits.sign_in(key, pending, user.id), user)


async def log_in(request: web.Request) -> web.StreamResponse:
    """`POST /login`: somebody said who they are."""
    org = request.app[ORG]
    form = await texts(request)
    key = form.get("request", "")
    pending = org.visits.pending.get(key)
    if pending is None:
        return _gone()
    user = users.by_name(org.store, form.get("user", ""))
    if user is None or not user.is_active:
        return _login_page(org, key, pending, "Please check your username. This user is not there or may not log in.")
    if user.has_expired_password:
        return _login_page(org, key, pending, "This user's password has expired and must be changed first.")
    answer = await _go_on(org, key, org.visits.sign_in(key, pending, user.id), user)
    remember(org, answer, user.id)
    return answer


async def consent_page(request: web.Request) -> web.StreamResponse:
    """`GET` the consent page: where a browser lands after it said who it is."""
    org = request.app[ORG]
    key = request.query.get("request", "")
    pending = org.visits.pending.get(key)
    if pending is None or pending.user_id is None:
        return _gone()
    user = users.by_id(org.store, pending.user_id)
    return pages.consent(key, pending.app, user, pending.scope, goes_to=pending.redirect_uri)


async def decide(request: web.Request) -> web.StreamResponse:
    """`POST` of the consent page: Allow or Deny. A second press finds nothing to decide."""
    org = request.app[ORG]
    form = await texts(request)
    user = _signed_in(request, org)
    pending = org.visits.pending.take(form.get("request", ""))
    if pending is None or user is None or pending.user_id != user.id:
        return _gone()
    if form.get("decision") != "allow":
        error = OAuthError("access_denied", "end-user denied authorization")
        return _back(pending.redirect_uri, error.body(), pending.state)
    return await _finish(org, pending, user)


async def error_page(request: web.Request) -> web.StreamResponse:
    """`GET` the page that shows an OAuth error."""
    return pages.oauth_error(request.query.get("error", ""), request.query.get("error_description", ""))


async def style(_request: web.Request) -> web.StreamResponse:
    """`GET` the style sheet."""
    return pages.style()


async def texts(request: web.Request) -> dict[str, str]:
    """The text fields of a form; what is no form has none."""
    try:
        form = await request.post()
    except (LookupError, ValueError):
        return {}
    return {name: value for name, value in form.items() if isinstance(value, str)}


def cookie_name(org: Org) -> str:
    """The session's cookie; it carries the port, for cookies do not tell ports apart and several orgs may run."""
    return f"sid_{org.origin.rpartition(':')[2]}"


def remember(org: Org, answer: web.StreamResponse, user_id: str) -> None:
    """Let the browser stay signed in."""
    key = org.visits.sessions.put(user_id)
    answer.set_cookie(cookie_name(org), key, max_age=SESSION_SECONDS, httponly=True, samesite="Lax", path="/")


def _signed_in(request: web.Request, org: Org) -> User | None:
    user_id = org.visits.sessions.get(request.cookies.get(cookie_name(org), ""))
    user = users.by_id(org.store, user_id) if user_id else None
    return user if user and user.is_active and not user.has_expired_password else None


def _trusted(app: App, asked: Mapping[str, str]) -> str:
    address = asked.get("redirect_uri")
    if not address:
        raise OAuthError("redirect_uri_missing", "missing required parameter: redirect_uri")
    if not app.allows_callback(address):
        raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
    if not app.installed:
        raise OAuthError("invalid_client", "app must be installed into org")
    return address


def _pending(app: App, redirect_uri: str, asked: Mapping[str, str]) -> Pending:
    if asked.get("response_type") != "code" or not app.code_flow:
        raise OAuthError("unsupported_response_type", "response type not supported")
    scopes = asked.get("scope", "").split() or list(app.scopes)
    if not all(app.allows_scope(scope) for scope in scopes):
        raise OAuthError("invalid_scope", "the requested scope is not allowed")
    if set(scopes) <= OFFLINE:
        raise OAuthError("invalid_scope", "no valid scopes")
    return Pending(
        app=app,
        redirect_uri=redirect_uri,
        scope=" ".join(dict.fromkeys(scopes)),
        state=asked.get("state"),
        challenge=_challenge(app, asked),
        login_hint=asked.get("login_hint", ""),
        ask_consent="consent" in asked.get("prompt", "").split(),
    )


def _challenge(app: App, asked: Mapping[str, str]) -> str | None:
    challenge = asked.get("code_challenge")
    if challenge is None:
        if app.pkce_required:
            raise OAuthError("invalid_request", "missing required code challenge")
        return None
    if asked.get("code_challenge_method", "S256") != "S256":
        raise OAuthError("invalid_request", "invalid code challenge method")
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "invalid code challenge")
    return challenge


async def _go_on(org: Org, key: str, pending: Pending, user: User) -> web.StreamResponse:
    """The user is known: refuse by policy, ask for consent, or finish where it was given before."""
    refusal = _policy(pending.app, user)
    approved = await org.grants.has_approved(pending.app, user.id, pending.scope)
    if refusal is None and (pending.ask_consent or not approved):
        return _redirect(f"{pages.CONSENT_PATH}?{urlencode({'request': key})}")
    org.visits.pending.take(key)
    if refusal is not None:
        return _back(pending.redirect_uri, refusal.body(), pending.state)
    return await _finish(org, pending, user)


def _policy(app: App, user: User) -> OAuthError | None:
    if app.blocked:
        return OAuthError("OAUTH_APP_BLOCKED", "this app is blocked by admin")
    if app.permitted_users is not None and user.username not in app.permitted_users:
        return OAuthError("OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app")
    return None


async def _finish(org: Org, pending: Pending, user: User) -> web.StreamResponse:
    refusal = _policy(pending.app, user)
    if refusal is not None:
        return _back(pending.redirect_uri, refusal.body(), pending.state)
    approval = Approval(
        app=pending.app, user_id=user.id, scope=pending.scope, redirect_uri=pending.redirect_uri,
        challenge=pending.challenge,
    )  # fmt: skip
    return _back(pending.redirect_uri, {"code": await org.grants.new_code(approval)}, pending.state)


def _login_page(org: Org, key: str, pending: Pending, problem: str = "") -> web.StreamResponse:
    everybody = users.everybody(org.store)
    return pages.login(key, everybody, hint=pending.login_hint, problem=problem, goes_to=pending.redirect_uri)


def _gone() -> web.StreamResponse:
    return pages.notice("This page has expired", "Go back to the program and start to sign in again.", status=400)


def _error_page(error: OAuthError) -> web.StreamResponse:
    return _redirect(f"{pages.ERROR_PATH}?{urlencode(error.body())}")


def _back(redirect_uri: str, values: Mapping[str, str], state: str | None) -> web.StreamResponse:
    """To the app, with what it may know and its `state`."""
    told = dict(values) | ({} if state is None else {"state": state})
    query = urlencode(told, quote_via=quote, safe="")
    return _redirect(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}")


def _redirect(address: str) -> web.StreamResponse:
    headers = {"Location": address, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=302, headers=headers)

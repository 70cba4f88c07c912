"""OAuth's other endpoints: revoke, introspect, who a token stands for, and the door from a token to a browser."""

from collections.abc import Mapping
from urllib.parse import quote

from aiohttp import web

from meshmesh_demo import ids, users
from meshmesh_demo.oauth import pages
from meshmesh_demo.oauth.approvals import Held
from meshmesh_demo.oauth.apps import SCOPES
from meshmesh_demo.oauth.authorize import remember, texts
from meshmesh_demo.oauth.errors import OAuthError
from meshmesh_demo.oauth.token import NO_STORE, Client, authenticate, identity_url
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.users import User

FRONTDOOR_PATH = "/secur/frontdoor.jsp"
HOME_PATH = "/lightning/page/home"


class Refused(Exception):
    """A 403 of one word, as OAuth's resources write it.

    Args:
        text: the body.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def revoke(request: web.Request) -> web.StreamResponse:
    """`GET` or `POST /services/oauth2/revoke`; whoever has a token may end it."""
    org = request.app[ORG]
    given = dict(request.query) | (await texts(request) if request.method == "POST" else {})
    if not given.get("token"):
        error = OAuthError("unsupported_token_type", "this token type is not supported")
        return web.json_response(error.body(), status=400)
    if not await org.grants.revoke(given["token"]):
        return web.json_response(OAuthError("invalid_token", "invalid token").body(), status=400)
    return web.Response(status=200)


async def introspect(request: web.Request) -> web.StreamResponse:
    """`POST /services/oauth2/introspect`: what a token is worth. An app sees its own tokens only."""
    org = request.app[ORG]
    form = await texts(request)
    try:
        client = _introspector(org, form, request.headers.get("Authorization", ""))
    except OAuthError as error:
        return web.json_response(error.body(), status=400, headers=NO_STORE)
    held = await org.grants.find(form.get("token", ""))
    if held is None or held.grant.client_id != client.app.client_id:
        return web.json_response({"active": False}, headers=NO_STORE)
    user = users.by_id(org.store, held.grant.user_id)
    document: dict[str, object] = {
        "active": True, "scope": held.grant.scope, "client_id": client.app.client_id, "username": user.username,
        "sub": identity_url(org, user.id), "token_type": "refresh_token" if held.is_refresh else "access_token",
        "iat": int(held.issued_at), "nbf": int(held.issued_at),
    }  # fmt: skip
    if held.expires_at is not None:
        document["exp"] = int(held.expires_at)
    return web.json_response(document, headers=NO_STORE)


def _introspector(org: Org, form: Mapping[str, str], authorization: str) -> Client:
    client = authenticate(org, form, authorization, needs_secret=lambda app: app.secret_hash is not None)
    if not client.app.introspection:
        raise OAuthError("invalid_client", "client is not allowed to introspect tokens")
    return client


def shown_token(request: web.Request) -> str | None:
    """The access token of a request: `Bearer`, Salesforce's older `OAuth`, or the query's `oauth_token`."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() in {"bearer", "oauth"} and token.strip():
        return token.strip()
    return request.query.get("oauth_token")


async def held_token(org: Org, token: str | None) -> Held | None:
    """A living access token of an app that is not blocked."""
    held = await org.grants.find(token) if token else None
    if held is None or held.is_refresh or org.apps.get(held.grant.client_id).blocked:
        return None
    return held


async def _user(request: web.Request) -> tuple[User, Held]:
    org = request.app[ORG]
    token = shown_token(request)
    held = await held_token(org, token)
    if held is None:
        text = "Bad_OAuth_Token" if token else "Missing_OAuth_Token"
        raise Refused(text)
    user = users.by_id(org.store, held.grant.user_id)
    if not user.is_active:
        raise Refused("Inactive")
    return user, held


async def userinfo(request: web.Request) -> web.StreamResponse:
    """`GET` or `POST /services/oauth2/userinfo`."""
    org = request.app[ORG]
    user, _ = await _user(request)
    record = user.record
    return web.json_response({
        "sub": identity_url(org, user.id), "user_id": user.id, "organization_id": org.store.org_id,
        "preferred_username": user.username, "nickname": record["Alias"], "name": record["Name"],
        "email": record["Email"], "email_verified": True, "given_name": record["FirstName"],
        "family_name": record["LastName"], "zoneinfo": record["TimeZoneSidKey"], "photos": _photos(org),
        "profile": f"{org.origin}/{user.id}", "picture": _photos(org)["picture"], "address": {}, "urls": _urls(org, user),
        "active": True, "user_type": "STANDARD", "language": "en_US", "locale": record["LocaleSidKey"], "utcOffset": 0,
        "updated_at": record["LastModifiedDate"], "is_app_installed": True,
    })  # fmt: skip


async def identity(request: web.Request) -> web.StreamResponse:
    """`GET /id/{org}/{user}`."""
    org = request.app[ORG]
    user, _ = await _user(request)
    _, org_id, user_id = request.path.strip("/").split("/")
    if ids.normal(org_id) != org.store.org_id:
        raise Refused("Wrong_Org")
    if ids.normal(user_id) != user.id:
        raise Refused("Bad_Id")
    record = user.record
    return web.json_response({
        "id": identity_url(org, user.id), "asserted_user": True, "user_id": user.id, "organization_id": org.store.org_id,
        "username": user.username, "nick_name": record["Alias"], "display_name": record["Name"],
        "email": record["Email"], "email_verified": True, "first_name": record["FirstName"],
        "last_name": record["LastName"], "timezone": record["TimeZoneSidKey"], "photos": _photos(org),
        "addr_street": None, "addr_city": None, "addr_state": None, "addr_country": None, "addr_zip": None,
        "mobile_phone": None, "mobile_phone_verified": False, "is_lightning_login_user": False,
        "status": {"created_date": None, "body": None}, "urls": _urls(org, user), "active": True,
        "user_type": "STANDARD", "language": "en_US", "locale": record["LocaleSidKey"], "utcOffset": 0,
        "last_modified_date": record["LastModifiedDate"], "is_app_installed": True,
    })  # fmt: skip


def _photos(org: Org) -> dict[str, str]:
    return {"picture": f"{org.origin}/profilephoto/005/F", "thumbnail": f"{org.origin}/profilephoto/005/T"}


def _urls(org: Org, user: User) -> dict[str, str]:
    rest = f"{org.origin}/services/data/v{{version}}/"
    soap = f"{org.origin}/services/Soap"
    return {
        "enterprise": f"{soap}/c/{{version}}/{org.store.org_id}", "metadata": f"{soap}/m/{{version}}/{org.store.org_id}",
        "partner": f"{soap}/u/{{version}}/{org.store.org_id}", "rest": rest, "sobjects": f"{rest}sobjects/",
        "search": f"{rest}search/", "query": f"{rest}query/", "recent": f"{rest}recent/",
        "tooling_soap": f"{soap}/T/{{version}}/{org.store.org_id}", "tooling_rest": f"{rest}tooling/",
        "profile": f"{org.origin}/{user.id}", "custom_domain": org.origin,
    }  # fmt: skip


async def single_access(request: web.Request) -> web.StreamResponse:
    """`GET` or `POST /services/oauth2/singleaccess`: an address that signs a browser in, once, within a minute."""
    org = request.app[ORG]
    user, held = await _user(request)
    if not {"web", "full"} & set(held.grant.scope.split()):
        raise Refused("Missing scope: web")
    given = dict(request.query) | (await texts(request) if request.method == "POST" else {})
    otp = org.visits.otps.put((user.id, _local(given.get("redirect_uri", ""))))
    return web.json_response(
        {"frontdoor_uri": f"{org.origin}{FRONTDOOR_PATH}?otp={quote(otp)}&cshc=demo"}, headers=NO_STORE
    )


async def frontdoor(request: web.Request) -> web.StreamResponse:
    """`GET /secur/frontdoor.jsp`: uses the one-time code up and signs the browser in."""
    org = request.app[ORG]
    found = org.visits.otps.take(request.query.get("otp", ""))
    if found is None:
        return pages.notice("This link was used or has expired", "Ask the program for a new one.", status=403)
    user_id, place = found
    answer = web.Response(status=302, headers={"Location": place, "Cache-Control": "no-store"})
    remember(org, answer, user_id)
    return answer


def _local(page: str) -> str:
    """A page of this org; anything that a browser could read as another host is the home page."""
    is_path = page.startswith("/") and not page.startswith(("//", "/\\")) and page.isprintable()
    return quote(page, safe="/?&=%#:.-_~") if is_path else HOME_PATH


async def configuration(request: web.Request) -> web.StreamResponse:
    """`GET /.well-known/openid-configuration`."""
    origin = request.app[ORG].origin
    oauth = f"{origin}/services/oauth2"
    return web.json_response({
        "issuer": origin, "authorization_endpoint": f"{oauth}/authorize", "token_endpoint": f"{oauth}/token",
        "revocation_endpoint": f"{oauth}/revoke", "userinfo_endpoint": f"{oauth}/userinfo",
        "introspection_endpoint": f"{oauth}/introspect", "jwks_uri": f"{origin}/id/keys",
        "scopes_supported": sorted(SCOPES), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "display_values_supported": ["page", "popup", "touch"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "none"],
        "code_challenge_methods_supported": ["S256"], "frontchannel_logout_supported": False,
    })  # fmt: skip


async def keys(_request: web.Request) -> web.StreamResponse:
    """`GET /id/keys`: this org signs no id tokens, so there is no key."""
    return web.json_response({"keys": []})


async def home(request: web.Request) -> web.StreamResponse:
    """The page that a browser sees at the org's address."""
    name = str(request.app[ORG].store.organization["Name"])
    return pages.notice(name, "This is a demo org on your own computer: sample data, no real customers.")

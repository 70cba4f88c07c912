"""The token endpoint of the demo org, and what tokens are worth: exchange, rotation, reuse, limits, revocation."""

import base64
import hashlib
import hmac
import re
from urllib.parse import urlsplit

import aiohttp
import pytest

from support.demo_org import ADA, CALLBACK, CHALLENGE, CLI, ECA, NORA, SECRET, VERIFIER, Json, Peer

EXPIRED = {"error": "invalid_grant", "error_description": "expired access/refresh token"}


async def redeem(peer: Peer, code: str, **changed: str) -> tuple[int, Json]:
    """A code exchange of the public app; an empty value leaves a parameter out."""
    form = {
        "grant_type": "authorization_code", "code": code, "client_id": CLI, "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | changed  # fmt: skip
    reply = await peer.ask_token(**{name: value for name, value in form.items() if value})
    return reply.status, reply.fields


async def test_an_answer_has_salesforces_shape(peer: Peer) -> None:
    """All values are texts, `issued_at` in milliseconds; there is no expires_in, and no signature without a secret."""
    given = await peer.sign_in()

    assert set(given) == {"access_token", "refresh_token", "scope", "instance_url", "id", "token_type", "issued_at"}
    assert all(isinstance(value, str) for value in given.values())
    assert re.fullmatch(r"(00D\w{12,15})![.\w]*", str(given["access_token"]))
    assert str(given["refresh_token"]).startswith("5Aep861")
    assert given["issued_at"] == str(int(peer.clock().timestamp() * 1000))
    assert given["instance_url"] == peer.origin
    assert re.fullmatch(rf"{peer.origin}/id/00D\w{{15}}/005\w{{15}}", str(given["id"]))


async def test_sf_may_send_no_method_and_a_long_verifier(peer: Peer) -> None:
    """PKCE is S256 by default, and a verifier longer than 128 characters is taken."""
    verifier = "v" * 171
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = (await peer.code(code_challenge=challenge))["code"]

    assert (await redeem(peer, code, code_verifier=verifier))[0] == 200


@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        ({"code": "nothing"}, "invalid_grant", "invalid authorization code"),
        ({"code": ""}, "invalid_grant", "invalid authorization code"),
        ({"client_id": "nobody"}, "invalid_client_id", "client identifier invalid"),
        ({"client_id": ECA, "client_secret": SECRET}, "invalid_grant", "invalid authorization code"),
        ({"client_secret": "wrong"}, "invalid_client", "invalid client credentials"),
        ({"redirect_uri": "http://localhost:1718/OauthRedirect"}, "redirect_uri_mismatch", "redirect_uri must match configuration"),
        ({"redirect_uri": ""}, "redirect_uri_missing", "redirect_uri must match configuration"),
        ({"code_verifier": ""}, "invalid_grant", "invalid code verifier"),
        ({"code_verifier": "w" * 43}, "invalid_grant", "invalid code verifier"),
        ({"grant_type": "password"}, "unsupported_grant_type", "grant type not supported"),
        ({"grant_type": ""}, "unsupported_grant_type", "grant type not supported"),
    ],
)  # fmt: skip
async def test_a_wrong_exchange_is_refused(peer: Peer, changed: dict[str, str], error: str, description: str) -> None:
    """Each mistake has Salesforce's code and sentence, and gives no grant."""
    code = (await peer.code(code_challenge=CHALLENGE))["code"]

    assert await redeem(peer, **{"code": code, **changed}) == (400, {"error": error, "error_description": description})
    assert await peer.families() == []


async def test_a_code_lives_a_quarter_of_an_hour(peer: Peer) -> None:
    """Later it is expired."""
    code = (await peer.code(code_challenge=CHALLENGE))["code"]
    peer.clock.advance(seconds=901)

    assert (await redeem(peer, code))[1]["error_description"] == "expired authorization code"


async def test_a_code_used_twice_kills_what_it_gave(peer: Peer) -> None:
    """The second exchange is refused, and the tokens of the first are dead."""
    code = (await peer.code(code_challenge=CHALLENGE))["code"]
    _, given = await redeem(peer, code)
    status, refused = await redeem(peer, code)

    assert (status, refused["error_description"]) == (400, "expired authorization code")
    assert (await peer.refresh(given["refresh_token"])).fields == EXPIRED
    assert [one["revoked_reason"] for one in await peer.families()] == ["code_reused"]


async def test_a_verifier_without_a_challenge_is_no_proof(peer: Peer) -> None:
    """A code that was asked for without PKCE is not exchanged with a verifier, so nobody can strip the challenge."""
    code = (await peer.code())["code"]

    assert (await redeem(peer, code))[1]["error_description"] == "invalid code verifier"


async def test_without_pkce_an_app_that_needs_none_works(peer: Peer) -> None:
    """PKCE unchecked: no challenge, no verifier, tokens."""
    code = (await peer.code())["code"]

    assert (await redeem(peer, code, code_verifier=""))[0] == 200


async def test_no_refresh_token_without_its_scope(peer: Peer) -> None:
    """Only refresh_token or offline_access gives one."""
    assert "refresh_token" not in await peer.sign_in(scope="api web")
    assert "refresh_token" in await peer.sign_in(scope="api offline_access")


async def test_rotation_makes_the_old_token_dead_at_once(peer: Peer) -> None:
    """Each refresh gives a new refresh token; one is current, the others are used."""
    first = await peer.sign_in()
    second = await peer.refresh(first["refresh_token"])
    third = await peer.refresh(second.fields["refresh_token"])

    assert (second.status, third.status) == (200, 200)
    assert len({first["refresh_token"], second.fields["refresh_token"], third.fields["refresh_token"]}) == 3
    assert [one["refresh_tokens"] for one in await peer.families()] == [{"current": 1, "used": 2}]


async def test_a_rotated_token_used_again_kills_the_family(peer: Peer) -> None:
    """Reuse is refused, and the current token and the session are dead too."""
    first = await peer.sign_in()
    second = await peer.refresh(first["refresh_token"])
    reused = await peer.refresh(first["refresh_token"])

    assert (reused.status, reused.fields) == (400, EXPIRED)
    assert (await peer.refresh(second.fields["refresh_token"])).fields == EXPIRED
    assert (await peer.rest("GET", "limits")).code == "INVALID_SESSION_ID"
    assert [one["revoked_reason"] for one in await peer.families()] == ["refresh_token_reused"]


async def test_without_rotation_a_refresh_token_stays(peer: Peer) -> None:
    """The same token refreshes again and again, and no answer repeats it."""
    await peer.lever("rotation", enabled=False)
    first = await peer.sign_in()
    answers = [await peer.refresh(first["refresh_token"]) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert not any("refresh_token" in answer.fields for answer in answers)


async def test_the_sixth_approval_revokes_the_oldest(peer: Peer) -> None:
    """Five sign-ins of one user with one app live side by side, not six; another user's are not counted."""
    given = [await peer.sign_in() for _ in range(5)]
    other = await peer.sign_in(NORA)
    alive = await peer.refresh(given[0]["refresh_token"])
    await peer.sign_in()

    assert (await peer.refresh(alive.fields["refresh_token"])).fields == EXPIRED
    assert (await peer.refresh(given[1]["refresh_token"])).status == 200
    assert (await peer.refresh(other["refresh_token"])).status == 200
    assert [one["revoked_reason"] for one in await peer.families()].count("approval_limit") == 1


@pytest.mark.parametrize(
    ("policy", "days", "description"),
    [
        ("zero", 0, None),
        ("specific_inactivity:30:DAYS", 31, "expired access/refresh token"),
        ("specific_lifetime:24:HOURS", 1, "token validity expired"),
    ],
)
async def test_a_refresh_policy_ends_a_grant(peer: Peer, policy: str, days: int, description: str | None) -> None:
    """`zero` gives no refresh token; idle time and lifetime end it, and used in time it goes on."""
    await peer.lever("app", client_id=CLI, refresh_policy=policy)
    first = await peer.sign_in()
    if description is None:
        assert "refresh_token" not in first
        return
    peer.clock.advance(hours=23)
    second = await peer.refresh(first["refresh_token"])
    peer.clock.advance(days=days)

    assert second.status == 200
    assert (await peer.refresh(second.fields["refresh_token"])).fields["error_description"] == description


async def test_a_session_ends_by_time(peer: Peer) -> None:
    """After the app's session time the access token is dead, and a refresh gives another."""
    await peer.lever("app", client_id=CLI, session_seconds=900)
    given = await peer.sign_in()
    peer.clock.advance(seconds=899)
    before = await peer.rest("GET", "limits")
    peer.clock.advance(seconds=1)
    after = await peer.rest("GET", "limits")

    assert (before.status, after.status, after.code) == (200, 401, "INVALID_SESSION_ID")
    assert (await peer.refresh(given["refresh_token"])).status == 200


@pytest.mark.parametrize(
    ("lever", "change", "told"),
    [
        ("user", {"username": ADA, "active": False}, ("invalid_grant", "inactive user")),
        ("user", {"username": ADA, "frozen": True}, ("invalid_grant", "inactive user")),
        ("app", {"client_id": CLI, "ip_restricted": True}, ("invalid_grant", "ip restricted")),
        ("app", {"client_id": CLI, "blocked": True}, ("app_blocked", "this app is blocked by admin")),
        (
            "app",
            {"client_id": CLI, "permitted_users": []},
            ("invalid_app_access", "user is not admin approved to access this app"),
        ),
        (
            "app",
            {"client_id": CLI, "secret": "s", "secret_for_refresh": True},
            ("invalid_client", "invalid client credentials"),
        ),
    ],
)
async def test_an_admin_ends_a_refresh(peer: Peer, lever: str, change: Json, told: tuple[str, str]) -> None:
    """What an admin can do shows at the next refresh, in Salesforce's words, and spends no token."""
    given = await peer.sign_in()
    await peer.lever(lever, **change)
    refused = await peer.refresh(given["refresh_token"])

    assert (refused.status, refused.fields) == (400, {"error": told[0], "error_description": told[1]})
    assert [one["refresh_tokens"] for one in await peer.families()] == [{"current": 1, "used": 0}]


def signed(given: Json) -> bool:
    """Whether the signature is that of the sample app's secret."""
    text = f"{given['id']}{given['issued_at']}".encode()
    return given["signature"] == base64.b64encode(hmac.digest(SECRET.encode(), text, "sha256")).decode()


async def test_client_credentials_act_as_the_run_as_user(peer: Peer) -> None:
    """By body or by Basic, the app gets a signed token of its user and no refresh token; one grant stands for all."""
    body = await peer.ask_token(grant_type="client_credentials", client_id=ECA, client_secret=SECRET)
    basic = await peer.call(
        "POST",
        "/services/oauth2/token",
        form={"grant_type": "client_credentials"},
        headers={"Authorization": aiohttp.encode_basic_auth(ECA, SECRET)},
    )
    peer.token = str(body.fields["access_token"])
    who = await peer.call("GET", "/services/oauth2/userinfo")

    assert (body.status, basic.status) == (200, 200)
    assert "refresh_token" not in body.fields
    assert signed(body.fields)
    assert who.fields["preferred_username"] == ADA
    assert len(await peer.families()) == 1


@pytest.mark.parametrize(
    ("change", "form", "error", "description"),
    [
        ({"run_as": None}, {}, "invalid_grant", "no client credentials user enabled"),
        ({"run_as": "ada@example.com"}, {}, "invalid_grant", "no client credentials user enabled"),
        ({"client_credentials": False}, {}, "invalid_grant", "client credentials flow not enabled"),
        ({}, {"client_secret": "wrong"}, "invalid_client", "invalid client credentials"),
        ({}, {"client_secret": ""}, "invalid_client", "invalid client credentials"),
        ({}, {"client_id": "nobody"}, "invalid_client_id", "client identifier invalid"),
        ({"blocked": True}, {}, "app_blocked", "this app is blocked by admin"),
        ({"installed": False}, {}, "invalid_client", "app must be installed into org"),
        ({"ip_restricted": True}, {}, "invalid_grant", "ip restricted"),
    ],
)
async def test_client_credentials_are_refused(
    peer: Peer, change: Json, form: dict[str, str], error: str, description: str
) -> None:
    """Each setting that is missing has its own sentence."""
    await peer.lever("app", client_id=ECA, **change)
    reply = await peer.ask_token(
        **({"grant_type": "client_credentials", "client_id": ECA, "client_secret": SECRET} | form)
    )

    assert (reply.status, reply.fields) == (400, {"error": error, "error_description": description})


async def test_introspection_tells_when_a_session_ends(peer: Peer) -> None:
    """`exp` of an access token is the end of its session; a refresh token has none; another app sees nothing."""
    given = await peer.sign_in()
    now = int(peer.clock().timestamp())

    async def look(token: object, **form: str) -> Json:
        asked = {"token": str(token), "client_id": CLI} | form
        return (
            await peer.call("POST", "/services/oauth2/introspect", form=asked, headers={"Authorization": "None"})
        ).fields

    access = await look(given["access_token"])
    assert (access["active"], access["iat"], access["nbf"], access["exp"]) == (True, now, now, now + 7200)
    assert (access["token_type"], access["username"], access["client_id"]) == ("access_token", ADA, CLI)
    refresh = await look(given["refresh_token"])
    assert (refresh["token_type"], "exp" in refresh) == ("refresh_token", False)
    assert await look(given["access_token"], client_id=ECA, client_secret=SECRET) == {"active": False}
    assert await look("made up") == {"active": False}
    assert (await look(given["access_token"], client_id=ECA))["error"] == "invalid_client"
    await peer.lever("app", client_id=CLI, introspection=False)
    assert (await look(given["access_token"]))["error"] == "invalid_client"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_revoking_a_refresh_token_ends_its_sessions(peer: Peer, method: str) -> None:
    """The grant and its access tokens are dead, and a second revoke finds nothing new."""
    given = await peer.sign_in()
    token = {"token": str(given["refresh_token"])}
    path = "/services/oauth2/revoke"
    reply = (
        await peer.call("GET", f"{path}?token={token['token']}")
        if method == "GET"
        else await peer.call("POST", path, form=token)
    )

    assert (reply.status, reply.text) == (200, "")
    assert (await peer.rest("GET", "limits")).status == 401
    assert (await peer.refresh(given["refresh_token"])).fields == EXPIRED


async def test_revoking_an_access_token_leaves_the_grant(peer: Peer) -> None:
    """Only that session ends."""
    given = await peer.sign_in()
    await peer.call("POST", "/services/oauth2/revoke", form={"token": str(given["access_token"])})

    assert (await peer.rest("GET", "limits")).status == 401
    assert (await peer.refresh(given["refresh_token"])).status == 200


@pytest.mark.parametrize(("form", "error"), [({"token": "made up"}, "invalid_token"), ({}, "unsupported_token_type")])
async def test_revoking_nothing_is_an_error(peer: Peer, form: dict[str, str], error: str) -> None:
    """400 with its code."""
    reply = await peer.call("POST", "/services/oauth2/revoke", form=form)

    assert (reply.status, reply.fields["error"]) == (400, error)


async def test_who_am_i(peer: Peer) -> None:
    """userinfo and the identity address name the same org and user; wrong tokens and addresses are plain 403s."""
    given = await peer.sign_in()
    path = urlsplit(str(given["id"])).path
    _, _, org_id, user_id = path.split("/")
    info = (await peer.call("GET", "/services/oauth2/userinfo")).fields
    who = (await peer.call("GET", f"{path}?format=json&oauth_token={given['access_token']}")).fields

    assert (info["organization_id"], info["user_id"], info["preferred_username"]) == (org_id, user_id, ADA)
    assert (who["organization_id"], who["user_id"], who["username"]) == (org_id, user_id, ADA)
    for address, text in (
        (path, "Missing_OAuth_Token"),
        (f"{path}?oauth_token=x", "Bad_OAuth_Token"),
        (f"/id/00D000000000062EAA/{user_id}?oauth_token={given['access_token']}", "Wrong_Org"),
        (f"/id/{org_id}/005000000000001?oauth_token={given['access_token']}", "Bad_Id"),
    ):
        refused = await peer.call("GET", address)
        assert (refused.status, refused.text) == (403, text)


async def test_a_token_opens_a_browser_once(peer: Peer) -> None:
    """singleaccess gives a link that signs in a browser one time, within a minute, to a page of this org only."""
    await peer.sign_in()
    path = "/services/oauth2/singleaccess?redirect_uri="
    links = [
        (await peer.call("GET", path + page)).fields["frontdoor_uri"] for page in ("/lightning/x", "//evil.example/")
    ]
    places = [urlsplit(str(link)) for link in links]
    peer.http.cookie_jar.clear()
    first = await peer.call("GET", f"{places[0].path}?{places[0].query}")
    again = await peer.call("GET", f"{places[0].path}?{places[0].query}")
    elsewhere = await peer.call("GET", f"{places[1].path}?{places[1].query}")

    assert (first.status, first.headers["Location"]) == (302, "/lightning/x")
    assert "HttpOnly" in first.headers["Set-Cookie"]
    assert again.status == 403
    assert elsewhere.headers["Location"] == "/lightning/page/home"


async def test_a_browser_needs_the_web_scope(peer: Peer) -> None:
    """Without `web` there is no link."""
    await peer.sign_in(scope="api refresh_token")

    assert (await peer.call("GET", "/services/oauth2/singleaccess")).status == 403


async def test_discovery_names_this_org(peer: Peer) -> None:
    """Every endpoint lies at the org's own origin."""
    document = (await peer.call("GET", "/.well-known/openid-configuration")).fields
    endpoints = [str(value) for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]

    assert document["issuer"] == peer.origin
    assert endpoints
    assert all(value.startswith(peer.origin) for value in endpoints)

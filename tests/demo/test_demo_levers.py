"""The demo org's levers: who may pull them, the troubles they make, and what tests can count."""

import asyncio

import aiohttp
import pytest

from support.demo_org import CLI, Json, Peer, objects


async def test_levers_need_their_key(peer: Peer) -> None:
    """No key, a wrong key or a user's token: 401, and nothing happens."""
    given = await peer.sign_in()
    for shown in ("", "Lever wrong", f"Bearer {given['access_token']}"):
        reply = await peer.call("POST", "/demo/revoke", {}, headers={"Authorization": shown})
        assert reply.status == 401
    assert (await peer.call("GET", "/demo/state")).status == 401
    assert (await peer.refresh(given["refresh_token"])).status == 200


@pytest.mark.parametrize(
    ("lever", "document"),
    [
        ("outage", {}), ("outage", {"kind": "flood", "seconds": 1}), ("outage", {"kind": "5xx", "seconds": "1"}),
        ("outage", {"kind": "5xx", "seconds": -1}), ("outage", {"kind": "5xx", "seconds": True}), ("rotation", {}),
        ("answer", {"where": "moon"}), ("answer", {"status": "x"}), ("answer", {"headers": []}), ("answer", {"after": 1}),
        ("app", {}), ("app", {"client_id": CLI, "colour": "red"}), ("app", {"client_id": CLI, "rotation": "yes"}),
        ("app", {"client_id": CLI, "scopes": [1]}), ("app", {"client_id": CLI, "refresh_policy": "sometimes"}),
        ("user", {"username": "nobody"}), ("user", {"username": "ada@meshmesh-demo.example.com", "tall": True}),
        ("org", {"colour": "red"}), ("org", {"hidden": ["User"]}), ("org", {"license": {"name": "x"}}),
    ],
)  # fmt: skip
async def test_a_lever_refuses_what_it_does_not_know(peer: Peer, lever: str, document: Json) -> None:
    """400 with a sentence."""
    reply = await peer.call("POST", f"/demo/{lever}", document, headers={"Authorization": f"Lever {peer.lever_key}"})

    assert reply.status == 400
    assert reply.fields["error"]


@pytest.mark.parametrize(("method", "path", "data", "status"), [
    ("POST", "/demo/nothing", b"{}", 404), ("GET", "/demo/revoke", None, 404), ("POST", "/demo/revoke", b"[", 400),
    ("POST", "/demo/revoke", b"[]", 400),
])  # fmt: skip
async def test_levers_that_are_none(peer: Peer, method: str, path: str, data: bytes | None, status: int) -> None:
    """Unknown levers and broken bodies."""
    reply = await peer.call(method, path, data=data, headers={"Authorization": f"Lever {peer.lever_key}"})

    assert reply.status == status


async def test_expire_session_leaves_refresh_tokens(peer: Peer) -> None:
    """Every session is over, every grant goes on."""
    given = await peer.sign_in()
    await peer.lever("expire-session")

    assert (await peer.rest("GET", "limits")).status == 401
    assert (await peer.refresh(given["refresh_token"])).status == 200


async def test_revoke_ends_every_grant(peer: Peer) -> None:
    """Sessions and refresh tokens are dead, and the state says why."""
    given = await peer.sign_in()
    await peer.lever("revoke")

    assert (await peer.rest("GET", "limits")).status == 401
    assert (await peer.refresh(given["refresh_token"])).fields["error_description"] == "expired access/refresh token"
    assert [one["revoked_reason"] for one in await peer.families()] == ["revoked_by_admin"]


async def test_an_outage_is_5xx_until_its_end(ada: Peer) -> None:
    """Everything but the levers fails, and mends itself."""
    await ada.lever("outage", kind="5xx", seconds=30)
    during = [
        (await ada.rest("GET", "limits")).status,
        (await ada.refresh("x")).status,
        (await ada.call("GET", "/")).status,
    ]
    ada.clock.advance(seconds=30)

    assert during == [503, 503, 503]
    assert (await ada.rest("GET", "limits")).status == 200


async def test_a_reset_cuts_the_connection(ada: Peer) -> None:
    """The caller sees a connection that broke."""
    await ada.lever("outage", kind="reset", seconds=30)

    with pytest.raises(aiohttp.ClientConnectionError):
        await ada.rest("GET", "limits")


async def test_a_hanging_org_answers_nobody(ada: Peer) -> None:
    """A request gets no answer while the outage is on; at its end the connection is cut."""
    await ada.lever("outage", kind="hang", seconds=30)
    request = asyncio.create_task(ada.rest("POST", "sobjects/Account", {"Name": "x"}))  # clients repeat a GET
    done, _ = await asyncio.wait([request], timeout=0.3)
    assert not done
    ada.clock.advance(seconds=30)

    with pytest.raises(aiohttp.ClientConnectionError):
        await request


@pytest.mark.parametrize(
    ("where", "hit"),
    [("token", ["token"]), ("rest", ["rest"]), ("oauth", ["token", "oauth"]), ("any", ["token", "oauth", "rest"])],
)
async def test_an_answer_is_played_where_it_was_asked(ada: Peer, where: str, hit: list[str]) -> None:
    """Only requests of that place get the made-up answer, as often as asked."""
    await ada.lever(
        "answer", where=where, status=429, headers={"Retry-After": "7"}, body={"error": "slow"}, times=len(hit)
    )
    replies = {
        "token": await ada.refresh("x"),
        "oauth": await ada.call("GET", "/services/oauth2/userinfo"),
        "rest": await ada.rest("GET", "limits"),
    }

    assert [name for name, reply in replies.items() if reply.status == 429] == hit
    assert all(replies[name].headers["Retry-After"] == "7" for name in hit)
    assert (await ada.rest("GET", "limits")).status == 200


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, "<html>Welcome to the hotel</html>"),
        (302, {"Location": "http://portal.example/"}, ""),
        (511, {}, "<html>Log in to the network</html>"),
        (407, {"Proxy-Authenticate": "Basic"}, ""),
        (420, {}, [{"errorCode": "x", "message": "y"}]),
        (400, {}, {"error": "invalid_grant", "error_description": "token request is already being processed"}),
    ],
)
async def test_any_answer_can_be_played(ada: Peer, status: int, headers: dict[str, str], body: object) -> None:
    """Captive portals, proxies, gone orgs, races: the answer comes as it was written, and then it is over."""
    await ada.lever("answer", where="token", status=status, headers=headers, body=body)
    reply = await ada.refresh("x")

    assert reply.status == status
    assert reply.text == body if isinstance(body, str) else reply.json == body
    assert headers.items() <= dict(reply.headers).items()
    assert (await ada.refresh("x")).fields["error_description"] == "expired access/refresh token"


async def test_an_answer_can_break_off(ada: Peer) -> None:
    """A truncated body promises more than it gives."""
    await ada.lever("answer", where="rest", status=200, body='{"records": [', truncate=True)

    with pytest.raises(aiohttp.ClientPayloadError):
        await ada.rest("GET", "limits")


@pytest.mark.parametrize("status", [0, 500])
async def test_a_rotated_token_can_get_lost_on_its_way(ada: Peer, status: int) -> None:
    """Played after the real work, the answer is lost though the token was rotated: the old one is a reuse."""
    given = await ada.sign_in()
    await ada.lever("answer", where="token", status=status, after="after")
    if status:
        assert (await ada.refresh(given["refresh_token"])).status == 500
    else:
        with pytest.raises(aiohttp.ClientConnectionError):
            await ada.refresh(given["refresh_token"])

    assert [one["refresh_tokens"] for one in await ada.families()][-1] == {"current": 1, "used": 1}
    assert (await ada.refresh(given["refresh_token"])).status == 400
    assert (await ada.families())[-1]["revoked_reason"] == "refresh_token_reused"


async def test_played_before_nothing_is_carried_out(ada: Peer) -> None:
    """In place of the real answer, the token stays good."""
    given = await ada.sign_in()
    await ada.lever("answer", where="token", status=503)
    assert (await ada.refresh(given["refresh_token"])).status == 503

    assert (await ada.refresh(given["refresh_token"])).status == 200


async def test_reset_brings_the_data_back_and_keeps_the_grants(ada: Peer) -> None:
    """Records and counts are as at first; outages are over; sessions and the org's id stay."""
    before = await ada.records("SELECT FIELDS(ALL) FROM Account ORDER BY Id LIMIT 200")
    await ada.rest("DELETE", f"sobjects/Account/{before[0]['Id']}")
    await ada.rest("POST", "sobjects/Account", {"Name": "x"})
    await ada.lever("outage", kind="5xx", seconds=999)
    await ada.lever("reset")

    assert await ada.records("SELECT FIELDS(ALL) FROM Account ORDER BY Id LIMIT 200") == before
    assert (await ada.state())["writes"] == 0
    assert (await ada.call("GET", "/services/oauth2/userinfo")).status == 200


async def test_the_data_is_a_whole_small_business(ada: Peer) -> None:
    """Enough of everything to look at, dated around the first start."""
    wanted = {
        "Account": 60, "Contact": 200, "Opportunity": 120, "Lead": 80, "Case": 60, "User": 3, "Profile": 3,
        "UserLicense": 1, "PermissionSet": 1, "Product2": 3, "Campaign": 3,
    }  # fmt: skip
    for name, number in wanted.items():
        assert (await ada.query(f"SELECT COUNT() FROM {name}")).fields["totalSize"] == number
    assert await ada.records("SELECT Id FROM Opportunity WHERE CloseDate > TODAY LIMIT 1")
    assert await ada.records("SELECT Id FROM Account WHERE CreatedDate < LAST_N_DAYS:30 LIMIT 1")


async def test_the_state_counts_and_holds_no_token(peer: Peer) -> None:
    """Requests by kind, families, sessions; no token or secret is in it."""
    given = await peer.sign_in()
    await peer.refresh(given["refresh_token"])
    await peer.refresh("made up")
    state = await peer.state()

    assert state["token_requests"] == {"authorization_code": 1, "refresh_token": 2}
    assert state["access_tokens_live"] == 2
    assert objects(state["grants"])[0]["state"] == "live"
    assert not [value for value in given.values() if len(str(value)) > 60 and str(value) in str(state)]

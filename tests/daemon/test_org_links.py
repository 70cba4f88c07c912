"""A link for the owner's browser: who may have one, and what is tried for it."""

from dataclasses import replace

import pytest

from meshmesh_daemon.adapters.salesforce import HttpAnswer, Lost
from meshmesh_daemon.core.frontdoor import SINGLE_ACCESS_PATH
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.org_links import OrgLinks, check_scope
from meshmesh_storage.records import Connection, Kind
from support.clock import START
from support.floor import ACME, Floor
from support.outside import INSTANCE, Answer, json_answer, oauth_error, page, tokens

LINK = f"{INSTANCE}/secur/frontdoor.jsp?otp=abc"
GIVEN = json_answer({"frontdoor_uri": LINK})
ENDED = HttpAnswer(status=403, content_type="text/plain", headers={}, body=b"Bad_OAuth_Token")


@pytest.fixture
def links(floor: Floor) -> OrgLinks:
    """Links on the floor."""
    return OrgLinks(connections=floor.connections, outside=floor.outside, clock=floor.clock)


def asked_with(floor: Floor) -> list[str]:
    """The tokens that links were asked for with."""
    return [form["access_token"] for path, form in floor.outside.asked if path == SINGLE_ACCESS_PATH]


async def test_a_link_lives_a_minute(floor: Floor, links: OrgLinks) -> None:
    """It comes with its end, asked for with the session that is kept, and `repr` shows none of it."""
    floor.outside.others[SINGLE_ACCESS_PATH] = GIVEN
    link = await links.make(ACME, who="terminal")

    assert link.url == LINK
    assert (link.expires_at - START).total_seconds() == 60
    assert asked_with(floor) == ["00Dx!first"]
    assert "abc" not in repr(link)


async def test_a_session_that_has_ended_is_renewed_once(floor: Floor, links: OrgLinks) -> None:
    """Salesforce says 403 where REST would say 401: another session, one more try, and then the refusal."""
    floor.outside.others[SINGLE_ACCESS_PATH] = ENDED
    floor.outside.token_answers = [tokens("00Dx!second")]
    with pytest.raises(Problem) as refused:
        await links.make(ACME, who="terminal")

    assert asked_with(floor) == ["00Dx!first", "00Dx!second"]
    assert (refused.value.status, refused.value.code) == (502, "salesforce_answer")


async def test_a_dead_connection_asks_for_its_person(floor: Floor, links: OrgLinks) -> None:
    """Where no other session can be had it is the sign-in that is refused, as for a token."""
    floor.outside.others[SINGLE_ACCESS_PATH] = ENDED
    floor.outside.token_answers = [oauth_error("invalid_grant", "expired access/refresh token")]
    with pytest.raises(Problem) as refused:
        await links.make(ACME, who="terminal")

    assert (refused.value.status, refused.value.code) == (409, "reconnect_required")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Lost("reset", sent=True), 503),
        (page(), 502),
        (page(500), 502),
        (json_answer({"frontdoor_uri": "https://evil.example.com/"}), 502),
    ],
)
async def test_trouble_is_told(floor: Floor, links: OrgLinks, answer: Answer, status: int) -> None:
    """No answer is trouble; a page, or a link to elsewhere, is no link."""
    floor.outside.others[SINGLE_ACCESS_PATH] = answer
    with pytest.raises(Problem) as refused:
        await links.make(ACME, who="terminal")

    assert refused.value.status == status


@pytest.mark.parametrize("scopes", [("api", "refresh_token", "web"), ("full", "refresh_token")])
def test_the_scope_may_come_in_a_wider_one(scopes: tuple[str, ...]) -> None:
    """`full` holds `web`."""
    check_scope(replace(ACME, scopes=scopes))


@pytest.mark.parametrize(
    ("connection", "command"),
    [
        (ACME, f"meshmesh connect acme-web --domain {INSTANCE} --scope api --scope refresh_token --scope web"),
        (
            replace(ACME, name="demo", kind=Kind.DEMO),
            "meshmesh connect demo-web --demo --scope api --scope refresh_token --scope web",
        ),
    ],
)
def test_without_the_scope_the_way_to_it_is_said(connection: Connection, command: str) -> None:
    """The command makes a second connection that has it; the first stays as narrow as it is."""
    with pytest.raises(Problem) as refused:
        check_scope(connection)

    assert (refused.value.status, refused.value.code) == (403, "scope_missing")
    assert refused.value.next_step is not None
    assert refused.value.next_step.command == command

"""The definite half of the fault table: what Salesforce says in so many words.

It is told to callers and to the person as it is, callers do not make us ask again, it survives a restart, and the step
that it names mends it, under the same name and with the same grants.
"""

import re
from dataclasses import dataclass

import pytest

from support.peer import Client, Json, Peer, connect, peer, view
from support.refusals import REFUSALS, connect_for, meet, mend
from support.service import Answer, StartService, start
from support.troubles import slug


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What callers met, how many requests their further calls made at the org, and how the connection was shown."""

    api: Answer
    broker: Answer
    asked_again: int
    view: Json


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What they met when the cause was gone and the step was taken."""

    api: Answer
    broker: Answer
    view: Json


@dataclass(frozen=True, kw_only=True)
class Told:
    """One refusal from its beginning to its end."""

    refused: Refused
    restarted: Json
    mended: Mended


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Make each refusal on a connection of its own, restart the service, then do what each one names."""
    home = tmp_path_factory.mktemp("home")
    with peer(tmp_path_factory.mktemp("org")) as org:
        service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
        try:
            for row in REFUSALS:
                connect_for(service, org, row)
            client = Client.pair(service, *map(slug, REFUSALS))
            dead = {row: client.held(slug(row)) for row in REFUSALS}
            refused = {row: _refused(client, org, row, dead[row]) for row in REFUSALS}
            service.stop()
            service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
            client = Client(service=service, token=client.token)
            restarted = {row: view(service, slug(row)) for row in REFUSALS}
            mended = {row: _mended(client, row) for row in REFUSALS}
        finally:
            service.stop()
    return {row: Told(refused=refused[row], restarted=restarted[row], mended=mended[row]) for row in REFUSALS}


def _refused(client: Client, org: Peer, row: str, dead: str) -> Refused:
    case, name = REFUSALS[row], slug(row)
    api, broker = meet(client, org, row, dead)
    before = org.state()
    for _ in range(3):
        client.ask(name)
        client.rest(name)
    asked = org.state().requests - before.requests
    case.undo(org, name)
    return Refused(api=api, broker=broker, asked_again=asked, view=view(client.service, name))


def _mended(client: Client, row: str) -> Mended:
    mend(client.service, row)
    api, broker = client.ask(slug(row)), client.rest(slug(row))
    return Mended(api=api, broker=broker, view=view(client.service, slug(row)))


@pytest.mark.parametrize("row", REFUSALS)
def test_a_refusal_is_told_as_it_is(told: dict[str, Told], row: str) -> None:
    """409 with the reason at the API, 403 with name and command under /o/, and status, reason, sentence, next step."""
    case, seen, verb = REFUSALS[row], told[row].refused, "test" if REFUSALS[row].status == "blocked" else "reconnect"
    command = f"meshmesh {verb} {slug(row)}"

    assert (seen.api.status, seen.api.json()["code"]) == (409, "reconnect_required"), seen.api.body
    assert seen.api.json()["reason"] == case.reason
    assert seen.api.json()["next"]["command"] == command
    assert (seen.broker.status, seen.broker.json()[0]["errorCode"]) == (403, "MESHMESH_RECONNECT_REQUIRED")
    assert re.search(rf"meshmesh (test|doctor|reconnect) {slug(row)}", seen.broker.json()[0]["message"])
    assert (seen.view["status"], seen.view["reason"]) == (case.status, case.reason)
    assert seen.view["detail"]
    assert seen.view["next"]["command"] == command  # type: ignore[index]


@pytest.mark.parametrize("row", REFUSALS)
def test_callers_do_not_ask_again_for_what_was_refused(told: dict[str, Told], row: str) -> None:
    """Six more calls make no request at the org."""
    assert told[row].refused.asked_again == 0


@pytest.mark.parametrize("row", REFUSALS)
def test_a_refusal_survives_a_restart(told: dict[str, Told], row: str) -> None:
    """Status, reason and sentence are on disk."""
    kept = ("status", "reason", "detail")

    assert [told[row].restarted[name] for name in kept] == [told[row].refused.view[name] for name in kept]


@pytest.mark.parametrize("row", REFUSALS)
def test_the_step_that_is_named_mends_it(told: dict[str, Told], row: str) -> None:
    """Once the cause is gone, `test` or Reconnect brings back the connection under its name, with its grants."""
    seen = told[row].mended

    assert (seen.api.status, seen.broker.status) == (200, 200), (seen.api.body, seen.broker.body)
    assert (seen.view["status"], seen.view["reason"]) == ("connected", None)


def test_a_sixth_sign_in_pushes_out_the_first(
    tmp_path_factory: pytest.TempPathFactory, start_service: StartService
) -> None:
    """Salesforce keeps five sign-ins of a user and app; the one that was pushed out says so, the others live on."""
    names = [f"copy-{number}" for number in range(6)]
    with peer(tmp_path_factory.mktemp("org")) as org:
        service = start_service(MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
        for name in names:
            connect(service, name, org.origin)
        client = Client.pair(service, *names)
        dead = {name: client.held(name) for name in names}
        org.lever("expire-session")
        answers = [client.reject(name, dead[name]) for name in names]

    assert [answer.status for answer in answers] == [409, 200, 200, 200, 200, 200]
    assert answers[0].json()["reason"] == "sign_in_limit"

"""`meshmesh import-sf`: sf's orgs are read from its files without a token, and each signs in afresh."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from meshmesh.cli import sf_orgs
from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

TOKEN = "8f1c0d3e5a7b" * 8
TODAY = date(2026, 11, 25)


def auth_file(home: Path, username: str, **members: object) -> None:
    """An auth file as sf writes it."""
    document = {
        "accessToken": TOKEN,
        "refreshToken": TOKEN,
        "clientId": "PlatformCLI",
        "loginUrl": "https://login.salesforce.com",
        "instanceUrl": "https://acme.my.salesforce.com",
        "orgId": "00D000000000001EAA",
        "username": username,
    }
    (home / ".sfdx" / f"{username}.json").write_text(json.dumps(document | members))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home where sf knows four orgs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".sfdx").mkdir()
    auth_file(tmp_path, "ada@acme.example")
    auth_file(
        tmp_path,
        "ada@acme.example.uat",
        instanceUrl="https://acme--uat.sandbox.my.salesforce.com",
        loginUrl="https://test.salesforce.com",
        isSandbox=True,
        orgId="00D000000000002EAA",
    )
    auth_file(tmp_path, "old@na.example", instanceUrl="https://na123.salesforce.com", orgId="00D000000000003EAA")
    auth_file(
        tmp_path, "test-x@scratch.example", isScratch=True, expirationDate="2026-01-01", orgId="00D000000000004EAA"
    )
    (tmp_path / ".sfdx" / "alias.json").write_text(json.dumps({"orgs": {"Acme UAT": "ada@acme.example.uat", "n": 3}}))
    (tmp_path / ".sfdx" / "00D000000000001EAA.json").write_text('{"usernames": ["ada@acme.example"]}')
    (tmp_path / ".sfdx" / "broken@acme.example.json").write_text("{")
    (tmp_path / ".sfdx" / "list@acme.example.json").write_text("[]")
    return tmp_path


@pytest.fixture
def service(far_end: FarEnd, home: Path) -> FarEnd:
    """A service that has one of them, and signs in to the rest."""
    had = {"name": "acme", "org_id": "00D000000000001AAA", "username": "ADA@acme.example"}
    far_end.on("GET /v1/connections", reply(200, {"connections": [had], "next": None}))
    done = {"sign_in": {"id": "s1", "status": "done", "authorize_url": "https://x.example/a", "connection": "acme-uat"}}
    far_end.on("POST /v1/connections", reply(202, done))
    made = {"name": "acme-uat", "org_name": "Acme UAT", "kind": "sandbox", "username": "ada@acme.example.uat"}
    far_end.on("GET /v1/connections/acme-uat", reply(200, made))
    return far_end


def test_nothing_that_opens_anything_is_read(home: Path) -> None:
    """What is kept of a file has no token in it, whatever is done with it."""
    known = sf_orgs.read(home, TODAY)

    assert [org.username for org in known] == [
        "ada@acme.example",
        "ada@acme.example.uat",
        "old@na.example",
        "test-x@scratch.example",
    ]
    assert TOKEN not in repr(known)


@pytest.mark.parametrize(
    ("username", "name", "wish"),
    [
        ("ada@acme.example", "acme", {"environment": "custom", "domain": "acme.my.salesforce.com"}),
        (
            "ada@acme.example.uat",
            "acme-uat",
            {"environment": "custom", "domain": "acme--uat.sandbox.my.salesforce.com"},
        ),
        ("old@na.example", "na", {"environment": "production"}),
    ],
)
def test_each_signs_in_where_it_lives(home: Path, username: str, name: str, wish: dict[str, str]) -> None:
    """At its My Domain under its alias; an old instance's host is none, so that the generic door is taken."""
    org = next(org for org in sf_orgs.read(home, TODAY) if org.username == username)

    assert (org.name, org.wish) == (name, wish)


def test_they_are_listed(service: FarEnd, cli: Cli) -> None:
    """With what is connected already and what has expired; where nobody can be asked, that is all."""
    ran = cli("import-sf")

    assert ran.code == 0
    assert "connected: acme" in ran.out
    assert "expired" in ran.out
    assert TOKEN not in ran.out + ran.err
    assert service.calls() == ["GET /v1/connections"]


def test_as_json(service: FarEnd, cli: Cli) -> None:
    """One object with the list; no token, no client."""
    document: Any = json.loads(cli("import-sf", "--json").out)

    assert document["orgs"][1] == {
        "username": "ada@acme.example.uat",
        "alias": "Acme UAT",
        "kind": "sandbox",
        "domain": "acme--uat.sandbox.my.salesforce.com",
        "expired": False,
        "connection": None,
    }


@pytest.mark.parametrize("word", ["Acme UAT", "ada@acme.example.uat", "2"])
def test_a_chosen_one_signs_in_afresh(service: FarEnd, cli: Cli, word: str) -> None:
    """By alias, username or number: the request holds where and under which name, and nothing of sf's."""
    ran = cli("import-sf", word)
    asked = next(one for one in service.asked if one.method == "POST")

    assert ran.code == 0
    assert asked.json == {
        "name": "acme-uat",
        "environment": "custom",
        "domain": "acme--uat.sandbox.my.salesforce.com",
    }
    assert "sign in as ada@acme.example.uat" in ran.err
    assert "You're in: acme-uat" in ran.err


def test_all_means_those_that_are_open(service: FarEnd, cli: Cli) -> None:
    """Neither what is connected already nor what has expired."""
    cli("import-sf", "--all")
    names = [one.json["name"] for one in service.asked if one.method == "POST"]

    assert names == ["acme-uat", "na"]


def test_one_that_fails_does_not_keep_the_others(service: FarEnd, cli: Cli) -> None:
    """It is told, the rest goes on, and the exit code says that somebody is needed."""
    good = service.answers["POST /v1/connections"]
    service.on("POST /v1/connections", problem(409, "name_taken", "There is a connection 'acme-uat'."), *good)
    ran = cli("import-sf", "--all")

    assert ran.code == 77
    assert "name_taken" not in ran.err
    assert "There is a connection 'acme-uat'." in ran.err
    assert len([one for one in service.asked if one.method == "POST"]) == 2


def test_an_unknown_one_is_refused(service: FarEnd, cli: Cli) -> None:
    """Before anything is asked of anybody."""
    assert cli("import-sf", "nowhere").code == 64
    assert not [one for one in service.asked if one.method == "POST"]


def test_where_sf_is_not_used(far_end: FarEnd, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, with what to do instead."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ran = cli("import-sf")

    assert (ran.code, far_end.calls()) == (0, [])
    assert "sf knows no org here" in ran.err

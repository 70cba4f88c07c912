"""Killing `meshmeshd` in a sign-in, in the running of a plan, in a backup, in the replacing of the data key.

Each function kills once in a campaign, starts the service again, and judges: what the deed was about is there and works
(`KEPT`), or the service says that it is not (`TOLD`). Anything else is a `Loss`.
"""

import http.client
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from support.kills import NAME, Campaign, End, Loss, Phase
from support.peer import connect, reconnect, view, walk
from support.service import MESHMESHD, PIN, environment

ROOT = "/services/data/v66.0"
ITEMS = 6
APP = "signs-in-again"  # so that the sign-ins which are cut off push nobody else's out
PASSPHRASE = "a backup's passphrase"
SOONER, LATER = 0.6, 1.5  # what becomes of the time for kills after one that came too late, or in time
SETTLED_SECONDS = 30.0
_NEEDS_YOU, _TRIES_AGAIN = 409, 503
CUT_OFF = (OSError, http.client.HTTPException, IndexError, ValueError, AssertionError)


class Kind(StrEnum):
    """What the service was doing."""

    REFRESH = "refresh"
    SIGN_IN = "sign-in"
    PLAN = "plan"
    BACKUP = "backup"
    ROTATION = "rotation"


def kill_in(kind: Kind, campaign: Campaign) -> tuple[str, End]:
    """Kill once, while such a deed is under way.

    Returns:
        When it was killed, and what became of it.

    Raises:
        Loss: see the modules.
    """
    if kind is Kind.REFRESH:
        phase = campaign.chance.choice(list(Phase))
        return phase, campaign.round(phase)
    deed = {Kind.SIGN_IN: in_sign_in, Kind.PLAN: in_plan, Kind.BACKUP: in_backup, Kind.ROTATION: in_rotation}[kind]
    return f"any moment of a {kind}", deed(campaign)


def _cut_off(
    campaign: Campaign, kind: Kind, deed: Callable[[], object], *, begun: Callable[[], bool] = lambda: True
) -> None:
    """Begin a deed, and SIGKILL at any moment of it; how long it takes on this machine is found out by and by.

    Args:
        campaign: whose service is killed.
        kind: of the deed.
        deed: what is to be cut off.
        begun: whether it has come to what is of interest.
    """

    def begin() -> None:
        with suppress(*CUT_OFF):
            deed()

    doing = threading.Thread(target=begin)
    doing.start()
    campaign.service.eventually(lambda: begun() or not doing.is_alive(), seconds=SETTLED_SECONDS)
    longest = campaign.lasting.setdefault(kind, 0.2)
    time.sleep(campaign.chance.uniform(0, longest))
    campaign.lasting[kind] = longest * (LATER if doing.is_alive() else SOONER)
    campaign.service.kill()
    doing.join(60)


def in_sign_in(campaign: Campaign) -> End:
    """A browser is on its way through a sign-in: afterwards the connection is there and can refresh, or is not there.

    What is not there must not be said to be, and the same sign-in must work when it is begun again.
    """
    name, org, app = f"new-{campaign.chance.getrandbits(32):08x}", campaign.org, {"client_id": APP}
    org.app(APP)
    asked = {"environment": "custom", "domain": campaign.line.origin, "name": name, "app": app}
    begun = campaign.service.call("POST", "/v1/connections", asked, owner=True).json()["sign_in"]
    _cut_off(campaign, Kind.SIGN_IN, lambda: walk(begun["authorize_url"]))
    campaign.restart("sign-in")
    there = campaign.service.call("GET", f"/v1/connections/{name}", owner=True)
    view = campaign.service.call("GET", f"/v1/sign-ins/{begun['id']}", owner=True)
    end = End.KEPT if there.status == 200 else End.TOLD
    if end is End.TOLD:
        if view.status == 200 and view.json()["status"] == "done":
            raise Loss(f"a sign-in is said to be done, and its connection is not there: {view.body!r}")
        campaign.service.call("DELETE", f"/v1/sign-ins/{begun['id']}", owner=True)
        connect(campaign.service, name, campaign.line.origin, app=app)
    _must_refresh(campaign, name)
    campaign.service.call("DELETE", f"/v1/connections/{name}", owner=True)
    return end


def _must_refresh(campaign: Campaign, name: str) -> None:
    tested = campaign.service.call("POST", f"/v1/connections/{name}/test", owner=True)
    campaign.org.lever("expire-session")
    again = campaign.service.call("POST", f"/v1/connections/{name}/test", owner=True)
    if {tested.status, again.status} != {200}:
        raise Loss(f"{name} is there and does not work: {tested.body!r} {again.body!r}")


def in_plan(campaign: Campaign) -> End:
    """The owner has said yes to a plan: `done` is one record, `rejected` is none, `unknown` is one or none."""
    word = f"Plan {campaign.chance.getrandbits(32):08x}"
    token = campaign.client.token
    requests = [
        {"method": "POST", "path": f"{ROOT}/sobjects/Account", "body": {"Name": f"{word} {number}"}}
        for number in range(ITEMS)
    ]
    plan = campaign.service.call("POST", "/v1/plans", {"connection": NAME, "requests": requests}, token=token)
    path = f"/v1/plans/{plan.json()['id']}"
    _cut_off(
        campaign,
        Kind.PLAN,
        lambda: campaign.service.call("POST", f"{path}/approve", {"pin": PIN}, owner=True),
        begun=lambda: campaign.service.call("GET", path, token=token).json()["status"] != "held",
    )
    campaign.restart("plan")
    statuses = _settled(campaign, path, token)
    names = _made(campaign, word, token)
    made = [names.count(f"{word} {number}") for number in range(ITEMS)]
    possible = {"done": {1}, "rejected": {0}, "unknown": {0, 1}}
    if any(count not in possible.get(status, ()) for status, count in zip(statuses, made, strict=True)):
        raise Loss(f"a plan's requests are said to be {statuses}, and made {made} records")
    return End.KEPT if statuses == ["done"] * ITEMS else End.TOLD


def _settled(campaign: Campaign, path: str, token: str) -> list[str]:
    """How the items ended; a yes that had not reached the disk is given again."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < deadline:
        seen = campaign.service.call("GET", path, token=token, headers={"Prefer": "wait=1"}).json()
        if seen["status"] == "held":
            if campaign.service.call("POST", f"{path}/approve", {"pin": PIN}, owner=True).status == _NEEDS_YOU:
                _mend(campaign)
        elif seen["status"] not in {"approved", "running"}:
            return [str(item["status"]) for item in seen["items"]]
    raise Loss(f"a plan that was cut off never ended: {path}")


def _mend(campaign: Campaign) -> None:
    """Sign in again, where the kill cut off a refresh too, which a dead session had made needful: that must be told."""
    seen = view(campaign.service, NAME)
    if (seen["status"], seen["reason"]) != ("needs_you", "rotation_interrupted") or not seen["detail"]:
        raise Loss(f"after a plan that was cut off the connection is {seen}")
    reconnect(campaign.service, NAME)


def _made(campaign: Campaign, word: str, token: str) -> list[str]:
    soql = quote(f"SELECT Name FROM Account WHERE Name LIKE '{word} %'")
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        found = campaign.service.call("GET", f"/o/{NAME}{ROOT}/query?q={soql}", token=token)
        if b"MESHMESH_RECONNECT_REQUIRED" in found.body:
            _mend(campaign)
        elif found.status != _TRIES_AGAIN or time.monotonic() > deadline:
            break
    if found.status != 200:
        raise Loss(f"after a plan that was cut off the org cannot be read: {found.body!r}")
    return [str(row["Name"]) for row in found.json()["records"]]


def in_backup(campaign: Campaign) -> End:
    """A backup is being written: what has its name opens, and brings the connection back in a home of its own."""
    folder = campaign.service.home.parent
    file, home = folder / f"backup-{campaign.chance.getrandbits(32):08x}", folder / "restored"
    asked = {"path": str(file), "passphrase": PASSPHRASE, "pin": PIN}
    _cut_off(campaign, Kind.BACKUP, lambda: campaign.service.call("POST", "/v1/backup", asked, owner=True))
    campaign.restart("backup")
    if campaign.client.ask(NAME).status != 200:
        raise Loss("after a backup that was cut off the connection gives no token")
    if not file.exists():
        return End.TOLD
    _must_restore(file, home)
    file.unlink()
    return End.KEPT


def _must_restore(file: Path, home: Path) -> None:
    home.mkdir(mode=0o700)
    try:
        command = [*MESHMESHD, "--restore", str(file)]
        done = subprocess.run(
            command, input=f"{PASSPHRASE}\n", env=environment(home), capture_output=True, text=True, check=False
        )
        if done.returncode or NAME not in done.stderr:
            raise Loss(f"a backup has its name and does not open: {done.returncode} {done.stderr}")
    finally:
        shutil.rmtree(home)


def in_rotation(campaign: Campaign) -> End:
    """The data key is being replaced: everything opens at once, and in the end stands under one key."""
    _cut_off(campaign, Kind.ROTATION, lambda: campaign.service.call("POST", "/v1/key/rotate", owner=True))
    campaign.restart("rotation")
    if campaign.client.ask(NAME).status != 200:
        raise Loss("after a rotation that was cut off the connection gives no token")
    if not campaign.service.eventually(lambda: _data_keys(campaign.service.home) == 1, seconds=SETTLED_SECONDS):
        raise Loss(f"a rotation that was cut off never ends: {_data_keys(campaign.service.home)} data keys")
    return End.KEPT


def _data_keys(home: Path) -> int:
    with closing(sqlite3.connect(f"file:{home / 'data' / 'vault.db'}?mode=ro", uri=True, timeout=10)) as database:
        return int(database.execute("SELECT count(*) FROM keys WHERE id != 0").fetchone()[0])

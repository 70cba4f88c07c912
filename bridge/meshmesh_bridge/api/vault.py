"""The vault as a whole, at the owner's door: lock, unlock, its keys, its backups."""

from pathlib import Path

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.status import all_connections, status_document
from meshmesh_bridge.bodies import consent_of
from meshmesh_bridge.declared import Choice, Flag, Text, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.shapes import moment
from meshmesh_daemon.adapters.key_sources import KINDS, PASSPHRASE
from meshmesh_daemon.core.activity import OWNER
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_daemon.usecases.strongbox import check_passphrase
from meshmesh_storage.passphrase import MAX_PASSPHRASE

MAX_PATH = 4096
_PASSPHRASE = Text("passphrase", max_length=MAX_PASSPHRASE, secret=True)
_REQUIRED = Text("passphrase", required=True, max_length=MAX_PASSPHRASE, secret=True)
_PATH = Text("path", required=True, max_length=MAX_PATH)
_PIN = Text("pin", max_length=MAX_PIN, secret=True)
UNLOCK = (_PASSPHRASE, _PIN)
MOVE = (
    Choice("source", KINDS, required=True),
    _PASSPHRASE,
    Text("current", max_length=MAX_PASSPHRASE, secret=True),
    _PIN,
)
BACKUP = (_PATH, _REQUIRED, _PIN)
RESTORE = (_PATH, _REQUIRED, Flag("force"))
_STATUS = {200: Answer("Status")}


async def _status(house: House) -> web.Response:
    return web.json_response(status_document(house, await all_connections(house)))


async def lock(request: web.Request) -> web.Response:
    """`POST /v1/lock`: close everything; the keys are forgotten."""
    await read_body(request, ())
    house = house_of(request)
    if house.keeping is not None:
        await house.keeping.lock(OWNER)
    return await _status(house)


async def unlock(request: web.Request) -> web.Response:
    """`POST /v1/unlock`: open everything again, with the passphrase, or with a person beside the stored key."""
    fields = await read_body(request, UNLOCK)
    house = house_of(request)
    if house.keeping is not None:
        passphrase = fields.text("passphrase", max_length=MAX_PASSPHRASE)
        await house.keeping.unlock(passphrase, consent_of(request, fields))
    return await _status(house)


async def move(request: web.Request) -> web.Response:
    """`POST /v1/key`: keep the master key elsewhere, or change the passphrase; the vault gets a new master key."""
    fields = await read_body(request, MOVE)
    house = house_of(request)
    source = fields.word("source", KINDS, required=True) or ""
    passphrase = fields.text("passphrase", max_length=MAX_PASSPHRASE)
    if (
        house.locked is not None and house.keeping is not None and source == PASSPHRASE
    ):  # refused where there is a vault
        check_passphrase(passphrase)
        await house.keeping.choose_passphrase(passphrase or "")
        return await _status(house)
    strongbox = house.rooms.strongbox
    if strongbox.source.kind != PASSPHRASE:  # else the passphrase until now is proof enough
        await _demand(
            house, "Keep the key of the vault elsewhere?", f"From now on: {source}", consent_of(request, fields)
        )
    await strongbox.move(source, passphrase, fields.text("current", max_length=MAX_PASSPHRASE))
    return await _status(house)


async def rotate(request: web.Request) -> web.Response:
    """`POST /v1/key/rotate`: a new data key; everything is sealed anew while it is in use."""
    await read_body(request, ())
    house = house_of(request)
    await house.rooms.strongbox.rotate()
    return await _status(house)


async def back_up(request: web.Request) -> web.Response:
    """`POST /v1/backup`: everything in one file under a passphrase, proven by opening it."""
    fields = await read_body(request, BACKUP)
    house = house_of(request)
    path = Path(fields.required_text("path", max_length=MAX_PATH))
    passphrase = fields.required_text("passphrase", max_length=MAX_PASSPHRASE)
    check_passphrase(passphrase)
    await _demand(house, "Back up the whole vault?", f"To {path}", consent_of(request, fields))
    contents = await house.rooms.strongbox.backup(path, passphrase)
    return web.json_response(
        {
            "path": str(path),
            "made_at": moment(contents.made_at),
            "connections": list(contents.connections),
            "activity_rows": contents.rows,
            "notes": [contents.remark] if contents.remark else [],
        }
    )


async def restore(request: web.Request) -> web.Response:
    """`POST /v1/restore`: put a backup in the place of the vault, which is moved aside."""
    fields = await read_body(request, RESTORE)
    house = house_of(request)
    if house.keeping is None:
        raise Problem(503, "offline", "The service is still starting.", retry_after=1)
    restored = await house.keeping.restore(
        Path(fields.required_text("path", max_length=MAX_PATH)),
        fields.required_text("passphrase", max_length=MAX_PASSPHRASE),
        force=fields.optional_flag("force") is True,
    )
    return web.json_response(
        {
            "made_at": moment(restored.made_at),
            "connections": list(restored.connections),
            "moved_aside": str(restored.aside) if restored.aside else None,
            "notes": list(restored.notes),
        }
    )


async def _demand(house: House, title: str, line: str, consent: Consent) -> None:
    """A person must be there, unless the demo org is all that is in the vault."""
    if await house.rooms.connections.have_serious():
        await house.rooms.presence.demand(title, [line], consent)


ROUTES = (
    Route(method="POST", path="/v1/lock", need=Need.OWNER, handler=lock, body=(), answers=_STATUS),
    Route(
        method="POST",
        path="/v1/unlock",
        need=Need.OWNER,
        handler=unlock,
        body=UNLOCK,
        answers=_STATUS,
        refuses=frozenset({429}),
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/key",
        need=Need.OWNER,
        handler=move,
        body=MOVE,
        answers=_STATUS,
        refuses=frozenset({409, 429}),
        waits=True,
    ),
    Route(method="POST", path="/v1/key/rotate", need=Need.OWNER, handler=rotate, body=(), answers=_STATUS),
    Route(
        method="POST",
        path="/v1/backup",
        need=Need.OWNER,
        handler=back_up,
        body=BACKUP,
        answers={200: Answer("Backup")},
        refuses=frozenset({429}),
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/restore",
        need=Need.OWNER,
        handler=restore,
        body=RESTORE,
        answers={200: Answer("Restored")},
        refuses=frozenset({409}),
    ),
)

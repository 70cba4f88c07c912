"""The org's levers, under `/demo/`: what a tester or a curious person pulls to see trouble.

Whoever pulls shows `Authorization: Lever KEY`; the key is in a file that only the owner can read.
"""

import hmac
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from meshmesh_demo import faults, users
from meshmesh_demo.jsons import Json, is_list, is_object
from meshmesh_demo.model import OBJECTS, Record, Value
from meshmesh_demo.org import ORG, Org

MAX_OUTAGE_SECONDS = 86_400


async def answer(request: web.Request, path: tuple[str, ...]) -> web.StreamResponse:
    """Pull the lever that the path names.

    Args:
        request: what came.
        path: the segments below `/demo`.
    """
    org = request.app[ORG]
    shown = request.headers.get("Authorization", "")
    if not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), f"Lever {org.lever_key}".encode()):
        return web.json_response({"error": "the key of the levers is missing or wrong"}, status=401)
    if request.method == "GET" and path == ("state",):
        return web.json_response(await state(org))
    lever = LEVERS.get("/".join(path)) if request.method == "POST" else None
    if lever is None:
        return web.json_response({"error": "there is no such lever"}, status=404)
    try:
        return web.json_response(await lever(org, await _document(request)))
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)


async def _document(request: web.Request) -> Json:
    document: object = json.loads(await request.read() or b"{}")
    if not is_object(document):
        raise ValueError("the body must be a JSON object")
    return document


async def state(org: Org) -> Json:
    """What tests count: families of tokens, writes, requests. No token is in it."""
    return {
        "grants": await org.grants.families(),
        "access_tokens_live": await org.grants.live_access_tokens(),
        "writes": await org.store.writes(),
        "token_requests": dict(org.traffic.token_requests),
        "requests": org.traffic.requests,
        "apps": [app.client_id for app in org.apps.all()],
        "outage": org.faults.outage,
    }


async def _expire_session(org: Org, _document: Json) -> Json:
    return {"expired": await org.grants.expire_sessions()}


async def _revoke(org: Org, _document: Json) -> Json:
    return {"revoked": await org.grants.end_all("revoked_by_admin")}


async def _outage(org: Org, document: Json) -> Json:
    kind, seconds = document.get("kind"), document.get("seconds")
    if kind not in faults.OUTAGES:
        raise ValueError(f"kind must be one of {sorted(faults.OUTAGES)}")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_OUTAGE_SECONDS:
        raise ValueError(f"seconds must be a number from 0 to {MAX_OUTAGE_SECONDS}")
    org.faults.begin_outage(str(kind), seconds)
    return {"kind": kind, "seconds": seconds}


async def _reset(org: Org, _document: Json) -> Json:
    org.faults.clear()
    org.cursors.clear()
    await org.store.reset()
    return {"reset": True}


async def _rotation(org: Org, document: Json) -> Json:
    enabled = document.get("enabled")
    if not isinstance(enabled, bool):
        raise ValueError("enabled must be true or false")  # noqa: TRY004 - one kind of refusal
    for app in org.apps.all():
        await org.apps.change({"client_id": app.client_id, "rotation": enabled})
    return {"rotation": enabled}


async def _answer(org: Org, document: Json) -> Json:
    org.faults.play(faults.played(document))
    return {"played": True}


async def _app(org: Org, document: Json) -> Json:
    app = await org.apps.change(document)
    return {"client_id": app.client_id, "name": app.name, "has_secret": app.secret_hash is not None}


async def _user(org: Org, document: Json) -> Json:
    username = document.pop("username", "")
    user = users.by_name(org.store, username) if isinstance(username, str) else None
    if user is None:
        raise ValueError("username names no user of this org")
    places = {
        "active": ("User", user.record, "IsActive"),
        "frozen": ("UserLogin", user.login, "IsFrozen"),
        "password_expired": ("UserLogin", user.login, "_password_expired"),
        "api": ("Profile", user.profile, "PermissionsApiEnabled"),
    }
    for name, value in document.items():
        if name not in places or not isinstance(value, bool):
            raise ValueError(f"a user has the switches {sorted(places)}, each true or false")
    for name, value in document.items():
        object_name, record, field = places[name]
        await _set(org, object_name, record, {field: bool(value)})
    return {"username": user.username}


_ORG_FIELDS = {
    "name": "Name", "is_sandbox": "IsSandbox", "organization_type": "OrganizationType",
    "trial_expiration_date": "TrialExpirationDate", "instance_name": "InstanceName", "is_read_only": "IsReadOnly",
}  # fmt: skip


async def _org(org: Org, document: Json) -> Json:
    """Fields of the org, and: `api` switches the API of all users, `hidden` lists objects that are not there, `license`
    changes the status of one, `api_requests_used` is how much of the day's requests is gone."""
    values: Record = {}
    for name, value in document.items():
        if name == "api" and isinstance(value, bool):
            values["_api_off"] = not value
        elif name == "hidden":
            values["_hidden"] = _hidden(value)
        elif name == "license":
            await _license(org, value)
        elif name == "api_requests_used" and isinstance(value, int):
            org.traffic.api_requests = value
        elif name in _ORG_FIELDS and (value is None or isinstance(value, str | bool)):
            values[_ORG_FIELDS[name]] = value
        else:
            raise ValueError(f"an org has no field {name!r}, or its value is of a wrong type")
    await _set(org, "Organization", org.store.organization, values)
    return {"org_id": org.store.org_id}


def _hidden(value: object) -> Value:
    known = set(OBJECTS) - {"Organization", "User", "Profile", "UserLogin", "PermissionSet", "PermissionSetAssignment"}
    if not is_list(value) or not all(name in known for name in value):
        raise ValueError("hidden must be a list of names of objects")
    return ",".join(str(name) for name in value)


async def _license(org: Org, value: object) -> None:
    """`{"name": ..., "status": "Active" | "Disabled"}`: a user's or a permission set's licence."""
    given: Json = value if is_object(value) else {}
    for object_name, field in (("UserLicense", "Name"), ("PermissionSetLicense", "DeveloperName")):
        for record in list(org.store.tables[object_name].values()):
            if record[field] == given.get("name"):
                await _set(org, object_name, record, {"Status": str(given.get("status"))})
                return
    raise ValueError("license names no licence of this org")


async def _set(org: Org, object_name: str, record: Record, values: Record) -> None:
    """Set fields by hand, past every check."""
    async with org.store.transaction():
        known = org.store.tables[object_name][str(record["Id"])]
        org.store.put(object_name, known | values, is_write=False)


LEVERS: dict[str, Callable[[Org, Json], Awaitable[Json]]] = {
    "expire-session": _expire_session,
    "revoke": _revoke,
    "outage": _outage,
    "reset": _reset,
    "rotation": _rotation,
    "answer": _answer,
    "app": _app,
    "user": _user,
    "org": _org,
}

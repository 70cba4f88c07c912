"""The way into an org for the owner's own browser: a single-use link, given like a token and never logged."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.connections import find
from meshmesh_bridge.api.tokens import OWNER_NAME
from meshmesh_bridge.bodies import consent_of, prefer_wait
from meshmesh_bridge.declared import Text, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import moment
from meshmesh_daemon.core.activity import TERMINAL, Deed
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.usecases.org_links import check_scope
from meshmesh_storage.records import Mode

OPEN = (Text("pin", max_length=MAX_PIN, secret=True),)


async def open_org(request: web.Request) -> web.Response:
    """`POST /v1/connections/{name}/open`: a link that signs the owner's browser in to the org, once, within a minute.

    It is the built-in client `terminal` that asks, and it must be allowed what the token itself would need.
    """
    connection, _ = await find(request)
    fields = await read_body(request, OPEN)
    check_scope(connection)  # before a person is asked for what cannot be given
    rooms = house_of(request).rooms
    await rooms.terminal.allow(connection, mode=Mode.BUILD, raw_token=True, consent=consent_of(request, fields))
    link = await rooms.org_links.make(connection, who=OWNER_NAME, wait=prefer_wait(request))
    rooms.connections.note_use(connection.id, OWNER_NAME)
    detail = "A link that signs a browser in to the org was handed out."
    await rooms.activity.record(TERMINAL, Deed.ORG_OPENED, connection=connection.name, detail=detail)
    return web.json_response({"url": link.url, "expires_at": moment(link.expires_at)})


ROUTES = (
    Route(
        method="POST",
        path="/v1/connections/{name}/open",
        need=Need.OWNER,
        handler=open_org,
        body=OPEN,
        answers={200: Answer("OrgLink")},
        refuses=frozenset({409, 429, 502}),
        waits=True,
    ),
)

"""The activity, for the owner: pages of rows, the newest ones, and the proof that they are as they were written."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.bodies import known_query, prefer_wait, query_integer
from meshmesh_bridge.declared import Whole, names
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json
from meshmesh_daemon.core.activity import SERVICE
from meshmesh_daemon.core.problems import bad_field
from meshmesh_storage.activity_rows import Row

MOST = 1000
USUAL = 100
MOST_SEQ = 10**12 - 1
PAGE = (Whole("after", low=0, high=MOST_SEQ), Whole("limit", low=1, high=MOST), Whole("last", low=1, high=MOST))


def row_shape(row: Row) -> Json:
    """A row; one that does not open says so."""
    if row.entry is None:
        return {
            "seq": row.seq,
            "at": None,
            "actor": {"kind": SERVICE.kind.value, "id": SERVICE.id, "name": SERVICE.name},
            "action": "unreadable",
            "connection": None,
            "outcome": "failed",
            "detail": "This row was changed, or was not written by MeshMesh.",
            "hash": None,
        }
    return row.entry.document(row.seq) | {"hash": row.hash.hex()}


async def list_activity(request: web.Request) -> web.Response:
    """`GET /v1/activity?after=SEQ&limit=N`: rows in their order; `?last=N` gives the newest ones.

    `next` is the `after` of the next page, or null at the end; there `Prefer: wait=N` waits for a row to come.
    """
    known_query(request, *names(PAGE))
    activity = house_of(request).rooms.activity
    limit = query_integer(request, "limit", low=1, high=MOST, default=USUAL)
    after = query_integer(request, "after", low=0, high=MOST_SEQ, default=0)
    if "last" in request.query:
        if len(request.query) > 1:
            raise bad_field("last", "stands alone: it is the newest rows, without 'after' and 'limit'.")
        limit = query_integer(request, "last", low=1, high=MOST, default=USUAL)
        after = max(await activity.newest() - limit, 0)
    rows = await activity.page(after=after, limit=limit, wait=prefer_wait(request))
    more = rows and rows[-1].seq < await activity.newest()
    return web.json_response({"activity": [row_shape(row) for row in rows], "next": rows[-1].seq if more else None})


async def verify(request: web.Request) -> web.Response:
    """`GET /v1/activity/verify`: whether every row is there and as it was written, or the first that is not."""
    known_query(request)
    verdict = await house_of(request).rooms.activity.verify()
    return web.json_response(
        {"whole": verdict.whole, "rows": verdict.rows, "bad_row": verdict.bad_row, "detail": verdict.detail}
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/activity",
        need=Need.OWNER,
        handler=list_activity,
        query=PAGE,
        answers={200: Answer("Activity")},
        waits=True,
    ),
    Route(
        method="GET",
        path="/v1/activity/verify",
        need=Need.OWNER,
        handler=verify,
        answers={200: Answer("ActivityVerdict")},
        refuses=frozenset({422}),
    ),
)

"""Plans: an agent hands in, looks and withdraws; the owner looks, approves, rejects and undoes."""

from urllib.parse import urlencode

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.answers import NOTHING, Answer
from meshmesh_bridge.bodies import Fields, consent_of, idempotency_key, known_query, prefer_wait, query_integer
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.declared import Choice, Objects, Text, Texts, Whole, names, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.plan_requests import REQUEST, judged
from meshmesh_bridge.plan_shapes import plan_shape
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Next, Problem, not_found
from meshmesh_daemon.usecases.plans import PAGE
from meshmesh_daemon.usecases.plans_holding import MOST_ITEMS
from meshmesh_daemon.usecases.plans_views import PlanView
from meshmesh_storage.records import Mode

MAX_REASON = 1000
MAX_ID = 64
MAX_BUILD = 12 * 3600
RUN_SECONDS = 10.0  # an approval is answered with what came of it, if that does not take longer

SUBMIT = (
    Text("connection", required=True),
    Text("reason", max_length=MAX_REASON),
    Objects("requests", REQUEST, most=MOST_ITEMS, required=True),
)
APPROVE = (
    Texts("items", most=MOST_ITEMS),
    Whole("build_for", low=1, high=MAX_BUILD),
    Text("pin", max_length=MAX_PIN, secret=True),
)
REJECT = (Text("reason", max_length=MAX_REASON),)
LIST = (Choice("show", ("open", "all")), Text("after", max_length=MAX_ID), Whole("limit", low=1, high=PAGE))


def _client_id(request: web.Request) -> str | None:
    client = request[CALLER].client
    return client.id if client else None


async def _answer(request: web.Request, view: PlanView, status: int = 200) -> web.Response:
    headers = {"Location": f"/v1/plans/{view.id}"} if status == 201 else {}  # noqa: PLR2004 - created
    return web.json_response(await plan_shape(house_of(request), view), status=status, headers=headers)


async def submit(request: web.Request) -> web.Response:
    """`POST /v1/plans`: an agent hands in many requests at once; with `Prefer: wait=N` it waits for the decision."""
    client = request[CALLER].client
    if client is None:
        raise Problem(403, wire.Code.NOT_ALLOWED, "A plan is a paired program's; the owner needs none.")
    fields = await read_body(request, SUBMIT)
    rooms = house_of(request).rooms
    name = fields.required_text("connection")
    connection = await rooms.connections.by_name(name)
    grant = rooms.access.grant_for(client, connection.id) if connection else None
    if connection is None or grant is None:
        raise not_found("connection", name)
    if grant.mode is Mode.READ:
        raise Problem(
            403,
            wire.Code.READ_ONLY,
            f"This program may only read {name!r} (mode read).",
            next_step=Next("Let its writes be held for you", f"meshmesh mode CLIENT {name} plan"),
        )
    reason = fields.text("reason", max_length=MAX_REASON)
    view = await rooms.plans.submit(client, connection, judged(fields), reason=reason, key=idempotency_key(request))
    wait = prefer_wait(request)
    return await _answer(request, await rooms.plans.wait(view.id, client.id, wait) if wait else view, 201)


async def list_plans(request: web.Request) -> web.Response:
    """`GET /v1/plans`: newest first; a client's own, the owner's all. `?show=open` leaves out what is over."""
    known_query(request, *names(LIST))
    fields = Fields({name: request.query[name] for name in ("show", "after") if name in request.query}, names(LIST))
    shown = fields.word("show", ("open", "all")) or "all"
    limit = query_integer(request, "limit", low=1, high=PAGE, default=PAGE)
    house = house_of(request)
    views, more = await house.rooms.plans.page(
        _client_id(request), waiting=shown == "open", after=fields.text("after", max_length=MAX_ID), limit=limit
    )
    query = urlencode({"show": shown, "limit": limit, "after": more})
    shapes = [await plan_shape(house, view) for view in views]
    return web.json_response({"plans": shapes, "next": f"/v1/plans?{query}" if more else None})


async def get_plan(request: web.Request) -> web.Response:
    """`GET /v1/plans/{id}`; with `Prefer: wait=N` it answers when the plan was decided, and has run."""
    plans, wait = house_of(request).rooms.plans, prefer_wait(request)
    return await _answer(request, await plans.wait(request.match_info["id"], _client_id(request), wait))


async def withdraw(request: web.Request) -> web.Response:
    """`DELETE /v1/plans/{id}`: take a plan back that waits."""
    if request.can_read_body:
        raise Problem(400, wire.Code.BAD_REQUEST, "A DELETE request has no body here.")
    await house_of(request).rooms.plans.withdraw(request.match_info["id"], _client_id(request))
    return web.Response(status=204)


async def approve(request: web.Request) -> web.Response:
    """`POST /v1/plans/{id}/approve`: it runs from now on; what is not in `items` is rejected."""
    fields = await read_body(request, APPROVE)
    plans = house_of(request).rooms.plans
    view = await plans.approve(
        request.match_info["id"],
        fields.texts("items", most=MOST_ITEMS),
        consent_of(request, fields),
        fields.integer("build_for", low=1, high=MAX_BUILD),
    )
    return await _answer(request, await plans.wait(view.id, None, RUN_SECONDS))


async def reject(request: web.Request) -> web.Response:
    """`POST /v1/plans/{id}/reject`: nothing is run, and the client is told why."""
    fields = await read_body(request, REJECT)
    reason = fields.text("reason", max_length=MAX_REASON)
    return await _answer(request, await house_of(request).rooms.plans.reject(request.match_info["id"], reason))


async def undo(request: web.Request) -> web.Response:
    """`POST /v1/plans/{id}/undo`: a new plan that puts things back, which is then decided like any."""
    await read_body(request, ())
    return await _answer(request, await house_of(request).rooms.plans.undo(request.match_info["id"]), 201)


_ONE = Answer("Plan")
_MADE = Answer("Plan", headers={"Location": "Where the plan is looked at"})
_DECIDED = frozenset({409, 410})
ROUTES = (
    Route(
        method="POST",
        path="/v1/plans",
        need=Need.CLIENT,
        handler=submit,
        body=SUBMIT,
        answers={201: _MADE},
        refuses=frozenset({404, 429}),
        waits=True,
    ),
    Route(
        method="GET", path="/v1/plans", need=Need.CLIENT, handler=list_plans, query=LIST, answers={200: Answer("Plans")}
    ),
    Route(method="GET", path="/v1/plans/{id}", need=Need.CLIENT, handler=get_plan, answers={200: _ONE}, waits=True),
    Route(
        method="DELETE",
        path="/v1/plans/{id}",
        need=Need.CLIENT,
        handler=withdraw,
        answers={204: NOTHING},
        refuses=_DECIDED,
    ),
    Route(
        method="POST",
        path="/v1/plans/{id}/approve",
        need=Need.OWNER,
        handler=approve,
        body=APPROVE,
        answers={200: _ONE},
        refuses=_DECIDED | {429},
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/plans/{id}/reject",
        need=Need.OWNER,
        handler=reject,
        body=REJECT,
        answers={200: _ONE},
        refuses=_DECIDED,
    ),
    Route(
        method="POST",
        path="/v1/plans/{id}/undo",
        need=Need.OWNER,
        handler=undo,
        body=(),
        answers={201: _MADE},
        refuses=frozenset({409, 413, 429}),
    ),
)

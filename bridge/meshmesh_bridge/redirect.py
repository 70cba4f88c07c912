"""`GET /OauthRedirect`: the end of a sign-in (RFC 6749, section 4.1.2; RFC 8252, section 7.3).

Invariants: only a live `state` changes anything; the answer is always a 303 to a page without the code in its
address; a request that a browser makes by itself (HEAD, prefetch, a second load) never ends or disturbs a sign-in.
A sign-in that has begun to finish goes on when the browser goes away.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import hdrs, web

from meshmesh import wire
from meshmesh_bridge.answers import PAGE, Answer
from meshmesh_bridge.bodies import read_form
from meshmesh_bridge.caller import CALLER, Door
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.pages import render, static
from meshmesh_bridge.shapes import next_for
from meshmesh_daemon.core.problems import Next, Problem

OLD = "/signed-in/old"
_RUNNING: set[asyncio.Task[str]] = set()  # finishing sign-ins, kept so that no task is collected half way


async def get_redirect(request: web.Request) -> web.StreamResponse:
    """The browser comes back from Salesforce."""
    if request.rel_url.raw_path != wire.REDIRECT_PATH:
        raise web.HTTPNotFound  # aiohttp decodes before it routes: /Oauth%52edirect is not our address
    if request.method == hdrs.METH_HEAD:
        return web.Response()
    if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
        return web.Response(status=503, headers={"Retry-After": "1"})
    if request.headers.get("Sec-Fetch-Dest", "document") != "document":
        raise Problem(403, wire.Code.ORIGIN_REFUSED, "This address is for a browser's main window.")
    caller = request[CALLER]
    single = {name: request.query.getall(name) for name in request.query}
    if not (caller.own_uid or caller.door is Door.UNIX) or any(len(values) > 1 for values in single.values()):
        return _see_other(OLD)
    query = {name: values[0] for name, values in single.items()}
    if house_of(request).locked is not None:
        return _message(
            "MeshMesh is locked.",
            "Unlock it, then load this page again: the sign-in goes on where it is.",
            Next("Unlock it", command="meshmesh unlock"),
        )
    task = asyncio.create_task(_finish(house_of(request), query))
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)
    return _see_other(await asyncio.shield(task))


async def _finish(house: House, query: Mapping[str, str]) -> str:
    view = await house.rooms.sign_ins.finish(query)
    return f"/signed-in/{view.id}" if view else OLD


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: path})


async def get_signed_in(request: web.Request) -> web.Response:
    """The clean page: who you became, or what went wrong and what to do.

    Its address holds the attempt's random id, which only this browser and the owner know.
    """
    sign_ins = house_of(request).rooms.sign_ins
    own = request[CALLER].own_uid
    try:
        view = await sign_ins.get(request.match_info["id"]) if own else None
    except Problem:
        view = None
    if view is None:
        return _message(
            "This sign-in link is old.",
            "It was used already, or took longer than ten minutes. Nothing was changed by it.",
            Next("See where you stand", command="meshmesh connections"),
        )
    if view.error is not None:
        title = str(view.error.members.get("title", "The sign-in did not work."))
        return _message(
            title,
            view.error.detail,
            view.error.next_step,
            status_code=400,
            message_for_admin=view.error.members.get("message_for_admin"),
            keep_at=f"/signed-in/{view.id}/keep" if view.keepable else None,
        )
    if view.connection is None:
        return _message("Still waiting.", "This sign-in has not come back from Salesforce yet.", None)
    return render(
        "signed_in.html",
        connection=view.connection,
        kind=view.connection.kind.value,
        next_step=next_for(view.connection, house_of(request).port),
        note=view.note,
    )


def _message(
    title: str,
    sentence: str,
    step: Next | None,
    *,
    status_code: int = 200,
    message_for_admin: object = None,
    keep_at: str | None = None,
) -> web.Response:
    return render(
        "message.html",
        status_code=status_code,
        title=title,
        sentence=sentence,
        next_step=step,
        message_for_admin=message_for_admin,
        keep_at=keep_at,
    )


async def keep(request: web.Request) -> web.Response:
    """Keep what a sign-in became although it is not what was asked for: the one thing that its page can do."""
    sign_ins = house_of(request).rooms.sign_ins
    sign_in_id = request.match_info["id"]
    form = await read_form(request)
    name = form.get("name", "").strip() or None
    try:
        view = await sign_ins.keep(sign_in_id, name)
    except Problem as problem:
        return _message("It was not kept.", problem.detail, problem.next_step, status_code=problem.status)
    return _see_other(f"/signed-in/{view.id}")


async def get_style(_request: web.Request) -> web.Response:
    """The style sheet."""
    return web.Response(body=static("style.css"), content_type="text/css")


async def get_mark(_request: web.Request) -> web.Response:
    """The icon; browsers ask for `/favicon.ico` too."""
    return web.Response(body=static("mark.svg"), content_type="image/svg+xml")


_GONE_ON = Answer(description="Go on to a clean page", content_types=(), headers={"Location": "The page"})
_STYLE = Answer(description="A style sheet", content_types=("text/css",))
_MARK = Answer(description="An image", content_types=("image/svg+xml",))
_SIGNED_IN = {200: PAGE, 400: Answer(description="A page that says what went wrong", content_types=("text/html",))}

ROUTES = (
    Route(method="GET", path=wire.REDIRECT_PATH, need=Need.PAGE, handler=get_redirect, answers={303: _GONE_ON}),
    Route(method="GET", path="/signed-in/{id}", need=Need.PAGE, handler=get_signed_in, answers=_SIGNED_IN),
    Route(
        method="POST",
        path="/signed-in/{id}/keep",
        need=Need.FORM,
        handler=keep,
        answers={303: _GONE_ON, **dict.fromkeys((404, 409, 410, 422), PAGE)},
        refuses=frozenset({408, 413, 415}),
    ),
    Route(method="GET", path="/static/style.css", need=Need.OPEN, handler=get_style, answers={200: _STYLE}),
    Route(method="GET", path="/static/mark.svg", need=Need.OPEN, handler=get_mark, answers={200: _MARK}),
    Route(method="GET", path="/favicon.ico", need=Need.OPEN, handler=get_mark, answers={200: _MARK}),
)

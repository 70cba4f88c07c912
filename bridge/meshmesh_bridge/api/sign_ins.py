"""One attempt in a browser: look, wait, withdraw, or hand in the address by paste."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.connections import MAX_NAME
from meshmesh_bridge.bodies import prefer_wait
from meshmesh_bridge.declared import Text, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import sign_in_shape
from meshmesh_daemon.core.errors import error_page_failure

MAX_URL = 16_384  # as long as Salesforce's own may be
PASTE = (Text("url", required=True, max_length=MAX_URL, secret=True),)
KEEP = (Text("name", max_length=MAX_NAME),)


async def get_sign_in(request: web.Request) -> web.Response:
    """`GET /v1/sign-ins/{id}`; with `Prefer: wait=N` it answers when the attempt ends."""
    wait = prefer_wait(request)
    view = await house_of(request).rooms.sign_ins.wait(request.match_info["id"], wait)
    return web.json_response(sign_in_shape(view, house_of(request)))


async def cancel_sign_in(request: web.Request) -> web.Response:
    """`DELETE /v1/sign-ins/{id}`: its state is dead at once."""
    view = await house_of(request).rooms.sign_ins.cancel(request.match_info["id"])
    return web.json_response(sign_in_shape(view, house_of(request)))


async def paste_redirect(request: web.Request) -> web.Response:
    """`POST /v1/sign-ins/{id}/redirect`: the address that a browser on another machine ended at."""
    sign_ins = house_of(request).rooms.sign_ins
    view = await sign_ins.get(request.match_info["id"])
    fields = await read_body(request, PASTE)
    url = fields.required_text("url", max_length=MAX_URL)
    failure = error_page_failure(url.strip())
    if failure is not None:
        return web.json_response(sign_in_shape(await sign_ins.fail(view.id, failure), house_of(request)))
    return web.json_response(sign_in_shape(await sign_ins.finish_pasted(view.id, url), house_of(request)))


async def keep(request: web.Request) -> web.Response:
    """`POST /v1/sign-ins/{id}/keep`: keep what it became under a name of its own."""
    fields = await read_body(request, KEEP)
    view = await house_of(request).rooms.sign_ins.keep(
        request.match_info["id"], fields.text("name", max_length=MAX_NAME)
    )
    return web.json_response(sign_in_shape(view, house_of(request)))


_SEEN = {200: Answer("SignIn")}
ROUTES = (
    Route(
        method="POST",
        path="/v1/sign-ins/{id}/keep",
        need=Need.OWNER,
        handler=keep,
        body=KEEP,
        answers=_SEEN,
        refuses=frozenset({409, 410}),
    ),
    Route(method="GET", path="/v1/sign-ins/{id}", need=Need.OWNER, handler=get_sign_in, answers=_SEEN, waits=True),
    Route(method="DELETE", path="/v1/sign-ins/{id}", need=Need.OWNER, handler=cancel_sign_in, answers=_SEEN),
    Route(
        method="POST",
        path="/v1/sign-ins/{id}/redirect",
        need=Need.OWNER,
        handler=paste_redirect,
        body=PASTE,
        answers=_SEEN,
        refuses=frozenset({410}),
    ),
)

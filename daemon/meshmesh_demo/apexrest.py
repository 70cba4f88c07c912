"""`/services/apexrest/demo/...`: what a customer's own code could be. Even its GET may change things, and one does.

Its `echo` says what Apex can say: the session that it runs under.
"""

from aiohttp import web

from meshmesh_demo.errors import SalesforceError, not_found, refuse
from meshmesh_demo.oauth.resources import shown_token
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.rest.call import Caller
from meshmesh_demo.rest.session import caller_of


async def answer(request: web.Request, path: tuple[str, ...]) -> web.StreamResponse:
    """Answer a request.

    Args:
        request: what came.
        path: the segments below `/services/apexrest`.
    """
    org = request.app[ORG]
    try:
        caller = await caller_of(org, shown_token(request))
        return web.json_response(await _carry_out(org, caller, request, path))
    except SalesforceError as error:
        return web.json_response(error.body(), status=error.status)


async def _carry_out(org: Org, caller: Caller, request: web.Request, path: tuple[str, ...]) -> dict[str, object]:
    match (request.method, path):
        case ("GET", ("demo", "hello")):
            return {"greeting": f"Hello {caller.user.record['FirstName']}"}
        case ("GET" | "POST", ("demo", "echo")):
            return {"session": shown_token(request), "body": (await request.read()).decode("utf-8", "replace")}
        case ("GET" | "POST" | "PUT" | "PATCH" | "DELETE", ("demo", "touch")):
            if not caller.user.may_write:
                raise refuse("INSUFFICIENT_ACCESS", "insufficient access rights on object id", status=403)
            async with org.store.transaction():
                await org.store.count_writes()
            return {"touched": True}
        case _:
            raise not_found()

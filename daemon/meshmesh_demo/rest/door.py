"""`/services/data`: from the web to a `Call` and back."""

import json
import re
from collections.abc import Mapping

from aiohttp import web

from meshmesh_demo.errors import SalesforceError, not_found, refuse
from meshmesh_demo.oauth.resources import shown_token
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.rest import meta
from meshmesh_demo.rest.call import Call, Reply
from meshmesh_demo.rest.router import dispatch
from meshmesh_demo.rest.session import caller_of

_VERSION = re.compile(r"v\d{2,3}\.0", re.ASCII | re.IGNORECASE)
JSON_TYPE = "application/json;charset=UTF-8"


async def answer(request: web.Request, path: tuple[str, ...]) -> web.StreamResponse:
    """Answer a request.

    Args:
        request: what came.
        path: the segments below `/services/data`, decoded.
    """
    org = request.app[ORG]
    if not path:
        return _web(org, Reply(body=meta.versions()), request)
    try:
        reply = await _reply(org, request, path)
    except SalesforceError as error:
        headers = {"WWW-Authenticate": "Token"} if error.status == 401 else {}  # noqa: PLR2004 - HTTP's own number
        reply = Reply(status=error.status, body=error.body(), headers=headers)
    return _web(org, reply, request)


async def _reply(org: Org, request: web.Request, path: tuple[str, ...]) -> Reply:
    if not _VERSION.fullmatch(path[0]):
        raise not_found()
    caller = await caller_of(org, shown_token(request))
    if len(request.raw_path) > 16_384:  # noqa: PLR2004 - Salesforce's own limit
        raise refuse("URI_TOO_LONG", "URI Too Long", status=414)
    query = dict(request.query)
    call = Call(
        org=org,
        caller=caller,
        method=_method(request, query),
        version=path[0].lower(),
        path=path[1:],
        query=query,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
    )
    return await dispatch(call)


def _method(request: web.Request, query: Mapping[str, str]) -> str:
    """The method; a POST may stand for another one, said in the query or, as some servers take it, in a header."""
    if request.method != "POST":
        return request.method
    asked = next((value for name, value in query.items() if name.lower() == "_httpmethod"), "POST")
    return request.headers.get("X-HTTP-Method-Override", asked).upper()


def _web(org: Org, reply: Reply, request: web.Request) -> web.Response:
    headers = dict(reply.headers) | {"Sforce-Limit-Info": org.limit_info, "Cache-Control": "no-cache, no-store"}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    if isinstance(reply.body, bytes):
        return web.Response(status=reply.status, headers={"Content-Type": "text/csv"} | headers, body=reply.body)
    indent = 2 if request.headers.get("X-PrettyPrint") == "1" else None
    text = json.dumps(reply.body, indent=indent)
    return web.Response(status=reply.status, headers={"Content-Type": JSON_TYPE} | headers, text=text)

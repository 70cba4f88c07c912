"""What the API says of itself: OpenAPI 3.1 made from the declarations that check requests, and a few lines for an agent."""

import asyncio
import inspect
import re
from collections.abc import Iterable

from aiohttp import web

from meshmesh_bridge import VERSION
from meshmesh_bridge.answers import PAGE, TEXT, Answer
from meshmesh_bridge.api.schemas import BAD_INPUT, PROBLEM, SALESFORCE_ERRORS, SCHEMAS, ref
from meshmesh_bridge.declared import body_schema
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.pages import render
from meshmesh_bridge.shapes import Json
from meshmesh_bridge.wings import all_routes

_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")
_PROBLEM_TYPE = "application/problem+json"
_JSON = "application/json"
_BROKER_METHODS = ("get", "post", "patch", "put", "delete")

# What any request may meet before a handler runs, and what a route adds by what it is.
_ALWAYS = frozenset({400, 401, 403, 421, 423, 431, 503})
_WITH_BODY = frozenset({408, 413, 415, 422})
_REFUSALS: dict[int, str] = {
    400: "The request cannot be read in one way only",
    401: "No credential, or one that is not known",
    403: "Not allowed to this caller, or a person must be there (`presence_required`)",
    404: "Not there, or not granted",
    408: "The body did not arrive in time",
    409: "Not as things are; `code` says why",
    410: "It was there, and has ended",
    413: "The body is too long",
    415: "Send JSON, not encoded",
    421: "Another Host than this service's own",
    422: "A field cannot be taken; `errors` names it",
    429: "Too many; come again after Retry-After",
    431: "The headers are too long",
    502: "Salesforce's answer cannot be passed on",
    423: "The vault is locked; with `Prefer: wait=N` a request without a body waits",
    503: "Not now; come again after Retry-After",
}
_RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
_CHALLENGE: Json = {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}}
_HEADERS: dict[int, Json] = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}
_PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N` (RFC 7240): answer when there is something to say, at most N seconds later",
    "schema": {"type": "string", "pattern": "^wait=([1-9]|[1-4][0-9]|5[0-5])$"},
}


def openapi_document(routes: tuple[Route, ...], port: int) -> Json:
    """The OpenAPI 3.1 document.

    Args:
        routes: every route of the application.
        port: the TCP port that it is served on.
    """
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        for method in _BROKER_METHODS if route.method == "*" else (route.method.lower(),):
            paths.setdefault(path, {})[method] = _operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MeshMesh",
            "version": VERSION,
            "description": "Salesforce connections, lent to local programs. "
            "The owner's routes answer on the UNIX socket, whose peer must be the owner's user, and to the owner's "
            "dashboard (header MeshMesh-Session).",
        },
        "servers": [{"url": f"http://localhost:{port}"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "pairingToken": {"type": "http", "scheme": "bearer", "description": "A pairing token, `mmp_...`"}
            },
        },
    }


def _operation(route: Route, method: str) -> Json:
    documented = inspect.getdoc(route.handler) or route.path
    summary, _, rest = documented.partition("\n")
    operation: Json = {
        "summary": summary,
        "operationId": _operation_id(route, method),
        "tags": [route.need.value],
        "responses": _broker_responses() if route.need is Need.BROKER else _responses(route),
        # the owner's socket needs no credential: the empty requirement
        "security": [{"pairingToken": []}] if route.need is Need.BROKER else [{}, {"pairingToken": []}],
    }
    if rest.strip():
        operation["description"] = " ".join(rest.split())
    parameters = [*_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content: Json = {_JSON: {"schema": body_schema(route.body)}}
        operation["requestBody"] = {"required": any(one.required for one in route.body), "content": content}
    return operation


def _operation_id(route: Route, method: str) -> str:
    words = re.findall(r"\w+", _PARAMETER.sub(r"by_\1", route.path)) or ["root"]
    return "_".join([method, *words])


def _parameters(route: Route) -> Iterable[Json]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for one in route.query:
        yield {"name": one.name, "in": "query", "required": one.required, "schema": one.schema()}
    if route.waits:
        yield _PREFER


def _responses(route: Route) -> Json:
    refusals = _ALWAYS | route.refuses
    if "{" in route.path:
        refusals |= {404}
    if route.body is not None:
        refusals |= _WITH_BODY
    if route.query or route.waits:
        refusals |= {422}
    statuses = sorted(refusals | route.answers.keys())
    return {
        str(status): _response(status, route.answers.get(status), refused=status in refusals) for status in statuses
    }


def _response(status: int, answer: Answer | None, *, refused: bool) -> Json:
    """A status, which a handler may give, and a refusal, and both."""
    content: Json = {}
    headers: Json = {}
    if refused:
        schema = BAD_INPUT if status == 422 else PROBLEM  # noqa: PLR2004 - the status is the name
        content[_PROBLEM_TYPE] = {"schema": schema}
        headers |= _HEADERS.get(status, {})
    if answer is not None:
        content |= {kind: {"schema": ref(answer.shape)} if answer.shape else {} for kind in answer.content_types}
        headers |= {name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()}
    described: Json = {"description": answer.description if answer else _REFUSALS[status]}
    return described | ({"content": content} if content else {}) | ({"headers": headers} if headers else {})


def _broker_responses() -> Json:
    refusal: Json = {
        "description": "A refusal of MeshMesh's, as Salesforce words its own",
        "content": {_JSON: {"schema": SALESFORCE_ERRORS}},
    }
    return {
        "default": {"description": "What Salesforce answers", "content": {"*/*": {}}},
        **{str(status): refusal for status in (400, 401, 403, 404, 421, 431, 502, 503)},
    }


async def get_openapi(request: web.Request) -> web.Response:
    """`GET /openapi.json`: this document."""
    routes = await asyncio.to_thread(all_routes)
    return web.json_response(openapi_document(routes, house_of(request).port))


async def get_llms(request: web.Request) -> web.Response:
    """`GET /llms.txt`: how an agent gets to Salesforce from here."""
    base = f"http://localhost:{house_of(request).port}"
    text = f"""# MeshMesh
A local service that lends Salesforce connections to paired programs. You never hold a Salesforce token.
1. POST {base}/v1/pair {{"client_name": "...", "wants": [{{"mode": "read"}}]}}; show the person `user_code`.
2. Poll POST {base}/v1/pair/token {{"device_code": "..."}} every `interval` seconds until it gives `access_token`.
3. GET {base}/v1/connections with `Authorization: Bearer <access_token>`: the connections you were granted.
4. Salesforce's REST API stands under `broker_url`: GET {base}/o/NAME/services/data/v66.0/query?q=SELECT+Id+FROM+Account
5. In the mode `plan` a write is held: 403 MESHMESH_APPROVAL_REQUIRED, `MeshMesh-Plan: <id>`. The person decides. Wait with `Prefer: wait=55`, or
   GET {base}/v1/plans/<id>; once it is approved, send the same request again for its answer. Many at once, with a reason:
   POST {base}/v1/plans {{"connection": "NAME", "reason": "...", "requests": [{{"method": "...", "path": "/services/...", "body": {{}}}}]}}
   You cannot approve. Rejected: `rejection` says why; nothing was changed.
Errors say what to do in `detail` and `next`. 403 MESHMESH_READ_ONLY: ask the person for another mode.
"""
    return web.Response(text=text)


async def get_docs(_request: web.Request) -> web.Response:
    """`GET /docs`: the routes, for a person to read."""
    routes = [
        {
            "method": route.method,
            "path": _PARAMETER.sub(r"{\1}", route.path),
            "who": route.need.value,
            "what": (inspect.getdoc(route.handler) or "").partition("\n")[0],
            "takes": [one.name for one in (*(route.body or ()), *route.query)],
        }
        for route in await asyncio.to_thread(all_routes)
    ]
    return render("docs.html", routes=routes)


ROUTES = (
    Route(method="GET", path="/openapi.json", need=Need.OPEN, handler=get_openapi, answers={200: Answer("OpenApi")}),
    Route(method="GET", path="/llms.txt", need=Need.OPEN, handler=get_llms, answers={200: TEXT}),
    Route(method="GET", path="/docs", need=Need.PAGE, handler=get_docs, answers={200: PAGE}),
)

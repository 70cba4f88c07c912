"""What the API says of itself: OpenAPI 3.1 made from the routes that really answer, and a few lines for an agent."""

import inspect
import re

from aiohttp import web

from meshmesh_bridge import VERSION
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json

ROUTE_TABLE: web.AppKey[tuple[Route, ...]] = web.AppKey("route_table", tuple)
_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")
_PROBLEM: Json = {
    "description": "A refusal (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_SALESFORCE_ERRORS: Json = {"description": "A refusal as Salesforce's error array, or Salesforce's own answer"}
_SCHEMA: Json = {
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "next"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "next": {"type": ["object", "null"]},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                },
            },
        },
    }
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
        methods = ("get", "post", "patch", "put", "delete") if route.method == "*" else (route.method.lower(),)
        for method in methods:
            paths.setdefault(path, {})[method] = _operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MeshMesh",
            "version": VERSION,
            "description": "Salesforce connections, lent to local programs. "
            "The owner's routes answer on the UNIX socket.",
        },
        "servers": [{"url": f"http://localhost:{port}"}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMA,
            "securitySchemes": {
                "pairingToken": {"type": "http", "scheme": "bearer"},
                "ownerSocket": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Host",
                    "description": "No credential: the UNIX socket, whose peer must be the owner's user",
                },
            },
        },
    }


def _operation(route: Route, method: str) -> Json:
    summary = (inspect.getdoc(route.handler) or route.path).splitlines()[0]
    refusal = _SALESFORCE_ERRORS if route.need is Need.BROKER else _PROBLEM
    operation: Json = {
        "summary": summary,
        "operationId": f"{method}_{route.handler.__name__.strip('_')}_{len(_PARAMETER.findall(route.path))}",
        "tags": [route.need.value],
        "responses": {"default": refusal, "2XX": {"description": "Done"}},
        "security": _security(route.need),
    }
    names = _PARAMETER.findall(route.path)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if method in {"post", "patch", "put"}:
        operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return operation


def _security(need: Need) -> list[Json]:
    if need is Need.OWNER:
        return [{"ownerSocket": []}]
    if need in {Need.CLIENT, Need.BROKER}:
        return [{"pairingToken": []}, {"ownerSocket": []}][: 1 if need is Need.BROKER else 2]
    return []


async def get_openapi(request: web.Request) -> web.Response:
    """`GET /openapi.json`."""
    return web.json_response(openapi_document(request.app[ROUTE_TABLE], house_of(request).port))


async def get_llms(request: web.Request) -> web.Response:
    """`GET /llms.txt`: how an agent gets to Salesforce from here."""
    base = f"http://localhost:{house_of(request).port}"
    text = f"""# MeshMesh
A local service that lends Salesforce connections to paired programs. You never hold a Salesforce token.
1. POST {base}/v1/pair {{"client_name": "...", "wants": [{{"mode": "read"}}]}}; show the person `user_code`.
2. Poll POST {base}/v1/pair/token {{"device_code": "..."}} every `interval` seconds until it gives `access_token`.
3. GET {base}/v1/connections with `Authorization: Bearer <access_token>`: the connections you were granted.
4. Salesforce's REST API stands under `broker_url`: GET {base}/o/NAME/services/data/v66.0/query?q=SELECT+Id+FROM+Account
Errors say what to do in `detail` and `next`. 403 MESHMESH_READ_ONLY: ask the person for another mode.
"""
    return web.Response(text=text)


async def get_docs(request: web.Request) -> web.Response:
    """`GET /docs`: the routes as plain text."""
    lines = [f"{'METHOD':<8}{'PATH':<46}WHO      WHAT", ""]
    for route in request.app[ROUTE_TABLE]:
        summary = (inspect.getdoc(route.handler) or "").splitlines()[0]
        lines.append(f"{route.method:<8}{route.path:<46}{route.need.value:<9}{summary}")
    return web.Response(text="\n".join(lines) + "\n")


ROUTES = (
    Route(method="GET", path="/openapi.json", need=Need.OPEN, handler=get_openapi),
    Route(method="GET", path="/llms.txt", need=Need.OPEN, handler=get_llms),
    Route(method="GET", path="/docs", need=Need.PAGE, handler=get_docs),
)

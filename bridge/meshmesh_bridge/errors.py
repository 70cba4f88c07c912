"""Typed refusals to answers: RFC 9457 everywhere, Salesforce's own shapes under `/o/`."""

import json
from http import HTTPStatus

from aiohttp import web

from meshmesh import wire
from meshmesh_daemon.core.problems import Next, Problem


class DeviceFlowError(Exception):
    """An answer of RFC 8628, section 3.5: `{"error": ...}` with 400."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


def next_document(step: Next | None) -> dict[str, str | None] | None:
    """The `next` member: `{label, command, url}` or null."""
    return None if step is None else {"label": step.label, "command": step.command, "url": step.url}


def problem_document(problem: Problem) -> dict[str, object]:
    """The members of RFC 9457 and ours.

    Args:
        problem: the refusal.
    """
    document: dict[str, object] = {
        "type": f"urn:meshmesh:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "next": next_document(problem.next_step),
    }
    if problem.errors:
        document["errors"] = [{"field": error.field, "detail": error.detail} for error in problem.errors]
    return document | problem.members


def problem_response(problem: Problem) -> web.Response:
    """A refusal as `application/problem+json`."""
    headers: dict[str, str] = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        error = ', error="invalid_token"' if problem.code == wire.Code.UNKNOWN_CREDENTIAL else ""
        headers["WWW-Authenticate"] = f'Bearer realm="meshmesh"{error}'
    return web.Response(
        status=problem.status,
        body=json.dumps(problem_document(problem)).encode(),
        headers=headers,
        content_type=wire.PROBLEM_CONTENT_TYPE,
    )


def refusal(problem: Problem, path: str) -> web.Response:
    """The answer to a refused request, in the shape that its path asks for."""
    if not path.startswith(wire.BROKER_PREFIX):
        return problem_response(problem)
    from meshmesh_bridge.salesforce_shapes import salesforce_response  # late: it comes with the broker

    return salesforce_response(problem, path)


def device_flow_response(error: DeviceFlowError) -> web.Response:
    """An RFC 8628 error answer."""
    return web.json_response({"error": error.error}, status=HTTPStatus.BAD_REQUEST)

"""Refusals under `/o/`, in the shape that the called API has for errors, so that its clients print the sentence.

REST gets an array of `{errorCode, message}`; SOAP a fault with status 500, the only one that its clients read; Bulk 1 an
XML error with status 400.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from xml.sax.saxutils import escape

from aiohttp import web

from meshmesh import wire
from meshmesh_daemon.core.passing import is_bulk_v1, is_soap
from meshmesh_daemon.core.problems import Problem

# What a Salesforce client sees, by problem code. Never 401 but for a handle that is not known: clients loop on 401.
# No 503 for a limit that only a person can lift: clients repeat a 503.
_CODES: dict[str, tuple[int, str]] = {
    wire.Code.NO_CREDENTIAL: (401, "INVALID_SESSION_ID"),
    wire.Code.UNKNOWN_CREDENTIAL: (401, "INVALID_SESSION_ID"),
    wire.Code.NOT_FOUND: (404, "NOT_FOUND"),
    wire.Code.METHOD_NOT_ALLOWED: (405, "METHOD_NOT_ALLOWED"),
    wire.Code.RECONNECT_REQUIRED: (403, "MESHMESH_RECONNECT_REQUIRED"),
    wire.Code.VAULT_LOCKED: (503, "MESHMESH_VAULT_LOCKED"),
    wire.Code.VAULT_TROUBLE: (503, "MESHMESH_VAULT_TROUBLE"),
    wire.Code.OFFLINE: (503, "MESHMESH_OFFLINE"),
    wire.Code.RATE_LIMITED: (403, "MESHMESH_RATE_LIMITED"),
}
_SESSION = "INVALID_SESSION_ID"
_FAULT = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode>'
    "<faultstring>{code}: {message}</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
)
_BULK_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?><error xmlns="http://www.force.com/2009/06/asyncapi/dataload">'
    "<exceptionCode>{code}</exceptionCode><exceptionMessage>{message}</exceptionMessage></error>"
)


def salesforce_response(problem: Problem, path: str) -> web.Response:
    """A refusal as the API of a path writes one.

    Args:
        problem: the refusal.
        path: as it was asked for, with the prefix and the connection's name.
    """
    status, code = _CODES.get(problem.code, (problem.status, problem.code.upper()))
    command = problem.next_step.command if problem.next_step else None
    message = f"{problem.detail} Run: {command}" if command else problem.detail
    return shaped(path, status, code, message, retry_after=problem.retry_after)


def shaped(
    path: str,
    status: int,
    code: str,
    message: str,
    *,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """An error answer.

    Args:
        path: as it was asked for, with the prefix and the connection's name.
        status: what REST answers; SOAP and Bulk 1 know one status for their errors, and keep a 503.
        code: Salesforce's `errorCode`.
        message: a sentence for a person.
        retry_after: seconds, for a 503.
        headers: more of them.
    """
    below = "/" + path.removeprefix(wire.BROKER_PREFIX).partition("/")[2].lstrip("/")
    unavailable = status == HTTPStatus.SERVICE_UNAVAILABLE
    more = dict(headers or {}) | ({"Retry-After": str(retry_after or 5)} if unavailable else {})
    plain = escape("".join(letter for letter in message if letter.isprintable()))
    if is_soap(below):
        text = _FAULT.format(code=escape(code), message=plain)
        return _answer(status if unavailable else 500, text, "text/xml", more)
    if is_bulk_v1(below):
        text = _BULK_ERROR.format(code=_bulk_code(code), message=plain)
        return _answer(status if unavailable else 400, text, "application/xml", more)
    return _answer(status, json.dumps([{"errorCode": code, "message": message}]), "application/json", more)


def _bulk_code(code: str) -> str:
    return "InvalidSessionId" if code == _SESSION else escape(code)


def _answer(status: int, text: str, content_type: str, headers: Mapping[str, str]) -> web.Response:
    body = text.encode("utf-8", "replace")
    return web.Response(status=status, body=body, headers=headers, content_type=content_type, charset="utf-8")

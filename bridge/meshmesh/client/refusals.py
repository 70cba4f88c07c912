"""Which error a refusal is: of the service's own API by its problem document, under `/o/` by Salesforce's error array."""

import re
from collections.abc import Mapping

from meshmesh import wire
from meshmesh.client.errors import (
    ApprovalRequired,
    Error,
    NoAnswer,
    NotPaired,
    PlanExpired,
    PlanRejected,
    PlanStale,
    ReadOnly,
    ReconnectRequired,
    Refused,
    SalesforceError,
    TokenNotGranted,
    Unavailable,
    VaultLocked,
)
from meshmesh.documents import Document
from meshmesh.problems import problem_from
from meshmesh.wire import Code

_OURS = "MESHMESH_"  # begins every error code under /o/ that is not Salesforce's
_ENDED_HANDLE = "INVALID_SESSION_ID"
_DEFAULT_RETRY_SECONDS = 5
_LOCKED_CODES = frozenset({"MESHMESH_VAULT_LOCKED", Code.VAULT_LOCKED})
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+[^\s\"'<>.,;)]")


def of_api(status: int, headers: Mapping[str, str], body: bytes, *, attempt: str, name: str = "") -> Error:
    """The error that a refusal of the service's own API is.

    Args:
        status: the HTTP status.
        headers: by lower-case name.
        body: a problem document.
        attempt: what was tried, for the sentence "Could not {attempt}."
        name: the connection that it was about, or "".
    """
    problem = problem_from(status, body, attempt)
    if status == 401:  # noqa: PLR2004
        return NotPaired(problem.detail)
    if problem.code == Code.RAW_TOKEN_NOT_GRANTED:
        return TokenNotGranted(problem.detail, name)
    if problem.code == Code.READ_ONLY:
        return ReadOnly(problem.detail, name)
    if problem.code == Code.RECONNECT_REQUIRED:
        return _reconnect(problem.detail, name, Document(problem.document))
    if status in {423, 429, 503}:
        return _unavailable(problem.code, problem.detail, headers, problem.next_step)
    return Refused(problem.what, problem.why, problem.next_step, status=status, code=problem.code)


def _reconnect(why: str, name: str, document: Document) -> ReconnectRequired:
    step = document.child("next") or Document({})
    reason, url, command = document.optional_text("reason"), step.optional_text("url"), step.optional_text("command")
    return ReconnectRequired(why, name, reason=reason, url=url, step=command)


def of_broker(status: int, headers: Mapping[str, str], errors: tuple[tuple[str, str], ...], *, name: str) -> Error:
    """The error that a refusal under `/o/` is: MeshMesh's own by their code, all others Salesforce's.

    Args:
        status: the HTTP status.
        headers: by lower-case name.
        errors: codes and messages of Salesforce's error array.
        name: the connection.
    """
    code, message = errors[0] if errors else ("", "")
    if status == 401 and code == _ENDED_HANDLE:  # noqa: PLR2004 - never about the org's session: the broker renews that
        return NotPaired(message)
    if not code.startswith(_OURS):
        return SalesforceError(status, errors)
    plan_id = headers.get(wire.HEADER_PLAN.lower(), "")
    match code.removeprefix(_OURS):
        case "APPROVAL_REQUIRED":
            found = _ADDRESS.search(message)
            return ApprovalRequired(message, plan_id=plan_id, url=found[0] if found else "")
        case "PLAN_REJECTED":
            return PlanRejected(message, plan_id=plan_id, reason=message)
        case "PLAN_EXPIRED" | "PLAN_WITHDRAWN":
            return PlanExpired(message, plan_id=plan_id)
        case "PLAN_STALE":
            return PlanStale(message, plan_id=plan_id)
        case "PLAN_UNKNOWN":
            return NoAnswer(message)
        case "RECONNECT_REQUIRED":
            return ReconnectRequired(message, name)
        case "READ_ONLY":
            return ReadOnly(message, name)
        case _:
            return _of_service(status, headers, code, message)


def _of_service(status: int, headers: Mapping[str, str], code: str, message: str) -> Error:
    if status in {429, 503}:
        return _unavailable(code, message, headers, "")
    return Refused("The broker refused.", message, "", status=status, code=code)


def _unavailable(code: str, why: str, headers: Mapping[str, str], step: str) -> Unavailable:
    asked = headers.get("retry-after", "")
    seconds = int(asked) if asked.isascii() and asked.isdigit() else _DEFAULT_RETRY_SECONDS
    if code in _LOCKED_CODES:
        return VaultLocked(why, retry_after=seconds, step="meshmesh unlock")
    return Unavailable(why, retry_after=seconds, step=step)

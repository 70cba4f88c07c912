"""What an agent hands in as a plan: a list of requests, each judged as if it had come through the broker."""

import json

from meshmesh_bridge.bodies import MAX_TEXT, Fields
from meshmesh_bridge.declared import Choice, Field, Text, names
from meshmesh_bridge.letters import OVERRIDES
from meshmesh_bridge.shapes import Json
from meshmesh_daemon.core import soap
from meshmesh_daemon.core.classify import Kind, Verdict
from meshmesh_daemon.core.classify.strict_json import is_object
from meshmesh_daemon.core.held import target_of, verdict_of
from meshmesh_daemon.core.passing import TOKEN_PARAMETER, is_soap, request_headers
from meshmesh_daemon.core.problems import bad_field
from meshmesh_daemon.core.targets import BadTarget
from meshmesh_daemon.usecases.plans_holding import MOST_ITEMS
from meshmesh_storage.plan_records import HeldRequest

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
MAX_HEADERS = 20
_REFUSED_HEADERS = dict.fromkeys(OVERRIDES, "would change what the request is.") | {
    "content-encoding": "would make the body something else than what a person is shown."
}


class Headers:
    """An object of header lines, each a string."""

    name = "headers"
    required = False

    def schema(self) -> Json:
        """An object of strings."""
        return {"type": "object", "maxProperties": MAX_HEADERS, "additionalProperties": {"type": "string"}}

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        self.read(fields)

    def read(self, fields: Fields) -> list[tuple[str, str]]:
        """The lines.

        Raises:
            Problem: 422 naming the field.
        """
        value = fields.anything(self.name)
        if value is None:
            return []
        if not is_object(value) or len(value) > MAX_HEADERS:
            raise fields.refused(self.name, f"must be an object of at most {MAX_HEADERS} header lines.")
        lines: dict[str, tuple[str, str]] = {}
        for name, line in value.items():
            if not isinstance(line, str) or not line.isprintable() or len(line) > MAX_TEXT:
                raise fields.refused(f"{self.name}.{name}", "must be one line of text.")
            key = name.lower()
            if key in lines:
                raise fields.refused(f"{self.name}.{name}", "stands twice.")
            if key in _REFUSED_HEADERS:
                raise fields.refused(f"{self.name}.{name}", _REFUSED_HEADERS[key])
            lines[key] = (name, line)
        return list(lines.values())


class Content:
    """The body of a request: any JSON value, sent as JSON; a string is sent as it is."""

    name = "body"
    required = False

    def schema(self) -> Json:
        """Anything."""
        return {}

    def check(self, fields: Fields) -> None:
        """Everything fits."""


HEADERS = Headers()
REQUEST: tuple[Field, ...] = (
    Choice("method", METHODS, required=True),
    Text("path", required=True),
    HEADERS,
    Content(),
)


def judged(fields: Fields) -> list[tuple[HeldRequest, Verdict]]:
    """The requests of a body, judged.

    Args:
        fields: the body; its member `requests` fits already.

    Raises:
        Problem: 422 naming the request that cannot be held: a read, what is never sent, an address with two meanings.
    """
    found = fields.objects("requests", names(REQUEST), most=MOST_ITEMS)
    if not found:
        raise bad_field("requests", "must hold one request at least.")
    return [_judged(one, f"requests[{index}]") for index, one in enumerate(found)]


def _judged(fields: Fields, path: str) -> tuple[HeldRequest, Verdict]:
    request = _request(fields)
    verdict = verdict_of(request)
    if verdict.kind is Kind.READ:
        raise bad_field(path, "changes nothing. Send reads through the broker; a plan holds what changes something.")
    if verdict.kind is Kind.DENY:
        raise bad_field(path, f"is never brokered: {verdict.summary}.")
    return request, verdict


def _request(fields: Fields) -> HeldRequest:
    method = fields.word("method", METHODS, required=True) or ""
    try:
        target = target_of(fields.required_text("path"))
    except BadTarget as bad:
        raise fields.refused("path", f"could be read in two ways: {bad}.") from None
    if not target.path.startswith("/services/") or target.value(TOKEN_PARAMETER) is not None:
        raise fields.refused("path", "must begin with /services/, and carries no token.")
    lines = HEADERS.read(fields)
    content = fields.anything("body")
    if content is not None and not any(name.lower() == "content-type" for name, _ in lines):
        lines.append(("Content-Type", "application/json"))
    headers = request_headers(lines)
    return HeldRequest(
        method=method, target=target.rebuilt(), headers=headers, body=_body(fields, content, target.path)
    )


def _body(fields: Fields, content: object, target: str) -> bytes:
    if content is None:
        return b""
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    if not is_soap(target):
        return body
    try:
        return soap.without_session(body)
    except soap.BadEnvelope as bad:
        raise fields.refused("body", f"is no envelope that is taken: {bad}.") from None

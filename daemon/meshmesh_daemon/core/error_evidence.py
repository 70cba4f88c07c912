"""What stands in an answer: code and description, read from every shape in which Salesforce writes an error.

A body that is a web page is never read for a code: it was made by something between us and the API. XML is searched, not
parsed: an answer that is not ours to trust is no reason to run an XML parser.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, cast

_MAX_ERROR_BODY = 65536  # no error document is longer; what is may be the caller's data
_MAX_RETRY_AFTER = 3600.0  # an org is looked at again within the hour, whatever a header says

# SOAP's fault and Bulk's XML error; a fault code has a namespace prefix.
_XML_CODE = re.compile(r"<(?:\w+:)?(?:exceptionCode|faultcode|errorCode)>\s*(?:\w+:)?(\w+)\s*<")
_XML_MESSAGE = re.compile(r"<(?:\w+:)?(?:exceptionMessage|faultstring|message)>([^<]*)<")
_PLAIN_CODE = re.compile(r"[A-Z][A-Za-z]*(?:_[A-Za-z]+)+")  # Bad_OAuth_Token, the whole body


class Stated(NamedTuple):
    """An error that an answer states."""

    code: str
    description: str


def oauth_error(content_type: str, body: bytes) -> Stated | None:
    """The error of an OAuth answer (RFC 6749, section 5.2), or None where there is none to read."""
    document = None if is_page(content_type, body) else _json(body)
    return _entry(document, "error", "error_description")


def rest_errors(content_type: str, body: bytes) -> list[Stated]:
    """The errors of an answer of REST (JSON array), Bulk (object or XML), SOAP (fault) or the identity URLs (text)."""
    if len(body) > _MAX_ERROR_BODY:
        return []
    text = body.decode("utf-8", "replace").strip()
    if _PLAIN_CODE.fullmatch(text):
        return [Stated(text, "")]  # whatever its label: Salesforce sends it as text/html too
    if is_page(content_type, body):
        return []
    if text.startswith("<"):
        return _xml(text)
    document = _json(body)
    entries = cast("Sequence[object]", document) if isinstance(document, list) else [document]
    read = (
        _entry(entry, "errorCode", "message") or _entry(entry, "exceptionCode", "exceptionMessage") for entry in entries
    )
    return [stated for stated in read if stated]


def is_object(body: bytes) -> bool:
    """Whether a body is one whole JSON object."""
    return isinstance(_json(body), dict)


def is_page(content_type: str, body: bytes) -> bool:
    """Whether a body is a web page, by its label or its beginning."""
    start = body[:256].lstrip().lower()
    return "html" in content_type.lower() or start.startswith((b"<!doctype", b"<html"))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from Retry-After in both its forms (RFC 9110, section 10.2.3), or None where there is none to read."""
    text = header(headers, "retry-after")
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), _MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header by its lower-case name; empty where it was not sent."""
    return next((value.strip() for key, value in headers.items() if key.lower() == name), "")


def _json(body: bytes) -> object:
    """The document, or None for all that is none; nesting that exhausts the parser is none either."""
    if len(body) > _MAX_ERROR_BODY:
        return None
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def _entry(document: object, code_key: str, description_key: str) -> Stated | None:
    if not isinstance(document, dict):
        return None
    entry = cast("dict[str, object]", document)
    code, description = entry.get(code_key), entry.get(description_key)
    if not isinstance(code, str) or not code:
        return None
    return Stated(code, description if isinstance(description, str) else "")


def _xml(text: str) -> list[Stated]:
    code, message = _XML_CODE.search(text), _XML_MESSAGE.search(text)
    return [Stated(code[1], message[1] if message else "")] if code else []

"""Reading what callers send: JSON bodies and queries, strictly, with the field named in each refusal.

One meaning a body: duplicate keys, NaN, byte order marks and other encodings are refused, since two readers could take
them for two things (the JSON parser alone would take the last key and any encoding).
"""

import asyncio
import json
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar, cast
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from meshmesh import wire
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Problem, bad_field
from meshmesh_daemon.usecases.presence import Consent

MAX_BODY = 256 * 1024  # our own API needs a few hundred bytes; a pasted address a few thousand
BODY_SECONDS = 10.0  # aiohttp has no deadline for a stalled body
STALL_SECONDS = 30.0  # what a streamed body may make us wait, beyond its pace
MIN_PACE = 1024  # bytes a second
MAX_TEXT = 8192
MAX_KEY = 255

INVITATION: web.RequestKey[bool] = web.RequestKey(
    "invitation", bool
)  # the caller waits for it (RFC 9110, section 10.1.1)

E_ = TypeVar("E_", bound=StrEnum)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise bad_field(key, "stands twice in the same object.")
    return dict(pairs)


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _bad_json(why: str) -> Problem:
    return Problem(400, wire.Code.BAD_JSON, f"The body is not a JSON object: {why}.")


async def read_json(request: web.Request) -> dict[str, object]:
    """The body as a JSON object; an empty body is an empty object.

    Raises:
        Problem: 400 for what is not one JSON object, 408 too slow, 413 too large, 415 another content type.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, wire.Code.UNSUPPORTED_MEDIA_TYPE, "Send the body without Content-Encoding.")
    if (request.content_length or 0) > MAX_BODY:
        raise Problem(413, wire.Code.TOO_LARGE, f"The body is longer than {MAX_BODY} bytes.")
    raw = await _read_capped(request)
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise Problem(415, wire.Code.UNSUPPORTED_MEDIA_TYPE, "Send the body as Content-Type: application/json.")
    return parse_object(raw)


async def read_form(request: web.Request) -> dict[str, str]:
    """A form of one of our own pages, each field once.

    Raises:
        Problem: 400 for a field that stands twice, 408 too slow, 413 too large, 415 another content type.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, wire.Code.UNSUPPORTED_MEDIA_TYPE, "Send the form as a browser does.")
    try:
        pairs = parse_qsl((await _read_capped(request)).decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Problem(400, wire.Code.BAD_REQUEST, "The form does not parse.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Problem(400, wire.Code.BAD_REQUEST, "A field of the form stands twice.")
    return form


async def _invite(request: web.Request) -> None:
    """Ask for the body, where the caller waits for that with `Expect: 100-continue`."""
    if request.pop(INVITATION, None):
        writer: AbstractStreamWriter = request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.output_size = 0  # the interim answer is no part of the final one


async def _read_capped(request: web.Request) -> bytes:
    await _invite(request)
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > MAX_BODY:
                    raise Problem(413, wire.Code.TOO_LARGE, f"The body is longer than {MAX_BODY} bytes.")
    except TimeoutError:
        raise Problem(408, wire.Code.TOO_SLOW, f"The body did not arrive within {BODY_SECONDS:.0f} s.") from None
    return bytes(raw)


async def paced(request: web.Request) -> AsyncIterator[bytes]:
    """A body of any length in pieces, as long as it keeps coming.

    Only the time is counted that we wait for the caller, not what the other side takes.

    Raises:
        Problem: 408 where it stalls, or dribbles.
    """
    await _invite(request)
    pieces = request.content.iter_any()
    loop = asyncio.get_running_loop()
    patience = STALL_SECONDS
    while True:
        began = loop.time()
        try:
            async with asyncio.timeout(patience):
                piece = await anext(pieces, b"")
        except TimeoutError:
            raise Problem(408, wire.Code.TOO_SLOW, "The body does not keep coming.") from None
        if not piece:
            return
        patience = min(STALL_SECONDS, patience + len(piece) / MIN_PACE - (loop.time() - began))
        yield piece


def parse_object(raw: bytes) -> dict[str, object]:
    """One JSON object out of bytes, strictly.

    Args:
        raw: UTF-8 bytes without a byte order mark.

    Raises:
        Problem: 400, with what is wrong.
    """
    try:
        value: object = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _bad_json("it is not UTF-8") from None
    except RecursionError:
        raise _bad_json("it is nested too deeply") from None
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "NaN"
        raise _bad_json(f"it does not parse ({where})") from None
    if not isinstance(value, dict):
        raise _bad_json("it is another JSON value")
    return cast("dict[str, object]", value)


class Fields:
    """A JSON object that is read field by field; each refusal names the field with its path.

    Args:
        values: the object.
        known: every name that may stand in it; another one is refused with a suggestion.
        path: what stands before each name in a refusal, e.g. `grants[0].`.
    """

    def __init__(self, values: Mapping[str, object], known: Sequence[str], *, path: str = "") -> None:
        self._values = values
        self._path = path
        for name in values:
            if name not in known:
                import difflib  # late: for who has misspelt one

                close = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known) or 'none'}."
                raise bad_field(path + name, "is not a field of this request." + hint)

    def text(self, name: str, *, max_length: int = MAX_TEXT) -> str | None:
        """A non-empty string, or None where the field is absent or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise bad_field(self._path + name, "must be a non-empty string.")
        if len(value) > max_length:
            raise bad_field(self._path + name, f"must be at most {max_length} characters.")
        if any(ord(letter) < ord(" ") or unicodedata.category(letter) == "Cs" for letter in value):
            raise bad_field(self._path + name, "must not hold control characters.")
        return value

    def required_text(self, name: str, *, max_length: int = MAX_TEXT) -> str:
        """A non-empty string that must be there."""
        value = self.text(name, max_length=max_length)
        if value is None:
            raise bad_field(self._path + name, "is required.")
        return value

    def choice(self, name: str, enum: type[E_]) -> E_ | None:
        """One of an enum's values, or None where the field is absent."""
        value = self._values.get(name)
        if value is None:
            return None
        words = [member.value for member in enum]
        if not isinstance(value, str) or value not in words:
            raise bad_field(self._path + name, f"must be one of: {', '.join(words)}.")
        return enum(value)

    def word(self, name: str, words: Sequence[str], *, required: bool = False) -> str | None:
        """One of some words, or None where the field is absent."""
        value = self._values.get(name)
        if value is None and not required:
            return None
        if not isinstance(value, str) or value not in words:
            why = "is required: one of" if value is None else "must be one of"
            raise bad_field(self._path + name, f"{why}: {', '.join(words)}.")
        return value

    def present(self, name: str, needed: str) -> None:
        """Refuse an object without the field, saying what is needed."""
        if self._values.get(name) is None:
            raise bad_field(self._path + name, f"is required{needed}")

    def flag(self, name: str) -> bool:
        """A boolean; absent is false."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise bad_field(self._path + name, "must be true or false.")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """A boolean, or None where the field is absent."""
        return self.flag(name) if name in self._values else None

    def integer(self, name: str, *, low: int, high: int) -> int | None:
        """An integer in `low..high`, or None where the field is absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise bad_field(self._path + name, f"must be a whole number from {low} to {high}.")
        return value

    def anything(self, name: str) -> object:
        """Whatever JSON stands there, or None where the field is absent."""
        return self._values.get(name)

    def refused(self, name: str, detail: str) -> Problem:
        """The refusal of a field, for a reason of the caller's own."""
        return bad_field(self._path + name, detail)

    def texts(self, name: str, *, most: int) -> list[str] | None:
        """A list of at most `most` non-empty strings, or None where the field is absent."""
        values = self._list(name, most)
        if values is None:
            return None
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value:
                raise bad_field(f"{self._path}{name}[{index}]", "must be a non-empty string.")
        return cast("list[str]", values)

    def objects(self, name: str, known: Sequence[str], *, most: int) -> "list[Fields] | None":
        """A list of at most `most` objects, or None where the field is absent."""
        values = self._list(name, most)
        if values is None:
            return None
        return [self._object(value, known, f"{self._path}{name}[{index}]") for index, value in enumerate(values)]

    def nested(self, name: str, known: Sequence[str]) -> "Fields | None":
        """A nested object, or None where the field is absent."""
        value = self._values.get(name)
        return None if value is None else self._object(value, known, self._path + name)

    def _object(self, value: object, known: Sequence[str], path: str) -> "Fields":
        if not isinstance(value, dict):
            raise bad_field(path, "must be an object.")
        return Fields(cast("dict[str, object]", value), known, path=path + ".")

    def _list(self, name: str, most: int) -> list[object] | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise bad_field(self._path + name, "must be a list.")
        items = cast("list[object]", value)
        if len(items) > most:
            raise bad_field(self._path + name, f"must have at most {most} entries.")
        return items


def query_integer(request: web.Request, name: str, *, low: int, high: int, default: int) -> int:
    """A whole number out of the query."""
    return _query(request, name, default, lambda text: _whole(name, text, low, high))


def _whole(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or not low <= int(text) <= high:  # noqa: PLR2004
        raise bad_field(name, f"must be a whole number from {low} to {high}.")
    return int(text)


def _query(request: web.Request, name: str, default: int, read: Callable[[str], int]) -> int:
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise bad_field(name, "stands twice in the query.")
    return read(values[0]) if values else default


def known_query(request: web.Request, *known: str) -> None:
    """Refuse a query with names that are not `known`."""
    Fields(dict.fromkeys(request.query, ""), known)


def consent_of(request: web.Request, fields: Fields) -> Consent:
    """What a request brings to prove that a person is there: the PIN in its body, or patience for the button."""
    return Consent(pin=fields.text("pin", max_length=MAX_PIN), wait=float(prefer_wait(request)))


def prefer_wait(request: web.Request) -> int:
    """Seconds of `Prefer: wait=N` (RFC 7240, section 4.3), 0 where it is absent; the contract's range is 1..55."""
    wishes = request.headers.get("Prefer")
    for part in wishes.split(",") if wishes else ():
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "wait":
            return _whole("Prefer: wait", value.strip(), 1, 55)
    return 0


def idempotency_key(request: web.Request) -> str | None:
    """The mark of `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), or None."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not keys[0].isprintable() or not 0 < len(keys[0]) <= MAX_KEY:
        raise bad_field("Idempotency-Key", f"must be one line of at most {MAX_KEY} characters.")
    return keys[0]

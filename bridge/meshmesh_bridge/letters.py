"""What a client sends through the broker: its target in one plain form, its headers by a list, its body judged or streamed.

A body that decides what the request is, or that may have to be held, is read as a whole, up to a cap; every other one is
streamed, its first MiB kept so that the request can be sent again after a refresh; more of it where it may be what was
held before.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from aiohttp import hdrs, web

from meshmesh import wire
from meshmesh_bridge.bodies import STALL_SECONDS, paced
from meshmesh_daemon.core import soap
from meshmesh_daemon.core.classify import Kind, Verdict, classify, is_plain_read, wants_body
from meshmesh_daemon.core.passing import TOKEN_PARAMETER, Headers, is_soap, request_headers
from meshmesh_daemon.core.problems import Next, Problem, not_found
from meshmesh_daemon.core.targets import BadTarget, Target, read_target
from meshmesh_storage.plan_records import HeldRequest
from meshmesh_storage.records import Mode

SERVICES = "/services/"
REPEATABLE = 1024 * 1024  # a streamed body up to this size is kept, to send it once more after a refresh
MAX_HELD = 10 * 1024 * 1024  # a body that may have to be held, or is only looked at
MAX_JUDGED = 64 * 1024 * 1024  # a body that is looked at in Build Mode; Salesforce's own limit is 50 MB
_TO_A_THREAD = 256 * 1024  # a body longer than this is judged off the loop
OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
_SINGLE = frozenset({"content-type", "content-encoding", "x-sfdc-session"})
_ONLY_READS = Verdict(kind=Kind.READ, rule="", summary="Read")  # nobody is told of a read, so it is not described

Body = bytes | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One request on its way, with what it would do.

    `target` is without the client's handle; `shows_token` says that the handle stood in the query. A SOAP body holds a
    placeholder in the session's place.
    """

    method: str
    target: Target
    headers: Headers
    body: Body = field(repr=False)
    verdict: Verdict
    shows_token: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent a second time."""
        return isinstance(self.body, bytes)

    def held(self) -> HeldRequest:
        """The request as it is kept; its body is there as a whole."""
        body = self.body if isinstance(self.body, bytes) else b""
        return HeldRequest(method=self.method, target=self.target.rebuilt(), headers=self.headers, body=body)


def brokered_target(request: web.Request) -> Target:
    """The target of a request under `/o/`.

    Raises:
        Problem: 400 for what could be read in two ways, 404 for what is not brokered.
    """
    try:
        target = read_target(request.raw_path, wire.BROKER_PREFIX)
    except BadTarget as bad:
        raise Problem(400, wire.Code.BAD_REQUEST, f"The address could be read in two ways: {bad}.") from None
    if not target.path.startswith((SERVICES, "/id/")):
        raise not_found("address", target.path)
    if target.query and sum(key.lower() == TOKEN_PARAMETER for key, _ in target.query) > 1:
        raise Problem(400, wire.Code.BAD_REQUEST, f"{TOKEN_PARAMETER} stands twice in the query.")
    return target


def passing_headers(request: web.Request) -> Headers:
    """The headers of a request under `/o/` that reach the org.

    Raises:
        Problem: 400 for what could be read in two ways.
    """
    names = [name.lower() for name in request.headers]
    if not OVERRIDES.isdisjoint(names):
        raise Problem(400, wire.Code.BAD_REQUEST, "A method override is not taken here; send the method itself.")
    single = [name for name in names if name in _SINGLE]
    if len(single) > len(set(single)):
        raise Problem(400, wire.Code.BAD_REQUEST, "A header that may stand once stands twice.")
    return request_headers(request.headers.items())


def plain(target: Target) -> Target:
    """A target without the client's handle."""
    if not target.query:
        return target
    kept = tuple(one for one in target.query if one[0].lower() != TOKEN_PARAMETER)
    return target if len(kept) == len(target.query) else replace(target, query=kept)


async def read_letter(
    request: web.Request, target: Target, headers: Headers, mode: Mode, begun: bytes | None, *, keep: int
) -> Letter:
    """A request, read as far as it must be to be judged.

    Args:
        request: the client's.
        target: its target.
        headers: those that pass.
        mode: what the client may do; less is read of what will be refused.
        begun: the whole body, where it was read to find the handle in it.
        keep: up to which size a body that is streamed is read whole first.

    Raises:
        Problem: 403 where it is never sent, or the mode does not let it; 408, 413, 415 for its body.
    """
    clean = plain(target)
    body, verdict = await _read_body(request, clean, mode, begun, keep)
    check(verdict, clean, mode, final=True)
    return Letter(
        method=request.method,
        target=clean,
        headers=headers,
        body=body,
        verdict=verdict,
        shows_token=len(clean.query) < len(target.query),
    )


async def _read_body(
    request: web.Request, target: Target, mode: Mode, begun: bytes | None, keep: int
) -> tuple[Body, Verdict]:
    method, content_type = request.method, request.headers.get(hdrs.CONTENT_TYPE, "")
    if begun is None:
        if not request.can_read_body:
            return b"", _ONLY_READS if is_plain_read(method, target.path) else classify(
                method, target, content_type, b""
            )
        verdict = classify(method, target, content_type, None)
        wants = wants_body(method, target.path, content_type)
        check(verdict, target, mode, final=not wants)
        streams = not is_soap(target.path) and _streams(verdict, mode, wants=wants)
        if mode is not Mode.BUILD or not streams:
            _check_encoding(request)
        if streams:
            return await _streamed(request, keep), verdict
        begun = await read_whole(request, mode)
    if len(begun) > _most(mode):
        raise _too_large(mode)
    body = _without_session(begun) if is_soap(target.path) else begun
    return body, await _judged(method, target, content_type, body)


def _streams(verdict: Verdict, mode: Mode, *, wants: bool) -> bool:
    """Whether a body goes on in pieces: it does not decide, and it need not be held."""
    if mode is Mode.BUILD:
        return not wants or verdict.kind is Kind.WRITE
    return not wants and verdict.kind is Kind.READ


def check(verdict: Verdict, target: Target, mode: Mode, *, final: bool) -> None:
    """Refuse what is never sent, and what the mode does not let.

    Args:
        verdict: on the request.
        target: what it is aimed at.
        mode: what the client may do.
        final: whether the body can change the verdict no more.

    Raises:
        Problem: 403.
    """
    if verdict.kind is Kind.DENY and final:
        raise Problem(403, wire.Code.NOT_ALLOWED, f"{verdict.summary}.")
    harmless = verdict.kind is Kind.READ and not verdict.prepares
    if mode is Mode.READ and not harmless and (final or verdict.kind is Kind.WRITE):
        raise Problem(
            403,
            wire.Code.READ_ONLY,
            f"This program may only read {target.name!r} (mode read).",
            next_step=Next("Let its writes be held for you", f"meshmesh mode CLIENT {target.name} plan"),
        )


def _check_encoding(request: web.Request) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in {"", "identity"}:
        raise Problem(
            415,
            wire.Code.UNSUPPORTED_MEDIA_TYPE,
            "A compressed body cannot be judged. Send it without Content-Encoding.",
        )


async def read_whole(request: web.Request, mode: Mode) -> bytes:
    """The whole body, up to the mode's cap.

    Raises:
        Problem: 408 or 413.
    """
    body = bytearray()
    if (request.content_length or 0) > _most(mode):
        raise _too_large(mode)
    async for piece in paced(request):
        body += piece
        if len(body) > _most(mode):
            raise _too_large(mode)
    return bytes(body)


def _most(mode: Mode) -> int:
    return MAX_JUDGED if mode is Mode.BUILD else MAX_HELD


def _too_large(mode: Mode) -> Problem:
    step = (
        "Send it in smaller parts"
        if mode is Mode.BUILD
        else "Send it in smaller parts, as a Bulk job, or in Build Mode"
    )
    text = f"A body that must be judged is taken up to {_most(mode) // 1024 // 1024} MiB. {step}."
    return Problem(413, wire.Code.TOO_LARGE, text)


async def _judged(method: str, target: Target, content_type: str, body: bytes) -> Verdict:
    if len(body) > _TO_A_THREAD:
        return await asyncio.to_thread(classify, method, target, content_type, body)
    return classify(method, target, content_type, body)


def _without_session(body: bytes) -> bytes:
    try:
        return soap.without_session(body)
    except soap.BadEnvelope as bad:
        raise Problem(400, wire.Code.BAD_REQUEST, f"The envelope is not taken: {bad}.") from None


async def _streamed(request: web.Request, keep: int) -> Body:
    begun = bytearray()
    pieces = paced(request)
    async for piece in pieces:
        begun += piece
        if len(begun) > keep:
            return _continued(request, bytes(begun), pieces)
    return bytes(begun)


async def _continued(request: web.Request, begun: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    try:
        async for piece in pieces:
            yield piece
    except Problem:
        # half of it is with the org: the caller is cut off, which cancels its handler and so the request to the org
        if request.transport is not None:
            request.transport.abort()
        await asyncio.sleep(STALL_SECONDS)
        raise

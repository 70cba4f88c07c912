"""Several requests in one: each is judged as if it stood alone, and the strictest decides for the whole."""

from collections.abc import Callable, Iterator

from meshmesh_daemon.core.classify.request import Matched, Opaque, Request, strictest
from meshmesh_daemon.core.classify.strict_json import Refused, is_list, is_object
from meshmesh_daemon.core.classify.verdict import Json, Kind, Part, Verdict
from meshmesh_daemon.core.classify.words import summary_of
from meshmesh_daemon.core.targets import BadTarget, read_inner

Judge = Callable[[Request], Verdict]

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})
_HEADERS = frozenset(
    {"accept", "content-type", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
_SFORCE = "sforce-"
_NESTING = frozenset({"composite", "composite.batch", "composite.graph"})
_COMPOSITE = frozenset({"allOrNone", "collateSubrequests", "compositeRequest"})
_SUBREQUEST = frozenset({"method", "url", "referenceId", "body", "httpHeaders"})
_GRAPH = frozenset({"graphId", "compositeRequest"})
_BATCHED = frozenset({"method", "url", "richInput"})


def composite(matched: Matched, judge: Judge) -> Verdict:
    """`composite`: requests that may refer to each other's answers."""
    body = _object(matched.request.json(), _COMPOSITE)
    return _whole(matched, _list(body.get("compositeRequest")), lambda one: _sub(one, judge))


def graph(matched: Matched, judge: Judge) -> Verdict:
    """`composite/graph`: composites that succeed or fail on their own."""
    body = _object(matched.request.json(), frozenset({"graphs"}))
    graphs = [_object(one, _GRAPH) for one in _list(body.get("graphs"))]
    requests = [one for each in graphs for one in _list(each.get("compositeRequest"))]
    return _whole(matched, requests, lambda one: _sub(one, judge))


def batch(matched: Matched, judge: Judge) -> Verdict:
    """`composite/batch`: requests that do not know each other; addresses begin at the version."""
    body = _object(matched.request.json(), frozenset({"haltOnError", "batchRequests"}))
    return _whole(matched, _list(body.get("batchRequests")), lambda one: _batched(one, judge))


def _whole(matched: Matched, requests: list[Json], judged: Callable[[Json], Verdict]) -> Verdict:
    if not requests:
        raise Opaque("it holds no requests")
    verdicts = [_one(matched, request, judged) for request in requests]
    denied = next((verdict for verdict in verdicts if verdict.kind is Kind.DENY), None)
    parts = tuple(_parts(verdicts))
    summary = denied.summary if denied else summary_of(parts)
    if len(verdicts) > 1 and not denied:
        summary = f"{len(verdicts)} requests in one: {summary[:1].lower()}{summary[1:]}"
    kind = strictest(verdict.kind for verdict in verdicts)
    return matched.verdict(*parts, kind=kind, summary=summary)


def _one(matched: Matched, request: Json, judged: Callable[[Json], Verdict]) -> Verdict:
    """The verdict on one request. One that cannot be told is held, and the others are told all the same."""
    try:
        return judged(request)
    except Opaque as opaque:
        return matched.plain(Kind.UNKNOWN, f"A request that cannot be told ({opaque})")


def _parts(verdicts: list[Verdict]) -> Iterator[Part]:
    for verdict in verdicts:
        yield from verdict.parts


def _sub(value: Json, judge: Judge) -> Verdict:
    fields = _object(value, _SUBREQUEST)
    _check_headers(fields.get("httpHeaders"))
    return _judged(fields, fields.get("body"), judge, prefix="")


def _batched(value: Json, judge: Judge) -> Verdict:
    fields = _object(value, _BATCHED)
    return _judged(fields, fields.get("richInput"), judge, prefix="/services/data/")


def _judged(fields: dict[str, Json], document: Json, judge: Judge, *, prefix: str) -> Verdict:
    method, url = fields.get("method"), fields.get("url")
    if not isinstance(method, str) or method not in _METHODS:
        raise Opaque("its method is none that is known")
    if not isinstance(url, str):
        raise Opaque("it has no address")
    if method in {"GET", "HEAD"} and document is not None:
        raise Opaque("a read with a body")
    try:
        target = read_inner(url, prefix)
    except BadTarget as bad:
        raise Refused(f"the address of a request in it could be read in two ways: {bad}") from None
    request = Request(method=method, path=target.path, query=target.query, inner=True, document=document)
    verdict = judge(request)
    if verdict.rule in _NESTING:
        raise Refused("it holds another composite")
    return verdict


def _check_headers(headers: Json) -> None:
    """Only headers that cannot make a request another one."""
    if headers is None:
        return
    if not is_object(headers):
        raise Opaque("its headers have no plain form")
    for name in headers:
        lower = name.lower()
        if "method" in lower:
            raise Refused("a request in it overrides its method")
        if lower not in _HEADERS and not lower.startswith(_SFORCE):
            raise Opaque("it has an unusual header")


def _object(value: Json, members: frozenset[str]) -> dict[str, Json]:
    """An object with no other members than the known ones: spelled otherwise, one might be taken for a known one."""
    if not is_object(value) or not members.issuperset(value):
        raise Opaque("its body has a shape that is not known")
    return value


def _list(value: Json) -> list[Json]:
    if not is_list(value):
        raise Opaque("its body has a shape that is not known")
    return value

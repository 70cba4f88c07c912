"""Judging: the row that fits a request, and the reader that the row asks for."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from meshmesh_daemon.core.classify import (
    composites,
    deploys,
    graphql_calls,
    jobs,
    records,
    rows_families,
    rows_records,
    soap_calls,
    statements,
)
from meshmesh_daemon.core.classify.media import text_media
from meshmesh_daemon.core.classify.request import PREPARE, Matched, Opaque, Request
from meshmesh_daemon.core.classify.rules import Look, Table
from meshmesh_daemon.core.classify.strict_json import Refused
from meshmesh_daemon.core.classify.verdict import Kind, Verdict
from meshmesh_daemon.core.targets import Target

_LONG_PATH = 200  # is found in the table each time, so that what is remembered stays small
TABLE = Table(
    (
        *rows_records.QUERIES,
        *rows_records.SOBJECTS,
        *rows_records.COMPOSITES,
        *rows_records.BULK,
        *rows_families.ORG,
        *rows_families.ACTIONS,
        *rows_families.APEX,
        *rows_families.METADATA,
        *rows_families.ANALYTICS,
        *rows_families.UI,
        *rows_families.FAMILIES,
        *rows_families.DATA_REST,
        *rows_families.ROOTS,
    ),
    elsewhere=rows_families.ELSEWHERE,
)


def wants_body(method: str, path: str, content_type: str) -> bool:
    """Whether a request cannot be told a read without its whole body.

    False: what `classify` says without a body holds, and a read may be streamed. The body of a write is needed all the
    same to hold it, and to say what it would change.

    Args:
        method: as it was sent.
        path: decoded path.
        content_type: the header's value; a type that no reader takes decides by itself.
    """
    return bool(text_media(content_type)) and TABLE.find(method, path).rule.needs_body(method)


def is_plain_read(method: str, path: str) -> bool:
    """Whether the address alone says that a request reads, and that nothing comes of it.

    It answers what `classify` would, for the many requests of which nobody needs to know more.

    Args:
        method: as it was sent.
        path: decoded path.
    """
    return _is_plain_read(method, path) if len(path) > _LONG_PATH else _known_plain_read(method, path)


def _is_plain_read(method: str, path: str) -> bool:
    rule = TABLE.find(method, path).rule
    return rule.kind is Kind.READ and rule.look is Look.NOTHING and rule.action != PREPARE


_known_plain_read = lru_cache(maxsize=512)(_is_plain_read)


def classify(method: str, target: Target, content_type: str, body: bytes | None) -> Verdict:
    """What a request would do.

    It sees neither headers nor how the body is encoded: a request with a Content-Encoding, with two Content-Types or with
    a header that overrides the method has to be refused before.

    Args:
        method: as it was sent; case counts.
        target: the one spelling of the address.
        content_type: the header's value, or the empty text.
        body: the whole body, or None where it was not read: then the address decides alone, and where it cannot, the
            request is unknown.
    """
    return _judged(Request(method=method, path=target.path, query=target.query, content_type=content_type, body=body))


def _judged(request: Request) -> Verdict:
    found = TABLE.find(request.method, request.path)
    matched = Matched(request, found.rule, found.names)
    reader = _READERS.get(found.rule.look)
    if reader is None:
        return matched.plain()
    try:
        return reader(matched)
    except Refused as refused:
        return matched.denied(str(refused))
    except Opaque as opaque:
        return matched.held(str(opaque))


Reader = Callable[[Matched], Verdict]
_READERS: Mapping[Look, Reader] = {
    Look.SOQL: statements.soql,
    Look.SOSL: statements.sosl,
    Look.USAGE: statements.flags,
    Look.APEX: deploys.apex,
    Look.CLONE: statements.clone,
    Look.RECORD: records.record,
    Look.ROWS: records.rows,
    Look.TREE: records.tree,
    Look.RETRIEVE: records.retrieve,
    Look.COMPOSITE: lambda matched: composites.composite(matched, _judged),
    Look.BATCH: lambda matched: composites.batch(matched, _judged),
    Look.GRAPH: lambda matched: composites.graph(matched, _judged),
    Look.GRAPHQL: graphql_calls.graphql,
    Look.QUERY_JOB: jobs.query_job,
    Look.QUERY_JOB_STATE: jobs.query_job_state,
    Look.INGEST: jobs.ingest,
    Look.INGEST_STATE: jobs.ingest_state,
    Look.BULK_JOB: jobs.first_job,
    Look.BULK_STATE: jobs.first_state,
    Look.BULK_BATCH: jobs.first_batch,
    Look.DEPLOY: deploys.deploy,
    Look.SOAP: soap_calls.soap,
}

"""Bulk jobs of both versions. Making and filling one changes nothing yet in 2.0; in the first version a batch begins at once."""

import re
from dataclasses import replace

from meshmesh_daemon.core.classify.media import is_json, is_xml, text_media
from meshmesh_daemon.core.classify.request import Matched, Opaque
from meshmesh_daemon.core.classify.statements import leaves_a_trace
from meshmesh_daemon.core.classify.strict_json import Refused, is_object
from meshmesh_daemon.core.classify.verdict import Json, Kind, Verdict
from meshmesh_daemon.core.classify.words import is_name
from meshmesh_daemon.core.soap import BadEnvelope, read_xml

_READING = frozenset({"query", "queryAll"})
_QUERY_JOB = frozenset({"operation", "query", "contentType", "columnDelimiter", "lineEnding"})
_INGEST = frozenset(
    {"operation", "object", "contentType", "columnDelimiter", "lineEnding", "externalIdFieldName", "assignmentRuleId"}
)  # fmt: skip
_ONE_LINE = re.compile(r"[ -~\u00a1-\u1fff]*")
_SELECT = re.compile(r"select\s", re.IGNORECASE | re.ASCII)


def query_job(matched: Matched) -> Verdict:
    """A Bulk 2.0 query."""
    job = _object(matched, _QUERY_JOB)
    statement = job.get("query")
    if job.get("operation") not in _READING or not isinstance(statement, str):
        raise Opaque("its operation is no query")
    if leaves_a_trace(statement):
        return matched.plain(Kind.WRITE, "Begin a Bulk query that counts as a look or locks rows")
    return matched.plain()


def query_job_state(matched: Matched) -> Verdict:
    """Only stopping a query is known."""
    if _object(matched, frozenset({"state"})) != {"state": "Aborted"}:
        raise Opaque("its state is not Aborted")
    return matched.plain()


def ingest(matched: Matched) -> Verdict:
    """A Bulk 2.0 job is made."""
    if text_media(matched.request.content_type) != "application/json":
        return matched.verdict(matched.part(Kind.WRITE, action="start", words="Make a Bulk job that begins at once"))
    job = _object(matched, _INGEST)
    operation, sobject = job.get("operation"), job.get("object")
    if not is_name(operation) or not is_name(sobject):
        raise Opaque("its operation or object is none")
    return matched.plain(words=f"Make a Bulk job, {operation} {sobject}; nothing happens yet")


def ingest_state(matched: Matched) -> Verdict:
    """Closing starts the job, and is what is held; stopping it is a change too."""
    state = _object(matched, frozenset({"state"})).get("state")
    job_id = matched.names["id"]
    if state == "UploadComplete":
        return replace(matched.plain(), bulk_job=job_id)
    if state == "Aborted":
        return matched.plain(Kind.WRITE, f"Stop Bulk job {job_id}")
    raise Opaque("its state is neither UploadComplete nor Aborted")


def first_job(matched: Matched) -> Verdict:
    """A job of the first version is made."""
    job = _job_info(matched)
    operation, sobject = job.get("operation"), job.get("object")
    if not is_name(operation):
        raise Opaque("its operation is none")
    if operation in _READING:
        return matched.plain()
    return matched.plain(Kind.WRITE, f"Make a Bulk job, {operation} {sobject if is_name(sobject) else ''}".rstrip())


def first_state(matched: Matched) -> Verdict:
    """Closing a job of the first version starts nothing: its batches began as they came."""
    job = _job_info(matched)
    if job == {"state": "Closed"}:
        return matched.plain(words=f"Close Bulk job {matched.names['id']} to further batches")
    if job == {"state": "Aborted"}:
        return matched.plain(Kind.WRITE, f"Stop Bulk job {matched.names['id']}")
    raise Opaque("its state is neither Closed nor Aborted")


def first_batch(matched: Matched) -> Verdict:
    """A batch: the statement of a query, or rows.

    Which of the two is in the job, not here. One line that is a SOQL statement is a read in both: a job with rows would
    take it for a header, and no row follows.
    """
    if not text_media(matched.request.content_type):
        return matched.plain(Kind.WRITE)
    try:
        statement = matched.request.text().decode()
    except UnicodeDecodeError:
        return matched.plain(Kind.WRITE)
    if not _SELECT.match(statement) or not _ONE_LINE.fullmatch(statement):
        return matched.plain(Kind.WRITE)
    return matched.plain(Kind.WRITE if leaves_a_trace(statement) else Kind.READ)


def _object(matched: Matched, members: frozenset[str]) -> dict[str, Json]:
    document = matched.request.json()
    if not is_object(document) or not members.issuperset(document):
        raise Opaque("its body has a shape that is not known")
    return document


def _job_info(matched: Matched) -> dict[str, Json]:
    """The job in JSON or XML; each member once."""
    request = matched.request
    if is_json(request.content_type):
        document = request.json()
        if not is_object(document):
            raise Opaque("its body is no job")
        if len({name.lower() for name in document}) != len(document):
            raise Refused("a member of the job stands there twice")
        return document
    if not is_xml(request.content_type):
        raise Opaque("its body is neither JSON nor XML")
    try:
        root = read_xml(request.text())
    except BadEnvelope as bad:
        raise Refused(str(bad)) from None
    if root.name != "jobInfo" or any(child.children for child in root.children):
        raise Opaque("its body is no job")
    if len({child.name.lower() for child in root.children}) != len(root.children):
        raise Refused("a member of the job stands there twice")
    return {child.name: child.text for child in root.children}

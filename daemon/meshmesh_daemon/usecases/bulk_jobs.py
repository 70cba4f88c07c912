"""What is known of Bulk 2.0 jobs that are filled through here, so that closing one under Plan Mode is judged by its content.

Making and filling a job changes nothing; closing it does, and that is what is held. Of what was uploaded the hash, the
number of rows and the first of them are kept, in memory and of a bounded number of jobs. What was not seen is not claimed.

Invariant: what a person approves is what runs. Under Plan Mode a job takes one upload, and only a job that was made through
here; in no mode does it take one once its closing is held. After a restart nothing is known but the plans, so that an open
job can be closed but not filled any more under Plan Mode.
"""

import csv
import hashlib
import io
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from meshmesh_daemon.core.classify import Json, Part, Verdict
from meshmesh_daemon.core.plan import is_coming
from meshmesh_daemon.core.problems import Problem
from meshmesh_storage.plan_records import Plan

MOST_JOBS = 500
MOST_SHOWN = 5
_SAMPLE = 32 * 1024
_DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}


class _Digest(Protocol):
    """What `hashlib` gives, whose own type is private."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class Upload:
    """One upload on its way: rows counted, bytes hashed, the first of them kept. Rows in quotes may hold line ends."""

    hash: _Digest = field(default_factory=hashlib.sha256)
    sample: bytearray = field(default_factory=bytearray)
    size: int = 0
    lines: int = 0
    last: bytes = b""
    quoted: bool = False
    taken: bool = False  # Salesforce said so

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        self.hash.update(piece)
        self.size += len(piece)
        self.sample += piece[: max(_SAMPLE - len(self.sample), 0)]
        self.last = piece[-1:] or self.last
        for number, part in enumerate(piece.split(b'"')):
            self.quoted ^= number > 0
            if not self.quoted:
                self.lines += part.count(b"\n")

    @property
    def rows(self) -> int:
        """How many rows, the header not among them."""
        return max(self.lines + (self.last not in {b"", b"\n"}) - 1, 0)

    def first(self, delimiter: str) -> list[dict[str, str]]:
        """The first rows, by the header's names."""
        text = bytes(self.sample).decode("utf-8-sig", "replace")
        if self.size > len(self.sample):
            text = text.rpartition("\n")[0]  # the last row may be cut
        rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, restkey="", restval="")
        found: list[dict[str, str]] = []
        try:
            for row in rows:
                found.append({str(name): str(value) for name, value in row.items()})
                if len(found) == MOST_SHOWN:
                    break
        except csv.Error:
            return found
        return found


@dataclass(slots=True, kw_only=True)
class _Job:
    operation: str
    sobject: str
    delimiter: str
    upload: Upload | None = None
    closed: bool = False
    whole: bool = True  # all that it was filled with was seen


class BulkJobs:
    """The jobs, by connection and id."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[tuple[str, str], _Job] = OrderedDict()

    def made(self, connection_id: str, told: Mapping[str, object]) -> None:
        """A job was made.

        Args:
            connection_id: where.
            told: what Salesforce answered.
        """
        job_id, operation, sobject = (str(told.get(name) or "") for name in ("id", "operation", "object"))
        if not job_id:
            return
        delimiter = _DELIMITERS.get(str(told.get("columnDelimiter") or "COMMA"), ",")
        self._jobs[connection_id, _key(job_id)] = _Job(operation=operation, sobject=sobject, delimiter=delimiter)
        while len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)

    def upload(self, connection_id: str, job_id: str) -> Upload:
        """An upload begins under Plan Mode.

        Raises:
            Problem: 409 where it could change what a person approves.
        """
        job = self._jobs.get((connection_id, _key(job_id)))
        if job is None or job.closed or job.upload is not None:
            raise _sealed(
                "Under Plan Mode a Bulk job is filled once, by whoever made it here, and not after it was closed."
            )
        job.upload = Upload()
        return job.upload

    def freely(self, connection_id: str, job_id: str, plans: Iterable[Plan], *, legible: bool) -> Upload | None:
        """An upload begins in Build Mode, which may fill any job but one whose closing waits for a person.

        Args:
            connection_id: where.
            job_id: the job.
            plans: those that something may still come of.
            legible: whether its rows can be read on their way.

        Returns:
            Where it is noted, or None: then no more is claimed of the job than that it is not known.

        Raises:
            Problem: 409, its closing is held.
        """
        job = self._jobs.get((connection_id, _key(job_id)))
        if (job is not None and job.closed) or _is_closing_held(plans, connection_id, job_id):
            raise _sealed("The closing of this Bulk job was held for a person: what is approved is not added to.")
        if job is None:
            return None
        if job.upload is not None or not legible:
            job.whole = False
            return None
        job.upload = Upload()
        return job.upload

    def refused(self, connection_id: str, job_id: str) -> None:
        """Salesforce did not take an upload: it may be sent again."""
        job = self._jobs.get((connection_id, _key(job_id)))
        if job is not None and not job.closed:
            job.upload = None

    def closing(self, connection_id: str, verdict: Verdict) -> Verdict:
        """The verdict on a closing, with the whole job as its content; the job takes no upload any more."""
        job_id = verdict.bulk_job or ""
        job = self._jobs.get((connection_id, _key(job_id)))
        if job is None:
            unseen = f"Close Bulk job {job_id}. It was not filled through here: what it would change is not known"
            return replace(verdict, summary=unseen)
        job.closed = True
        what = f"Close Bulk job {job_id}: {job.operation} {job.sobject}"
        if not job.whole:
            return replace(
                verdict, summary=f"{what}. Not all that fills it was seen: what it would change is not known"
            )
        if job.upload is None:
            return replace(verdict, summary=f"{what}, without any row")
        if not job.upload.taken:
            return replace(verdict, summary=f"{what}. Its upload did not end here: what it would change is not known")
        rows = "1 row" if job.upload.rows == 1 else f"{job.upload.rows} rows"
        return replace(verdict, summary=f"{what}, {rows}", parts=tuple(_shown(job, job.upload, verdict.parts)))


def _shown(job: _Job, upload: Upload, parts: Sequence[Part]) -> Iterator[Part]:
    """The one part of a closing, with the job's content in the place of fields."""
    first = {f"row {number}": dict[str, Json](row) for number, row in enumerate(upload.first(job.delimiter), 1)}
    content: dict[str, Json] = {
        "operation": job.operation,
        "object": job.sobject,
        "rows": upload.rows,
        "sha256": upload.hash.hexdigest(),
        **first,
    }
    return (replace(part, fields=content) for part in parts)


def _sealed(why: str) -> Problem:
    return Problem(409, "meshmesh_bulk_job_sealed", f"{why} Make a new job.")


def _is_closing_held(plans: Iterable[Plan], connection_id: str, job_id: str) -> bool:
    """Whether a change of a job's state waits or runs, also one that was held before the service began again."""
    return any(
        item.method == "PATCH" and is_coming(item) and _is_job(item.target, job_id)
        for plan in plans
        if plan.connection_id == connection_id
        for item in plan.items
    )


def _is_job(target: str, job_id: str) -> bool:
    *_, jobs, ingest, named = ("", "", *target.partition("?")[0].rstrip("/").split("/"))
    return (jobs, ingest, _key(named)) == ("jobs", "ingest", _key(job_id))


def _key(job_id: str) -> str:
    """Ids of 15 letters and of 18 name the same job."""
    return job_id[:15]

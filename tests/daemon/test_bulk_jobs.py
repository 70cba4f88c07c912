"""Bulk jobs under Plan Mode: what was uploaded is what a person sees, and nothing else is claimed."""

import hashlib
from dataclasses import replace

import pytest

from meshmesh_daemon.core.classify import Kind, Part, Verdict
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.bulk_jobs import MOST_JOBS, BulkJobs, Upload
from meshmesh_storage.plan_records import Item, ItemStatus, Plan
from support.clock import START

JOB = "750000000000001AAA"
CSV = b'Id,Name,Note\n001000000000001AAA,Acme,"two\nlines, ""quoted"""\n001000000000002AAA,Beta,\n'


def closing(job_id: str = JOB) -> Verdict:
    """The verdict on a closing."""
    path = f"/services/data/v66.0/jobs/ingest/{job_id}"
    part = Part(method="PATCH", path=path, kind=Kind.WRITE, rule="ingest.state", action="start", record_id=job_id)
    return Verdict(kind=Kind.WRITE, rule="ingest.state", summary="Close", parts=(part,), bulk_job=job_id)


def made(**told: str) -> BulkJobs:
    """A journal in which one job was made."""
    jobs = BulkJobs()
    jobs.made("c1", {"id": JOB, "operation": "update", "object": "Account", "columnDelimiter": "COMMA", **told})
    return jobs


def fill(jobs: BulkJobs, data: bytes, *, taken: bool = True, size: int = 7) -> Upload:
    """An upload in pieces."""
    upload = jobs.upload("c1", JOB)
    for start in range(0, len(data), size):
        upload.feed(data[start : start + size])
    upload.taken = taken
    return upload


def test_a_closing_shows_the_whole_job() -> None:
    """Operation, object, rows, hash and the first rows stand in the one part, which stays what it was otherwise."""
    jobs = made()
    fill(jobs, CSV)
    verdict = jobs.closing("c1", closing())

    assert verdict.summary == f"Close Bulk job {JOB}: update Account, 2 rows"
    (part,) = verdict.parts
    assert (part.action, part.record_id, part.sobject) == ("start", JOB, None)
    assert part.fields == {
        "operation": "update",
        "object": "Account",
        "rows": 2,
        "sha256": hashlib.sha256(CSV).hexdigest(),
        "row 1": {"Id": "001000000000001AAA", "Name": "Acme", "Note": 'two\nlines, "quoted"'},
        "row 2": {"Id": "001000000000002AAA", "Name": "Beta", "Note": ""},
    }


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("data", "rows"), [(CSV, 2), (CSV.rstrip(b"\n"), 2), (b"Name\r\nA\r\nB\r\n", 2), (b"Name\n", 0), (b"", 0)]
)
def test_rows_are_counted_across_pieces(data: bytes, rows: int, size: int) -> None:
    """A line end inside quotes begins no row, wherever the pieces are cut."""
    assert fill(made(), data, size=size).rows == rows


def test_a_long_upload_is_shown_by_its_beginning() -> None:
    """Memory is bounded: five rows are kept of a hundred thousand, all are counted."""
    upload = fill(made(columnDelimiter="TAB"), b"Name\tPhone\n" + b"A\t1\n" * 100_000, size=65_536)

    assert upload.rows == 100_000
    assert upload.first("\t") == [{"Name": "A", "Phone": "1"}] * 5
    assert len(upload.sample) <= 32 * 1024


def test_a_job_takes_one_upload_and_none_once_it_is_closed() -> None:
    """What a person approves cannot be changed under their eyes."""
    jobs = made()
    fill(jobs, CSV)
    with pytest.raises(Problem, match="filled once"):
        jobs.upload("c1", JOB[:15])
    other = made()
    other.closing("c1", closing())
    with pytest.raises(Problem, match="filled once"):
        other.upload("c1", JOB)


def test_a_job_of_somewhere_else_takes_no_upload() -> None:
    """What was not made through here cannot be told whole, and is not filled."""
    with pytest.raises(Problem, match="filled once"):
        BulkJobs().upload("c1", JOB)
    with pytest.raises(Problem, match="filled once"):
        made().upload("c2", JOB)


def test_build_mode_fills_what_it_likes_and_no_more_is_claimed_than_was_seen() -> None:
    """One upload is shown as under Plan Mode; a second one, or one that cannot be read, makes the job unknown."""
    one, two, packed = made(), made(), made()
    upload = one.freely("c1", JOB[:15], [], legible=True)
    assert upload is not None
    upload.feed(CSV)
    upload.taken = True
    fill(two, CSV)

    assert "2 rows" in one.closing("c1", closing()).summary
    assert two.freely("c1", JOB, [], legible=True) is None
    assert "not known" in two.closing("c1", closing()).summary
    assert packed.freely("c1", JOB, [], legible=False) is None
    assert "not known" in packed.closing("c1", closing()).summary
    assert BulkJobs().freely("c1", JOB, [], legible=True) is None


def test_a_held_closing_seals_the_job_for_build_mode_too() -> None:
    """Known from this life, or from the plans alone after a restart; there only while it may still run."""
    jobs, target = made(), f"/services/data/v66.0/jobs/ingest/{JOB}"
    jobs.closing("c1", closing())
    item = Item(id="it-1", method="PATCH", target=target, sha256="0", size=2, summary="Close")
    plan = Plan(
        id="pl-1",
        client_id="k1",
        client_name="agent",
        connection_id="c1",
        org_id="o",
        user_id="u",
        reason=None,
        created_at=START,
        grown_at=START,
        expires_at=START,
        items=(item,),
    )
    ended = replace(plan, items=(replace(item, status=ItemStatus.REJECTED),))

    for known, plans in ((jobs, []), (BulkJobs(), [plan])):
        with pytest.raises(Problem, match="Make a new job") as problem:
            known.freely("c1", JOB[:15], plans, legible=True)
        assert (problem.value.status, problem.value.code) == (409, "meshmesh_bulk_job_sealed")
    assert BulkJobs().freely("c1", JOB, [ended], legible=True) is None
    assert BulkJobs().freely("c2", JOB, [plan], legible=True) is None
    assert BulkJobs().freely("c1", "750000000000002AAA", [plan], legible=True) is None


def test_what_is_not_known_is_not_claimed() -> None:
    """A closing says so where the upload was not seen, did not end, or was none."""
    unseen, cut, empty = BulkJobs(), made(), made()
    fill(cut, CSV, taken=False)

    assert "not known" in unseen.closing("c1", closing()).summary
    assert "not known" in cut.closing("c1", closing()).summary
    assert cut.closing("c1", closing()).parts == closing().parts
    assert empty.closing("c1", closing()).summary.endswith("without any row")


def test_a_refused_upload_can_be_sent_again() -> None:
    """An upload that the org did not take is no upload."""
    jobs = made()
    fill(jobs, b"wrong", taken=False)
    jobs.refused("c1", JOB)
    fill(jobs, CSV)

    assert "2 rows" in jobs.closing("c1", closing()).summary


def test_the_oldest_job_is_forgotten_first() -> None:
    """The journal is bounded."""
    jobs = made()
    for number in range(MOST_JOBS):
        jobs.made("c1", {"id": f"750{number + 7:012}AAA", "operation": "insert", "object": "Account"})

    assert "not known" in jobs.closing("c1", closing()).summary

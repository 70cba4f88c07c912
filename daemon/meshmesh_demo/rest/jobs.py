"""Bulk 2.0's jobs by their addresses. They live in memory until the org ends or they are deleted."""

from meshmesh_demo.bulk import DELIMITERS, Job
from meshmesh_demo.errors import not_found, refuse
from meshmesh_demo.ids import random_id
from meshmesh_demo.rest.call import Call
from meshmesh_demo.seed import text_of

_MAX_JOBS = 200  # the oldest goes first


def begin(call: Call, kind: str, operation: str, name: str, delimiter: str) -> Job:
    """A new job of the caller.

    Raises:
        SalesforceError: a delimiter that there is not.
    """
    if delimiter not in DELIMITERS:
        raise refuse("INVALIDENTITY", f"InvalidJob : {delimiter} is no column delimiter")
    jobs = call.org.jobs
    while len(jobs) >= _MAX_JOBS:
        del jobs[next(iter(jobs))]
    job = Job(
        id=random_id("750"), kind=kind, operation=operation, object=name, owner_id=call.caller.user.id,
        created_at=text_of(call.org.clock()), version=call.version, delimiter=delimiter,
    )  # fmt: skip
    jobs[job.id] = job
    return job


def named(call: Call, kind: str) -> Job:
    """The job of an address.

    Raises:
        SalesforceError: 404.
    """
    job = call.org.jobs.get(call.names["id"])
    if job is None or job.kind != kind:
        raise not_found()
    return job

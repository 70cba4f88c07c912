"""`jobs/ingest`: rows of a CSV made, changed or deleted. Nothing changes before UploadComplete, then all at once."""

from meshmesh_demo.bulk import Job, Outcome, written
from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.model import SObject
from meshmesh_demo.records import Records
from meshmesh_demo.rest import jobs
from meshmesh_demo.rest.call import Call, Reply, as_text
from meshmesh_demo.rest.rows import key_field, records_of

_OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})


async def create(call: Call) -> Reply:
    """`POST jobs/ingest`."""
    body = call.fields()
    operation = as_text(body.get("operation"), "operation")
    if operation not in _OPERATIONS:
        raise refuse("API_ERROR", f"Unsupported operation: {operation}")
    sobject = call.org.store.sobject(as_text(body.get("object"), "object"))
    key = ""
    if operation == "upsert":
        key = key_field(sobject, as_text(body.get("externalIdFieldName"), "externalIdFieldName")).name
    delimiter = as_text(body.get("columnDelimiter", "COMMA"), "columnDelimiter")
    job = jobs.begin(call, "ingest", operation, sobject.name, delimiter)
    job.key = key
    return Reply(body=job.document())


async def upload(call: Call) -> Reply:
    """`PUT jobs/ingest/ID/batches`."""
    job = jobs.named(call, "ingest")
    _must_be_open(job)
    job.data = call.body
    return Reply(status=201)


async def change(call: Call) -> Reply:
    """`PATCH jobs/ingest/ID` with a state: UploadComplete does it, Aborted drops it."""
    job = jobs.named(call, "ingest")
    state = call.fields().get("state")
    if state not in {"UploadComplete", "Aborted"}:
        raise refuse("API_ERROR", "state must be UploadComplete or Aborted")
    _must_be_open(job)
    if state == "UploadComplete":
        await _process(call, job)
        return Reply(body=job.document() | {"state": "UploadComplete"})
    job.state = "Aborted"
    return Reply(body=job.document())


def _must_be_open(job: Job) -> None:
    if job.state != "Open":
        raise refuse("INVALIDJOBSTATE", f"Job state is {job.state}, it must be Open")


async def _process(call: Call, job: Job) -> None:
    try:
        rows = job.read_rows()
    except SalesforceError:
        job.state = "Failed"
        raise
    sobject, records = call.org.store.sobject(job.object), records_of(call)
    async with call.org.store.transaction():
        job.outcomes = [carry_out(records, sobject, job, row) for row in rows]
    job.state = "JobComplete"


def carry_out(records: Records, sobject: SObject, job: Job, row: dict[str, str]) -> Outcome:
    """Do with one row what its job says; a refusal is an outcome too."""
    values = {name: None if text == "#N/A" else text for name, text in row.items() if text}
    record_id, created = next((text for name, text in row.items() if name.lower() == "id"), ""), False
    given = {name: text for name, text in values.items() if name.lower() != "id"}
    try:
        match job.operation:
            case "insert":
                record_id, created = records.create(sobject, values), True
            case "update":
                records.update(sobject, record_id, given)
            case "upsert":
                key = next(one for one in sobject.fields.values() if one.name == job.key)
                value = next((text for name, text in row.items() if name.lower() == key.name.lower()), "")
                rest = {name: one for name, one in values.items() if name.lower() != key.name.lower()}
                record_id, created = records.upsert(sobject, key, value, rest)
            case _:
                records.delete(sobject, record_id)
    except SalesforceError as error:
        return Outcome(row, record_id, False, f"{error.fault.code}:{error.fault.message}:--")
    return Outcome(row, record_id, created, None)


async def read(call: Call) -> Reply:
    """`GET jobs/ingest/ID`."""
    return Reply(body=jobs.named(call, "ingest").document())


async def every(call: Call) -> Reply:
    """`GET jobs/ingest`."""
    found = [job.document() for job in call.org.jobs.values() if job.kind == "ingest"]
    return Reply(body={"done": True, "records": found, "nextRecordsUrl": None})


async def delete(call: Call) -> Reply:
    """`DELETE jobs/ingest/ID`."""
    del call.org.jobs[jobs.named(call, "ingest").id]
    return Reply(status=204)


async def successful(call: Call) -> Reply:
    """`GET jobs/ingest/ID/successfulResults`."""
    job = jobs.named(call, "ingest")
    rows = [[one.record_id, str(one.created).lower(), *one.row.values()] for one in job.outcomes if one.error is None]
    return Reply(body=written(["sf__Id", "sf__Created", *job.header], rows, job.delimiter))


async def failed(call: Call) -> Reply:
    """`GET jobs/ingest/ID/failedResults`."""
    job = jobs.named(call, "ingest")
    rows = [[one.record_id, one.error, *one.row.values()] for one in job.outcomes if one.error is not None]
    return Reply(body=written(["sf__Id", "sf__Error", *job.header], rows, job.delimiter))


async def unprocessed(call: Call) -> Reply:
    """`GET jobs/ingest/ID/unprocessedrecords`: the rows of a job that was not carried out."""
    job = jobs.named(call, "ingest")
    rows = [] if job.state == "JobComplete" or not job.data else job.read_rows()
    return Reply(body=written(job.header, [row.values() for row in rows], job.delimiter))

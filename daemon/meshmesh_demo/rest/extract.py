"""`jobs/query`: a query's records as CSV."""

from meshmesh_demo.bulk import written
from meshmesh_demo.errors import refuse
from meshmesh_demo.jsons import Json, is_list, is_object
from meshmesh_demo.rest import jobs
from meshmesh_demo.rest.call import Call, Reply, as_text
from meshmesh_demo.rest.queries import result_of

_MAX_PAGE = 50_000


async def create(call: Call) -> Reply:
    """`POST jobs/query`: runs at once."""
    body = call.fields()
    operation = as_text(body.get("operation"), "operation")
    if operation not in {"query", "queryAll"}:
        raise refuse("API_ERROR", f"Unsupported operation: {operation}")
    result = result_of(call, as_text(body.get("query"), "query"), all_rows=operation == "queryAll")
    if result.grouped or not result.columns:
        raise refuse("API_ERROR", "Aggregate queries are not supported by Bulk API 2.0.")
    delimiter = as_text(body.get("columnDelimiter", "COMMA"), "columnDelimiter")
    job = jobs.begin(call, "query", operation, result.entity.name, delimiter)
    paths = [path for column in result.columns for path in _paths(column)]
    job.header = [".".join(path) for path in paths]
    job.rows = [[_text(record, path) for path in paths] for record in result.records]
    document = job.document() | {"state": "UploadComplete"}
    job.state = "JobComplete"
    return Reply(body=document)


def _paths(column: Json) -> list[list[str]]:
    name, joined = str(column["columnName"]), column["joinColumns"]
    if not is_list(joined) or not joined:
        return [[name]]
    return [[name, *rest] for inner in joined if is_object(inner) for rest in _paths(inner)]


def _text(record: object, path: list[str]) -> str:
    here = record
    for name in path:
        here = here.get(name) if is_object(here) else None
    if isinstance(here, bool):
        return str(here).lower()
    return "" if here is None else str(here)


async def read(call: Call) -> Reply:
    """`GET jobs/query/ID`."""
    return Reply(body=jobs.named(call, "query").document())


async def every(call: Call) -> Reply:
    """`GET jobs/query`."""
    found = [job.document() for job in call.org.jobs.values() if job.kind == "query"]
    return Reply(body={"done": True, "records": found, "nextRecordsUrl": None})


async def change(call: Call) -> Reply:
    """`PATCH jobs/query/ID`: only to abort, and it is complete by then."""
    job = jobs.named(call, "query")
    raise refuse("INVALIDJOBSTATE", f"Job state is {job.state}, it can not be aborted")


async def delete(call: Call) -> Reply:
    """`DELETE jobs/query/ID`."""
    del call.org.jobs[jobs.named(call, "query").id]
    return Reply(status=204)


async def results(call: Call) -> Reply:
    """`GET jobs/query/ID/results?locator=&maxRecords=`."""
    job = jobs.named(call, "query")
    start, size = _number(call, "locator", 0), _number(call, "maxRecords", _MAX_PAGE)
    page, end = job.rows[start : start + size], start + size
    headers = {"Sforce-NumberOfRecords": str(len(page)), "Sforce-Locator": str(end) if end < len(job.rows) else "null"}
    return Reply(body=written(job.header, page, job.delimiter), headers=headers)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < len("1000000000")):
        raise refuse("API_ERROR", f"{name} must be a number")
    return int(text)

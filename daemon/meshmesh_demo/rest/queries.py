"""`query`, `queryAll` and their pages."""

import re

from meshmesh_demo.errors import refuse
from meshmesh_demo.ids import random_id
from meshmesh_demo.jsons import Json
from meshmesh_demo.org import Cursor, Org
from meshmesh_demo.rest.call import Call, Reply
from meshmesh_demo.soql.evaluate import Result, run

MAX_BATCH, MIN_BATCH = 2000, 200
_MAX_CURSORS = 50
_BATCH = re.compile(r"batchSize\s*=\s*(\d{1,6})", re.IGNORECASE | re.ASCII)


def result_of(call: Call, statement: str, *, all_rows: bool = False) -> Result:
    """Run a statement for a call."""
    today = call.org.clock().date()
    return run(call.org.store.visible(), statement, version=call.version, today=today, all_rows=all_rows)


async def query(call: Call) -> Reply:
    """`GET query?q=`."""
    return _query(call, all_rows=False)


async def query_all(call: Call) -> Reply:
    """`GET queryAll?q=`: deleted records too."""
    return _query(call, all_rows=True)


def _query(call: Call, *, all_rows: bool) -> Reply:
    if "explain" in call.query:
        return _explain(result_of(call, call.query["explain"], all_rows=all_rows), call)
    if "q" not in call.query:
        raise refuse("MALFORMED_QUERY", "A query string has to be specified")
    result = result_of(call, call.query["q"], all_rows=all_rows)
    if call.query.get("columns", "").lower() == "true":
        return Reply(body=_columns(result))
    if result.total and not result.records:
        return Reply(body={"totalSize": result.total, "done": True, "records": []})
    cursor = Cursor(user_id=call.caller.user.id, records=result.records, batch=_batch_size(call))
    return Reply(body=_page(call, cursor, 0))


def _columns(result: Result) -> Json:
    names = [str(column["columnName"]).lower() for column in result.columns]
    return {
        "columnMetadata": result.columns, "entityName": result.entity.name, "groupBy": result.grouped,
        "idSelected": "id" in names, "keyPrefix": result.entity.prefix,
    }  # fmt: skip


def _explain(result: Result, call: Call) -> Reply:
    size = len(call.org.store.tables[result.entity.name])
    plan: Json = {
        "cardinality": result.total, "fields": [], "leadingOperationType": "TableScan", "notes": [],
        "relativeCost": 1.0, "sobjectCardinality": size, "sobjectType": result.entity.name,
    }  # fmt: skip
    return Reply(body={"plans": [plan], "sourceQuery": call.query["explain"]})


def _batch_size(call: Call) -> int:
    found = _BATCH.search(call.headers.get("sforce-query-options", ""))
    return min(MAX_BATCH, max(MIN_BATCH, int(found[1]))) if found else MAX_BATCH


def _page(call: Call, cursor: Cursor, start: int, locator: str | None = None) -> Json:
    end = start + cursor.batch
    body: Json = {"totalSize": len(cursor.records), "done": end >= len(cursor.records)}
    if end < len(cursor.records):
        locator = locator or _keep(call.org, cursor)
        body["nextRecordsUrl"] = f"{call.root}/query/{locator}-{end}"
    return body | {"records": cursor.records[start:end]}


def _keep(org: Org, cursor: Cursor) -> str:
    while len(org.cursors) >= _MAX_CURSORS:
        del org.cursors[next(iter(org.cursors))]
    locator = random_id("01g")
    org.cursors[locator] = cursor
    return locator


async def more(call: Call) -> Reply:
    """`GET query/LOCATOR-START`."""
    locator, _, start = call.names["locator"].partition("-")
    cursor = call.org.cursors.get(locator)
    if cursor is None or cursor.user_id != call.caller.user.id or not _is_start(start, cursor):
        raise refuse("INVALID_QUERY_LOCATOR", "invalid query locator")
    return Reply(body=_page(call, cursor, int(start), locator))


def _is_start(start: str, cursor: Cursor) -> bool:
    return start.isascii() and start.isdigit() and len(start) < len("1000000000") and int(start) < len(cursor.records)

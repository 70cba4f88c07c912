"""`composite/sobjects`: up to 200 records in one request, each with its own result."""

from collections.abc import Callable, Sequence

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.ids import normal
from meshmesh_demo.jsons import Json, is_object
from meshmesh_demo.records import Records
from meshmesh_demo.rest.call import Call, Reply, as_list, as_object, as_text
from meshmesh_demo.rest.rows import key_field, records_of, shown

MAX_RECORDS = 200
_MAX_READ = 2000
_ROLLED_BACK = "Record rolled back because not all records were valid and the request was using AllOrNone header"
One = Callable[[Records, object], Json]


class _Failed(Exception):
    """Rolls a transaction back; the results tell why."""


async def each(call: Call, things: Sequence[object], one: One, *, all_or_none: bool) -> list[Json]:
    """Do one thing after the other in one transaction.

    Args:
        call: whose records they are.
        things: what to do it with.
        one: does it and gives its result.
        all_or_none: whether one failure undoes the rest.
    """
    results: list[Json] = []
    try:
        async with call.org.store.transaction():
            results.extend(_result(records_of(call), thing, one) for thing in things)
            if all_or_none:
                _all_good(results)
    except _Failed:
        rolled_back = refuse("ALL_OR_NONE_OPERATION_ROLLED_BACK", _ROLLED_BACK).result()
        return [rolled_back if result["success"] else result for result in results]
    return results


def _all_good(results: list[Json]) -> None:
    if not all(result["success"] for result in results):
        raise _Failed


def _result(records: Records, thing: object, one: One) -> Json:
    try:
        return one(records, thing)
    except SalesforceError as error:
        return error.result()


def _success(record_id: str) -> Json:
    return {"id": record_id, "success": True, "errors": []}


def _records(body: Json) -> list[object]:
    records = as_list(body.get("records"))
    _within(len(records), MAX_RECORDS)
    return records


def _within(number: int, most: int) -> None:
    if number > most:
        text = f"record limit reached. cannot submit more than {most} records into this call"
        raise refuse("EXCEEDED_ID_LIMIT", text)


def typed(value: object) -> tuple[str, Json]:
    """A record of a request: the object its attributes name, and its fields.

    Raises:
        SalesforceError: it names none.
    """
    record = as_object(value)
    attributes = record.pop("attributes", None)
    if not is_object(attributes) or "type" not in attributes:
        raise refuse("INVALID_FIELD", "The attributes of a record must have a type")
    return as_text(attributes["type"], "type"), record


def _id_of(record: Json) -> str:
    name = next((name for name in record if name.lower() == "id"), None)
    if name is None:
        raise refuse("MISSING_ARGUMENT", "Id not specified in an update call", "Id")
    return as_text(record.pop(name), "id")


async def insert(call: Call) -> Reply:
    """`POST composite/sobjects`."""
    body = call.fields()

    def one(records: Records, value: object) -> Json:
        name, record = typed(value)
        return _success(records.create(call.org.store.sobject(name), record))

    return Reply(body=await each(call, _records(body), one, all_or_none=body.get("allOrNone") is True))


async def update(call: Call) -> Reply:
    """`PATCH composite/sobjects`."""
    body = call.fields()

    def one(records: Records, value: object) -> Json:
        name, record = typed(value)
        record_id = _id_of(record)
        records.update(call.org.store.sobject(name), record_id, record)
        return _success(str(normal(record_id)))

    return Reply(body=await each(call, _records(body), one, all_or_none=body.get("allOrNone") is True))


async def upsert(call: Call) -> Reply:
    """`PATCH composite/sobjects/X/FIELD`."""
    sobject, body = call.org.store.sobject(call.names["object"]), call.fields()
    key = key_field(sobject, call.names["field"])

    def one(records: Records, value: object) -> Json:
        name, record = typed(value)
        if name.lower() != sobject.name.lower():
            raise refuse("INVALID_TYPE", f"The record is of type {name}, the address of type {sobject.name}")
        own = next((field for field in record if field.lower() == key.name.lower()), None)
        if own is None:
            raise refuse("MISSING_ARGUMENT", f"{key.name} not specified")
        record_id, made = records.upsert(sobject, key, str(record.pop(own) or ""), record)
        return _success(record_id) | {"created": made}

    return Reply(body=await each(call, _records(body), one, all_or_none=body.get("allOrNone") is True))


async def delete(call: Call) -> Reply:
    """`DELETE composite/sobjects?ids=&allOrNone=`."""
    ids = _ids(call)
    _within(len(ids), MAX_RECORDS)

    def one(records: Records, value: object) -> Json:
        record_id = normal(str(value))
        found = call.org.store.find_record(record_id) if record_id else None
        if record_id is None or found is None:
            code = "MALFORMED_ID" if record_id is None else "INVALID_CROSS_REFERENCE_KEY"
            raise refuse(code, "bad id " + str(value) if record_id is None else "invalid cross reference id")
        records.delete(call.org.store.sobject(found[0]), record_id)
        return _success(record_id)

    all_or_none = call.query.get("allOrNone", "").lower() == "true"
    return Reply(body=await each(call, ids, one, all_or_none=all_or_none))


def _ids(call: Call) -> list[str]:
    ids = [one.strip() for one in call.query.get("ids", "").split(",") if one.strip()]
    if not ids:
        raise refuse("MISSING_ARGUMENT", "The ids parameter is required")
    return ids


async def retrieve(call: Call) -> Reply:
    """`GET composite/sobjects/X?ids=&fields=`."""
    fields = [one.strip() for one in call.query.get("fields", "").split(",") if one.strip()]
    return _retrieve(call, _ids(call), fields)


async def retrieve_by_post(call: Call) -> Reply:
    """`POST composite/sobjects/X` with `{ids, fields}`: a read."""
    body = call.fields()
    ids = [as_text(one, "ids") for one in as_list(body.get("ids"))]
    return _retrieve(call, ids, [as_text(one, "fields") for one in as_list(body.get("fields"))])


def _retrieve(call: Call, ids: list[str], fields: list[str]) -> Reply:
    sobject = call.org.store.sobject(call.names["object"])
    _within(len(ids), _MAX_READ)
    if not fields:
        raise refuse("MISSING_ARGUMENT", "The fields parameter is required")
    found: list[Json | None] = []
    for text in ids:
        record = call.org.store.tables[sobject.name].get(normal(text) or "")
        found.append(shown(call, sobject, record, fields) if record and not record["IsDeleted"] else None)
    return Reply(body=found)

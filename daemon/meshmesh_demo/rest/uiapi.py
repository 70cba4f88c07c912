"""`ui-api/records`: records in the shape of Salesforce's own pages."""

from meshmesh_demo.errors import not_found, refuse
from meshmesh_demo.jsons import Json
from meshmesh_demo.model import Record, SObject
from meshmesh_demo.rest.call import Call, Reply, as_object, as_text
from meshmesh_demo.rest.rows import records_of


def _shown(sobject: SObject, record: Record) -> Json:
    fields = {one.name: {"displayValue": None, "value": record.get(one.name)} for one in sobject.fields.values()}
    return {"apiName": sobject.name, "id": record["Id"], "fields": fields, "childRelationships": {}}


def _found(call: Call) -> SObject:
    found = call.org.store.find_record(call.names["id"])
    if found is None:
        raise not_found()
    return call.org.store.sobject(found[0])


async def read(call: Call) -> Reply:
    """`GET ui-api/records/ID`."""
    sobject = _found(call)
    return Reply(body=_shown(sobject, records_of(call).get(sobject, call.names["id"])))


async def create(call: Call) -> Reply:
    """`POST ui-api/records`."""
    body = call.fields()
    sobject = call.org.store.sobject(as_text(body.get("apiName"), "apiName"))
    values = as_object(body.get("fields"))
    async with call.org.store.transaction():
        record_id = records_of(call).create(sobject, values)
    return Reply(status=201, body=_shown(sobject, records_of(call).get(sobject, record_id)))


async def update(call: Call) -> Reply:
    """`PATCH ui-api/records/ID`."""
    sobject, values = _found(call), as_object(call.fields().get("fields"))
    if not values:
        raise refuse("INVALID_INPUT", "fields is required")
    async with call.org.store.transaction():
        records_of(call).update(sobject, call.names["id"], values)
    return Reply(body=_shown(sobject, records_of(call).get(sobject, call.names["id"])))


async def delete(call: Call) -> Reply:
    """`DELETE ui-api/records/ID`."""
    sobject = _found(call)
    async with call.org.store.transaction():
        records_of(call).delete(sobject, call.names["id"])
    return Reply(status=204)

"""`sobjects/X/...`: one record at a time."""

from meshmesh_demo import model
from meshmesh_demo.errors import not_found, refuse
from meshmesh_demo.jsons import Json
from meshmesh_demo.model import Field, Record, SObject
from meshmesh_demo.records import Records
from meshmesh_demo.rest.call import Call, Reply
from meshmesh_demo.soql.evaluate import attributes


def records_of(call: Call) -> Records:
    """The org's records as the caller may change them."""
    return Records(call.org.store, call.caller.user)


async def create(call: Call) -> Reply:
    """`POST sobjects/X`."""
    sobject = call.org.store.sobject(call.names["object"])
    values = call.fields()
    async with call.org.store.transaction():
        record_id = records_of(call).create(sobject, values)
    return created(call, sobject, record_id)


def created(call: Call, sobject: SObject, record_id: str, **more: object) -> Reply:
    """The answer to a record's making."""
    location = f"{call.root}/sobjects/{sobject.name}/{record_id}"
    body: Json = {"id": record_id, "success": True, "errors": []}
    return Reply(status=201, body=body | more, headers={"Location": location})


async def read(call: Call) -> Reply:
    """`GET sobjects/X/ID?fields=`."""
    sobject = call.org.store.sobject(call.names["object"])
    return Reply(body=shown(call, sobject, records_of(call).get(sobject, call.names["id"])))


def shown(call: Call, sobject: SObject, record: Record, names: list[str] | None = None) -> Json:
    """A record with the fields that were asked for, all by default.

    Raises:
        SalesforceError: INVALID_FIELD.
    """
    asked = (
        names if names is not None else [one.strip() for one in call.query.get("fields", "").split(",") if one.strip()]
    )
    fields: list[Field] = []
    for name in asked:
        field = sobject.field(name)
        if field is None:
            raise model.unknown_field(sobject, name)
        fields.append(field)
    body: Json = {"attributes": attributes(sobject, record, call.version)}
    body |= {field.name: record.get(field.name) for field in fields or sobject.fields.values()}
    return body | {"Id": record["Id"]}


async def update(call: Call) -> Reply:
    """`PATCH sobjects/X/ID`."""
    sobject = call.org.store.sobject(call.names["object"])
    values = call.fields()
    async with call.org.store.transaction():
        records_of(call).update(sobject, call.names["id"], values)
    return Reply(status=204)


async def delete(call: Call) -> Reply:
    """`DELETE sobjects/X/ID`."""
    sobject = call.org.store.sobject(call.names["object"])
    async with call.org.store.transaction():
        records_of(call).delete(sobject, call.names["id"])
    return Reply(status=204)


def key_field(sobject: SObject, name: str) -> Field:
    """A field that names records from outside.

    Raises:
        SalesforceError: 404, it is no such field.
    """
    field = sobject.field(name)
    if field is None or not (field.external_id or field.type == "id"):
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise refuse("NOT_FOUND", message, status=404)
    return field


async def read_by_key(call: Call) -> Reply:
    """`GET sobjects/X/FIELD/VALUE`, or `GET sobjects/X/ID/RELATION`."""
    sobject = call.org.store.sobject(call.names["object"])
    if sobject.field(call.names["field"]) is None:
        return _related(call, sobject)
    record = _keyed(call, sobject)
    return Reply(body=shown(call, sobject, record))


def _keyed(call: Call, sobject: SObject) -> Record:
    key, records = key_field(sobject, call.names["field"]), records_of(call)
    if key.type == "id":
        return records.get(sobject, call.names["value"])
    record = records.by_key(sobject, key, call.names["value"])
    if record is None:
        raise not_found()
    return record


def _related(call: Call, sobject: SObject) -> Reply:
    record, relation = records_of(call).get(sobject, call.names["field"]), call.names["value"].lower()
    store = call.org.store
    for field in sobject.fields.values():
        if field.relation.lower() == relation and relation:
            found = store.find_record(str(record.get(field.name)))
            if found is None:
                raise not_found()
            return Reply(body=shown(call, store.sobject(found[0]), found[1]))
    relations = model.children_of(sobject.name)
    if relation not in relations:
        raise not_found()
    child, key = relations[relation]
    rows = store.tables[child.name].values()
    own = [one for one in rows if one.get(key.name) == record["Id"] and not one["IsDeleted"]]
    return Reply(body={"totalSize": len(own), "done": True, "records": [shown(call, child, one) for one in own]})


async def upsert(call: Call) -> Reply:
    """`PATCH sobjects/X/FIELD/VALUE`; answers a body in every version."""
    sobject = call.org.store.sobject(call.names["object"])
    key, values = key_field(sobject, call.names["field"]), call.fields()
    if any(name.lower() == key.name.lower() for name in values):
        raise refuse("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    async with call.org.store.transaction():
        record_id, made = records_of(call).upsert(sobject, key, call.names["value"], values)
    if made:
        return created(call, sobject, record_id, created=True)
    return Reply(body={"id": record_id, "success": True, "errors": [], "created": False})


async def delete_by_key(call: Call) -> Reply:
    """`DELETE sobjects/X/FIELD/VALUE`."""
    sobject = call.org.store.sobject(call.names["object"])
    record = _keyed(call, sobject)
    async with call.org.store.transaction():
        records_of(call).delete(sobject, str(record["Id"]))
    return Reply(status=204)


def _window(call: Call) -> tuple[str, str]:
    start, end = call.query.get("start"), call.query.get("end")
    if not start or not end:
        raise refuse("MISSING_ARGUMENT", "start and end are required")
    return start[:19], end[:19]


async def updated(call: Call) -> Reply:
    """`GET sobjects/X/updated?start=&end=`."""
    sobject = call.org.store.sobject(call.names["object"])
    start, end = _window(call)
    found = [
        one["Id"]
        for one in call.org.store.tables[sobject.name].values()
        if start <= str(one["LastModifiedDate"])[:19] < end and not one["IsDeleted"]
    ]
    return Reply(body={"ids": found, "latestDateCovered": f"{end}.000+0000"})


async def deleted(call: Call) -> Reply:
    """`GET sobjects/X/deleted?start=&end=`."""
    sobject = call.org.store.sobject(call.names["object"])
    start, end = _window(call)
    found = [
        {"id": one["Id"], "deletedDate": one["LastModifiedDate"]}
        for one in call.org.store.tables[sobject.name].values()
        if one["IsDeleted"] and start <= str(one["LastModifiedDate"])[:19] < end
    ]
    return Reply(
        body={
            "deletedRecords": found,
            "earliestDateAvailable": f"{start}.000+0000",
            "latestDateCovered": f"{end}.000+0000",
        }
    )

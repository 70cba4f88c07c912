"""`composite/tree/X`: records with their children, all or nothing."""

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.jsons import Json, is_object
from meshmesh_demo.model import SObject, children_of
from meshmesh_demo.records import Records
from meshmesh_demo.rest.call import Call, Reply, as_list, as_object, as_text
from meshmesh_demo.rest.rows import records_of

MAX_RECORDS, MAX_LEVELS = 200, 5


class _Failed(Exception):
    """One record was refused; carries its entry of the answer."""

    def __init__(self, reference: str, error: SalesforceError) -> None:
        super().__init__(reference)
        self.entry: Json = {"referenceId": reference, "errors": error.result()["errors"]}


class _Planter:
    def __init__(self, call: Call) -> None:
        self._store = call.org.store
        self._records: Records = records_of(call)
        self.results: list[Json] = []

    def plant(self, sobject: SObject, value: object, level: int, parent: dict[str, str]) -> None:
        """Make a record, then its children."""
        record = as_object(value)
        attributes = as_object(record.pop("attributes", {}))
        reference = as_text(attributes.get("referenceId"), "referenceId")
        nested = {name: record.pop(name) for name, one in list(record.items()) if is_object(one)}
        try:
            self._within_limits(level)
            record_id = self._records.create(sobject, record | parent)
            self.results.append({"referenceId": reference, "id": record_id})
            children = {name: self._relation(sobject, name) for name in nested}
        except SalesforceError as error:
            raise _Failed(reference, error) from None
        for name, (child, field) in children.items():
            for one in as_list(as_object(nested[name]).get("records")):
                self.plant(child, one, level + 1, {field: record_id})

    def _within_limits(self, level: int) -> None:
        if level > MAX_LEVELS or len(self.results) >= MAX_RECORDS:
            raise refuse("INVALID_INPUT", f"A tree has at most {MAX_LEVELS} levels and {MAX_RECORDS} records.")

    def _relation(self, sobject: SObject, name: str) -> tuple[SObject, str]:
        found = children_of(sobject.name).get(name.lower())
        if found is None:
            raise refuse("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        return self._store.sobject(found[0].name), found[1].name


async def create(call: Call) -> Reply:
    """`POST composite/tree/X`."""
    sobject = call.org.store.sobject(call.names["object"])
    records = as_list(call.fields().get("records"))
    planter = _Planter(call)
    try:
        async with call.org.store.transaction():
            for record in records:
                planter.plant(sobject, record, 1, {})
    except _Failed as failure:
        return Reply(status=400, body={"hasErrors": True, "results": [failure.entry]})
    return Reply(status=201, body={"hasErrors": False, "results": planter.results})

"""Making, changing and deleting records, by whoever may: REST, Bulk and SOAP all come here.

Every function that changes something is called inside a transaction of the store.
"""

from collections.abc import Mapping

from meshmesh_demo import ids
from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.fieldcheck import fitting
from meshmesh_demo.model import Field, Record, SObject, Value
from meshmesh_demo.seed import STAGES, text_of
from meshmesh_demo.store import Store
from meshmesh_demo.users import User

_DEFAULTS: dict[str, Record] = {
    "Lead": {"Status": "Open - Not Contacted"},
    "Case": {"Status": "New", "Priority": "Medium", "Origin": "Web"},
    "Task": {"Status": "Not Started", "Priority": "Normal"},
}


class Records:
    """The records as one user may change them."""

    def __init__(self, store: Store, user: User) -> None:
        self._store = store
        self._user = user

    def create(self, sobject: SObject, values: Mapping[str, object]) -> str:
        """Make a record.

        Returns:
            Its id.

        Raises:
            SalesforceError: a value does not fit, or the user may not.
        """
        self._may_change(sobject)
        given = self._checked(sobject, values, new=True)
        missing = [one.name for one in sobject.fields.values() if one.required and given.get(one.name) is None]
        if missing:
            raise refuse("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)
        record_id = self._new_id(sobject)
        stamp = text_of(self._store.clock())
        record: Record = {one.name: False if one.type == "boolean" else None for one in sobject.fields.values()}
        record |= {"Id": record_id, "CreatedDate": stamp, "CreatedById": self._user.id}
        if sobject.field("OwnerId"):
            record["OwnerId"] = self._user.id
        self._keep(sobject, record | _DEFAULTS.get(sobject.name, {}) | given, stamp)
        return record_id

    def update(self, sobject: SObject, record_id: str, values: Mapping[str, object]) -> None:
        """Change a record.

        Raises:
            SalesforceError: it is not there, a value does not fit, or the user may not.
        """
        self._may_change(sobject)
        record = self.get(sobject, record_id)
        given = self._checked(sobject, values, new=False, of=record)
        empty = [one.name for one in sobject.fields.values() if one.required and given.get(one.name, "") is None]
        if empty:
            raise refuse("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(empty)}]", *empty)
        self._keep(sobject, record | given, text_of(self._store.clock()))

    def delete(self, sobject: SObject, record_id: str) -> None:
        """Put a record into the recycle bin.

        Raises:
            SalesforceError: it is not there, or the user may not.
        """
        self._may_change(sobject)
        stamp = text_of(self._store.clock())
        self._store.put(
            sobject.name,
            self.get(sobject, record_id) | {"IsDeleted": True, "LastModifiedDate": stamp, "SystemModstamp": stamp},
        )

    def upsert(self, sobject: SObject, key: Field, value: str, values: Mapping[str, object]) -> tuple[str, bool]:
        """Change the record with that external id, or make it.

        Returns:
            Its id, and whether it was made.
        """
        if key.type == "id":
            if value:
                self.update(sobject, value, values)
                return str(ids.normal(value)), False
            return self.create(sobject, values), True
        found = self.by_key(sobject, key, value)
        if found is None:
            return self.create(sobject, {**values, key.name: value}), True
        self.update(sobject, str(found["Id"]), {name: one for name, one in values.items() if name.lower() != "id"})
        return str(found["Id"]), False

    def get(self, sobject: SObject, text: str) -> Record:
        """A record by its id in either form.

        Raises:
            SalesforceError: 404.
        """
        record_id = ids.normal(text)
        if record_id is None:
            message = f"Provided external ID field does not exist or is not accessible: {text}"
            raise refuse("NOT_FOUND", message, status=404)
        record = self._store.tables[sobject.name].get(record_id)
        if record is None:
            raise refuse("NOT_FOUND", "The requested resource does not exist", status=404)
        if record["IsDeleted"]:
            raise refuse("ENTITY_IS_DELETED", "entity is deleted", status=404)
        return record

    def by_key(self, sobject: SObject, key: Field, value: str) -> Record | None:
        """The living record with that external id, in any case."""
        wanted = value.casefold()
        for record in self._store.tables[sobject.name].values():
            if str(record.get(key.name) or "").casefold() == wanted and not record["IsDeleted"]:
                return record
        return None

    def _may_change(self, sobject: SObject) -> None:
        if not self._user.may_write:
            raise refuse("INSUFFICIENT_ACCESS", "insufficient access rights on object id", status=403)
        if not sobject.editable:
            message = f"entity type cannot be changed: {sobject.name}"
            raise refuse("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)

    def _checked(
        self, sobject: SObject, values: Mapping[str, object], *, new: bool, of: Record | None = None
    ) -> dict[str, Value]:
        checked: dict[str, Value] = {}
        for name, value in values.items():
            if name == "attributes":
                continue
            field = sobject.field(name)
            if field is None:
                raise refuse("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
            if field.type == "id" and new:
                message = f"cannot specify Id in an insert call: {value}"
                raise refuse("INVALID_FIELD_FOR_INSERT_UPDATE", message, "Id")
            if field.read_only:
                raise _not_writeable(field)
            checked[field.name] = fitting(sobject, field, value, self._store.find_record)
            if field.external_id and checked[field.name] is not None:
                self._unique(sobject, field, str(checked[field.name]), of)
        return checked

    def _unique(self, sobject: SObject, field: Field, value: str, of: Record | None) -> None:
        twin = self.by_key(sobject, field, value)
        if twin is not None and twin is not of:
            message = f"duplicate value found: {field.name} duplicates value on record with id: {twin['Id']}"
            raise refuse("DUPLICATE_VALUE", message)

    def _new_id(self, sobject: SObject) -> str:
        while True:
            record_id = ids.random_id(sobject.prefix)
            if record_id not in self._store.tables[sobject.name]:
                return record_id

    def _keep(self, sobject: SObject, record: Record, stamp: str) -> None:
        stamps: Record = {"LastModifiedDate": stamp, "LastModifiedById": self._user.id, "SystemModstamp": stamp}
        before = self._store.tables[sobject.name].get(str(record["Id"]))
        number = len(self._store.tables[sobject.name])
        self._store.put(sobject.name, record | stamps | _computed(sobject.name, record, before, stamp, number))


def _computed(name: str, record: Record, before: Record | None, stamp: str, number: int) -> Record:
    """The fields that follow from others."""
    match name:
        case "Contact" | "Lead":
            parts = (record["FirstName"], record["LastName"])
            return {"Name": " ".join(str(part) for part in parts if part)}
        case "Opportunity":
            stage = str(record["StageName"])
            moved = before is None or before["StageName"] != stage
            chance: Record = {"Probability": STAGES.get(stage, 50)} if moved else {}
            return chance | {"IsClosed": stage.startswith("Closed"), "IsWon": stage == "Closed Won"}
        case "Case":
            closed = record["Status"] == "Closed"
            return {
                "CaseNumber": record["CaseNumber"] or f"{1001 + number:08}",
                "IsClosed": closed,
                "ClosedDate": (record["ClosedDate"] or stamp) if closed else None,
            }
        case "Task":
            return {"IsClosed": record["Status"] == "Completed"}
        case _:
            return {}


def _not_writeable(field: Field) -> SalesforceError:
    message = (
        f"Unable to create/update fields: {field.name}. Please check the security settings of this field and verify "
        "that it is read/write for your profile or permission set."
    )
    return refuse("INVALID_FIELD_FOR_INSERT_UPDATE", message, field.name)

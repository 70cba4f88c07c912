"""Whether a value may stand in a field, in Salesforce's words where it may not."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from meshmesh_demo import ids, model
from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.model import Field, Record, SObject, Value
from meshmesh_demo.seed import text_of

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_MAX_INT, _MAX_NUMBER = 2**31 - 1, 10**18
_NUMBERS = frozenset({"double", "currency", "percent"})
Exists = Callable[[str], "tuple[str, Record] | None"]


def fitting(sobject: SObject, field: Field, value: object, exists: Exists) -> Value:
    """The value as it is kept.

    Args:
        sobject: the field's object.
        field: where it is to stand.
        value: from JSON, or a CSV's text.
        exists: finds a record by its id.

    Raises:
        SalesforceError: it does not fit.
    """
    if value is None or value == "":
        return False if field.type == "boolean" and value is None else None
    if field.type == "boolean":
        return _boolean(value)
    if field.type == "int" or field.type in _NUMBERS:
        return _number(field, value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong_type(field, value)
    text = str(value)
    match field.type:
        case "date":
            return _day(field, text)
        case "datetime":
            return _moment(field, text)
        case "reference":
            return _reference(field, text, exists)
        case "picklist" if field.restricted and text not in field.values:
            message = f"{field.label}: bad value for restricted picklist field: {text}"
            raise refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field.name)
        case "email" if not _EMAIL.fullmatch(text):
            raise refuse("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", field.name)
        case _:
            return _text(sobject, field, text)


def _text(sobject: SObject, field: Field, text: str) -> str:
    if field.length and len(text) > field.length:
        label = f"{sobject.name} {field.label}" if field.name == "Name" else field.label
        message = f"{label}: data value too large: {text[:80]} (max length={field.length})"
        raise refuse("STRING_TOO_LONG", message, field.name)
    return text


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false", "1", "0"}:
        return value.lower() in {"true", "1"}
    raise _deserialize("boolean", value)


def _number(field: Field, value: object) -> Value:
    kind = "int" if field.type == "int" else "double"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _deserialize(kind, value)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _deserialize(kind, value) from None
    most = _MAX_INT if kind == "int" else _MAX_NUMBER
    if not math.isfinite(number) or abs(number) > most or (kind == "int" and number % 1):
        raise refuse("NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: value outside of valid range: {value}", field.name)
    return int(number) if number.is_integer() else number


def _day(field: Field, text: str) -> str:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise _wrong_type(field, text) from None


def _moment(field: Field, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return text_of((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        raise _wrong_type(field, text) from None


def _reference(field: Field, text: str, exists: Exists) -> str:
    record_id = ids.normal(text)
    if record_id is None:
        raise refuse("MALFORMED_ID", f"{field.label}: id value of incorrect type: {text}", field.name)
    if not any(record_id.startswith(model.OBJECTS[target].prefix) for target in field.targets):
        raise refuse("FIELD_INTEGRITY_EXCEPTION", f"{field.label}: id value of incorrect type: {text}", field.name)
    found = exists(record_id)
    if found is None:
        message = f"insufficient access rights on cross-reference id: {text}"
        raise refuse("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message)
    if found[1]["IsDeleted"]:
        raise refuse("ENTITY_IS_DELETED", "entity is deleted")
    return record_id


def _wrong_type(field: Field, value: object) -> SalesforceError:
    return _deserialize(field.type, value)


def _deserialize(kind: str, value: object) -> SalesforceError:
    given = "VALUE_STRING" if isinstance(value, str) else "JSON value"
    text = f"Cannot deserialize instance of {kind} from {given} {str(value)[:80]} or request may be missing a required field"
    return refuse("JSON_PARSER_ERROR", text)

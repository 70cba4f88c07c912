"""Fields by name: a path through parents to an object and a field, or Salesforce's refusal with its caret."""

from meshmesh_demo import model
from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.model import Field, SObject
from meshmesh_demo.soql.tree import Path

MAX_PARENTS = 5


def source(name: str, alias: str | None, path: Path) -> tuple[str, ...]:
    """A path without the object's own name or alias in front of it."""
    first = path.names[0].lower()
    if len(path.names) > 1 and first in {name.lower(), (alias or "").lower()}:
        return path.names[1:]
    return path.names


def resolve(sobject: SObject, names: tuple[str, ...], path: Path, statement: str) -> list[Field]:
    """The reference fields on the way, then the field itself.

    Raises:
        SalesforceError: INVALID_FIELD, with the caret of K.1's kind of text.
    """
    if len(names) > MAX_PARENTS + 1:
        raise refuse("MALFORMED_QUERY", "Only 5 levels of parent relationships are allowed.")
    found: list[Field] = []
    here = sobject
    for name in names[:-1]:
        field = _relation(here, name)
        if field is None:
            raise _no_relation(here, name, path, statement)
        found.append(field)
        here = model.OBJECTS[field.targets[0]]
    last = here.field(names[-1])
    if last is None:
        raise no_column(here, names[-1], path.at, statement)
    return [*found, last]


def _relation(sobject: SObject, name: str) -> Field | None:
    wanted = name.lower()
    return next((field for field in sobject.fields.values() if field.relation.lower() == wanted), None)


def no_column(sobject: SObject, name: str, at: int, statement: str) -> SalesforceError:
    """The refusal of a field that is not there."""
    return refuse(
        "INVALID_FIELD",
        f"\n{_window(statement, at)}\n"
        f"ERROR at Row:1:Column:{at + 1}\nNo such column '{name}' on entity '{sobject.name}'. If you are attempting to use "
        "a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
        "describe call for the appropriate names.",
    )


def _no_relation(sobject: SObject, name: str, path: Path, statement: str) -> SalesforceError:
    return refuse(
        "INVALID_FIELD",
        f"\n{_window(statement, path.at)}\nERROR at Row:1:Column:{path.at + 1}\nDidn't understand relationship '{name}' in "
        f"field path on entity '{sobject.name}'. If you are attempting to use a custom relationship, be sure to append "
        "the '__r' after the custom relationship name.",
    )


def _window(statement: str, at: int) -> str:
    """The part of the statement around the mistake, and a caret below it."""
    start = max(0, at - 40)
    line = statement[start : at + 40].replace("\n", " ")
    return f"{line}\n{' ' * (at - start)}^"


def no_object(name: str) -> SalesforceError:
    """The refusal of an object that is not there."""
    return refuse(
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
        "'__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
    )


def no_children(name: str) -> SalesforceError:
    """The refusal of a child relationship that is not there."""
    return refuse(
        "INVALID_TYPE",
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom "
        "relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or "
        "the describe call for the appropriate names.",
    )

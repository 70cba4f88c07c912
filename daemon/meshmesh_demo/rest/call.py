"""What every REST handler gets and gives."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.jsons import Json, is_list, is_object
from meshmesh_demo.oauth.approvals import Held
from meshmesh_demo.org import Org
from meshmesh_demo.users import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a user, by a grant."""

    user: User
    held: Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request below `/services/data/vXX.0`. `names` holds what the route's pattern caught."""

    org: Org
    caller: Caller
    method: str
    version: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def document(self) -> object:
        """The body as JSON.

        Raises:
            SalesforceError: JSON_PARSER_ERROR.
        """
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError):
            raise refuse(
                "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no valid JSON."
            ) from None
        return value

    def fields(self) -> Json:
        """The body as a JSON object.

        Raises:
            SalesforceError: JSON_PARSER_ERROR.
        """
        return as_object(self.document())

    @property
    def root(self) -> str:
        """The address of this version's resources."""
        return f"/services/data/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; `body` is JSON, ready text (CSV), or nothing."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Operation = Callable[[Call], Awaitable[Reply]]


def as_object(value: object) -> Json:
    """A JSON object.

    Raises:
        SalesforceError: JSON_PARSER_ERROR.
    """
    if not is_object(value):
        raise _wrong_shape("object", value)
    return dict(value)


def as_list(value: object) -> list[object]:
    """A JSON array.

    Raises:
        SalesforceError: JSON_PARSER_ERROR.
    """
    if not is_list(value):
        raise _wrong_shape("array", value)
    return value


def as_text(value: object, name: str) -> str:
    """A JSON text.

    Raises:
        SalesforceError: JSON_PARSER_ERROR.
    """
    if not isinstance(value, str):
        raise refuse("JSON_PARSER_ERROR", f"{name} must be a string")
    return value


def _wrong_shape(wanted: str, value: object) -> SalesforceError:
    shown = json.dumps(value)[:60]
    return refuse("JSON_PARSER_ERROR", f"Unexpected value, an {wanted} was expected: {shown}")

"""What an org says of itself: its kind, its name, the newest API version. Asked of the org, never guessed from its host."""

import json
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from meshmesh_storage.records import Environment, Kind

DEFAULT_API_VERSION = "66.0"
VERSIONS_PATH = "/services/data"
_QUERY = "SELECT Name, IsSandbox, OrganizationType, TrialExpirationDate FROM Organization LIMIT 1"


@dataclass(frozen=True, slots=True)
class OrgFacts:
    """Name and kind of an org."""

    name: str
    kind: Kind


def organization_path(version: str) -> str:
    """Where the org tells about itself."""
    return f"{VERSIONS_PATH}/v{version}/query?q={quote(_QUERY)}"


def read_version(body: bytes) -> str | None:
    """The newest API version of `GET /services/data`, or None where the answer is another."""
    versions = [str(entry.get("version")) for entry in _objects(_parsed(body))]
    numbers = [version for version in versions if version.replace(".", "", 1).isdigit()]
    return max(numbers, key=float, default=None)


def read_facts(body: bytes, environment: Environment) -> OrgFacts | None:
    """The answer to the Organization query, or None where it is another.

    Args:
        body: the answer's body.
        environment: the demo org is a demo whatever it says.
    """
    document = _parsed(body)
    records = _objects(document.get("records")) if isinstance(document, dict) else []
    if not records:
        return None
    record = records[0]
    name = record.get("Name")
    kind = Kind.DEMO if environment is Environment.DEMO else _kind(record)
    return OrgFacts(name if isinstance(name, str) else "", kind)


def _kind(record: dict[str, object]) -> Kind:
    """sf's rule: a sandbox with an end date is a scratch org."""
    ends = record.get("TrialExpirationDate") is not None
    if record.get("IsSandbox") is True:
        return Kind.SCRATCH if ends else Kind.SANDBOX
    if record.get("OrganizationType") == "Developer Edition":
        return Kind.DEVELOPER
    return Kind.TRIAL if ends else Kind.PRODUCTION


def read_username(body: bytes) -> str | None:
    """The user name in a userinfo answer."""
    document = _parsed(body)
    name = document.get("preferred_username") if isinstance(document, dict) else None
    return name if isinstance(name, str) and name else None


def _parsed(body: bytes) -> "dict[str, object] | list[object]":
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    return cast("list[object]", value) if isinstance(value, list) else {}


def _objects(value: object) -> list[dict[str, object]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]

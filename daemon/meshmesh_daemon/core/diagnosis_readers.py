"""The answers of an org, read into findings.

Each reader takes what it understands and leaves the rest: nothing but names and numbers of the org gets into the evidence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import cast

from meshmesh_daemon.core import scopes
from meshmesh_daemon.core.diagnosis_findings import Ending, Findings, Verdict, listed, plain
from meshmesh_daemon.core.diagnosis_words import API_ENABLED, limit_reached, of_failure
from meshmesh_daemon.core.errors import missing_feature, transport_failure

_LITTLE = 0.1  # of a limit left: worth a line
_OWNED_BY_PROFILE = "X00e"  # the hidden permission set behind each profile

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer that is no failure of the connection as a whole. The body may be anything."""

    status: int
    content_type: str
    body: bytes


def parsed(body: bytes) -> object:
    """The JSON document of a body, or None where it is none."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def versions(findings: Findings, document: object) -> Findings:
    """The host is alive, and which versions of the API it has."""
    offered = [_text(entry, "version") for entry in _records(document)]
    if not offered:
        return findings.ended(of_failure(transport_failure("captive_portal")))
    wanted = findings.subject.api_version
    offers = "it offers" if wanted in offered else "it does not offer"
    return findings.saw(f"The org's host answers at {findings.subject.instance_url}; {offers} API version {wanted}.")


def alive(findings: Findings, _what: str, answer: Answered) -> Findings:
    """The host answers something else: it is alive at least."""
    return findings.saw(f"The org's host answers at {findings.subject.instance_url} (status {answer.status}).")


def user_info(findings: Findings, document: object) -> Findings:
    """Who the session is."""
    name, username = _text(document, "name"), _text(document, "preferred_username")
    return findings.saw(f"The session is {name or 'the user'}'s ({username or findings.subject.username}).")


def resources(findings: Findings, _document: object) -> Findings:
    """The resource list: the token is valid and the API allowed."""
    return findings.saw("The session is valid, and the API is open to this user.")


def refused_resources(findings: Findings, _what: str, answer: Answered) -> Findings:
    """The first call is refused, for a reason that is none of the connection's usual ones."""
    if findings.subject.scopes and scopes.missing(("api",), findings.subject.scopes):
        return findings.ended(_WITHOUT_API)
    failure = missing_feature(content_type=answer.content_type, body=answer.body)
    why = f" ({failure.evidence})" if failure else ""
    return findings.ended(
        Ending(
            verdict=Verdict.ACCESS_DENIED,
            sentences=(f"Salesforce answers {answer.status} to the first call of the API{why}.",),
            request="Hi, Salesforce refuses me the API. Could you please check that my user has API Enabled, and that our "
            "edition has the API? Thank you!",
            where=API_ENABLED,
        )
    )


_WITHOUT_API = Ending(
    verdict=Verdict.APP,
    sentences=("The sign-in lacks the scope api, without which Salesforce refuses every call.",),
    request="Hi, could you please add the OAuth scope Manage user data via APIs (api) to the app that I sign in with? "
    "Thank you!",
    where="Setup > External Client App Manager > {app} > Settings > OAuth Settings > Selected OAuth Scopes",
)


def limits(findings: Findings, document: object) -> Findings:
    """How much is left of the org's limits."""
    storage = {name: _limit(document, name) for name in ("DataStorageMB", "FileStorageMB")}
    low = tuple(
        f"{name}: {left:,} of {most:,} are left." for name, (left, most) in storage.items() if left < most * _LITTLE
    )
    left, most = _limit(document, "DailyApiRequests")
    if most and left <= 0:
        return findings.saw(*low).ended(limit_reached(most))
    if not most:
        return findings.saw(*low)
    warning = "Only " if left < most * _LITTLE else ""
    return findings.saw(f"{warning}{left:,} of {most:,} API requests are left for these 24 hours.", *low)


def organization(findings: Findings, document: object) -> Findings:
    """Whether the org lives and can be written to."""
    org = _first(document)
    if not org:
        return findings
    ends = _moment(_text(org, "TrialExpirationDate"))
    name, now = _text(org, "Name") or findings.subject.org_name, findings.subject.now
    findings = findings.saw(f"The org {name} is a {_text(org, 'OrganizationType')} on {_text(org, 'InstanceName')}.")
    if ends and ends <= now:
        return findings.ended(_trial_over(ends))
    if _at(org, "IsReadOnly") is True:
        return findings.ended(_READ_ONLY)
    return findings.saw(f"It is a trial or scratch org until {ends:%Y-%m-%d}.") if ends else findings


def _trial_over(ends: datetime) -> Ending:
    return Ending(
        verdict=Verdict.ORG,
        sentences=(f"The org's trial, or its life as a scratch org, ended on {ends:%Y-%m-%d}.",),
        request=f"Hi, our Salesforce org says that its trial ended on {ends:%Y-%m-%d}. Could you please extend or buy it, or "
        "tell me which org to use instead? Thank you!",
        where="Setup > Company Information",
    )


_READ_ONLY = Ending(
    verdict=Verdict.ORG,
    sentences=(
        "The org is in read-only mode: reading works, every change is refused. Salesforce does this during maintenance.",
    ),
    request="Hi, our Salesforce org is in read-only mode. Could you please tell me until when? Thank you!",
    where="https://status.salesforce.com, under the org's instance",
)


def profile(findings: Findings, document: object) -> Findings:
    """The user's profile."""
    user = _first(document)
    name, api = _text(user, "Profile.Name"), _at(user, "Profile.PermissionsApiEnabled")
    found = replace(findings, profile=name or None, license_id=_text(user, "Profile.UserLicenseId") or None)
    if not name:
        return found
    gives = "gives" if api is True else "does not give"
    return found.saw(f"The profile {name} {gives} API Enabled.")


def permission_sets(findings: Findings, document: object) -> Findings:
    """The user's permission sets."""
    sets = [one for one in _records(_at(document, "records")) if _is_set(one)]
    names = tuple(_text(one, "PermissionSet.Label") or _text(one, "PermissionSet.Name") for one in sets)
    giving = tuple(
        name for name, one in zip(names, sets, strict=True) if _at(one, "PermissionSet.PermissionsApiEnabled") is True
    )
    gives = f", and API Enabled comes from {listed(giving)}" if giving else ""
    return findings.saw(f"The user's permission sets are {listed(names) or 'none'}{gives}.")


def _is_set(record: Record) -> bool:
    return not _text(record, "PermissionSet.Name").startswith(_OWNED_BY_PROFILE)


def user_licenses(findings: Findings, document: object) -> Findings:
    """Whether the user's own licence is alive."""
    pool = _records(_at(document, "records"))
    findings = _note_used_up(findings, pool, "Name")
    own = next((one for one in pool if _text(one, "Id") == findings.license_id), None)
    if own is None:
        return findings
    name, status = _text(own, "Name"), _text(own, "Status")
    findings = replace(findings, user_license=name)
    if status and status != "Active":
        return findings.ended(_license_over(f"user licence {name}", f"is {status.lower()}"))
    return findings.saw(f"The user's licence {name} is active.")


def assigned_licenses(findings: Findings, document: object) -> Findings:
    """Whether the user's permission set licences are alive."""
    held = [one for one in _records(_at(document, "records")) if _at(one, "PermissionSetLicense")]
    for one in held:
        name, status = _text(one, "PermissionSetLicense.MasterLabel"), _text(one, "PermissionSetLicense.Status")
        ends = _day(_text(one, "PermissionSetLicense.ExpirationDate"))
        if ends and ends < findings.subject.now.date():
            return findings.ended(_license_over(f"permission set licence {name}", f"ended on {ends}"))
        if status and status != "Active":
            return findings.ended(_license_over(f"permission set licence {name}", f"is {status.lower()}"))
    names = tuple(_text(one, "PermissionSetLicense.MasterLabel") for one in held)
    return findings.saw(f"The user's permission set licences are active: {listed(names)}.") if names else findings


def licenses(findings: Findings, document: object) -> Findings:
    """Which of the org's permission set licences are used up."""
    return _note_used_up(findings, _records(_at(document, "records")), "MasterLabel")


def _note_used_up(findings: Findings, pool: list[Record], label: str) -> Findings:
    gone = tuple(f"{_text(one, label)} ({_at(one, 'TotalLicenses')})" for one in pool if _is_used_up(one))
    if not gone:
        return findings
    noted = replace(findings, used_up=(*findings.used_up, *gone))
    return noted.saw(f"No free licence is left of {listed(gone)}; who has one keeps it.")


def _is_used_up(record: Record) -> bool:
    total, used = _at(record, "TotalLicenses"), _at(record, "UsedLicenses")
    return isinstance(total, int) and isinstance(used, int) and 0 < total <= used


def _license_over(which: str, how: str) -> Ending:
    return Ending(
        verdict=Verdict.LICENSE_MISSING,
        sentences=(f"The {which} of this user {how}.",),
        request=f"Hi, my connection to Salesforce works, but the {which} that my user has {how}. Could you please renew it, or "
        "give me another that holds what I need? Thank you!",
        where="Setup > Company Information > User Licenses and Permission Set Licenses; then Setup > Users > {user}",
    )


def _at(value: object, dotted: str) -> object:
    for name in dotted.split("."):
        value = cast("Record", value).get(name) if isinstance(value, dict) else None
    return value


def _text(value: object, dotted: str) -> str:
    found = _at(value, dotted)
    return plain(found) if isinstance(found, str) else ""


def _records(value: object) -> list[Record]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Record", item) for item in items if isinstance(item, dict)]


def _first(document: object) -> Record:
    nothing: Record = {}
    return next(iter(_records(_at(document, "records"))), nothing)


def _limit(document: object, name: str) -> tuple[int, int]:
    left, most = _at(document, f"{name}.Remaining"), _at(document, f"{name}.Max")
    return (left, most) if isinstance(left, int) and isinstance(most, int) else (0, 0)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None

"""What failed for the person: an error code or message of some tool, read for what it says about permission and licence.

The text may be anything that was pasted, a token among it. Nothing of it is repeated but codes that our tables know and
the names of objects, fields and features that stand where Salesforce's own sentences have them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from meshmesh_daemon.core import error_meanings as m
from meshmesh_daemon.core.diagnosis_findings import Ending, Findings, Verdict, listed
from meshmesh_daemon.core.diagnosis_words import CORE_OBJECTS, NARROW_LICENSES
from meshmesh_daemon.core.errors import Failure, missing_feature, rest_failure

_JSON = "application/json"
_MOST_CODES = 10
_CODE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_NAME = r"([A-Za-z]\w{0,79})"
_OBJECTS = (
    re.compile(rf"sObject type '{_NAME}'"),
    re.compile(rf"on entity '{_NAME}'"),
    re.compile(rf"on (?:sobject|object)(?: type)? '?{_NAME}\b", re.IGNORECASE),
)
_FIELD = re.compile(rf"No such column '{_NAME}'")
_FEATURES = re.compile(rf"\[{_NAME}\]")

_VERDICTS = {
    m.FEATURE_MISSING.title: Verdict.FEATURE_MISSING,
    m.LICENSE_MISSING.title: Verdict.LICENSE_MISSING,
    m.ACCESS_MISSING.title: Verdict.ACCESS_DENIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a pasted error says. `failure` is None where it says nothing about permission, feature or licence.

    `of_connection`: it says something about the connection as a whole, which the ladder has looked at by then.
    """

    failure: Failure | None
    of_connection: bool
    sobject: str | None
    field: str | None
    features: tuple[str, ...]


def read(text: str) -> Complaint:
    """Read an error.

    Args:
        text: an `errorCode`, a message with the code in it, or the answer's JSON.
    """
    bodies = tuple(_bodies(text))
    failures = (missing_feature(content_type=_JSON, body=body) for body in bodies)
    sobjects = (found for found in (pattern.search(text) for pattern in _OBJECTS) if found)
    field = _FIELD.search(text)
    sobject = next(sobjects, None)
    return Complaint(
        failure=next((failure for failure in failures if failure), None),
        of_connection=any(_is_of_connection(body) for body in bodies),
        sobject=sobject[1] if sobject else None,
        field=field[1] if field else None,
        features=tuple(_FEATURES.findall(text)) if "FUNCTIONALITY_NOT_ENABLED" in text else (),
    )


def _bodies(text: str) -> Iterator[bytes]:
    """The text as answers of REST, which is the form that the tables are looked up by."""
    yield text.encode()
    for code in dict.fromkeys(_CODE.findall(text)[:_MOST_CODES]):
        yield json.dumps([{"errorCode": code, "message": text}]).encode()


def _is_of_connection(body: bytes) -> bool:
    answer = rest_failure(status=400, content_type=_JSON, body=body, headers={}, now=datetime.min.replace(tzinfo=UTC))
    return answer is not None


def explained(complaint: Complaint, findings: Findings) -> Ending | None:
    """What is wrong by that error, where the connection itself is well.

    Returns:
        None where it is nothing that an admin mends, or where what it says is not so any more.
    """
    failure = complaint.failure
    if failure is None or _is_seen(complaint, findings):
        return None
    verdict = _VERDICTS[failure.title]
    if verdict is Verdict.FEATURE_MISSING and _beyond_license(complaint.sobject, findings):
        verdict = Verdict.LICENSE_MISSING
    about, hints = _about(complaint), tuple(_hints(complaint, findings, verdict))
    gone = listed(findings.used_up) if verdict is Verdict.LICENSE_MISSING else ""
    return Ending(
        verdict=verdict,
        sentences=(f"The error says: {failure.detail} ({failure.evidence})", *hints),
        request=(failure.message_for_admin or "")
        + (f" It is about {about}." if about else "")
        + (f" None is left of {gone}." if gone else ""),
        where=_where(complaint, verdict),
    )


def note(complaint: Complaint, findings: Findings) -> str | None:
    """What to say of an error that explains nothing, or None for one that does."""
    if findings.ending is not None:
        return None
    if complaint.failure is None and complaint.of_connection:
        return "The error given concerns the connection as a whole, and that works now."
    if complaint.failure is None:
        return "The error given says nothing about permission, feature or licence: look at the request itself."
    if _is_seen(complaint, findings):
        return f"The error given is about {complaint.sobject}, which this user can see now: look at how the tool asks for it."
    return None


def _is_seen(complaint: Complaint, findings: Findings) -> bool:
    """Whether it is about an object alone, and the user can see that object."""
    return complaint.sobject in findings.present and complaint.field is None


def _beyond_license(sobject: str | None, findings: Findings) -> bool:
    return sobject in CORE_OBJECTS and findings.user_license in NARROW_LICENSES


def _about(complaint: Complaint) -> str:
    if complaint.field and complaint.sobject:
        return f"the field {complaint.field} of {complaint.sobject}"
    if complaint.sobject:
        return f"the object {complaint.sobject}"
    return f"the feature {listed(complaint.features)}" if complaint.features else ""


def _hints(complaint: Complaint, findings: Findings, verdict: Verdict) -> Iterator[str]:
    about = _about(complaint)
    if about:
        yield f"It is about {about}."
    if complaint.sobject is not None and complaint.sobject in CORE_OBJECTS and complaint.field is None:
        yield f"What brings {complaint.sobject}: {CORE_OBJECTS[complaint.sobject]}."
    if verdict is Verdict.LICENSE_MISSING and findings.user_license:
        yield f"The user's licence is {findings.user_license}."


def _where(complaint: Complaint, verdict: Verdict) -> str:
    if verdict is Verdict.LICENSE_MISSING:
        return "Setup > Company Information > User Licenses and Permission Set Licenses; then Setup > Users > {user}"
    if complaint.sobject:
        sets = "Setup > Permission Sets > one of {user}'s > Object Settings"
        return f"{sets} > {complaint.sobject}" + (f" > {complaint.field}" if complaint.field else "")
    return "Setup, by the feature's name in Quick Find; then the permission sets of {user}"

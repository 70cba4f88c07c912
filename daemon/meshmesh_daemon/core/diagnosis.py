"""What is wrong with a connection, in one of nine verdicts: pure, values in and values out.

`diagnosis_ladder` says what is asked and reads the answers into findings, until the first thing that is wrong;
`diagnose` makes of them a verdict, evidence that is safe to paste (names of the owner's own user and org, never a token),
and a message for the admin that needs nothing added.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshmesh_daemon.core import diagnosis_complaint as complaints
from meshmesh_daemon.core.diagnosis_complaint import Complaint
from meshmesh_daemon.core.diagnosis_findings import Ending, Findings, Verdict, listed
from meshmesh_daemon.core.diagnosis_words import CORE_OBJECTS, NARROW_LICENSES, NEXT
from meshmesh_daemon.core.problems import Next

_UNSEEN_PROFILE = "the user's profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a person is told. `message_for_admin` is None where no admin is needed."""

    verdict: Verdict
    evidence: tuple[str, ...]
    message_for_admin: str | None
    next_step: Next | None


def diagnose(findings: Findings, complaint: Complaint | None = None) -> Diagnosis:
    """The verdict on what was found.

    Args:
        findings: what the ladder brought.
        complaint: what failed for the person, if that was told.
    """
    objects = tuple(_objects_seen(findings))
    ending = findings.ending
    if ending is None and complaint is not None:
        ending = complaints.explained(complaint, findings)
    ending = ending or _objects_absent(findings)
    remark = complaints.note(complaint, findings) if complaint is not None else None
    said = ending.sentences if ending else _scope_remarks(findings)
    verdict = ending.verdict if ending else Verdict.OK
    return Diagnosis(
        verdict=verdict,
        evidence=(*findings.seen, *objects, *([remark] if remark else []), *said),
        message_for_admin=_message(findings, ending) if ending else None,
        next_step=_next(findings.subject.name, (ending.step if ending else None) or NEXT[verdict]),
    )


def _objects_seen(findings: Findings) -> Iterator[str]:
    if findings.present:
        yield f"This user can see {listed(findings.present)}."
    if findings.absent:
        yield f"This user cannot see {listed(findings.absent)}."


def _objects_absent(findings: Findings) -> Ending | None:
    """The verdict on core objects that are not there; a user licence that never holds them explains them."""
    absent = tuple(name for name in findings.absent if name in CORE_OBJECTS)
    if not absent or findings.user_license in NARROW_LICENSES:
        return None
    needs = "; ".join(f"{name}: {CORE_OBJECTS[name]}" for name in absent)
    return Ending(
        verdict=Verdict.FEATURE_MISSING,
        sentences=(
            f"Off in this org, unlicensed, or hidden from this user: {listed(absent)}. What brings them: {needs}.",
        ),
        request=f"Hi, my connection to Salesforce works, but I cannot see {listed(absent)}. Could you please give my user read "
        f"on them, by a permission set, or the licence that holds them ({needs})? Thank you!",
        where="Setup > Permission Sets > one of {user}'s > Object Settings; and Setup > Users > {user} > User License",
    )


def _scope_remarks(findings: Findings) -> tuple[str, ...]:
    granted = set(findings.subject.scopes)
    if not granted or granted & {"web", "full"}:
        return ()
    return ("The sign-in lacks the scope web: the API works, opening the org in a browser by it does not.",)


def _message(findings: Findings, ending: Ending) -> str | None:
    if ending.request is None:
        return None
    subject = findings.subject
    lines = [ending.request, "", f"User: {subject.username}", f"Org: {subject.org_name} ({subject.org_id})"]
    if findings.profile:
        lines.append(f"Profile: {findings.profile}")
    lines.append(f"App: client ID {subject.client_id}")
    if ending.where:
        place = ending.where.format(
            user=subject.username, profile=findings.profile or _UNSEEN_PROFILE, app=subject.client_id
        )
        lines.append(f"Where: {place}")
    return "\n".join(lines)


def _next(name: str, step: Next | None) -> Next | None:
    if step is None or step.command is None:
        return step
    return replace(step, command=step.command.format(name=name))

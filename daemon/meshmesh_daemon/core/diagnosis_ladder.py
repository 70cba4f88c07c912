"""The probe ladder as data: what is asked of an org, in order, and who reads the answer.

A refused look is passed over unless its step says otherwise: a user need not see every list of the org.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from meshmesh_daemon.core import diagnosis_readers as readers
from meshmesh_daemon.core.diagnosis_findings import Findings, Subject
from meshmesh_daemon.core.diagnosis_readers import Answered
from meshmesh_daemon.core.diagnosis_words import CORE_OBJECTS, of_failure
from meshmesh_daemon.core.errors import transport_failure
from meshmesh_daemon.core.oauth import USERINFO_PATH
from meshmesh_daemon.core.orgs import VERSIONS_PATH

_OK, _NOT_FOUND = 200, 404
_ROOT = VERSIONS_PATH + "/v{version}"

Read = Callable[[Findings, object], Findings]
ReadRefusal = Callable[[Findings, str, Answered], Findings]


def passed_over(findings: Findings, what: str, why: str) -> Findings:
    """The findings where a look brought nothing, and nothing is wrong with that."""
    return findings.saw(f"{what} could not be looked at ({why}).")


def _pass_over(findings: Findings, what: str, answer: Answered) -> Findings:
    return passed_over(findings, what, f"Salesforce answered {answer.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One look.

    `what` stands in "... could not be looked at". `path` holds the fields `{version}` and `{user}`. `refused` reads an
    answer that is not 200. `vital`: without an answer there is no going on.
    """

    what: str
    path: str
    read: Read
    refused: ReadRefusal = _pass_over
    vital: bool = False
    with_token: bool = True

    def address(self, subject: Subject) -> str:
        """Where it is asked, behind the instance's origin."""
        return self.path.format(version=subject.api_version, user=subject.user_id)


def answered(findings: Findings, step: Step, answer: Answered) -> Findings:
    """The findings with what an answer tells.

    Args:
        findings: so far.
        step: what was asked.
        answer: what came, after `errors.rest_failure` found nothing in it.
    """
    if answer.status != _OK:
        return step.refused(findings, step.what, answer)
    document = readers.parsed(answer.body)
    if document is not None:
        return step.read(findings, document)
    if step.vital:
        return findings.ended(of_failure(transport_failure("truncated")))
    return passed_over(findings, step.what, "the answer is not readable")


def _query(soql: str) -> str:
    return f"{_ROOT}/query?q=" + quote(soql, safe="{}")


def object_step(name: str) -> Step:
    """The look whether the user can see an object.

    Args:
        name: its API name, letters, digits and underscores only.
    """

    def read(findings: Findings, _document: object) -> Findings:
        return replace(findings, present=(*findings.present, name))

    def refused(findings: Findings, what: str, answer: Answered) -> Findings:
        if answer.status == _NOT_FOUND:
            return replace(findings, absent=(*findings.absent, name))
        return _pass_over(findings, what, answer)

    return Step(what=f"The object {name}", path=f"{_ROOT}/sobjects/{name}", read=read, refused=refused)


HOST = Step(
    what="The org's host",
    path=VERSIONS_PATH,
    read=readers.versions,
    refused=readers.alive,
    vital=True,
    with_token=False,
)
RESOURCES = Step(what="The API", path=_ROOT, read=readers.resources, refused=readers.refused_resources, vital=True)
_LISTS: tuple[tuple[str, str, Read], ...] = (
    ("The org's limits", f"{_ROOT}/limits", readers.limits),
    (
        "The org's own record",
        _query("SELECT Name,OrganizationType,IsSandbox,TrialExpirationDate,InstanceName,IsReadOnly FROM Organization"),
        readers.organization,
    ),
    (
        "The user's profile",
        _query("SELECT Profile.Name,Profile.PermissionsApiEnabled,Profile.UserLicenseId FROM User WHERE Id='{user}'"),
        readers.profile,
    ),
    (
        "The user's permission sets",
        _query(
            "SELECT PermissionSet.Name,PermissionSet.Label,PermissionSet.PermissionsApiEnabled "
            "FROM PermissionSetAssignment WHERE AssigneeId='{user}'"
        ),
        readers.permission_sets,
    ),
    (
        "The org's user licences",
        _query("SELECT Id,Name,Status,TotalLicenses,UsedLicenses FROM UserLicense"),
        readers.user_licenses,
    ),
    (
        "The user's permission set licences",
        _query(
            "SELECT PermissionSetLicense.MasterLabel,PermissionSetLicense.Status,PermissionSetLicense.ExpirationDate "
            "FROM PermissionSetLicenseAssign WHERE AssigneeId='{user}'"
        ),
        readers.assigned_licenses,
    ),
    (
        "The org's permission set licences",
        _query("SELECT MasterLabel,Status,TotalLicenses,UsedLicenses FROM PermissionSetLicense"),
        readers.licenses,
    ),
)
LADDER: tuple[Step, ...] = (
    Step(what="The user's identity", path=USERINFO_PATH, read=readers.user_info),
    RESOURCES,
    *(Step(what=what, path=path, read=read) for what, path, read in _LISTS),
    *(object_step(name) for name in CORE_OBJECTS),
)

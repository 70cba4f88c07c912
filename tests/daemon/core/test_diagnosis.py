"""The pure part of the diagnosis: answers to findings, findings to a verdict, as tables."""

import json
from dataclasses import replace

import pytest

from meshmesh_daemon.core import diagnosis_complaint as complaints
from meshmesh_daemon.core import diagnosis_words as words
from meshmesh_daemon.core import error_meanings as m
from meshmesh_daemon.core.diagnosis import Diagnosis, diagnose
from meshmesh_daemon.core.diagnosis_findings import Findings, Subject, Verdict, listed, plain
from meshmesh_daemon.core.diagnosis_ladder import HOST, LADDER, RESOURCES, Step, answered, object_step
from meshmesh_daemon.core.diagnosis_readers import Answered
from meshmesh_storage.records import Reason
from support.clock import START

ADA = Subject(
    name="acme",
    username="ada@acme.example",
    user_id="005000000000001AAA",
    org_name="Acme",
    org_id="00D000000000062EAA",
    instance_url="https://acme.my.salesforce.com",
    api_version="66.0",
    client_id="PlatformCLI",
    scopes=("api", "refresh_token", "web"),
    now=START,
)
NOTHING = Findings(subject=ADA)
STEPS = {step.what: step for step in (HOST, *LADDER)}
CORE = ("Account", "Contact", "Lead", "Opportunity", "Case")


def rows(*records: object) -> dict[str, object]:
    """The answer of a query."""
    return {"totalSize": len(records), "done": True, "records": list(records)}


def tell(findings: Findings, step: Step, document: object, status: int = 200) -> Findings:
    """The findings after an answer."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return answered(findings, step, Answered(status=status, content_type="application/json", body=body))


def verdict_of(what: str, document: object, *, findings: Findings = NOTHING, status: int = 200) -> Diagnosis:
    """The diagnosis after one answer."""
    return diagnose(tell(findings, STEPS[what], document, status))


def license_row(**members: object) -> dict[str, object]:
    """A permission set licence that the user has."""
    usual: dict[str, object] = {"MasterLabel": "Analytics", "Status": "Active", "ExpirationDate": None}
    return {"PermissionSetLicense": usual | members}


OWN_LICENSE = {"Id": "100A", "Name": "Salesforce", "Status": "Active", "TotalLicenses": 5, "UsedLicenses": 3}
LICENSED = replace(NOTHING, license_id="100A")
ORG = {"Name": "Acme", "OrganizationType": "Enterprise Edition", "InstanceName": "EU1", "IsReadOnly": False}

ENDS: dict[str, tuple[str, object, Findings, Verdict, str]] = {
    "a list of another shape in the host's place": ("The org's host", {"hello": 1}, NOTHING, Verdict.NETWORK, "a page of"),
    "the host's answer cut off": ("The org's host", b'[{"version":', NOTHING, Verdict.NETWORK, "cut off"),
    "no API request left": (
        "The org's limits",
        {"DailyApiRequests": {"Max": 15000, "Remaining": 0}},
        NOTHING,
        Verdict.LIMIT,
        "None of the org's 15,000 API requests is left",
    ),
    "a trial that is over": (
        "The org's own record",
        rows(ORG | {"TrialExpirationDate": "2026-11-24T23:00:00.000+0000"}),
        NOTHING,
        Verdict.ORG,
        "ended on 2026-11-24",
    ),
    "an org in read-only mode": (
        "The org's own record",
        rows(ORG | {"IsReadOnly": True}),
        NOTHING,
        Verdict.ORG,
        "read-only mode",
    ),
    "a user licence that is switched off": (
        "The org's user licences",
        rows(OWN_LICENSE | {"Status": "Disabled"}),
        LICENSED,
        Verdict.LICENSE_MISSING,
        "user licence Salesforce of this user is disabled",
    ),
    "a permission set licence that is switched off": (
        "The user's permission set licences",
        rows(license_row(Status="Disabled")),
        NOTHING,
        Verdict.LICENSE_MISSING,
        "permission set licence Analytics of this user is disabled",
    ),
    "a permission set licence whose time is over": (
        "The user's permission set licences",
        rows(license_row(ExpirationDate="2026-11-24")),
        NOTHING,
        Verdict.LICENSE_MISSING,
        "ended on 2026-11-24",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_an_answer_that_ends_the_ladder(case: str) -> None:
    """What is wrong has its verdict, and is the last thing that the evidence says."""
    what, document, findings, verdict, said = ENDS[case]
    found = verdict_of(what, document, findings=findings)

    assert found.verdict is verdict
    assert any(said in line for line in found.evidence[-2:])


GOES_ON: dict[str, tuple[str, object, Findings, str | None]] = {
    "the host": ("The org's host", [{"version": "65.0"}, {"version": "66.0"}], NOTHING, "it offers API version 66.0"),
    "a host without our version": ("The org's host", [{"version": "65.0"}], NOTHING, "it does not offer API version 66.0"),
    "who it is": (
        "The user's identity",
        {"name": "Ada Admin", "preferred_username": "ada@acme.example"},
        NOTHING,
        "Ada Admin's (ada@acme.example)",
    ),
    "the API": ("The API", {"query": "/services/data/v66.0/query"}, NOTHING, "the API is open to this user"),
    "few requests left": (
        "The org's limits",
        {"DailyApiRequests": {"Max": 15000, "Remaining": 900}, "DataStorageMB": {"Max": 5, "Remaining": 0}},
        NOTHING,
        "Only 900 of 15,000",
    ),
    "limits that this user may not see": ("The org's limits", {"Other": {}}, NOTHING, None),
    "a trial under way": (
        "The org's own record",
        rows(ORG | {"TrialExpirationDate": "2026-12-01T23:00:00.000+0000"}),
        NOTHING,
        "until 2026-12-01",
    ),
    "no record of the org": ("The org's own record", rows(), NOTHING, None),
    "the profile": (
        "The user's profile",
        rows({"Profile": {"Name": "Sales", "PermissionsApiEnabled": False, "UserLicenseId": "100A"}}),
        NOTHING,
        "The profile Sales does not give API Enabled.",
    ),
    "the permission sets, without the profile's own": (
        "The user's permission sets",
        rows(
            {"PermissionSet": {"Name": "X00ex00000018ozL_128_09_04_0", "Label": "00ex"}},
            {"PermissionSet": {"Name": "Api", "Label": "API Users", "PermissionsApiEnabled": True}},
        ),
        NOTHING,
        "sets are API Users, and API Enabled comes from API Users.",
    ),
    "no permission set": ("The user's permission sets", rows(), NOTHING, "sets are none."),
    "the user's licence": ("The org's user licences", rows(OWN_LICENSE), LICENSED, "Salesforce is active"),
    "another's licence that is off": (
        "The org's user licences",
        rows(OWN_LICENSE | {"Id": "100B", "Status": "Disabled"}),
        LICENSED,
        None,
    ),
    "a licence that ends today": (
        "The user's permission set licences",
        rows(license_row(ExpirationDate="2026-11-25")),
        NOTHING,
        "are active: Analytics",
    ),
    "licences that are used up": (
        "The org's permission set licences",
        rows({"MasterLabel": "CRM", "TotalLicenses": 2, "UsedLicenses": 2}, {"MasterLabel": "None", "TotalLicenses": 0}),
        NOTHING,
        "No free licence is left of CRM (2)",
    ),
    "what is not readable": ("The org's limits", b"<limits/>", NOTHING, "could not be looked at"),
}  # fmt: skip


@pytest.mark.parametrize("case", GOES_ON)
def test_an_answer_that_is_only_evidence(case: str) -> None:
    """What is well, or may not be seen, is at most a line."""
    what, document, findings, said = GOES_ON[case]
    found = verdict_of(what, document, findings=findings)

    assert found.verdict is Verdict.OK
    assert (found.message_for_admin, found.next_step) == (None, None)
    assert any(said in line for line in found.evidence) if said else found.evidence == ()


@pytest.mark.parametrize("step", LADDER[:1] + LADDER[2:9])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_list_that_is_refused_is_passed_over(step: Step, status: int) -> None:
    """A user need not see every list of the org."""
    found = diagnose(tell(NOTHING, step, [{"errorCode": "INVALID_TYPE", "message": "no"}], status))

    assert (found.verdict, found.evidence) == (
        Verdict.OK,
        (f"{step.what} could not be looked at (Salesforce answered {status}).",),
    )


def test_the_first_call_refused_is_access_denied() -> None:
    """A 403 to the resource list that no other table knows is told as a missing API permission."""
    found = verdict_of("The API", [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}], status=403)

    assert found.verdict is Verdict.ACCESS_DENIED
    assert found.message_for_admin is not None
    assert "System Permissions > API Enabled" in found.message_for_admin


def test_the_first_call_refused_without_the_scope_is_the_apps() -> None:
    """Where the sign-in lacks `api`, the app's scopes are what is to be mended."""
    narrow = replace(NOTHING, subject=replace(ADA, scopes=("web", "refresh_token")))
    found = verdict_of("The API", [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}], findings=narrow, status=403)

    assert found.verdict is Verdict.APP
    assert "Manage user data via APIs (api)" in str(found.message_for_admin)


@pytest.mark.parametrize(
    ("scopes", "warned"), [(("api",), True), (("api", "web"), False), (("full",), False), ((), False)]
)
def test_the_missing_scope_web_is_a_remark(scopes: tuple[str, ...], warned: bool) -> None:
    """Opening the org in a browser needs `web`; the API does not."""
    found = diagnose(replace(NOTHING, subject=replace(ADA, scopes=scopes)))

    assert found.verdict is Verdict.OK
    assert any("scope web" in line for line in found.evidence) is warned


VERDICTS = {
    Verdict.SESSION_EXPIRED: {
        Reason.SESSION_EXPIRED,
        Reason.REFRESH_TOKEN_REVOKED,
        Reason.REFRESH_TOKEN_REUSED,
        Reason.SIGN_IN_LIMIT,
        Reason.IDLE_TIMEOUT,
        Reason.PASSWORD_EXPIRED,
        Reason.ORG_CHANGED,
        Reason.SCOPE_MISSING,
        Reason.ROTATION_INTERRUPTED,
    },
    Verdict.ACCESS_DENIED: {Reason.USER_INACTIVE, Reason.IP_RESTRICTED, Reason.API_DISABLED},
    Verdict.APP: {Reason.APP_BLOCKED, Reason.APP_NOT_INSTALLED, Reason.APP_MISCONFIGURED, Reason.RUN_AS_MISSING},
    Verdict.NETWORK: {Reason.NETWORK},
    Verdict.ORG: {Reason.ORG_UNAVAILABLE, Reason.SERVICE_UNAVAILABLE, Reason.VAULT_LOCKED},
    Verdict.LIMIT: {Reason.RATE_LIMITED},
}
NEEDS_ADMIN = {Verdict.ACCESS_DENIED, Verdict.APP}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_verdict(reason: Reason) -> None:
    """Each reason of the contract is one verdict, with its sentence, its next step, and a message where an admin mends it."""
    found = diagnose(NOTHING.ended(words.of_reason(reason, "What happened.")))

    assert reason in VERDICTS[found.verdict]
    assert "What happened." in found.evidence
    assert found.next_step is not None
    assert "{" not in str(found.next_step.command)
    if found.verdict in NEEDS_ADMIN:
        assert found.message_for_admin is not None
        for name in ("ada@acme.example", "Acme (00D000000000062EAA)", "PlatformCLI", "Where: Setup >"):
            assert name in found.message_for_admin
        assert "{" not in found.message_for_admin
    if found.verdict in {Verdict.SESSION_EXPIRED, Verdict.NETWORK}:
        assert found.message_for_admin is None


def test_a_session_that_is_over_is_mended_by_the_person() -> None:
    """Session Expired asks for Reconnect and no admin."""
    found = diagnose(NOTHING.ended(words.of_reason(Reason.IDLE_TIMEOUT, None)))

    assert found.next_step is not None
    assert (found.next_step.label, found.next_step.command) == ("Reconnect", "meshmesh reconnect acme")


@pytest.mark.parametrize("meaning", [m.SIGN_IN_RESTRICTED, m.SESSION_RESTRICTED])
def test_the_stored_sentence_tells_causes_of_one_reason_apart(meaning: m.Meaning) -> None:
    """`ip_restricted` is login hours or a session policy: the sentence that was stored says what to ask for."""
    ending = words.of_reason(Reason.IP_RESTRICTED, meaning.detail)

    assert ending.request == meaning.message_for_admin


def test_the_message_names_the_profile_that_was_seen() -> None:
    """The profile stands in the message, on a line of its own and in the place in Setup."""
    seen = tell(NOTHING, STEPS["The user's profile"], rows({"Profile": {"Name": "Sales"}}))
    message = diagnose(seen.ended(words.of_reason(Reason.API_DISABLED, None))).message_for_admin

    assert message is not None
    assert "\nProfile: Sales\n" in message
    assert "Setup > Profiles > Sales > System Permissions > API Enabled" in message


def with_objects(*absent: str, findings: Findings = NOTHING) -> Findings:
    """After the look at the core objects."""
    for name in CORE:
        status = 404 if name in absent else 200
        findings = tell(findings, object_step(name), {"errorCode": "NOT_FOUND"}, status)
    return findings


def test_core_objects_that_are_absent_are_a_missing_feature() -> None:
    """Which are absent is said, with what brings each."""
    found = diagnose(with_objects("Lead", "Case"))

    assert found.verdict is Verdict.FEATURE_MISSING
    assert "This user can see Account, Contact and Opportunity." in found.evidence
    assert "Lead: Sales Cloud; Case: Service Cloud or Sales Cloud" in found.evidence[-1]
    assert "I cannot see Lead and Case." in str(found.message_for_admin)


def test_a_licence_without_those_objects_explains_them() -> None:
    """A Salesforce Platform user never has Leads: nothing is wrong with that."""
    platform = replace(NOTHING, user_license="Salesforce Platform")
    found = diagnose(with_objects("Lead", "Opportunity", "Case", findings=platform))

    assert found.verdict is Verdict.OK
    assert "This user cannot see Lead, Opportunity and Case." in found.evidence


def complained(error: str, findings: Findings | None = None) -> Diagnosis:
    """The diagnosis of a connection that works, by what a tool printed."""
    return diagnose(findings or with_objects(), complaints.read(error))


TELLS: dict[str, tuple[str, Verdict, str]] = {
    "a feature by name": (
        '[{"errorCode":"FUNCTIONALITY_NOT_ENABLED","message":"[ServiceAutomationFamily]"}]',
        Verdict.FEATURE_MISSING,
        "the feature ServiceAutomationFamily",
    ),
    "a code in a sentence": (
        "ERROR: FUNCTIONALITY_NOT_ENABLED: not for you",
        Verdict.FEATURE_MISSING,
        "feature",
    ),
    "an object that is not there": (
        "INVALID_TYPE: sObject type 'Quote' is not supported.",
        Verdict.FEATURE_MISSING,
        "the object Quote",
    ),
    "a field": (
        "INVALID_FIELD: No such column 'Secret__c' on entity 'Account'. If you are attempting",
        Verdict.ACCESS_DENIED,
        "the field Secret__c of Account",
    ),
    "a record": ("INSUFFICIENT_ACCESS_OR_READONLY", Verdict.ACCESS_DENIED, "permission"),
    "no licence left": ("LICENSE_LIMIT_EXCEEDED: license limit", Verdict.LICENSE_MISSING, "licence"),
}


@pytest.mark.parametrize("case", TELLS)
def test_what_failed_for_the_person_is_explained(case: str) -> None:
    """An error about feature, licence or permission decides the verdict of a connection that works."""
    error, verdict, said = TELLS[case]
    found = complained(error)

    assert found.verdict is verdict
    assert said in str(found.message_for_admin)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("REQUEST_LIMIT_EXCEEDED", "concerns the connection as a whole, and that works now"),
        ("MALFORMED_QUERY: unexpected token", "look at the request itself"),
        ("it does not work", "look at the request itself"),
        ("INVALID_TYPE: sObject type 'Lead' is not supported.", "Lead, which this user can see now"),
    ],
)
def test_an_error_that_no_admin_mends_is_a_remark(error: str, said: str) -> None:
    """The verdict stays ok, and the evidence says what to look at."""
    found = complained(error)

    assert found.verdict is Verdict.OK
    assert any(said in line for line in found.evidence)


def test_an_object_beyond_the_users_licence_is_a_missing_licence() -> None:
    """INVALID_TYPE on Lead is the licence's doing for a Platform user."""
    platform = with_objects("Lead", findings=replace(NOTHING, user_license="Salesforce Platform"))
    found = complained("INVALID_TYPE: sObject type 'Lead' is not supported.", platform)

    assert found.verdict is Verdict.LICENSE_MISSING
    assert "The user's licence is Salesforce Platform." in found.evidence


def test_licences_that_are_used_up_stand_in_the_message() -> None:
    """Who asks for a licence is told which are gone."""
    found = complained("LICENSE_LIMIT_EXCEEDED", replace(with_objects(), used_up=("CRM (2)",)))

    assert "None is left of CRM (2)." in str(found.message_for_admin)


def test_what_the_ladder_found_comes_before_the_complaint() -> None:
    """A session that is over explains every error."""
    over = NOTHING.ended(words.of_reason(Reason.SESSION_EXPIRED, None))

    assert complained("LICENSE_LIMIT_EXCEEDED", over).verdict is Verdict.SESSION_EXPIRED


@pytest.mark.parametrize("shape", ["INVALID_TYPE {}", "{}", 'sObject type "{}"', "Bearer {} FUNCTIONALITY_NOT_ENABLED"])
def test_nothing_that_was_pasted_comes_back(shape: str) -> None:
    """A token in the pasted text is in no line of the diagnosis."""
    token = "00D000000000062!AQEAQPfDemoDemoDemoDemo.Secret_1"
    found = complained(shape.format(token))

    assert token not in repr(found)
    assert "Secret_1" not in repr(found)


def test_names_out_of_the_org_are_one_short_printable_line() -> None:
    """What an org calls its things cannot drive a terminal or flood a page."""
    assert plain("a\x1b[2J\n  b") == "a [2J b"
    assert len(plain("x" * 500)) == 80
    assert listed(()) == ""
    assert listed(("A",)) == "A"
    assert listed(("A", "B")) == "A and B"


def test_the_ladder_asks_for_this_user_and_version() -> None:
    """Each address is complete and encoded; only the first is asked without the token."""
    addresses = [step.address(ADA) for step in (HOST, *LADDER)]

    assert addresses[:3] == ["/services/data", "/services/oauth2/userinfo", "/services/data/v66.0"]
    assert all(address.isascii() and " " not in address and "{" not in address for address in addresses)
    assert sum("005000000000001AAA" in address for address in addresses) == 3
    assert [step.what for step in (HOST, *LADDER) if not step.with_token] == ["The org's host"]
    assert [step.what for step in (HOST, *LADDER) if step.vital] == ["The org's host", RESOURCES.what]

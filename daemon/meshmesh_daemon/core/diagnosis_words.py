"""The words of a diagnosis: which verdict a reason is, where in Setup it is mended, and what stands in a licence.

What is said about a failure, and what an admin is asked for, is said in `error_meanings` already; here stands only what
the diagnosis adds.
"""

from collections.abc import Mapping

from meshmesh_daemon.core import error_meanings as m
from meshmesh_daemon.core.diagnosis_findings import Ending, Verdict
from meshmesh_daemon.core.error_meanings import Meaning
from meshmesh_daemon.core.errors import Failure
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Reason

_SESSION = Verdict.SESSION_EXPIRED
_VERDICTS: Mapping[Reason, Verdict] = {
    Reason.SESSION_EXPIRED: _SESSION,
    Reason.REFRESH_TOKEN_REVOKED: _SESSION,
    Reason.REFRESH_TOKEN_REUSED: _SESSION,
    Reason.SIGN_IN_LIMIT: _SESSION,
    Reason.IDLE_TIMEOUT: _SESSION,
    Reason.PASSWORD_EXPIRED: _SESSION,
    Reason.ORG_CHANGED: _SESSION,
    Reason.SCOPE_MISSING: _SESSION,
    Reason.ROTATION_INTERRUPTED: _SESSION,
    Reason.USER_INACTIVE: Verdict.ACCESS_DENIED,
    Reason.IP_RESTRICTED: Verdict.ACCESS_DENIED,
    Reason.API_DISABLED: Verdict.ACCESS_DENIED,
    Reason.APP_BLOCKED: Verdict.APP,
    Reason.APP_NOT_INSTALLED: Verdict.APP,
    Reason.APP_MISCONFIGURED: Verdict.APP,
    Reason.RUN_AS_MISSING: Verdict.APP,
    Reason.NETWORK: Verdict.NETWORK,
    Reason.ORG_UNAVAILABLE: Verdict.ORG,
    Reason.SERVICE_UNAVAILABLE: Verdict.ORG,
    Reason.VAULT_LOCKED: Verdict.ORG,
    Reason.RATE_LIMITED: Verdict.LIMIT,
}
_SEND = Next("Send the message to your admin, then check again", "meshmesh doctor {name}")
_LATER = Next("Check again later", "meshmesh doctor {name}")
NEXT: Mapping[Verdict, Next | None] = {
    Verdict.OK: None,
    Verdict.ACCESS_DENIED: _SEND,
    Verdict.SESSION_EXPIRED: Next("Reconnect", "meshmesh reconnect {name}"),
    Verdict.FEATURE_MISSING: _SEND,
    Verdict.LICENSE_MISSING: _SEND,
    Verdict.LIMIT: _LATER,
    Verdict.ORG: _LATER,
    Verdict.APP: _SEND,
    Verdict.NETWORK: _LATER,
}

API_ENABLED = (
    "Setup > Permission Sets > New > System Permissions > Edit > API Enabled, then Manage Assignments > Add Assignment > "
    "{user}. Or Setup > Profiles > {profile} > System Permissions > API Enabled"
)
_SESSION_POLICY = (
    "Setup > Session Settings (Lock sessions to the IP address from which they originated), Setup > Profiles > {profile} "
    "(Login IP Ranges, Login Hours, session security level), Setup > API Access Control, and the policies of the app {app} "
    "(IP Relaxation)"
)
_WHERE: Mapping[Reason, str] = {
    Reason.API_DISABLED: API_ENABLED,
    Reason.IP_RESTRICTED: _SESSION_POLICY,
    Reason.USER_INACTIVE: "Setup > Users > {user}: Active ticked, and Unfreeze if it is offered",
    Reason.APP_BLOCKED: "Setup > Connected Apps OAuth Usage > {app} > Unblock; then Manage > Permitted Users",
    Reason.APP_NOT_INSTALLED: "Setup > Connected Apps OAuth Usage > {app} > Install; then Manage > Permitted Users",
    Reason.APP_MISCONFIGURED: "Setup > External Client App Manager > {app} > Settings > OAuth Settings",
    Reason.RUN_AS_MISSING: "Setup > External Client App Manager > {app} > Policies > Client Credentials Flow > Run As",
    Reason.ORG_UNAVAILABLE: "Setup > Company Information, or https://status.salesforce.com",
}
_REQUESTS: Mapping[Reason, str] = {
    Reason.APP_MISCONFIGURED: "Hi, Salesforce does not take my sign-in as our app is set up. Could you please compare the "
    f"app's callback URL ({m.CALLBACK}), its OAuth scopes (api, refresh_token), its flows and its secret with what I use? "
    "Thank you!",
    Reason.ORG_UNAVAILABLE: "Hi, Salesforce says that our org is not available: expired, locked, suspended or closed. Could "
    "you please check what became of it? Thank you!",
}
_API_REQUESTS = (
    "Hi, our org has used up its API requests of the last 24 hours, so that Salesforce refuses every program. Could you "
    "please look which program uses so many, or have the limit raised? Thank you!"
)
# Where a stored reason has several meanings, its stored detail tells which.
_ADMINS = (
    m.API_DISABLED,
    m.SESSION_RESTRICTED,
    m.SIGN_IN_RESTRICTED,
    m.USER_INACTIVE,
    m.USER_NOT_ADMITTED,
    m.APP_BLOCKED,
    m.POLICY_OFF,
    m.CLIENT_CREDENTIALS_OFF,
    m.APP_NOT_INSTALLED,
    m.APPROVAL_FAILED,
    m.RUN_AS_MISSING,
)
# The objects that nearly every tool expects, and what brings them to a user.
CORE_OBJECTS: Mapping[str, str] = {
    "Account": "Read on Accounts",
    "Contact": "Read on Contacts",
    "Lead": "Sales Cloud",
    "Opportunity": "Sales Cloud",
    "Case": "Service Cloud or Sales Cloud",
}
# User licences that never hold Lead, Opportunity or Case, so that nothing is wrong where they are absent.
NARROW_LICENSES = frozenset(
    {
        "Salesforce Platform",
        "Salesforce Integration",
        "Salesforce API Only System Integrations",
        "Identity",
        "Chatter Free",
        "Chatter External",
        "Analytics Cloud Integration User",
    }
)


def of_failure(failure: Failure) -> Ending:
    """The ending that a failure of the connection is.

    Args:
        failure: one that has a reason.
    """
    reason = failure.reason or Reason.SERVICE_UNAVAILABLE
    limit = failure.title == m.API_LIMIT.title
    return Ending(
        verdict=_VERDICTS[reason],
        sentences=(failure.detail, f"This was read from: {failure.evidence}."),
        request=failure.message_for_admin or (_API_REQUESTS if limit else _REQUESTS.get(reason)),
        where="Setup > System Overview > API Usage" if limit else _WHERE.get(reason),
    )


def of_reason(reason: Reason, detail: str | None) -> Ending:
    """The ending that a connection's stored reason is.

    Args:
        reason: why it is not connected.
        detail: the sentence that is stored with it.
    """
    meaning = _meaning(reason, detail)
    told = detail or (meaning.detail if meaning else None)
    return Ending(
        verdict=_VERDICTS[reason],
        sentences=(*([told] if told else []), f"The reason that MeshMesh noted is {reason.value}."),
        request=(meaning.message_for_admin if meaning else None) or _REQUESTS.get(reason),
        where=_WHERE.get(reason),
    )


def limit_reached(most: int) -> Ending:
    """The ending of an org that has used up its API requests."""
    return Ending(
        verdict=Verdict.LIMIT,
        sentences=(f"None of the org's {most:,} API requests is left; each comes back 24 hours after it was used.",),
        request=_API_REQUESTS,
        where="Setup > System Overview > API Usage",
    )


def _meaning(reason: Reason, detail: str | None) -> Meaning | None:
    fitting = [meaning for meaning in _ADMINS if meaning.reason is reason]
    return next((meaning for meaning in fitting if meaning.detail == detail), next(iter(fitting), None))

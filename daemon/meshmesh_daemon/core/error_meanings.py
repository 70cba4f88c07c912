"""What can be wrong between us and Salesforce, each with its words: heading, sentence, next step, message for an admin.

Invariant: where a meaning has a reason, its action and the reason's status say the same: RETRY is `offline`, RECONNECT is
`needs_you`, ADMIN and CONFIG are `blocked`. A command may hold the field `{name}`, the connection's name.
"""

from dataclasses import dataclass
from enum import StrEnum

from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Reason

CALLBACK = "http://localhost:1717/OauthRedirect"
_LOGIN_RATE_SECONDS = 900.0  # Salesforce's limit on sign-ins per hour lets go after 15 to 30 minutes


class Action(StrEnum):
    """What mends it: time, the person, the org's admin, or a setting of the app."""

    RETRY = "retry"
    RECONNECT = "reconnect"
    ADMIN = "admin"
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One thing that can be wrong. The fields are those of `errors.Failure`."""

    action: Action
    reason: Reason | None
    title: str
    detail: str
    next_step: Next | None
    message_for_admin: str | None = None
    retry_after: float | None = None
    refreshable: bool = False


_RECONNECT = Next("Reconnect", "meshmesh reconnect {name}")
_TRY_AGAIN = Next("Try again")
_CHECK = Next("Check again", "meshmesh test {name}")
_COPY = Next("Copy message to my admin", "meshmesh doctor {name}")
_MY_DOMAIN = Next("Use your My Domain", "meshmesh reconnect {name}")
_FIX_APP = Next("Correct the app's settings, then check again", "meshmesh test {name}")


def _trouble(
    reason: Reason, title: str, detail: str, *, step: Next | None = None, retry_after: float | None = None
) -> Meaning:
    return Meaning(
        action=Action.RETRY, reason=reason, title=title, detail=detail, next_step=step, retry_after=retry_after
    )


def _person(reason: Reason | None, title: str, detail: str, *, step: Next = _RECONNECT) -> Meaning:
    return Meaning(action=Action.RECONNECT, reason=reason, title=title, detail=detail, next_step=step)


def _admin(reason: Reason | None, title: str, detail: str, message: str) -> Meaning:
    return Meaning(
        action=Action.ADMIN, reason=reason, title=title, detail=detail, next_step=_COPY, message_for_admin=message
    )


def _setting(title: str, detail: str, *, step: Next = _FIX_APP) -> Meaning:
    return Meaning(action=Action.CONFIG, reason=Reason.APP_MISCONFIGURED, title=title, detail=detail, next_step=step)


# --- Time mends it --------------------------------------------------------------------------------------------------

DNS = _trouble(Reason.NETWORK, "No network", "Salesforce's address could not be looked up; the network may be down.")
CONNECT = _trouble(
    Reason.NETWORK, "No network", "Salesforce could not be reached; the network, or the VPN, may be down."
)
TLS = _trouble(
    Reason.NETWORK,
    "No safe line to Salesforce",
    "The certificate shown in Salesforce's place could not be verified, so nothing was sent: a proxy that opens traffic, "
    "or a clock that is wrong.",
    step=Next("See what stands between", "meshmesh doctor"),
)
TIMEOUT = _trouble(Reason.NETWORK, "No answer in time", "Salesforce did not answer in time.")
RESET = _trouble(Reason.NETWORK, "The line broke", "The connection to Salesforce was closed before it answered.")
TRUNCATED = _trouble(Reason.NETWORK, "The line broke", "Salesforce's answer was cut off, or is not readable.")
PROXY_AUTH = _trouble(
    Reason.NETWORK,
    "The proxy wants a password",
    "The network's proxy asks for a password that it was not given; check HTTPS_PROXY.",
    step=Next("Check the proxy", "meshmesh doctor"),
)
CAPTIVE_PORTAL = _trouble(
    Reason.NETWORK,
    "A web page answered in Salesforce's place",
    "This network shows a page of its own first, as in hotels; open any page in the browser.",
)
UNAVAILABLE = _trouble(
    Reason.SERVICE_UNAVAILABLE,
    "Salesforce is not available",
    "Salesforce has trouble of its own just now.",
)
MAINTENANCE = _trouble(Reason.SERVICE_UNAVAILABLE, "Salesforce is under maintenance", "The org is under maintenance.")
BUSY = _trouble(
    Reason.SERVICE_UNAVAILABLE,
    "A renewal is already under way",
    "Salesforce is still working on another renewal of this sign-in.",
)
UNKNOWN_ANSWER = _trouble(
    Reason.SERVICE_UNAVAILABLE,
    "Salesforce answered something unexpected",
    "Salesforce answered with a code that says nothing certain about this sign-in.",
)
TOO_MANY = _trouble(Reason.RATE_LIMITED, "Too many requests", "Salesforce asks for a pause between requests.")
LOGIN_RATE = _trouble(
    Reason.RATE_LIMITED,
    "Too many sign-ins",
    "This user signed in too often within the hour; Salesforce opens again in 15 to 30 minutes.",
    retry_after=_LOGIN_RATE_SECONDS,
)
API_LIMIT = _trouble(
    Reason.RATE_LIMITED,
    "The org's API requests are used up",
    "The org has used its API requests of the last 24 hours.",
)
API_CONCURRENCY = _trouble(
    Reason.RATE_LIMITED,
    "Too many long requests at once",
    "Too many long requests run in the org at the same time.",
)
ORG_GONE = _trouble(
    Reason.ORG_UNAVAILABLE,
    "The org is not available",
    "Salesforce says that the org is not available; a scratch or trial org may have expired.",
    step=_CHECK,
)
ORG_INACTIVE = _trouble(
    Reason.ORG_UNAVAILABLE,
    "The org is not available",
    "Salesforce says that the org is inactive: locked, suspended or closed; its admin knows.",
    step=_CHECK,
)

# --- The person mends it --------------------------------------------------------------------------------------------

_EXPIRED = "Session Expired"

SESSION_EXPIRED = Meaning(
    action=Action.RECONNECT,
    reason=Reason.SESSION_EXPIRED,
    title=_EXPIRED,
    detail="The session has ended; sign in again if MeshMesh cannot renew it.",
    next_step=_RECONNECT,
    refreshable=True,
)
SIGN_IN_EXPIRED = _person(
    Reason.SESSION_EXPIRED, _EXPIRED, "The time that the org gives a sign-in is over; please sign in again."
)
SIGN_IN_REVOKED = _person(
    Reason.REFRESH_TOKEN_REVOKED,
    _EXPIRED,
    "Salesforce no longer accepts this sign-in: it was revoked, it ran out, or five newer ones replaced it.",
)
PASSWORD_EXPIRED = _person(
    Reason.PASSWORD_EXPIRED,
    "Your Salesforce password has expired",
    "Salesforce wants a new password for this user before anything else; set it in the browser while signing in.",
)
SAID_NO = _person(
    None, "You said no", "Access was not allowed on Salesforce's page. Nothing was saved.", step=_TRY_AGAIN
)
CODE_REFUSED = _person(
    None,
    "This sign-in is too old",
    "Salesforce no longer takes the code of this sign-in: it is used, late, or of another attempt. Nothing was saved.",
    step=_TRY_AGAIN,
)
NOT_SIGNED_IN = _person(
    None,
    "The sign-in did not finish",
    "Salesforce ended the sign-in before it was done. Nothing was saved.",
    step=_TRY_AGAIN,
)

# --- The admin mends it ---------------------------------------------------------------------------------------------

_DENIED = "Access Denied"
_THE_APP = "the app that MeshMesh signs in with (unless we use our own, it is listed as Salesforce CLI)"

APP_BLOCKED = _admin(
    Reason.APP_BLOCKED,
    "Your company must allow this app first",
    "An admin has blocked the app in this org, or switched off the part of it that signing in needs.",
    f"Hi, I use MeshMesh, a program on my computer that signs in to Salesforce as me. Our org blocks {_THE_APP}. Could you "
    "please unblock it in Setup, Connected Apps OAuth Usage, or tell me which app of ours to use? Thank you!",
)
USER_NOT_ADMITTED = _admin(
    Reason.APP_BLOCKED,
    _DENIED,
    "The org allows this app to chosen users only, and this user is not one of them.",
    f"Hi, Salesforce says that I am not admin approved for {_THE_APP}. Could you please give me access by one of the "
    "profiles or permission sets in the app's policies? Thank you!",
)
AGENT_NOT_ATTACHED = _admin(
    Reason.APP_BLOCKED,
    _DENIED,
    "The app is not attached to the agent whose session this is.",
    f'Hi, Salesforce refuses my session with "Connected app is not attached to Agent". Could you please attach {_THE_APP} '
    "to the agent? Thank you!",
)
POLICY_OFF = _admin(
    Reason.APP_BLOCKED,
    "The app is switched off in this org",
    "The app's OAuth policy, or this way of signing in, is missing or switched off in the org.",
    f"Hi, Salesforce says that the OAuth policy or flow of {_THE_APP} is missing or off in our org. Could you please check "
    "it in Setup, External Client App Manager, under Policies and Settings? Thank you!",
)
CLIENT_CREDENTIALS_OFF = _admin(
    Reason.APP_BLOCKED,
    "The client credentials flow is off",
    "The app does not have the client credentials flow switched on.",
    "Hi, could you please tick Enable Client Credentials Flow in our External Client App (Settings, and Policies where a "
    "Run As user is chosen)? MeshMesh signs in with it. Thank you!",
)
APP_NOT_INSTALLED = _admin(
    Reason.APP_NOT_INSTALLED,
    "The app is not installed in this org",
    "The org does not have the app; if it was made in another org, or was meant for another, use that org's My Domain.",
    f"Hi, I use MeshMesh, a program on my computer that signs in to Salesforce as me. Could you please install {_THE_APP}: "
    "Setup, Connected Apps OAuth Usage, Install, then Manage, Permitted Users? Thank you!",
)
APPROVAL_FAILED = _admin(
    Reason.APP_NOT_INSTALLED,
    "Your company must allow this app first",
    "Salesforce stopped at the approval without saying why; usually the app is not installed in the org.",
    f"Hi, Salesforce stops my sign-in with a general approval error. Usually {_THE_APP} is not installed. Could you please "
    "install it: Setup, Connected Apps OAuth Usage, Install? Thank you!",
)
USER_INACTIVE = _admin(
    Reason.USER_INACTIVE,
    "This user is switched off",
    "The user is deactivated or frozen in the org.",
    "Hi, Salesforce says that my user is inactive. Could you please check whether it was deactivated or frozen (Setup, "
    "Users)? Thank you!",
)
RUN_AS_MISSING = _admin(
    Reason.RUN_AS_MISSING,
    "The app has no Run As user",
    "The client credentials flow has no user to run as, or that user cannot sign in.",
    "Hi, could you please choose a Run As user for the client credentials flow of our External Client App (Policies, by "
    "username and not by e-mail)? The user must be active and have API Enabled. Thank you!",
)
SIGN_IN_RESTRICTED = _admin(
    Reason.IP_RESTRICTED,
    _DENIED,
    "The org does not let this user in from this network (is the VPN on?), or at this hour.",
    "Hi, Salesforce refuses my sign-in because of its IP ranges or login hours. Could you please check both on my profile, "
    "and the IP relaxation in the app's policies? Thank you!",
)
SESSION_RESTRICTED = _admin(
    Reason.IP_RESTRICTED,
    _DENIED,
    "The org does not take this session for the API: it is locked to another network, a higher session security level is "
    "asked for, or API Access Control does not list the app.",
    'Hi, Salesforce answers "This session is not valid for use with the REST API". Could you please check the IP ranges '
    "and Lock sessions to the IP address, the session security level, and whether API Access Control lists "
    f"{_THE_APP}? Thank you!",
)
API_DISABLED = _admin(
    Reason.API_DISABLED,
    _DENIED,
    "You are signed in, but this user, or this edition of Salesforce, may not use the API.",
    "Hi, could you please give my user the permission API Enabled, by a permission set or my profile? If our edition has "
    "no API, I need to know that too. Thank you!",
)
FEATURE_MISSING = _admin(
    None,
    "Connected, but a feature is off",
    "The connection works; what was asked for is switched off in the org, or hidden from this user.",
    "Hi, my connection to Salesforce works, but a feature or object that I need is switched off or hidden from me. Could "
    "you please check the feature and my permission sets? Thank you!",
)
LICENSE_MISSING = _admin(
    None,
    "Connected, but a licence is missing",
    "The connection works; what was asked for needs a licence that the org or this user does not have.",
    "Hi, my connection to Salesforce works, but what I need asks for a licence that I do not have, or of which none is "
    "left. Could you please check our licences? Thank you!",
)
ACCESS_MISSING = _admin(
    None,
    "Connected, but this user may not do that",
    "The connection works; this user lacks the permission for that object, field or record.",
    "Hi, my connection to Salesforce works, but I lack a permission for an object, field or record that I need. Could you "
    "please check my permission sets? Thank you!",
)

# --- A setting mends it ---------------------------------------------------------------------------------------------

UNKNOWN_CLIENT_ID = _setting(
    "This client ID is not known there",
    "Salesforce does not know the client ID at this address: use the My Domain of the org in which the app was made; a new "
    "app needs 2 to 10 minutes.",
    step=_MY_DOMAIN,
)
WRONG_SECRET = _setting(
    "The client secret is wrong or missing",
    "Salesforce refuses the app's client secret, or wants one where none is set.",
    step=Next("Sign in with the right secret", "meshmesh reconnect {name}"),
)
WRONG_CALLBACK = _setting(
    "The app's callback address is different", f"The app's callback URL must be exactly {CALLBACK}."
)
WRONG_DOMAIN = _setting(
    "This flow needs the My Domain",
    "The client credentials flow works only at the org's My Domain, not at the general login hosts or in Setup.",
    step=_MY_DOMAIN,
)
WRONG_SCOPES = _setting(
    "The app lacks a permission that was asked for",
    "Add the OAuth scopes api and refresh_token to the app, or ask only for what it has.",
)
FLOW_OFF = _setting(
    "The app does not allow this flow",
    "The app has the authorization code flow, or the grant that was used, switched off.",
)
PKCE_REFUSED = _setting(
    "The app wants a proof that it did not get",
    "Salesforce found no code challenge (PKCE) in the request; a proxy may have changed it.",
)
REQUEST_REFUSED = _setting(
    "Salesforce refused the request",
    "Salesforce does not take the sign-in request as this app sends it; check the app's OAuth settings.",
)
FOREIGN_FLOW = _setting(
    "The app is made for another kind of sign-in",
    "The app asks for a way of signing in that MeshMesh does not use, such as device proofs or app attestation.",
)

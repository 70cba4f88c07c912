"""What a sign-in may ask for: Salesforce's scopes, with the labels that Setup shows beside them.

`offline_access` is read as `refresh_token`, its synonym: Salesforce has one box for the two.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from meshmesh_daemon.core.problems import Problem, bad_field


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope, and its row in Setup."""

    name: str
    label: str


_STAY_SIGNED_IN = "Perform requests at any time (refresh_token, offline_access)"
_IDENTITY = "Access the identity URL service (id, profile, email, address, phone)"

# `scopes_supported` of login.salesforce.com, in its order.
SCOPES = (
    Scope("address", _IDENTITY),
    Scope("api", "Manage user data via APIs (api)"),
    Scope("cdp_api", "Access all Data Cloud API resources (cdp_api)"),
    Scope("cdp_calculated_insight_api", "Manage Data Cloud calculated insights (cdp_calculated_insight_api)"),
    Scope("cdp_identityresolution_api", "Manage Data Cloud identity resolution (cdp_identityresolution_api)"),
    Scope("cdp_ingest_api", "Manage Data Cloud Ingestion API data (cdp_ingest_api)"),
    Scope("cdp_profile_api", "Manage Data Cloud profile data (cdp_profile_api)"),
    Scope("cdp_query_api", "Perform ANSI SQL queries on Data Cloud data (cdp_query_api)"),
    Scope("cdp_segment_api", "Manage Data Cloud segments (cdp_segment_api)"),
    Scope("chatbot_api", "Access chatbot services (chatbot_api)"),
    Scope("chatter_api", "Access Connect REST API resources (chatter_api)"),
    Scope("content", "Access content resources (content)"),
    Scope("custom_permissions", "Access custom permissions (custom_permissions)"),
    Scope("eclair_api", "Access Analytics REST API Charts Geodata resources (eclair_api)"),
    Scope("einstein_gpt_api", "Access Einstein GPT services (einstein_gpt_api)"),
    Scope("email", _IDENTITY),
    Scope("forgot_password", "Access Headless Forgot Password API (forgot_password)"),
    Scope("full", "Full access (full)"),
    Scope("id", _IDENTITY),
    Scope("interaction_api", "Access Interaction API resources (interaction_api)"),
    Scope("lightning", "Access Lightning applications (lightning)"),
    Scope("mcp_api", "Access Salesforce hosted MCP servers (mcp_api)"),
    Scope("offline_access", _STAY_SIGNED_IN),
    Scope("openid", "Access unique user identifiers (openid)"),
    Scope("pardot_api", "Manage Pardot services (pardot_api)"),
    Scope("phone", _IDENTITY),
    Scope("profile", _IDENTITY),
    Scope("pwdless_login_api", "Access Headless Passwordless Login API (pwdless_login_api)"),
    Scope("refresh_token", _STAY_SIGNED_IN),
    Scope("scrt_api", "Access messaging in-app services (scrt_api)"),
    Scope("sfap_api", "Access the Salesforce API Platform (sfap_api)"),
    Scope("user_registration_api", "Access Headless Registration API (user_registration_api)"),
    Scope("visualforce", "Access Visualforce applications (visualforce)"),
    Scope("wave_api", "Access Analytics REST API resources (wave_api)"),
    Scope("web", "Manage user data via Web browsers (web)"),
)
DEFAULT = ("api", "refresh_token")

_NAMES = frozenset(scope.name for scope in SCOPES)
_SYNONYMS = {"offline_access": "refresh_token"}
# What a wide scope holds. `full` is every scope but the one that outlives the session.
_HOLDS = {
    "api": frozenset({"chatter_api"}),
    "web": frozenset({"visualforce"}),
    "full": _NAMES - {"refresh_token", "offline_access"},
}


def by_label(text: str) -> tuple[str, ...]:
    """The scopes behind a row of Setup; the identity row stands for five of them, and a text that is none for none.

    The names in parentheses are what is read: Salesforce rewords the rest from release to release.
    """
    matched = re.search(r"\(([a-z_, ]+)\)$", text.strip())
    names = [name.strip() for name in matched[1].split(",")] if matched else []
    return tuple(_canonical(names)) if names and _NAMES.issuperset(names) else ()


def check(scopes: Sequence[str] | None) -> tuple[str, ...]:
    """The scopes of a sign-in in a browser.

    Args:
        scopes: names or labels, in any order and case, or None for the default.

    Returns:
        Names, each once, in the order given.

    Raises:
        Problem: 422 that names the one that is unknown, with the nearest known; or what is missing.
    """
    if scopes is None:
        return DEFAULT
    names = [name for place, text in enumerate(scopes) for name in _names(place, text)]
    chosen = tuple(_canonical(names))
    lacking = missing(DEFAULT, chosen)
    if lacking:
        wanted = " and ".join(lacking)
        raise bad_field("scopes", f"{wanted} must be among them: MeshMesh uses the API, and keeps the sign-in alive.")
    return chosen


def missing(requested: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """What was asked for and not given, by what the scopes mean and not by their spelling."""
    given = set(_canonical(granted))
    given = given.union(*(_HOLDS.get(name, frozenset()) for name in given))
    return tuple(name for name in _canonical(requested) if name not in given)


def _canonical(names: Sequence[str]) -> dict[str, None]:
    """Each once, synonyms as one; a dict, because it keeps their order."""
    return dict.fromkeys(_SYNONYMS.get(name, name) for name in names)


def _names(place: int, text: str) -> tuple[str, ...]:
    name = text.strip().lower()
    names = (name,) if name in _NAMES else by_label(name)
    if not names:
        raise _unknown(place, name)
    return names


def _unknown(place: int, name: str) -> Problem:
    close = difflib.get_close_matches(name, sorted(_NAMES), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if "," in name or " " in name:
        hint = " Give each scope on its own."
    return bad_field(f"scopes[{place}]", f"Salesforce has no scope of this name.{hint}")

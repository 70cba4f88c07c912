"""Who a sign-in became: asked of the org with the new token, before anything is stored.

Org and user are pinned from the token answer's `id`; names, kind and version are only shown, so that a part which does
not answer (no API permission, say) is told and does not end the sign-in.
"""

from dataclasses import dataclass

from meshmesh_daemon.adapters.salesforce import HttpAnswer, Lost, Outside
from meshmesh_daemon.core import oauth, orgs
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure
from meshmesh_daemon.core.oauth import TokenSet
from meshmesh_daemon.core.orgs import OrgFacts
from meshmesh_storage.records import Environment, Kind

_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the org told.

    `known` is false where the org did not tell its kind; `failure` is why it refuses REST calls of this user, if it does.
    """

    username: str
    org: OrgFacts
    known: bool
    api_version: str
    failure: Failure | None


async def ask(outside: Outside, tokens: TokenSet, *, origin: str, environment: Environment, clock: Clock) -> Identity:
    """Ask the org about itself and its user: versions, userinfo, Organization.

    Args:
        outside: the way to Salesforce.
        tokens: the new tokens.
        origin: the instance, held to the host rule.
        environment: what was signed in to.
        clock: the time.
    """
    versions = await _get(outside, origin + orgs.VERSIONS_PATH, None)
    version = (orgs.read_version(versions.body) if versions else None) or orgs.DEFAULT_API_VERSION
    user = await _get(outside, origin + oauth.USERINFO_PATH, tokens.access_token)
    organization = await _get(outside, origin + orgs.organization_path(version), tokens.access_token)
    facts = orgs.read_facts(organization.body, environment) if organization else None
    failure = None
    if organization and organization.status != _OK:
        failure = organization.failure(clock.now())
    blocked = failure if failure and failure.action in {Action.ADMIN, Action.CONFIG, Action.RECONNECT} else None
    return Identity(
        username=(orgs.read_username(user.body) if user and user.status == _OK else None) or tokens.user_id,
        known=facts is not None,
        org=facts or OrgFacts(tokens.org_id, _unknown_kind(environment)),
        api_version=version,
        failure=blocked,
    )


def _unknown_kind(environment: Environment) -> Kind:
    """Where the org does not tell: what the person chose; production is the careful guess."""
    guesses = {Environment.DEMO: Kind.DEMO, Environment.SANDBOX: Kind.SANDBOX}
    return guesses.get(environment, Kind.PRODUCTION)


async def _get(outside: Outside, url: str, access_token: str | None) -> HttpAnswer | None:
    try:
        return await outside.get(url, access_token=access_token)
    except Lost:
        return None

"""Who asks, from the access token; and the refusals before any resource is looked at."""

from meshmesh_demo import users
from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.oauth.resources import held_token
from meshmesh_demo.org import DAILY_REQUESTS, Org
from meshmesh_demo.rest.call import Caller

EXPIRED = "Session expired or invalid"
NOT_FOR_REST = "This session is not valid for use with the REST API"


def _invalid(message: str) -> SalesforceError:
    return refuse("INVALID_SESSION_ID", message, status=401)


async def caller_of(org: Org, token: str | None) -> Caller:
    """The user behind an access token; counts as one request of the day.

    Raises:
        SalesforceError: 401 where the session is over or not meant for this, 403 where the user may not use the API.
    """
    held = await held_token(org, token)
    if held is None:
        raise _invalid(EXPIRED)
    user = users.by_id(org.store, held.grant.user_id)
    if not user.is_active:
        raise _invalid(EXPIRED)
    if org.apps.get(held.grant.client_id).ip_restricted:
        raise _invalid(NOT_FOR_REST)
    if org.store.organization.get("_api_off"):
        text = "The REST API is not enabled for this Organization."
        raise refuse("API_DISABLED_FOR_ORG", text, status=403)
    if not user.may_use_api:
        raise refuse("API_CURRENTLY_DISABLED", "API is disabled for this User", status=403)
    if not {"api", "full"} & set(held.grant.scope.split()):
        raise refuse("INSUFFICIENT_ACCESS", "The access token's scope does not include api", status=403)
    if user.has_expired_password:
        text = "The users password has expired, you must call SetPassword before attempting any other API operations"
        raise refuse("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", text, status=403)
    if org.traffic.api_requests >= DAILY_REQUESTS:
        raise refuse("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
    org.traffic.api_requests += 1
    return Caller(user=user, held=held)

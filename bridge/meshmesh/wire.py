"""What both ends of the bridge must spell alike: routes, headers, environment names, problem codes.

Nothing is imported: the far end needs it, and so does `meshmesh token`, whose whole run is shorter than importing a web
framework.
"""

DEFAULT_PORT = 1717
REDIRECT_PATH = "/OauthRedirect"
BROKER_PREFIX = "/o/"

HEADER_SESSION = "MeshMesh-Session"
HEADER_PLAN = "MeshMesh-Plan"

ENV_HOME = "MESHMESH_HOME"
ENV_PORT = "MESHMESH_PORT"
ENV_SOCKET = "MESHMESH_SOCKET"
ENV_URL = "MESHMESH_URL"
ENV_TOKEN = "MESHMESH_TOKEN"  # noqa: S105 - the name of a variable
ENV_CONNECTION = "MESHMESH_CONNECTION"
ENV_NO_BROWSER = "MESHMESH_NO_BROWSER"
ENV_NO_INPUT = "MESHMESH_NO_INPUT"
ENV_EXTRA_LOGIN_ORIGINS = "MESHMESH_EXTRA_LOGIN_ORIGINS"

APP_NAME = "meshmesh"
SOCKET_NAME = "meshmesh.sock"
ENDPOINT_NAME = "endpoint.json"
PROBLEM_CONTENT_TYPE = "application/problem+json"


class Code:
    """Problem codes (member `code` of a problem document). Never renamed."""

    BAD_REQUEST = "bad_request"
    BAD_JSON = "bad_json"
    BAD_FIELD = "bad_field"
    NO_CREDENTIAL = "no_credential"
    UNKNOWN_CREDENTIAL = "unknown_credential"
    NOT_ALLOWED = "not_allowed"
    OWNER_ONLY = "owner_only"
    ORIGIN_REFUSED = "origin_refused"
    RAW_TOKEN_NOT_GRANTED = "raw_token_not_granted"  # noqa: S105 - a code
    PRESENCE_REQUIRED = "presence_required"
    READ_ONLY = "meshmesh_read_only"
    BULK_JOB_SEALED = "meshmesh_bulk_job_sealed"
    APPROVAL_REQUIRED = "meshmesh_approval_required"
    PLAN_DONE = "meshmesh_plan_done"
    PLAN_EXPIRED = "meshmesh_plan_expired"
    PLAN_FAILED = "meshmesh_plan_failed"
    PLAN_REJECTED = "meshmesh_plan_rejected"
    PLAN_STALE = "meshmesh_plan_stale"
    PLAN_UNKNOWN = "meshmesh_plan_unknown"
    PLAN_WITHDRAWN = "meshmesh_plan_withdrawn"
    NO_UNDO = "no_undo"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NAME_TAKEN = "name_taken"
    PORT_LENT = "port_lent"
    RECONNECT_REQUIRED = "reconnect_required"
    ALREADY_DECIDED = "already_decided"
    EXPIRED = "expired"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    WRONG_HOST = "wrong_host"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    VAULT_LOCKED = "vault_locked"
    BACKUP_BROKEN = "backup_broken"
    BACKUP_OLDER = "backup_older"
    VAULT_TROUBLE = "vault_trouble"
    RATE_LIMITED = "rate_limited"
    OFFLINE = "offline"
    SIGN_IN_FAILED = "sign_in_failed"
    SALESFORCE_ANSWER = "salesforce_answer"
    SCOPE_MISSING = "scope_missing"
    INTERNAL = "internal"

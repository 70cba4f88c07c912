"""What both ends of the bridge must spell alike: routes, headers, environment names, problem codes, exit codes.

Standard library only, and nothing heavier than `enum`: the far end imports it, and so does `meshmesh token`, whose
whole run is shorter than importing a web framework.
"""

from enum import IntEnum

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


class Exit(IntEnum):
    """Exit codes of the command line (the sysexits numbers)."""

    OK = 0
    USAGE = 64
    NOT_FOUND = 66
    UNREACHABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    CANNOT_WRITE = 74
    TRY_AGAIN = 75
    UNEXPECTED_ANSWER = 76
    NOT_ALLOWED = 77
    SETTINGS = 78


EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE
EXIT_EXEC_FAILED = 125  # `meshmesh exec` failed itself; 126 and 127 are the shell's for a command that cannot be run
EXIT_NOT_EXECUTABLE = 126
EXIT_NO_COMMAND = 127


# Which exit code a problem document ends a command with, by its `code`; what is not listed goes by its status.
EXIT_OF_CODE: dict[str, Exit] = {
    Code.RECONNECT_REQUIRED: Exit.NOT_ALLOWED,
    Code.VAULT_LOCKED: Exit.TRY_AGAIN,
    Code.OFFLINE: Exit.TRY_AGAIN,
    Code.RATE_LIMITED: Exit.TRY_AGAIN,
    Code.PORT_LENT: Exit.TRY_AGAIN,
    Code.SALESFORCE_ANSWER: Exit.UNEXPECTED_ANSWER,
    Code.SIGN_IN_FAILED: Exit.NOT_ALLOWED,
    Code.NOT_FOUND: Exit.NOT_FOUND,
    Code.EXPIRED: Exit.NOT_FOUND,
}


def exit_of(status: int, code: str) -> Exit:
    """The exit code for a problem document.

    Args:
        status: the HTTP status of the answer.
        code: the member `code` of the problem document, or "" where there was none.
    """
    if code in EXIT_OF_CODE:
        return EXIT_OF_CODE[code]
    if status in {400, 405, 409, 413, 415, 422}:
        return Exit.USAGE
    if status in {401, 403}:
        return Exit.NOT_ALLOWED
    if status in {404, 410}:
        return Exit.NOT_FOUND
    if status in {423, 429, 503}:
        return Exit.TRY_AGAIN
    return Exit.UNEXPECTED_ANSWER if status in {502, 504} else Exit.BUG

"""The exit codes of the command line, which scripts rely on."""

from enum import IntEnum

from meshmesh.wire import Code


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

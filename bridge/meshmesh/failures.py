"""How a call of ours ends badly: typed, with three sentences (what, why, what to do next) and an exit code."""

from collections.abc import Sequence

from meshmesh.exits import Exit, exit_of
from meshmesh.wire import Code

# What to do where the service names no step of its own.
_NEXT_BY_CODE = {
    Code.NOT_FOUND: "meshmesh connections",
    Code.NO_CREDENTIAL: "meshmesh pair NAME",
    Code.UNKNOWN_CREDENTIAL: "meshmesh pair NAME",
    Code.OWNER_ONLY: "Unset MESHMESH_TOKEN to act as yourself.",
    Code.NAME_TAKEN: "Choose another name.",
    Code.VAULT_LOCKED: "meshmesh unlock",
    Code.RAW_TOKEN_NOT_GRANTED: "meshmesh approve CODE --grant NAME:build:token",
    Code.SIGN_IN_FAILED: "Run the same command again.",
    Code.EXPIRED: "Start again.",
}
_NEXT_BY_EXIT = {
    Exit.USAGE: "Mend the value and run the command again.",
    Exit.TRY_AGAIN: "Wait a moment and run the command again.",
}


class Failure(Exception):
    """Something did not work.

    Args:
        what: what did not work, one sentence.
        why: the reason, or "".
        next_step: a command, or what to do.
        exit_code: what a command ends with.
    """

    def __init__(self, what: str, why: str, next_step: str, exit_code: Exit) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step
        self.exit_code = exit_code


class Unreachable(Failure):
    """No service answers."""

    def __init__(
        self, why: str, next_step: str = "meshmeshd   (or, to see it all at once: meshmesh quickstart)"
    ) -> None:
        super().__init__("MeshMesh's service is not running here.", why, next_step, Exit.UNREACHABLE)


class UnexpectedAnswer(Failure):
    """The service answered something that this version does not understand."""

    def __init__(self, why: str) -> None:
        step = "Look whether meshmesh and meshmeshd are of the same version: meshmesh --version, meshmeshd --version"
        super().__init__("The service's answer could not be read.", why, step, Exit.UNEXPECTED_ANSWER)


class ProblemError(Failure):
    """The service refused: a problem document (RFC 9457).

    Args:
        status: the HTTP status.
        code: the machine word, or "".
        detail: the sentence of the document.
        next_step: what the document says to do; "" takes what usually helps.
        errors: the fields of bad input, each with its sentence.
        document: all members, as they came.
        attempt: what was tried, such as `connect 'acme'`.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        next_step: str,
        errors: Sequence[tuple[str, str]] = (),
        document: dict[str, object],
        attempt: str,
    ) -> None:
        exit_code = exit_of(status, code)
        step = next_step or _NEXT_BY_CODE.get(code) or _NEXT_BY_EXIT.get(exit_code, "meshmesh status")
        super().__init__(f"Could not {attempt}.", detail, step, exit_code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.document = document

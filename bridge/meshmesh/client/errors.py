"""How a call goes wrong, typed. Printing an error prints what did not work, why, and the next step."""

from typing import TYPE_CHECKING

from meshmesh import exits
from meshmesh.exits import Exit
from meshmesh.failures import Failure

if TYPE_CHECKING:
    from meshmesh.client.views import Connection


class Error(Failure):
    """Something did not work; every error of this package is one."""

    def __str__(self) -> str:
        first = f"{self.what} {self.why}".strip()
        return f"{first}\nNext: {self.next_step}" if self.next_step else first


class ServiceNotRunning(Error):
    """No service answers where it was looked for."""

    def __init__(self, why: str) -> None:
        super().__init__("MeshMesh's service is not running here.", why, "meshmeshd", Exit.UNREACHABLE)


class NoAnswer(Error):
    """The request went out and no answer came: whether it was carried out is not known."""

    def __init__(self, why: str) -> None:
        step = "Look in Salesforce whether it was carried out, before you send it again."
        super().__init__("The answer was lost.", why, step, Exit.TRY_AGAIN)


class Unreadable(Error):
    """The service, or whatever listens in its place, answered something that this version does not understand."""

    def __init__(self, why: str) -> None:
        step = "Look whether both are of the same version: meshmesh --version, meshmeshd --version"
        super().__init__("The answer could not be read.", why, step, Exit.UNEXPECTED_ANSWER)


class NotPaired(Error):
    """This program has no pairing token, or the one that it has was revoked."""

    def __init__(self, why: str) -> None:
        step = "Call meshmesh.pair(), or run it under: meshmesh exec NAME -- COMMAND"
        super().__init__("This program may not use MeshMesh.", why, step, Exit.NOT_ALLOWED)


class PairingRefused(Error):
    """The owner denied the pairing, or nobody decided in time."""

    def __init__(self, why: str) -> None:
        super().__init__("Not paired.", why, "Run it again, and approve the code that it shows.", Exit.NOT_ALLOWED)


class NotGranted(Error):
    """There is no connection of this name for this program.

    Whether there is one for others is not told.
    """

    def __init__(self, name: str, others: tuple[str, ...] = ()) -> None:
        seen = f"It may use {', '.join(others)}." if others else "It may use no connection yet."
        what = f"This program may not use {name!r}." if name else "No connection was named."
        step = f"meshmesh mode CLIENT {name or 'NAME'} plan   (CLIENT as in: meshmesh clients)"
        super().__init__(what, seen, step, Exit.NOT_FOUND)
        self.connection = name


class AccessNotGiven(Error):
    """The owner granted no connection when this program asked for one.

    Attributes:
        request_id: what it asked.
    """

    def __init__(self, why: str, request_id: str) -> None:
        step = f"meshmesh approve {request_id} --grant NAME:MODE, or ask again."
        super().__init__("No connection was granted.", why, step, Exit.NOT_ALLOWED)
        self.request_id = request_id


class ReadOnly(Error):
    """A write with a grant that only reads."""

    def __init__(self, why: str, name: str) -> None:
        super().__init__("Nothing was written.", why, f"meshmesh mode CLIENT {name} plan", Exit.NOT_ALLOWED)


class TokenNotGranted(Error):
    """The access token itself was asked for, and this program may only use the broker."""

    def __init__(self, why: str, name: str) -> None:
        step = f"Use org.request() or org.session(); or approve a pairing with --grant {name}:build:token"
        super().__init__("The access token is not handed out.", why, step, Exit.NOT_ALLOWED)


class ReconnectRequired(Error):
    """A person must sign in again, or an admin must act.

    Attributes:
        connection: its name.
        reason: the machine word, or "" where it was not told.
        url: the page where a person mends it, or "".
    """

    def __init__(
        self, why: str, name: str, *, reason: str = "", url: str = "", step: str = "", blocked: bool = False
    ) -> None:
        what = f"{name} is blocked." if blocked else f"{name} needs you."
        step = step or f"meshmesh reconnect {name}"
        super().__init__(what, why, f"{step}   ({url})" if url else step, Exit.NOT_ALLOWED)
        self.connection = name
        self.reason = reason
        self.url = url

    @classmethod
    def of(cls, connection: "Connection") -> "ReconnectRequired":
        """The error for a connection that is not well."""
        step = connection.next_step
        return cls(
            connection.detail,
            connection.name,
            reason=connection.reason,
            url=step.url,
            step=step.command,
            blocked=connection.status == "blocked",
        )


class Unavailable(Error):
    """The network, Salesforce or the service has trouble that mends itself.

    Attributes:
        retry_after: seconds after which to try again.
    """

    def __init__(self, why: str, *, retry_after: int, step: str = "") -> None:
        super().__init__("Not now.", why, step or f"Try again in {retry_after} s.", Exit.TRY_AGAIN)
        self.retry_after = retry_after


class VaultLocked(Unavailable):
    """The owner locked the vault."""


class ApprovalRequired(Error):
    """A write is held until the owner approves it; nothing happened yet.

    Attributes:
        plan_id: the plan that holds it.
        url: the page where the owner decides, or "".
    """

    def __init__(self, why: str, *, plan_id: str, url: str = "") -> None:
        step = f"meshmesh plan approve {plan_id}" + (f"   ({url})" if url else "")
        super().__init__("The write waits for approval.", why, step, Exit.TRY_AGAIN)
        self.plan_id = plan_id
        self.url = url


class PlanNotRun(Error):
    """A held write ended without being carried out.

    Attributes:
        plan_id: the plan that held it, or "" where it was not told.
        reason: what the owner said, or "".
    """

    step = "Propose it again."

    def __init__(self, why: str, *, plan_id: str = "", reason: str = "") -> None:
        super().__init__("Nothing was written.", why, self.step, Exit.NOT_ALLOWED)
        self.plan_id = plan_id
        self.reason = reason


class PlanRejected(PlanNotRun):
    """The owner said no."""

    step = "Propose something else, with the owner's words in mind."


class PlanExpired(PlanNotRun):
    """Nobody decided in time, or this program withdrew it."""


class PlanStale(PlanNotRun):
    """A record had changed between the proposal and the approval."""

    step = "Look at the record again, and propose what fits it now."


class SalesforceError(Error):
    """Salesforce refused.

    Attributes:
        status: the HTTP status.
        errors: what it said: code and message, once for each error.
    """

    def __init__(self, status: int, errors: tuple[tuple[str, str], ...]) -> None:
        said = "; ".join(f"{code}: {message}" if code else message for code, message in errors)
        super().__init__(f"Salesforce answered {status}.", said, "", Exit.UNEXPECTED_ANSWER)
        self.status = status
        self.errors = errors

    @property
    def code(self) -> str:
        """The first error's code, such as `MALFORMED_QUERY`, or ""."""
        return self.errors[0][0] if self.errors else ""


class Refused(Error):
    """The service refused for another reason.

    Attributes:
        status: the HTTP status.
        code: the machine word, or "".
    """

    def __init__(self, what: str, why: str, step: str, *, status: int, code: str) -> None:
        super().__init__(what, why, step, exits.exit_of(status, code))
        self.status = status
        self.code = code

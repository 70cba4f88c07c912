"""Every refusal of the service as one typed value: a code, a sentence and a next step (RFC 9457 gives the members).

Use cases raise it; the bridge alone turns it into `application/problem+json`, or into Salesforce's error array under
`/o/`. A detail is written for the person who reads it and never holds a secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Next:
    """What to do about it: a label, and a command or an address where there is one."""

    label: str
    command: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of the input that cannot be taken, and why."""

    field: str
    detail: str


class Problem(Exception):
    """A refusal.

    Args:
        status: HTTP status of the answer.
        code: machine word (`meshmesh.wire.Code`), never renamed.
        detail: one sentence for a person.
        next_step: what to do about it, or None.
        errors: the fields of bad input.
        retry_after: seconds after which another try makes sense, or None.
        members: further members of the document, such as a connection's `reason`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        next_step: Next | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.next_step = next_step
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.members = dict(members or {})


def bad_field(field: str, detail: str, *, next_step: Next | None = None) -> Problem:
    """The refusal of one field of the input (status 422)."""
    return Problem(422, "bad_field", f"{field}: {detail}", next_step=next_step, errors=[FieldError(field, detail)])


def not_found(what: str, name: str) -> Problem:
    """The refusal for a thing that is not there, or that the caller was not granted (status 404)."""
    return Problem(404, "not_found", f"There is no {what} {name!r} here.")


def vault_locked(detail: str = "The vault is locked.", next_step: Next | None = None) -> Problem:
    """The refusal while nothing can be read (status 423)."""
    return Problem(423, "vault_locked", detail, next_step=next_step or Next("Unlock it", "meshmesh unlock"))

"""Refusals as Salesforce writes them: a status and an array of `{message, errorCode, fields?}`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the array."""

    message: str
    code: str
    fields: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """The entry as REST writes it."""
        document: dict[str, object] = {"message": self.message, "errorCode": self.code}
        return document | ({"fields": list(self.fields)} if self.fields else {})


class SalesforceError(Exception):
    """A refused request.

    Args:
        status: HTTP status.
        fault: what is wrong.
    """

    def __init__(self, status: int, fault: Fault) -> None:
        super().__init__(fault.message)
        self.status = status
        self.fault = fault

    def body(self) -> list[dict[str, object]]:
        """The answer's body."""
        return [self.fault.document()]

    def result(self) -> dict[str, object]:
        """The same inside a collection's answer."""
        entry = {"statusCode": self.fault.code, "message": self.fault.message, "fields": list(self.fault.fields)}
        return {"success": False, "errors": [entry]}


def refuse(code: str, message: str, *fields: str, status: int = 400) -> SalesforceError:
    """A refusal in one line."""
    return SalesforceError(status, Fault(message, code, fields))


def not_found() -> SalesforceError:
    """The 404 of an address or record that is not there."""
    return refuse("NOT_FOUND", "The requested resource does not exist", status=404)

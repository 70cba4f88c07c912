"""Problem documents (RFC 9457) of the service, as failures."""

from meshmesh.documents import Document
from meshmesh.failures import ProblemError, UnexpectedAnswer


def problem_from(status: int, body: bytes, attempt: str) -> ProblemError:
    """The refusal that an answer stands for; what is missing in its body is made good.

    Args:
        status: the HTTP status, 400 or above.
        body: the body, usually a problem document.
        attempt: what was tried, for the sentence "Could not {attempt}."
    """
    try:
        document = Document.parse(body)
    except UnexpectedAnswer:
        document = Document({})
    return ProblemError(
        status=status,
        code=_text(document, "code"),
        detail=_text(document, "detail") or f"The service answered with status {status}.",
        next_step=next_step(document.child("next")),
        errors=[(_text(one, "field"), _text(one, "detail")) for one in document.children("errors")],
        document=document.values,
        attempt=attempt,
    )


def next_step(step: Document | None) -> str:
    """The member `next` in one line: its command before all, else its label with its address."""
    if step is None:
        return ""
    label, command, url = (_text(step, name) for name in ("label", "command", "url"))
    return command or (f"{label}: {url}" if label and url else url or label)


def _text(document: Document, name: str) -> str:
    value = document.values.get(name)
    return value if isinstance(value, str) else ""

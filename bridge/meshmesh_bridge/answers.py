"""What a route gives when it does not refuse, declared for OpenAPI."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a route answers when it does not refuse.

    `shape` names a schema of `api/schemas.py`; None where there is no body, or none of ours.
    """

    shape: str | None = None
    description: str = "Done"
    content_types: tuple[str, ...] = ("application/json",)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


NOTHING = Answer(description="Done; there is no body", content_types=())
PAGE = Answer(description="A page for a person", content_types=("text/html",))
TEXT = Answer(description="Plain text", content_types=("text/plain",))

"""Conversations with the service as values: what is asked and how answers are read, apart from who carries it.

A talk is a generator that yields steps and is sent replies. `meshmesh.client.line` carries one over blocking sockets,
`meshmesh.aio` over asyncio's streams; neither knows what is talked about, and no talk knows a socket or a clock.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from meshmesh.failures import UnexpectedAnswer

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""Any JSON value."""

PATIENCE_SECONDS = 120.0  # Salesforce itself gives a REST call this long


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to the service.

    `wait` is how long the service may hold the answer back until there is news (RFC 7240).
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = field(default=None, repr=False)
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """A moment in which nothing is asked."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a step: an answer, read to its end, and the seconds that it took. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(default=b"", repr=False)
    took: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether it is a refusal."""
        return self.status >= 400  # noqa: PLR2004 - 4xx and 5xx

    def json(self) -> Json:
        """The body as JSON; None where there is none.

        Raises:
            UnexpectedAnswer: it is something else.
        """
        if not self.body:
            return None
        try:
            value: Json = json.loads(self.body)
        except ValueError:
            raise UnexpectedAnswer("It is not JSON.") from None
        return value


T = TypeVar("T")
Step: TypeAlias = Call | Pause
Talk: TypeAlias = Generator[Step, Reply, T]


def json_call(method: str, target: str, body: Mapping[str, object], *, wait: int = 0) -> Call:
    """A request that brings a JSON object along."""
    headers = {"Content-Type": "application/json"}
    return Call(method=method, target=target, headers=headers, body=json.dumps(body).encode(), wait=wait)

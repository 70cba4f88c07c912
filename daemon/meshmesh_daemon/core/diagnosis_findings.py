"""What a look at an org brings: about whom it is, what was seen, and the first thing that is wrong. Values only."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from meshmesh_daemon.core.problems import Next

_LONGEST = 80  # of a name out of the org; profile and licence names are shorter


class Verdict(StrEnum):
    """What a diagnosis ends in; the words of the contract."""

    OK = "ok"
    ACCESS_DENIED = "access_denied"
    SESSION_EXPIRED = "session_expired"
    FEATURE_MISSING = "feature_missing"
    LICENSE_MISSING = "license_missing"
    LIMIT = "limit"
    ORG = "org"
    APP = "app"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The connection that is looked at, as it is known before the look. It holds no token."""

    name: str
    username: str
    user_id: str
    org_name: str
    org_id: str
    instance_url: str
    api_version: str
    client_id: str
    scopes: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The first thing that is wrong.

    `request` is what an admin is asked for, None where no admin can help; `where` is the place in Setup, and may hold the
    fields `{user}`, `{profile}` and `{app}`. `step` None takes the verdict's usual next step.
    """

    verdict: Verdict
    sentences: tuple[str, ...]
    request: str | None = None
    where: str | None = None
    step: Next | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was seen so far. `present` and `absent` are objects; `used_up` are licences of which none is left."""

    subject: Subject
    seen: tuple[str, ...] = ()
    ending: Ending | None = None
    profile: str | None = None
    license_id: str | None = None
    user_license: str | None = None
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    used_up: tuple[str, ...] = ()

    def saw(self, *sentences: str) -> "Findings":
        """With more evidence."""
        return replace(self, seen=(*self.seen, *sentences))

    def ended(self, ending: Ending) -> "Findings":
        """With the first thing that is wrong."""
        return replace(self, ending=ending)


def plain(text: str) -> str:
    """A name out of the org in one short printable line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def listed(names: tuple[str, ...]) -> str:
    """`A, B and C`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)

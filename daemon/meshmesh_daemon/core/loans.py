"""The port, given away for a while: whose it is, until when, and what tells that `sf` wants it. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LEND = "lend"
LATER = "later"
OFFERED_SECONDS = 120
OFFER = "lend:offer"  # the key of its notice


class Hold(StrEnum):
    """Whose the port is."""

    OURS = "ours"
    LENT = "lent"
    TAKING_BACK = "taking_back"  # the loan is over, and somebody still holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One time that the port is given away.

    `until` is when it ends at the latest; `borrower` is the process that it ends with, as text, or None.
    """

    port: int
    until: datetime
    borrower: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortView:
    """Whose the port is, as it is shown; `holder` is who holds it against us."""

    hold: Hold
    port: int
    loan: Loan | None = None
    holder: str | None = None


def sentence(view: PortView) -> str | None:
    """What there is to say about the port; None where it is ours."""
    if view.hold is Hold.LENT and view.loan is not None:
        return f"Port {view.port} is lent until {view.loan.until:%H:%M:%S} UTC: no sign-in can come back until then."
    if view.hold is Hold.TAKING_BACK:
        by = f"held by {view.holder}" if view.holder else "still held by somebody"
        return f"Port {view.port} was lent and is {by}; MeshMesh takes it back as soon as it is free."
    return None


def is_web_login(arguments: Sequence[str]) -> bool:
    """Whether a command line is Salesforce's, signing in through a browser.

    `sf org login web`, `sf org:login:web`, `sfdx auth:web:login` and their like; node comes before them, and options after.

    Args:
        arguments: its pieces.
    """
    words = {word for argument in arguments[:8] for word in argument.lower().split(":")}
    programs = {argument.replace("\\", "/").rsplit("/", 1)[-1].lower() for argument in arguments[:3]}
    return {"web", "login"} <= words and bool(programs & {"sf", "sfdx", "sf.cmd", "sfdx.cmd", "run.js", "run"})

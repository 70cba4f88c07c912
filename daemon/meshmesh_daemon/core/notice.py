"""One notice on a person's screen, and how others' words are shown in it."""

import unicodedata
from dataclasses import dataclass

_MAX_TEXT = 60
_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, bidi and other invisible marks, line ends


@dataclass(frozen=True, slots=True)
class Button:
    """A thing that a person can do about a notice."""

    key: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One bubble on the screen.

    `key` names it: a second one with the same key takes its place. `click` is the button that a click on the bubble itself
    stands for, or None where a click must not count as an answer. `link` and `command` are for services that draw no buttons.
    """

    key: str
    title: str
    lines: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    click: str | None = None
    link: str | None = None
    command: str | None = None


def plain(text: str) -> str:
    """A text without what could disguise it: controls, line ends, marks that turn its direction."""
    return "".join(letter for letter in text if unicodedata.category(letter) not in _UNSHOWN)


def clipped(text: str) -> str:
    """A name that somebody else chose, at a length that leaves room for our own words."""
    shown = plain(text).strip()
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "…"

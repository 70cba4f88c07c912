"""Names of connections: short, typed in commands, part of the broker's address; hence one narrow alphabet."""

import re
from collections.abc import Container
from itertools import count

from meshmesh_daemon.core.problems import bad_field

_MAX_LENGTH = 63
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def slug(text: str) -> str:
    """The nearest name to a text; empty where no letter or digit is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_LENGTH].rstrip("-")


def check_name(text: str) -> str:
    """The name itself, if it is one.

    Raises:
        Problem: 422 with the rule and, where there is one, the nearest name that follows it.
    """
    if _NAME.fullmatch(text):
        return text
    nearest = slug(text)
    hint = f" Try {nearest!r}." if nearest else ""
    raise bad_field(
        "name", f"A name has 1 to {_MAX_LENGTH} of a-z, 0-9 and hyphens, and begins with a letter or digit.{hint}"
    )


def next_free(name: str, taken: Container[str]) -> str:
    """The name, or the first of `name-2`, `name-3`, ... that is not taken."""
    if name not in taken:
        return name
    numbered = (name[: _MAX_LENGTH - len(ending)] + ending for ending in (f"-{number}" for number in count(2)))
    return next(candidate for candidate in numbered if candidate not in taken)

"""Record ids: 15 characters that mind their case, 18 with a checksum of it. Both are taken, 18 are given."""

import re
import secrets

SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
SHORT = 15
_FIRST_RANDOM, _RANDOM = 100_000, 62**8


def to18(short: str) -> str:
    """The 18-character form: bit i of each checksum character says that character i of its group is upper case."""
    groups = (short[start : start + 5] for start in (0, 5, 10))
    return short + "".join(
        SUFFIX[sum(1 << index for index, letter in enumerate(group) if "A" <= letter <= "Z")] for group in groups
    )


def normal(text: str) -> str | None:
    """The 18-character form of an id in either form, or None where it is no id."""
    return to18(text[:SHORT]) if _SHAPE.fullmatch(text) else None


def make(prefix: str, number: int) -> str:
    """The id of the n-th record under a key prefix."""
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return to18(prefix + "Dm" + digits.rjust(10, "0"))


def random_id(prefix: str) -> str:
    """The id of a record made now, clear of the low numbers of the seeded ones."""
    return make(prefix, _FIRST_RANDOM + secrets.randbelow(_RANDOM))


ADMIN_ID = make("005", 1)
NO_API_ID = make("005", 2)
READ_ONLY_ID = make("005", 3)

"""JSON with one meaning: what Salesforce's parser and ours could read in two ways is refused.

UTF-8 without a byte order mark, no member twice, no NaN or infinity, no lone surrogate, limited depth.
"""

import json
import math
import re
from typing import TypeGuard, cast

from meshmesh_daemon.core.classify.verdict import Json

MAX_DEPTH = 64
_MARKS = (b",", b"[", b"{")
_MAX_VALUES = 500_000  # so many may be 50 MB as Python objects
_SURROGATE = re.compile("[\ud800-\udfff]")


class Refused(ValueError):
    """A request with more than one meaning, or one that nobody can judge; `str()` is the reason, a clause."""


def is_object(value: object) -> TypeGuard[dict[str, Json]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Json]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def read_json(data: bytes) -> Json:
    """The value of a JSON text.

    Args:
        data: its bytes.

    Raises:
        Refused: it has no meaning, or more than one.
    """
    if sum(map(data.count, _MARKS)) > _MAX_VALUES:
        raise Refused("the JSON has too many values")
    try:
        text = data.decode()
        value = cast(
            "Json",
            json.loads(text, object_pairs_hook=_members, parse_constant=_no_number, parse_float=_finite),
        )
    except UnicodeDecodeError:
        raise Refused("the body is not UTF-8") from None
    except RecursionError:
        raise Refused("the JSON is nested too deeply") from None
    except Refused:
        raise
    except ValueError:
        raise Refused("the body is no JSON") from None
    _check(value)
    return value


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("a member of the JSON stands there twice")
    return members


def _no_number(text: str) -> float:
    raise Refused(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Refused("a number of the JSON is too large")
    return number


def _check(value: Json) -> None:
    """Depth and surrogates, level by level."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Json] = []
        for one in level:
            if is_object(one):
                below += one.values()
                below += one
            elif is_list(one):
                below += one
            elif isinstance(one, str) and not one.isascii() and _SURROGATE.search(one):
                raise Refused("a text of the JSON is half a character")
        if not below:
            return
        level = below
    raise Refused("the JSON is nested too deeply")

"""Salesforce's record ids: 15 characters that mind their case, or 18 with a checksum of it. We keep 18."""

import re

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
_SHORT = 15


def to18(text: str) -> str | None:
    """The 18-character form of an id.

    Args:
        text: an id in either form.

    Returns:
        The id, or None where the text is none.
    """
    if not _SHAPE.fullmatch(text):
        return None
    groups = (text[start : start + 5] for start in (0, 5, 10))
    bits = (sum(1 << index for index, letter in enumerate(group) if "A" <= letter <= "Z") for group in groups)
    return text[:_SHORT] + "".join(_SUFFIX[value] for value in bits)

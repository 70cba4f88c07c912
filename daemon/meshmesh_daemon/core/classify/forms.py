"""Multipart forms, read for what the plan shows of them. What is not plainly a form has no parts."""

import re

from meshmesh_daemon.core.classify.media import media_of
from meshmesh_daemon.core.classify.strict_json import Refused

_MAX_PARTS, _MAX_HEAD = 20, 4096
_NAME = re.compile(rb"""\r\ncontent-disposition:[^\r\n]*?;\s*name=(?:"([^"\r\n]*)"|([^\s";]+))""", re.IGNORECASE)


def read_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a form by their names.

    Args:
        content_type: the header's value, with the boundary.
        body: the whole body.

    Raises:
        Refused: two parts of one name.
    """
    media, parameters = media_of(content_type)
    boundary = parameters.get("boundary", "")
    if media != "multipart/form-data" or not boundary:
        return {}
    found: dict[str, bytes] = {}
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), _MAX_PARTS)[1:]:
        head, mark, data = piece.partition(b"\r\n\r\n")
        names = _NAME.findall(head) if mark and len(head) <= _MAX_HEAD else []
        if len(names) != 1:
            continue
        name = (names[0][0] or names[0][1]).decode(errors="replace")
        if name in found:
            raise Refused("a part of the form stands there twice")
        found[name] = data
    return found

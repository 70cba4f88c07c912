"""Content types: what a body says it is. One that says it in an unusual way says nothing."""

import re

_TYPE = re.compile(r"\s*([a-z0-9.+-]+/[a-z0-9.+-]+)\s*((?:;[^;]*)*)\s*", re.IGNORECASE | re.ASCII)
_PARAMETER = re.compile(r"""\s*([a-z0-9_-]+)\s*=\s*(?:"([^"\\]*)"|([^\s"\\;,]+))\s*""", re.IGNORECASE | re.ASCII)
_UTF_8 = frozenset({"utf-8", "utf8"})


def media_of(content_type: str) -> tuple[str, dict[str, str]]:
    """Type, in lower case, and parameters of a Content-Type; `("", {})` where it has no plain form.

    Args:
        content_type: the header's value; the empty text where there is none.
    """
    match = _TYPE.fullmatch(content_type)
    if match is None:
        return "", {}
    parameters: dict[str, str] = {}
    for text in match[2].split(";"):
        if not text.strip():
            continue
        parameter = _PARAMETER.fullmatch(text)
        if parameter is None or parameter[1].lower() in parameters:
            return "", {}
        parameters[parameter[1].lower()] = parameter[2] if parameter[2] is not None else parameter[3]
    return match[1].lower(), parameters


def text_media(content_type: str) -> str:
    """The type of a body that is text in UTF-8; the empty text for every other one."""
    media, parameters = media_of(content_type)
    return media if parameters.get("charset", "utf-8").lower() in _UTF_8 else ""


def is_json(content_type: str) -> bool:
    """Whether a body says that it is JSON, in UTF-8."""
    return text_media(content_type) == "application/json"


def is_xml(content_type: str) -> bool:
    """Whether a body says that it is XML, in UTF-8."""
    return text_media(content_type) in {"text/xml", "application/xml", "application/soap+xml"}

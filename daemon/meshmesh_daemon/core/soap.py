"""SOAP envelopes, read strictly: one meaning or none.

No document type, no entity of its own, no processing instruction, UTF-8 only, limited depth, exactly one operation. The
session stands in one place, of which the exact bytes are known: it is replaced in the bytes, and the rest of them stays as
it was sent.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

PLACEHOLDER = b"MESHMESH.SESSION"
_MAX_DEPTH = 64
_MAX_ELEMENTS = 50_000  # so many are some 15 MB as Python objects
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SESSION = ["Envelope", "Header", "SessionHeader", "sessionId"]
_SOAP = frozenset({"http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"})
_TOKEN = re.compile(rb"[A-Za-z0-9._!~=+/-]{1,4096}")
_START_TAG = re.compile(rb"""<[^<>"'/]+(?:"[^"<]*"[^<>"'/]*|'[^'<]*'[^<>"'/]*)*>""")


class BadEnvelope(ValueError):
    """XML that could be read in two ways, or in none; `str()` says why."""


@dataclass(slots=True)
class Element:
    """One element; names are local, the namespace stands beside."""

    namespace: str
    name: str
    text: str = ""
    children: list["Element"] = field(default_factory=list["Element"])

    def every(self, name: str) -> "list[Element]":
        """The children of a name."""
        return [child for child in self.children if child.name == name]

    def text_of(self, name: str) -> str | None:
        """The text of the only child of a name, None where there is none or more than one."""
        found = self.every(name)
        return found[0].text.strip() if len(found) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a SOAP request asks for.

    Attributes:
        operation: local name of the operation.
        namespace: its namespace.
        call: the operation with all that is in it.
        session: where the session's bytes begin and end, or None.
    """

    operation: str
    namespace: str
    call: Element
    session: tuple[int, int] | None


@dataclass(slots=True)
class _Open:
    """An element that has begun, and where; its text comes in pieces."""

    element: Element
    began: int
    pieces: list[str] = field(default_factory=list[str])


class _Reader:
    """Builds the tree, and notes where the text of `Header/SessionHeader/sessionId` stands."""

    def __init__(self, data: bytes) -> None:
        self.root: Element | None = None
        self.sessions: list[tuple[int, int]] = []
        self._data = data
        self._count = 0
        self._open: list[_Open] = []
        self._parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.ProcessingInstructionHandler = self._refuse

    def read(self) -> Element:
        if self._data.startswith(_BYTE_ORDER_MARK):
            raise BadEnvelope("the XML begins with a byte order mark")
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise BadEnvelope(f"the body is no XML: {error}") from None
        if self.root is None:
            raise BadEnvelope("the body is no XML")
        return self.root

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        element = Element(namespace, local)
        self._count += 1
        if not self._open:
            self.root = element
        elif len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise BadEnvelope("the XML is nested too deeply, or has too many elements")
        else:
            self._open[-1].element.children.append(element)
        self._open.append(_Open(element, self._parser.CurrentByteIndex))

    def _end(self, _name: str) -> None:
        if len(self._open) == len(_SESSION) and [one.element.name for one in self._open] == _SESSION:
            self.sessions.append(self._span(self._open[-1].began, self._parser.CurrentByteIndex))
        ended = self._open.pop()
        ended.element.text = "".join(ended.pieces)

    def _span(self, began: int, ended: int) -> tuple[int, int]:
        tag = _START_TAG.match(self._data, began)
        if tag is None:
            raise BadEnvelope("the sessionId is empty")
        inside = self._data[tag.end() : ended]
        token = inside.strip()
        if not _TOKEN.fullmatch(token):
            raise BadEnvelope("the sessionId is no plain text")
        start = tag.end() + inside.index(token)
        return start, start + len(token)

    def _text(self, text: str) -> None:
        self._open[-1].pieces.append(text)

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0" or (encoding is not None and encoding.lower() != "utf-8"):
            raise BadEnvelope("the XML is not XML 1.0 in UTF-8")

    def _refuse(self, *_what: object) -> None:
        raise BadEnvelope("the XML has a document type or a processing instruction")


def read_xml(data: bytes) -> Element:
    """The root element of a small XML document.

    Raises:
        BadEnvelope: it cannot be read, or not in one way only.
    """
    return _Reader(data).read()


def read_envelope(body: bytes) -> Envelope:
    """What a SOAP request asks for.

    Args:
        body: the request's bytes.

    Raises:
        BadEnvelope: it cannot be read, or not in one way only.
    """
    reader = _Reader(body)
    root = reader.read()
    if root.name != "Envelope" or root.namespace not in _SOAP:
        raise BadEnvelope("the XML is no SOAP envelope")
    if [child.name for child in root.children] not in (["Body"], ["Header", "Body"]):
        raise BadEnvelope("the envelope has other parts than one Header and one Body")
    soap_body = root.children[-1]
    if any(child.namespace != root.namespace for child in root.children) or len(soap_body.children) != 1:
        raise BadEnvelope("the Body has not exactly one operation")
    if root.text.strip() or soap_body.text.strip() or len(reader.sessions) > 1:
        raise BadEnvelope("the envelope has stray text, or more than one session")
    call = soap_body.children[0]
    session = reader.sessions[0] if reader.sessions else None
    return Envelope(operation=call.name, namespace=call.namespace, call=call, session=session)


def without_session(body: bytes) -> bytes:
    """The same bytes with a fixed word in the session's place; `with_session` is its way back.

    Raises:
        BadEnvelope: as `read_envelope`.
    """
    return _replaced(body, PLACEHOLDER)


def with_session(body: bytes, token: str) -> bytes:
    """The same bytes with a token in the session's place; a body without a session stays as it is.

    Raises:
        BadEnvelope: as `read_envelope`, and for a token that XML would have to escape.
    """
    raw = token.encode()
    if not _TOKEN.fullmatch(raw):
        raise BadEnvelope("the session cannot stand in XML as it is")
    return _replaced(body, raw)


def _replaced(body: bytes, session: bytes) -> bytes:
    span = read_envelope(body).session
    return body if span is None else body[: span[0]] + session + body[span[1] :]

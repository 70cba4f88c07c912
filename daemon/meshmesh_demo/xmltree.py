"""A small XML reader for SOAP: elements and text, no document types, so no entities of anybody's making."""

from dataclasses import dataclass, field
from xml.parsers import expat

_MAX_DEPTH = 60


class BadXml(ValueError):
    """The document is not well-formed, or has what is not taken here."""


@dataclass(slots=True)
class Element:
    """One element: its name without a namespace, its text, its children."""

    name: str
    text: str = ""
    children: list["Element"] = field(default_factory=list["Element"])

    def find(self, name: str) -> "Element | None":
        """The first child of a name."""
        return next((child for child in self.children if child.name == name), None)

    def every(self, name: str) -> list["Element"]:
        """All children of a name."""
        return [child for child in self.children if child.name == name]


class _Reader:
    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._open) > _MAX_DEPTH:
            raise BadXml("the document is nested too deeply")
        element = Element(name.rpartition(" ")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text

    def doctype(self, *_arguments: object) -> None:
        raise BadXml("a document type is not taken")


def parse(data: bytes) -> Element:
    """The root element of a document.

    Raises:
        BadXml: it cannot be read.
    """
    reader, parser = _Reader(), expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise BadXml(str(error)) from None
    return reader.root.children[0]

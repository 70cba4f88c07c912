"""The table of the classification as a page of Markdown."""

from collections.abc import Iterable, Iterator

from meshmesh_daemon.core.classify.judge import TABLE
from meshmesh_daemon.core.classify.rules import Look, Root, Rule
from meshmesh_daemon.core.classify.soap_calls import APIS
from meshmesh_daemon.core.classify.verdict import Kind

_HEAD = """\
# Reads and writes

This page is printed by `python -m meshmesh_daemon.core.classify`; it is the table that the broker goes by.

| class | Plan Mode |
|---|---|
| read | passes |
| write | is held until a person approves it |
| unknown | is held like a write |
| deny | is never sent |

An address is told from the words below the root: `{name}` is one segment, `[tooling/]` may stand or not, `a | b` is either
word, `**` is anything further, `+` further plain words. The first row that fits decides. Fixed words are compared without case. HEAD and OPTIONS are judged as GET. What *also
counts* can only make a row stricter, and a body that has to be looked at and cannot be is held. A body or a query that
could mean two things (a member or a deciding parameter twice, bytes that are not UTF-8, a document type, a sub-request that
overrides its method, a composite in a composite) is denied. A composite is as strict as its strictest request.
"""
_SOAP = """\
## SOAP operations

The one element in the Body decides, by its name and its namespace; the header SOAPAction says nothing. What is not listed
is unknown. A query is a write where its statement leaves a trace, as above.

| address | namespace | class | operations |
|---|---|---|---|"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_roots(), _SOAP, *_operations()]) + "\n"


def _roots() -> Iterator[str]:
    for root in Root:
        yield f"## {root.address}\n"
        yield "| address | methods | class | what it is | also counts | row |"
        yield "|---|---|---|---|---|---|"
        yield from (_row(rule) for rule in TABLE.rules if rule.root is root)
        yield ""


def _row(rule: Rule) -> str:
    address = rule.pattern.replace("|", " \\| ") or "(the root itself)"
    methods = ", ".join(rule.methods) or "any"
    look = "" if rule.look is Look.NOTHING else rule.look.value
    return f"| `{address}` | {methods} | {rule.kind} | {rule.says} | {look} | {rule.id} |"


def _operations() -> Iterator[str]:
    for letter, api in APIS.items():
        for kind in Kind:
            names = _named(name for name, (of, _) in api.operations.items() if of is kind)
            if names:
                yield f"| `{letter}/XX.0` {api.title} | `{api.namespace}` | {kind} | {names} |"


def _named(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))

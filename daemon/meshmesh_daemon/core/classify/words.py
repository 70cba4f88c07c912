"""A verdict in a short sentence: what would be lost first, then what would run, then the rest, reads at the end."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from meshmesh_daemon.core.classify.verdict import Kind, Part

_VERBS = ("delete", "run", "deploy", "password", "publish", "send", "start", "upsert", "update", "create", "other")
_COUNTED = frozenset({"delete", "upsert", "update", "create", "publish"})
# Objects that say who may do what, or hold code: whatever is done to them is told before other changes.
_POWERFUL = re.compile(
    r"(?:User|Profile|PermissionSet\w*|Permission\w+|Group|GroupMember|UserRole|\w+Share|ObjectPermissions|FieldPermissions"
    r"|SetupEntityAccess|ConnectedApplication|Apex\w+|Flow\w*|NamedCredential|AuthProvider|RemoteProxy)",
    re.IGNORECASE | re.ASCII,
)
_OWNERS = frozenset({"ownerid", "profileid", "userroleid", "isactive"})
_PLAIN_NAME = re.compile(r"[A-Za-z]\w*(?:\.\w+)*", re.ASCII)
_MAX_NAME = 100
_MAX_FIELDS = 5
_MAX_GROUPS = 6


def summary_of(parts: Sequence[Part]) -> str:
    """What some parts would do, as one sentence."""
    changes = sorted((part for part in parts if part.kind is not Kind.READ), key=_danger)
    reads = len(parts) - len(changes)
    told = [_group(list(group)) for _, group in groupby(changes, key=_same)]
    if len(told) > _MAX_GROUPS:
        told = [*told[:_MAX_GROUPS], f"and {len(told) - _MAX_GROUPS} other kinds of change"]
    if reads:
        told.append(f"{'read' if told else 'Read'} {_many(reads, 'thing')}" if reads > 1 or told else "Read")
    return "; ".join([told[0], *(_lower_first(text) for text in told[1:])])


def is_name(text: object) -> bool:
    """Whether a text is a name as objects and fields have them, and can be shown as it is."""
    return isinstance(text, str) and len(text) <= _MAX_NAME and _PLAIN_NAME.fullmatch(text) is not None


def fields_told(names: Iterable[str]) -> str:
    """Names of fields, the first few; one that is no plain name is only counted."""
    every = list(dict.fromkeys(names))
    shown = [name for name in every if is_name(name)][:_MAX_FIELDS]
    hidden = len(every) - len(shown)
    if hidden:
        shown.append(f"and {hidden} more" if shown else _many(hidden, "field"))
    return ", ".join(shown)


def danger(action: str, sobject: str | None, fields: Iterable[str]) -> tuple[bool, int]:
    """Where a change stands among others that a person is told of: the smallest first.

    Args:
        action: what is done.
        sobject: to which object, where that is known.
        fields: the names of those that are set.
    """
    powerful = action in {"delete", "run", "deploy", "password"} or bool(
        _POWERFUL.fullmatch(sobject or "") or {name.lower() for name in fields} & _OWNERS
    )
    return not powerful, _VERBS.index(action) if action in _VERBS else len(_VERBS)


def _danger(part: Part) -> tuple[bool, int, str, str]:
    """The order of the sentence."""
    return *danger(part.action, part.sobject, part.fields or ()), (part.sobject or "").lower(), part.words


def _same(part: Part) -> tuple[str, str, str, str]:
    return part.action, (part.sobject or "").lower(), part.words, part.kind.value


def _group(parts: list[Part]) -> str:
    first = parts[0]
    if first.words or first.action not in _COUNTED:
        return first.words if len(parts) == 1 else f"{first.words} ({len(parts)} times)"
    told = f"{first.action.capitalize()} {_many(len(parts), first.sobject or 'record')}"
    if first.action == "delete":
        return told
    if any(part.fields is None for part in parts):
        return f"{told} (fields not shown)"
    fields = fields_told(name for part in parts for name in part.fields or ())
    return f"{told}: {fields}" if fields else told


def _many(count: int, name: str) -> str:
    return f"{count} {name if count == 1 else _plural(name)}"


def _plural(name: str) -> str:
    if "__" in name or name.endswith(("History", "Feed", "Share")):
        return name
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]

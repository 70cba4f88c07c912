"""Creating, changing and deleting records: what would change, record by record."""

from collections.abc import Iterator, Mapping

from meshmesh_daemon.core.classify.forms import read_form
from meshmesh_daemon.core.classify.request import Matched, Opaque
from meshmesh_daemon.core.classify.strict_json import is_list, is_object, read_json
from meshmesh_daemon.core.classify.verdict import Json, Part, Verdict
from meshmesh_daemon.core.classify.words import is_name

_MOST = 2000  # more records than any of these resources takes; what is beyond is only said


def record(matched: Matched) -> Verdict:
    """One record, by its id, by an external id, or new."""
    names = matched.names
    sobject, record_id = _literal(names.get("object")), _literal(names.get("id"))
    key, value = names.get("field"), names.get("value")
    if key and value:
        record_id = f"{key}/{value}"
    fields = None if matched.rule.action == "delete" else _fields(matched)
    if fields and sobject is None and is_object(fields.get("fields")):  # the shape of `ui-api`
        sobject, fields = _name(fields.get("apiName")), _members(fields.get("fields"))
    action = "publish" if sobject and sobject.lower().endswith("__e") else None
    return matched.verdict(matched.part(action=action, sobject=sobject, record_id=record_id, fields=fields))


def rows(matched: Matched) -> Verdict:
    """`composite/sobjects`: many records of several objects."""
    if matched.rule.action == "delete":
        ids = [one.strip() for value in matched.request.values("ids") for one in value.split(",")]
        return _verdict(matched, (matched.part(record_id=one) for one in ids if one))
    document = _fields(matched)
    records = document.get("records") if document else None
    key = matched.names.get("field")
    parts = (_row(matched, one, key) for one in records if is_object(one)) if is_list(records) else iter(())
    return _verdict(matched, parts)


def tree(matched: Matched) -> Verdict:
    """`composite/tree`: records with their children."""
    document = _fields(matched)
    return _verdict(matched, _nodes(matched, document.get("records") if document else None))


def retrieve(matched: Matched) -> Verdict:
    """`composite/sobjects/X` by POST: a read, if the body is a list of ids and one of fields and nothing else."""
    document = matched.request.json()
    if not is_object(document) or set(document) != {"ids", "fields"}:
        raise Opaque("the body is not a list of ids and fields alone")
    return matched.plain()


def _verdict(matched: Matched, found: Iterator[Part]) -> Verdict:
    parts = [part for part, _ in zip(found, range(_MOST), strict=False)]
    return matched.verdict(*(parts or [matched.part(words=f"{matched.says()} (which ones cannot be shown)")]))


def _row(matched: Matched, record: Mapping[str, Json], key: str | None) -> Part:
    lower = {name.lower(): name for name in record}
    id_name, key_name = lower.get("id"), lower.get((key or "").lower())
    attributes = record.get("attributes")
    sobject = _name(attributes.get("type")) if is_object(attributes) else None
    record_id = record.get(id_name) if id_name else None
    if key_name is not None:
        record_id = f"{key_name}/{record[key_name]}"
    left_out = {"attributes", id_name, key_name}
    return matched.part(
        sobject=sobject or _literal(matched.names.get("object")),
        record_id=record_id if isinstance(record_id, str) else None,
        fields={name: value for name, value in record.items() if name not in left_out},
    )


def _nodes(matched: Matched, records: Json) -> Iterator[Part]:
    for node in records if is_list(records) else ():
        if is_object(node):
            children = {name: value for name, value in node.items() if is_object(value) and "records" in value}
            yield _row(matched, {name: value for name, value in node.items() if name not in children}, None)
            for child in children.values():
                yield from _nodes(matched, child["records"] if is_object(child) else None)


def _fields(matched: Matched) -> dict[str, Json] | None:
    """The members of a JSON body, or of the JSON part of a form with a file; None where the body cannot be shown."""
    request = matched.request
    if request.body == b"":
        return None
    try:
        return _members(request.json())
    except Opaque:
        form = read_form(request.content_type, request.body or b"")
        texts = [data for data in form.values() if data.lstrip()[:1] == b"{"]
        return _members(read_json(texts[0])) if len(texts) == 1 else None


def _members(document: Json) -> dict[str, Json] | None:
    return {name: value for name, value in document.items() if name != "attributes"} if is_object(document) else None


def _literal(name: str | None) -> str | None:
    return None if name is None or name.startswith("@") else name


def _name(value: Json) -> str | None:
    return value if isinstance(value, str) and is_name(value) else None

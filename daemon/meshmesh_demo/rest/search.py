"""`search` (SOSL) and `parameterizedSearch`: words in the fields that people search by."""

import re
from dataclasses import dataclass

from meshmesh_demo.errors import refuse
from meshmesh_demo.jsons import Json
from meshmesh_demo.model import Record, SObject
from meshmesh_demo.rest.call import Call, Reply, as_list, as_object, as_text
from meshmesh_demo.soql.evaluate import run

_FIND = re.compile(r"\s*FIND\s*\{(?P<words>(?:[^}\\]|\\.)*)\}(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_RETURNING = re.compile(r"\bRETURNING\s+(?P<objects>.*)", re.IGNORECASE | re.DOTALL)
_OBJECT = re.compile(
    r"\s*(?P<name>\w+)\s*(?:\((?P<inner>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*(?:,|(?=\bLIMIT\b)|$)", re.IGNORECASE
)
_LIMIT = re.compile(r"\s*LIMIT\s+(?P<limit>\d{1,4})\s*", re.IGNORECASE | re.ASCII)
_TAIL = re.compile(r"\s+(?=(?:WHERE|ORDER\s+BY|LIMIT|OFFSET)\b)", re.IGNORECASE)
_SHORTEST, _MOST = 2, 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to give of one object: fields, and a tail of SOQL."""

    name: str
    fields: str = "Id"
    tail: str = ""


def _malformed(text: str) -> Exception:
    return refuse("MALFORMED_SEARCH", text)


async def sosl(call: Call) -> Reply:
    """`GET search?q=FIND {words} ...`."""
    found = _FIND.fullmatch(call.query.get("q", ""))
    if found is None:
        raise _malformed("No search term found. The search term must be enclosed in braces.")
    wanted, limit = _returning(found["rest"])
    return Reply(body={"searchRecords": _search(call, found["words"], wanted, limit)})


def _returning(rest: str) -> tuple[list[Wanted], int]:
    found = _RETURNING.search(rest)
    text, wanted = (found["objects"].rstrip() if found else ""), list[Wanted]()
    while text and not _LIMIT.fullmatch(text):
        match = _OBJECT.match(text)
        if match is None:
            raise _malformed(f"unexpected token: '{text[:40]}'")
        fields, *tail = _TAIL.split(match["inner"] or "Id", maxsplit=1)
        wanted.append(Wanted(match["name"], fields, tail[0] if tail else ""))
        text = text[match.end() :]
    limit = _LIMIT.fullmatch(text)
    return wanted, int(limit["limit"]) if limit else _MOST


async def parameterized(call: Call) -> Reply:
    """`GET parameterizedSearch?q=&sobject=&fields=`."""
    fields = call.query.get("fields") or "Id"
    names = [one.strip() for one in call.query.get("sobject", "").split(",") if one.strip()]
    found = _search(call, call.query.get("q", ""), [Wanted(name, fields) for name in names], _MOST)
    return Reply(body={"searchRecords": found})


async def parameterized_by_post(call: Call) -> Reply:
    """`POST parameterizedSearch`: the same, asked in a body."""
    body = call.fields()
    common = body.get("fields", ["Id"])
    wanted = [_wanted(as_object(one), common) for one in as_list(body.get("sobjects", []))]
    limit = body.get("overallLimit", _MOST)
    if not isinstance(limit, int):
        raise refuse("JSON_PARSER_ERROR", "overallLimit must be a number")
    return Reply(body={"searchRecords": _search(call, as_text(body.get("q"), "q"), wanted, limit)})


def _wanted(document: Json, common: object) -> Wanted:
    fields = [as_text(one, "fields") for one in as_list(document.get("fields", common))]
    where = f"WHERE {as_text(document['where'], 'where')} " if "where" in document else ""
    limit = f"LIMIT {document['limit']}" if isinstance(document.get("limit"), int) else ""
    return Wanted(as_text(document.get("name"), "name"), ", ".join(fields), where + limit)


def _search(call: Call, words: str, wanted: list[Wanted], limit: int) -> list[Json]:
    patterns = _patterns(words)
    visible = call.org.store.visible()
    everywhere = [Wanted(name) for name in visible if call.org.store.sobject(name).searchable]
    found: list[Json] = []
    for one in wanted or everywhere:
        sobject = call.org.store.sobject(one.name)
        hits = {key: record for key, record in visible[sobject.name].items() if _matches(sobject, record, patterns)}
        statement = f"SELECT {one.fields} FROM {sobject.name} {one.tail}"  # noqa: S608 - SOQL, which our own parser reads
        tables = visible | {sobject.name: hits}
        found += run(tables, statement, version=call.version, today=call.org.clock().date()).records
    return found[:limit]


def _patterns(words: str) -> list["re.Pattern[str]"]:
    plain = re.sub(r"\\(.)", r"\1", words).replace('"', " ").strip()
    if len(plain.replace("*", "").replace("?", "")) < _SHORTEST:
        raise _malformed(f"search term must be longer than one character: {words}")
    wild = {"*": r"\S*", "?": r"\S"}
    return [
        re.compile(
            r"(?:^|\W)" + "".join(wild.get(letter) or re.escape(letter) for letter in re.sub(r"\*+", "*", word)),
            re.IGNORECASE,
        )
        for word in plain.split()
        if word.upper() not in {"AND", "OR"}
    ]


def _matches(sobject: SObject, record: Record, patterns: list["re.Pattern[str]"]) -> bool:
    text = " ".join(str(record.get(name) or "") for name in sobject.searchable)
    return all(pattern.search(text) for pattern in patterns)

"""Which operation an address means. First match wins; names of resources and objects mind no case, ids do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from meshmesh_demo.errors import SalesforceError, not_found, refuse
from meshmesh_demo.rest import collections, extract, graphql, ingest, meta, queries, rows, search, tooling, tree, uiapi
from meshmesh_demo.rest.call import Call, Operation, Reply
from meshmesh_demo.rest.composite import Composites
from meshmesh_demo.rest.deeds import DEEDS


@dataclass(frozen=True, slots=True)
class Rule:
    """A method and a pattern; `{name}` catches one segment."""

    method: str
    pattern: str
    operation: Operation

    def match(self, path: tuple[str, ...]) -> Mapping[str, str] | None:
        """What the pattern catches in a path, None where it does not fit."""
        parts = self.pattern.split("/") if self.pattern else []
        if len(parts) != len(path):
            return None
        names: dict[str, str] = {}
        for part, segment in zip(parts, path, strict=True):
            if part.startswith("{"):
                names[part[1:-1]] = segment
            elif part.lower() != segment.lower():
                return None
        return names


async def dispatch(call: Call) -> Reply:
    """Answer a call; refusals are answers too."""
    try:
        return await _found(call)
    except SalesforceError as error:
        return Reply(status=error.status, body=error.body())


async def _found(call: Call) -> Reply:
    method = "GET" if call.method == "HEAD" else call.method
    allowed: list[str] = []
    for rule in RULES:
        names = rule.match(call.path)
        if names is None:
            continue
        if rule.method == method:
            return await rule.operation(replace(call, names=names))
        allowed.append(rule.method)
    if allowed:
        text = f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(dict.fromkeys(allowed))}"
        raise refuse("METHOD_NOT_ALLOWED", text, status=405)
    raise not_found()


_COMPOSITES = Composites(dispatch)
RULES: list[Rule] = [
    *(Rule(deed.method, deed.pattern, deed.carry_out) for deed in DEEDS),
    Rule("GET", "", meta.resources),
    Rule("GET", "limits", meta.limits),
    Rule("GET", "recent", meta.recent),
    Rule("GET", "query", queries.query),
    Rule("GET", "queryAll", queries.query_all),
    Rule("GET", "query/{locator}", queries.more),
    Rule("GET", "queryAll/{locator}", queries.more),
    Rule("GET", "sobjects", meta.describe_global),
    Rule("GET", "sobjects/{object}/describe", meta.describe_object),
    Rule("GET", "sobjects/{object}/updated", rows.updated),
    Rule("GET", "sobjects/{object}/deleted", rows.deleted),
    Rule("GET", "sobjects/{object}", meta.basic_information),
    Rule("POST", "sobjects/{object}", rows.create),
    Rule("GET", "sobjects/{object}/{id}", rows.read),
    Rule("PATCH", "sobjects/{object}/{id}", rows.update),
    Rule("DELETE", "sobjects/{object}/{id}", rows.delete),
    Rule("GET", "sobjects/{object}/{field}/{value}", rows.read_by_key),
    Rule("PATCH", "sobjects/{object}/{field}/{value}", rows.upsert),
    Rule("DELETE", "sobjects/{object}/{field}/{value}", rows.delete_by_key),
    Rule("POST", "composite/sobjects", collections.insert),
    Rule("PATCH", "composite/sobjects", collections.update),
    Rule("DELETE", "composite/sobjects", collections.delete),
    Rule("GET", "composite/sobjects/{object}", collections.retrieve),
    Rule("POST", "composite/sobjects/{object}", collections.retrieve_by_post),
    Rule("PATCH", "composite/sobjects/{object}/{field}", collections.upsert),
    Rule("POST", "composite/tree/{object}", tree.create),
    Rule("POST", "composite", _COMPOSITES.composite),
    Rule("POST", "composite/batch", _COMPOSITES.batch),
    Rule("POST", "composite/graph", _COMPOSITES.graph),
    Rule("POST", "graphql", graphql.graphql),
    Rule("GET", "jobs/ingest", ingest.every),
    Rule("POST", "jobs/ingest", ingest.create),
    Rule("GET", "jobs/ingest/{id}", ingest.read),
    Rule("PATCH", "jobs/ingest/{id}", ingest.change),
    Rule("DELETE", "jobs/ingest/{id}", ingest.delete),
    Rule("PUT", "jobs/ingest/{id}/batches", ingest.upload),
    Rule("GET", "jobs/ingest/{id}/successfulResults", ingest.successful),
    Rule("GET", "jobs/ingest/{id}/failedResults", ingest.failed),
    Rule("GET", "jobs/ingest/{id}/unprocessedrecords", ingest.unprocessed),
    Rule("GET", "jobs/query", extract.every),
    Rule("POST", "jobs/query", extract.create),
    Rule("GET", "jobs/query/{id}", extract.read),
    Rule("PATCH", "jobs/query/{id}", extract.change),
    Rule("DELETE", "jobs/query/{id}", extract.delete),
    Rule("GET", "jobs/query/{id}/results", extract.results),
    Rule("GET", "search", search.sosl),
    Rule("GET", "parameterizedSearch", search.parameterized),
    Rule("POST", "parameterizedSearch", search.parameterized_by_post),
    Rule("GET", "tooling/query", queries.query),
    Rule("GET", "tooling/query/{locator}", queries.more),
    Rule("GET", "tooling/executeAnonymous", tooling.execute_anonymous),
    Rule("POST", "ui-api/records", uiapi.create),
    Rule("GET", "ui-api/records/{id}", uiapi.read),
    Rule("PATCH", "ui-api/records/{id}", uiapi.update),
    Rule("DELETE", "ui-api/records/{id}", uiapi.delete),
]

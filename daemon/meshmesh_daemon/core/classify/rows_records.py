"""The rows for records: queries, searches, `sobjects`, composites, GraphQL, Bulk 2.0; and the same below `tooling`."""

from meshmesh_daemon.core.classify.rules import CHANGES, DELETE, GET, PATCH, POST, PUT, Look, Rule
from meshmesh_daemon.core.classify.verdict import Kind

_R, _W = Kind.READ, Kind.WRITE
_SOBJECT = "[tooling/]sobjects/{object}"
_ROWS = "[tooling/]composite/sobjects"

QUERIES = (
    Rule(id="query", methods=GET, pattern="[tooling/]query|queryAll", kind=_R, says="Query", look=Look.SOQL),
    Rule(id="query.more", methods=GET, pattern="[tooling/]query|queryAll/{name}", kind=_R, says="The next page of a query", look=Look.SOQL),
    Rule(id="search", methods=GET, pattern="[tooling/]search", kind=_R, says="Search", look=Look.SOSL),
    Rule(id="search.help", methods=GET, pattern="search/layout|scopeOrder|suggestions|suggestTitleMatches", kind=_R, says="Search layouts and suggestions", look=Look.USAGE),
    Rule(id="search.parameters", methods=(*GET, *POST), pattern="[tooling/]parameterizedSearch", kind=_R, says="Search by parameters", look=Look.USAGE),
)  # fmt: skip

SOBJECTS = (
    Rule(id="password.set", methods=POST, pattern="sobjects/{object}/{id}/password", kind=_W, says="Set the password of {object} {id}", action="password"),
    Rule(id="password.reset", methods=DELETE, pattern="sobjects/{object}/{id}/password", kind=_W, says="Reset the password of {object} {id}", action="password"),
    Rule(id="sobjects.read", methods=GET, pattern="[tooling/]sobjects/**", kind=_R, says="Objects, their descriptions, records, list views, files"),
    Rule(id="sobjects.create", methods=POST, pattern=_SOBJECT, kind=_W, says="Create a record; publish an event, where the name ends in `__e`", look=Look.RECORD, action="create"),
    Rule(id="sobjects.update", methods=PATCH, pattern=_SOBJECT + "/{id}", kind=_W, says="Update a record", look=Look.RECORD, action="update"),
    Rule(id="sobjects.delete", methods=DELETE, pattern=_SOBJECT + "/{id}", kind=_W, says="Delete a record", look=Look.RECORD, action="delete"),
    Rule(id="sobjects.action", methods=POST, pattern="sobjects/{object}/quickActions/{name}", kind=_W, says="Run the quick action {name} of {object}", action="run"),
    Rule(id="sobjects.action", methods=POST, pattern="sobjects/{object}/{id}/quickActions/{name}", kind=_W, says="Run the quick action {name} of {object}", action="run"),
    Rule(id="sobjects.push", methods=POST, pattern="sobjects/{object}/{id}/push", kind=_W, says="Push an event to the subscribers of {object} {id}", action="publish"),
    Rule(id="sobjects.upsert", methods=(*PATCH, *POST), pattern=_SOBJECT + "/{field}/{value}", kind=_W, says="Create or update a record by an external id", look=Look.RECORD, action="upsert"),
    Rule(id="sobjects.deletebykey", methods=DELETE, pattern=_SOBJECT + "/{field}/{value}", kind=_W, says="Delete a record by an external id", look=Look.RECORD, action="delete"),
    Rule(id="sobjects.other", methods=CHANGES, pattern="[tooling/]sobjects/**", kind=_W, says="Another change below sobjects", action="other"),
)  # fmt: skip

COMPOSITES = (
    Rule(id="composite.list", methods=GET, pattern="[tooling/]composite", kind=_R, says="The list of composite resources"),
    Rule(id="rows.read", methods=GET, pattern=_ROWS, kind=_R, says="Records by their ids"),
    Rule(id="rows.read", methods=GET, pattern=_ROWS + "/{object}", kind=_R, says="Records by their ids"),
    Rule(id="rows.retrieve", methods=POST, pattern=_ROWS + "/{object}", kind=_R, says="Records by their ids, asked for by POST", look=Look.RETRIEVE),
    Rule(id="rows.create", methods=POST, pattern=_ROWS, kind=_W, says="Create records", look=Look.ROWS, action="create"),
    Rule(id="rows.update", methods=PATCH, pattern=_ROWS, kind=_W, says="Update records", look=Look.ROWS, action="update"),
    Rule(id="rows.delete", methods=DELETE, pattern=_ROWS, kind=_W, says="Delete records", look=Look.ROWS, action="delete"),
    Rule(id="rows.upsert", methods=PATCH, pattern=_ROWS + "/{object}/{field}", kind=_W, says="Create or update records by an external id", look=Look.ROWS, action="upsert"),
    Rule(id="tree", methods=POST, pattern="[tooling/]composite/tree/{object}", kind=_W, says="Create records with their children", look=Look.TREE, action="create"),
    Rule(id="composite", methods=POST, pattern="[tooling/]composite", kind=_R, says="Several requests in one", look=Look.COMPOSITE),
    Rule(id="composite.batch", methods=POST, pattern="[tooling/]composite/batch", kind=_R, says="Several requests in one", look=Look.BATCH),
    Rule(id="composite.graph", methods=POST, pattern="[tooling/]composite/graph", kind=_R, says="Several requests in one", look=Look.GRAPH),
    Rule(id="graphql", methods=POST, pattern="graphql", kind=_R, says="GraphQL", look=Look.GRAPHQL),
)  # fmt: skip

BULK = (
    Rule(id="jobs.read", methods=GET, pattern="jobs/query|ingest/+", kind=_R, says="Bulk jobs and their results"),
    Rule(id="jobs.query", methods=POST, pattern="jobs/query", kind=_R, says="Begin a Bulk query", look=Look.QUERY_JOB),
    Rule(id="jobs.query.abort", methods=PATCH, pattern="jobs/query/{id}", kind=_R, says="Stop a Bulk query", look=Look.QUERY_JOB_STATE),
    Rule(id="jobs.query.delete", methods=DELETE, pattern="jobs/query/{id}", kind=_R, says="Delete a Bulk query and its results"),
    Rule(id="ingest.create", methods=POST, pattern="jobs/ingest", kind=_R, says="Make a Bulk job; nothing happens yet", look=Look.INGEST, action="prepare"),
    Rule(id="ingest.upload", methods=PUT, pattern="jobs/ingest/{id}/batches", kind=_R, says="Fill a Bulk job; nothing happens yet", action="prepare"),
    Rule(id="ingest.state", methods=PATCH, pattern="jobs/ingest/{id}", kind=_W, says="Close Bulk job {id}, so that its rows are processed", look=Look.INGEST_STATE, action="start"),
    Rule(id="ingest.delete", methods=DELETE, pattern="jobs/ingest/{id}", kind=_W, says="Delete Bulk job {id} and its results", action="other"),
)  # fmt: skip

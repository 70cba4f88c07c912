"""The rows of all other families below `/services/data`, and of the other roots."""

from meshmesh_daemon.core.classify.rules import ANY, CHANGES, DELETE, GET, PATCH, POST, PUT, Look, Root, Rule
from meshmesh_daemon.core.classify.verdict import Kind

_R, _W, _U, _D = Kind.READ, Kind.WRITE, Kind.UNKNOWN, Kind.DENY


def _family(name: str, pattern: str, what: str) -> tuple[Rule, Rule]:
    """A family in which a GET reads and everything else may write."""
    return (
        Rule(id=f"{name}.read", methods=GET, pattern=pattern, kind=_R, says=f"Read {what}"),
        Rule(id=f"{name}.change", methods=CHANGES, pattern=pattern, kind=_W, says=f"Change {what}", action="other"),
    )


ORG = (
    Rule(id="versions", methods=GET, pattern="", kind=_R, says="The versions of the API; the resources of one"),
    Rule(id="org.limits", methods=GET, pattern="limits", kind=_R, says="Limits"),
    Rule(id="org.counts", methods=GET, pattern="limits/recordCount", kind=_R, says="Numbers of records"),
    Rule(id="org.look", methods=GET, pattern="recent|tabs|theme|compactLayouts", kind=_R, says="Recent items, tabs, theme, layouts"),
    Rule(id="org.look", methods=GET, pattern="appMenu|licensing|support/**", kind=_R, says="App menus, licences, support"),
    Rule(id="events.schema", methods=GET, pattern="event/eventSchema/{name}", kind=_R, says="The schema of an event"),
    Rule(id="events.schema", methods=GET, pattern="event/{name}/eventSchema", kind=_R, says="The schema of an event"),
)  # fmt: skip

ACTIONS = (
    Rule(id="actions.read", methods=GET, pattern="actions/**", kind=_R, says="Invocable actions"),
    Rule(id="actions.email", methods=POST, pattern="actions/standard/emailSimple", kind=_W, says="Send an email", action="send"),
    Rule(id="actions.run", methods=POST, pattern="actions/**", kind=_W, says="Run an invocable action", action="run"),
    Rule(id="quickactions.read", methods=GET, pattern="quickActions/**", kind=_R, says="Quick actions"),
    Rule(id="quickactions.run", methods=POST, pattern="quickActions/{name}", kind=_W, says="Run the quick action {name}", action="run"),
    Rule(id="approvals.read", methods=GET, pattern="process/approvals|rules/**", kind=_R, says="Approval processes and workflow rules"),
    Rule(id="approvals.run", methods=POST, pattern="process/approvals", kind=_W, says="Submit, approve or reject in approval processes", action="run"),
    Rule(id="rules.run", methods=POST, pattern="process/rules/**", kind=_W, says="Run workflow rules", action="run"),
)  # fmt: skip

APEX = (
    Rule(id="apex.execute", methods=ANY, pattern="tooling/executeAnonymous/**", kind=_W, says="Run anonymous Apex", look=Look.APEX, action="run"),
    Rule(id="apex.tests", methods=ANY, pattern="tooling/runTestsAsynchronous|runTestsSynchronous/**", kind=_W, says="Run Apex tests", action="run"),
    Rule(id="tooling.read", methods=GET, pattern="tooling", kind=_R, says="The resources of the Tooling API"),
    Rule(id="tooling.completions", methods=GET, pattern="tooling/completions", kind=_R, says="Completions"),
)  # fmt: skip

METADATA = (
    Rule(id="deploy.read", methods=GET, pattern="metadata/deployRequest/{id}", kind=_R, says="The state of a deployment"),
    Rule(id="deploy.start", methods=POST, pattern="metadata/deployRequest", kind=_W, says="Deploy metadata", look=Look.DEPLOY, action="deploy"),
    Rule(id="deploy.quick", methods=POST, pattern="metadata/deployRequest/{id}", kind=_W, says="Deploy the metadata that {id} has checked", action="deploy"),
    Rule(id="deploy.cancel", methods=PATCH, pattern="metadata/deployRequest/{id}", kind=_W, says="Cancel deployment {id}", action="other"),
)  # fmt: skip

ANALYTICS = (
    Rule(id="reports.read", methods=GET, pattern="analytics/**", kind=_R, says="Reports, dashboards and their results"),
    Rule(id="reports.query", methods=POST, pattern="analytics/reports/query", kind=_R, says="Run a report that is not saved"),
    Rule(id="reports.run", methods=POST, pattern="analytics/reports/{id}", kind=_R, says="Run a report with other filters", look=Look.CLONE),
    Rule(id="reports.run", methods=POST, pattern="analytics/reports/{id}/instances", kind=_R, says="Run a report in the background", look=Look.CLONE),
    Rule(id="dashboards.refresh", methods=PUT, pattern="analytics/dashboards/{id}", kind=_R, says="Refresh a dashboard", look=Look.CLONE),
    Rule(id="dashboards.filter", methods=POST, pattern="analytics/dashboards/{id}", kind=_R, says="Filter a dashboard", look=Look.CLONE),
    Rule(id="analytics.change", methods=CHANGES, pattern="analytics/**", kind=_W, says="Make, change or delete reports and dashboards", action="other"),
    Rule(id="wave.read", methods=GET, pattern="wave/**", kind=_R, says="CRM Analytics"),
    Rule(id="wave.query", methods=POST, pattern="wave/query", kind=_R, says="Query CRM Analytics"),
    Rule(id="wave.change", methods=CHANGES, pattern="wave/**", kind=_W, says="Change CRM Analytics", action="other"),
)  # fmt: skip

UI = (
    Rule(id="ui.read", methods=GET, pattern="ui-api/**", kind=_R, says="Records and layouts as the user interface shows them", look=Look.USAGE),
    Rule(id="ui.search", methods=POST, pattern="ui-api/predupe", kind=_R, says="Look for duplicates", look=Look.USAGE),
    Rule(id="ui.lists", methods=POST, pattern="ui-api/list-records/**", kind=_R, says="Records of a list view", look=Look.USAGE),
    Rule(id="ui.create", methods=POST, pattern="ui-api/records", kind=_W, says="Create a record", action="create", look=Look.RECORD),
    Rule(id="ui.update", methods=PATCH, pattern="ui-api/records/{id}", kind=_W, says="Update a record", action="update", look=Look.RECORD),
    Rule(id="ui.delete", methods=DELETE, pattern="ui-api/records/{id}", kind=_W, says="Delete a record", action="delete", look=Look.RECORD),
    Rule(id="ui.change", methods=CHANGES, pattern="ui-api/**", kind=_W, says="A change as the user interface makes it", action="other"),
)  # fmt: skip

FAMILIES = (
    *_family("connect", "connect/**", "Connect (files, communities, CMS, payments, credentials)"),
    *_family("chatter", "chatter/**", "Chatter (feeds, posts, files, groups)"),
    *_family("credentials", "named-credentials/**", "named credentials"),
    *_family("consent", "consent/**", "consent"),
    *_family("knowledge", "knowledgeManagement/**", "knowledge articles"),
    *_family("commerce", "commerce/**", "Commerce"),
    *_family("payments", "payments/**", "payments"),
    *_family("folders", "folders/**", "folders"),
    *_family("appusage", "apps/oauth/usage/**", "which apps hold tokens"),
    *_family("asyncqueries", "async-queries/**", "queries into objects"),
    Rule(id="scheduling", methods=(*GET, *POST), pattern="scheduling/getAppointmentSlots|getAppointmentCandidates", kind=_R, says="Free appointments"),
    Rule(id="einstein.read", methods=GET, pattern="einstein/**", kind=_R, says="Einstein"),
    Rule(id="einstein.run", methods=CHANGES, pattern="einstein/**", kind=_U, says="Einstein: spends credits, may run actions", action="run"),
    Rule(id="data360.query", methods=POST, pattern="ssot/queryv2|query|query-sql|universalIdLookup/**", kind=_R, says="Query Data 360"),
    *_family("data360", "ssot/**", "Data 360"),
)  # fmt: skip

# A GET below a word that no row begins with reads, as far as anybody knows. Salesforce takes `query.json` for `query`:
# hence no dots; and no other word in it may be one of the table's.
DATA_REST = (
    Rule(id="other.read", methods=GET, pattern="{word}/+", kind=_R, says="Another family, in which no word is one of this table"),
    Rule(id="other", methods=ANY, pattern="**", kind=_U, says="Not in this table", action="other"),
)  # fmt: skip

ROOTS = (
    Rule(id="bulk.read", root=Root.ASYNC, methods=GET, pattern="job/+", kind=_R, says="Bulk (first version): jobs and results"),
    Rule(id="bulk.job", root=Root.ASYNC, methods=POST, pattern="job", kind=_R, says="Make a Bulk job", look=Look.BULK_JOB, action="start"),
    Rule(id="bulk.state", root=Root.ASYNC, methods=POST, pattern="job/{id}", kind=_R, says="Change the state of Bulk job {id}", look=Look.BULK_STATE, action="start"),
    Rule(id="bulk.batch", root=Root.ASYNC, methods=POST, pattern="job/{id}/batch", kind=_R, says="Add a batch to Bulk job {id}, which begins at once", look=Look.BULK_BATCH, action="start"),
    Rule(id="bulk.other", root=Root.ASYNC, methods=ANY, pattern="**", kind=_U, says="Not in this table", action="other"),
    Rule(id="soap", root=Root.SOAP, methods=POST, pattern="u|c|m|t|s/**", kind=_U, says="A SOAP call", look=Look.SOAP, action="other"),
    Rule(id="soap.other", root=Root.SOAP, methods=ANY, pattern="**", kind=_U, says="SOAP of the org's own classes", action="run"),
    Rule(id="apexrest", root=Root.APEXREST, methods=ANY, pattern="**", kind=_U, says="Apex of the org's own, which may do anything, by any method", action="run"),
    Rule(id="oauth.user", root=Root.OAUTH2, methods=(*GET, *POST), pattern="userinfo|introspect", kind=_R, says="Who the session is"),
    Rule(id="oauth.session", root=Root.OAUTH2, methods=ANY, pattern="**", kind=_D, says="Sign-in, tokens and sessions are never brokered", action="other"),
    Rule(id="identity", root=Root.ID, methods=GET, pattern="{org}/{user}", kind=_R, says="Who the user is"),
    Rule(id="identity.other", root=Root.ID, methods=ANY, pattern="**", kind=_U, says="Not in this table", action="other"),
)  # fmt: skip

ELSEWHERE = Rule(
    id="elsewhere", root=Root.OTHER, methods=ANY, pattern="**", kind=_D, action="other",
    says="Pages, frontdoor, servlets, CometD and all else is never brokered",
)  # fmt: skip

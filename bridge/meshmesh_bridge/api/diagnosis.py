"""What is wrong with a connection: nine verdicts, evidence that is safe to paste, a message for the admin."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.connections import find
from meshmesh_bridge.declared import Text, read_body
from meshmesh_bridge.errors import next_document
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of

MAX_ERROR = 4096  # an answer of Salesforce with one error is a few hundred characters

DIAGNOSE = (Text("error", max_length=MAX_ERROR),)


async def diagnose(request: web.Request) -> web.Response:
    """`POST /v1/connections/{name}/diagnose`: say what is wrong, and what to ask the admin for.

    `error` in the body is optional: the error code or message that a tool printed.
    """
    connection, _ = await find(request)
    fields = await read_body(request, DIAGNOSE)
    error = fields.text("error", max_length=MAX_ERROR)
    found = await house_of(request).rooms.diagnoses.diagnose(connection.id, error=error)
    return web.json_response(
        {
            "verdict": found.verdict.value,
            "evidence": list(found.evidence),
            "message_for_admin": found.message_for_admin,
            "next": next_document(found.next_step),
        }
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/connections/{name}/diagnose",
        need=Need.OWNER,
        handler=diagnose,
        body=DIAGNOSE,
        answers={200: Answer("Diagnosis")},
        refuses=frozenset({409}),
    ),
)

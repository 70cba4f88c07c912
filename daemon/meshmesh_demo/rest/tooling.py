"""A little of `tooling`: queries, and anonymous Apex, which is a GET that changes things."""

from meshmesh_demo.errors import refuse
from meshmesh_demo.jsons import Json
from meshmesh_demo.rest.call import Call, Reply


async def execute_anonymous(call: Call) -> Reply:
    """`GET tooling/executeAnonymous?anonymousBody=`: counts as one write; the code is not run, this org has no Apex."""
    if not call.query.get("anonymousBody"):
        raise refuse("MISSING_ARGUMENT", "anonymousBody is required")
    if not call.caller.user.may_write:
        raise refuse("INSUFFICIENT_ACCESS", "insufficient access rights on object id", status=403)
    async with call.org.store.transaction():
        await call.org.store.count_writes()
    body: Json = {
        "line": -1, "column": -1, "compiled": True, "success": True, "compileProblem": None,
        "exceptionStackTrace": None, "exceptionMessage": None,
    }  # fmt: skip
    return Reply(body=body)

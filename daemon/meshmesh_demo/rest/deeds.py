"""What a real org does and this one only counts: mail, metadata, approvals, posts, invocable actions, Apex.

Each is one write and answers as if it had been done, so that whoever must not change this org can be held to its count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from meshmesh_demo.errors import refuse
from meshmesh_demo.ids import random_id
from meshmesh_demo.jsons import Json
from meshmesh_demo.rest.call import Call, Reply


@dataclass(frozen=True, slots=True)
class Deed:
    """An address that does something; the key prefix of what it makes, or an empty one."""

    method: str
    pattern: str
    prefix: str = ""
    status: int = 200

    async def carry_out(self, call: Call) -> Reply:
        """Count it, and say that it was done."""
        if not call.caller.user.may_write:
            raise refuse("INSUFFICIENT_ACCESS", "insufficient access rights on object id", status=403)
        async with call.org.store.transaction():
            await call.org.store.count_writes()
        return Reply(status=self.status, body=self._document(call.names))

    def _document(self, names: Mapping[str, str]) -> Json | list[Json] | None:
        if self.status == 204:  # noqa: PLR2004 - HTTP's own number
            return None
        done: Json = {"id": random_id(self.prefix) if self.prefix else names.get("id"), "success": True, "errors": []}
        return [done | {"isSuccess": True}] if self.pattern.startswith("actions/") else done


DEEDS = (
    Deed("POST", "sobjects/User/{id}/password"),
    Deed("DELETE", "sobjects/User/{id}/password"),
    Deed("POST", "sobjects/{object}/quickActions/{action}", status=201),
    Deed("POST", "quickActions/{action}", status=201),
    Deed("POST", "actions/standard/{action}"),
    Deed("POST", "actions/custom/apex/{action}"),
    Deed("POST", "actions/custom/flow/{action}"),
    Deed("POST", "process/approvals"),
    Deed("POST", "process/rules"),
    Deed("POST", "process/rules/{object}"),
    Deed("POST", "process/rules/{object}/{id}"),
    Deed("POST", "chatter/feed-elements", "0D5", 201),
    Deed("POST", "connect/feed-elements", "0D5", 201),
    Deed("PATCH", "chatter/feed-elements/{id}"),
    Deed("DELETE", "chatter/feed-elements/{id}", status=204),
    Deed("POST", "metadata/deployRequest", "0Af", 201),
    Deed("POST", "metadata/deployRequest/{id}", "0Af", 201),
    Deed("PATCH", "metadata/deployRequest/{id}"),
    Deed("POST", "tooling/sobjects/{object}", "01p", 201),
    Deed("PATCH", "tooling/sobjects/{object}/{id}", status=204),
    Deed("DELETE", "tooling/sobjects/{object}/{id}", status=204),
    Deed("POST", "tooling/runTestsAsynchronous", "707"),
    Deed("POST", "tooling/runTestsSynchronous"),
    Deed("POST", "analytics/reports", "00O"),
    Deed("PATCH", "analytics/reports/{id}"),
    Deed("DELETE", "analytics/reports/{id}", status=204),
    Deed("PATCH", "consent/action/{action}"),
    Deed("DELETE", "apps/oauth/usage/{app}/tokens", status=204),
    Deed("POST", "async-queries", "08P"),
)

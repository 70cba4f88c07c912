"""Changes that are proposed together, with a reason: collected first, handed in at once, run when the owner says so."""

from collections.abc import Mapping

from meshmesh.client.asking import Params, check_ran, salesforce_path, settled
from meshmesh.client.errors import ApprovalRequired
from meshmesh.client.refusals import of_api
from meshmesh.client.talk import Call, Json, Talk, json_call
from meshmesh.client.views import Connection, Plan
from meshmesh.documents import Document
from meshmesh.failures import UnexpectedAnswer
from meshmesh.http1 import segment


class Draft:
    """A plan that is being written; nothing is sent before it is handed in.

    Args:
        org: the connection to change.
        reason: why, in one sentence that the owner reads.
    """

    def __init__(self, org: Connection, reason: str) -> None:
        self._org = org
        self._reason = reason
        self._requests: list[dict[str, Json]] = []
        self._plan: Plan | None = None

    @property
    def plan(self) -> Plan:
        """The plan as last seen.

        Raises:
            ValueError: it was not handed in yet.
        """
        if self._plan is None:
            raise ValueError("The plan is handed in at the end of its `with` block.")
        return self._plan

    @property
    def handed_in(self) -> bool:
        """Whether the owner can see it."""
        return self._plan is not None

    def request(self, method: str, path: str, *, json: Json = None, params: Params | None = None) -> None:
        """Propose one request.

        Args:
            method: POST, PATCH, PUT or DELETE.
            path: from `/services/` on, or relative to the newest version's resources.
            json: its body; None for none.
            params: its query.
        """
        entry: dict[str, Json] = {"method": method, "path": salesforce_path(self._org, path, params)}
        self._requests.append(entry if json is None else entry | {"body": json})

    def create(self, sobject: str, fields: Mapping[str, Json]) -> None:
        """Propose a new record."""
        self.request("POST", f"sobjects/{segment(sobject)}", json=dict(fields))

    def update(self, sobject: str, record_id: str, fields: Mapping[str, Json]) -> None:
        """Propose other values for a record."""
        self.request("PATCH", f"sobjects/{segment(sobject)}/{segment(record_id)}", json=dict(fields))

    def upsert(self, sobject: str, key: str, value: str, fields: Mapping[str, Json]) -> None:
        """Propose a record's values by an external id, whether the record is there or not."""
        self.request("PATCH", f"sobjects/{segment(sobject)}/{segment(key)}/{segment(value)}", json=dict(fields))

    def delete(self, sobject: str, record_id: str) -> None:
        """Propose to delete a record."""
        self.request("DELETE", f"sobjects/{segment(sobject)}/{segment(record_id)}")

    def hand_in(self) -> Talk[None]:
        """Let the owner see it; an empty draft is none."""
        if not self._requests:
            return
        body = {"connection": self._org.name, "reason": self._reason, "requests": self._requests}
        reply = yield json_call("POST", "/v1/plans", body)
        if reply.refused:
            raise of_api(reply.status, reply.headers, reply.body, attempt="hand the plan in", name=self._org.name)
        self._plan = Plan.of(Document.parse(reply.body))

    def outcome(self, wait: int) -> Talk[Plan]:
        """The plan once it was carried out.

        Args:
            wait: seconds to wait at most.

        Raises:
            ApprovalRequired: it is still held, or still runs.
            PlanRejected: the owner said no.
            PlanExpired: nobody decided, or it was withdrawn.
        """
        plan = yield from settled(self.plan.id, wait)
        self._plan = plan
        if not plan.settled:
            raise ApprovalRequired(f"It is {plan.status} after {wait} s.", plan_id=plan.id, url=plan.url)
        check_ran(plan)
        return plan

    def take_back(self) -> Talk[None]:
        """Withdraw it; nothing of it is carried out."""
        reply = yield Call(method="DELETE", target=f"/v1/plans/{segment(self.plan.id)}")
        if reply.refused:
            raise of_api(reply.status, reply.headers, reply.body, attempt="withdraw the plan")


def plans() -> Talk[list[Plan]]:
    """This program's plans, as they stand."""
    found: list[Plan] = []
    target = "/v1/plans"
    while target:
        reply = yield Call(method="GET", target=target)
        if reply.refused:
            raise of_api(reply.status, reply.headers, reply.body, attempt="list the plans")
        document = Document.parse(reply.body)
        found += [Plan.of(one) for one in document.children("plans")]
        target = document.optional_text("next")
        if target and not target.startswith("/v1/"):
            raise UnexpectedAnswer("Its member 'next' is no address of the service.")
    return found

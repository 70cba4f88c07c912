"""An agent in Plan Mode: it looks, proposes, waits for the person, reads what became of it, and goes on.

Nothing is written before the owner says so; a rejection comes back with the owner's words, and the agent minds them.

Run it: python agent.py [CONNECTION]
"""

import sys
from collections.abc import Iterator

import meshmesh

SOQL = "SELECT Id, Name, NumberOfEmployees FROM Lead WHERE Status = 'Open - Not Contacted' ORDER BY Name LIMIT 6"
BATCH = 3
LARGE = 300


def main(connection: str = "demo") -> int:
    """Rate leads by their size, a few at a time; the exit code is one of MeshMesh's command line."""
    purpose = "Rate open leads by their size"
    want = meshmesh.Want(connection=connection, mode="plan", purpose=purpose)
    try:
        agent = meshmesh.pair("Lead agent", wants=[want], kind="agent")
        with agent.connect(connection) as org:
            for batch in in_batches(list(org.query(SOQL))):
                if not rate(org, batch):
                    break
    except meshmesh.Error as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def rate(org: meshmesh.Org, leads: list[meshmesh.Record]) -> bool:
    """Propose ratings and wait; whether to go on."""
    with org.plan(f"{len(leads)} open leads should be rated by their size") as plan:
        for lead in leads:
            plan.update("Lead", str(lead["Id"]), {"Rating": rating(lead)})
    print(f"Proposed {len(leads)} changes: {plan.plan.url}", flush=True)
    try:
        done = plan.wait()
    except meshmesh.PlanRejected as rejected:
        print(f"You said no: {rejected.reason or 'without a reason'}. I stop here.")
        return False
    for item in done.items:
        print(f"{item.summary}: {item.status}")
    return True


def rating(lead: meshmesh.Record) -> str:
    """What the agent makes of a lead."""
    employees = lead["NumberOfEmployees"]
    return "Hot" if isinstance(employees, int) and employees >= LARGE else "Cold"


def in_batches(records: list[meshmesh.Record]) -> Iterator[list[meshmesh.Record]]:
    """A few records at a time: what a person can judge."""
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

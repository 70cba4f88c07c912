"""How the house stands, in a sentence: for the status, and for the manager that started it."""

from collections import Counter
from dataclasses import replace

from meshmesh_bridge.house import House
from meshmesh_daemon.core.loans import sentence
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Status


def counts_of(house: House) -> Counter[str]:
    """How many connections have each status."""
    statuses = house.rooms_if_open.connections.statuses if house.rooms_if_open else ()
    return Counter(status.value for status in statuses)


def detail_of(house: House, counts: Counter[str]) -> str:
    """What is wrong with the vault, or how many connections need somebody."""
    said = house.ill or house.locked
    return said.detail if said else _sentence(counts)


def next_of(house: House) -> Next | None:
    """What helps the vault, where it needs help."""
    if house.ill is not None:
        return Next(house.ill.next_step)
    return Next(house.locked.next_step, house.locked.command) if house.locked else None


def notes_of(house: House, *, names: bool) -> list[str]:
    """What else there is to know: a port that is away, and settings that were not taken, which are the owner's."""
    view = house.lending.view if house.lending else None
    lent = sentence(view if names else replace(view, holder=None)) if view else None
    return [note for note in (lent, house.complaint if names else None) if note]


def status_line(house: House) -> str:
    """The open status in one line."""
    return " ".join([detail_of(house, counts_of(house)), *notes_of(house, names=False)])


def _sentence(counts: Counter[str]) -> str:
    total = counts.total()
    needing = counts[Status.NEEDS_YOU.value] + counts[Status.BLOCKED.value]
    if not total:
        return "No connection yet."
    if needing:
        return f"{needing} of {total} connections need you." if total > 1 else "The one connection needs you."
    return f"{total} connections need nothing." if total > 1 else "1 connection needs nothing."

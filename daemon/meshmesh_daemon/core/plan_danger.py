"""The order in which a person is told of the requests of a plan where not all of them can be: what could do most harm first.

A plan runs in the order in which it was made; only the telling is sorted, so that one delete does not hide behind many
small changes.
"""

from collections.abc import Iterable

from meshmesh_daemon.core.classify.words import danger
from meshmesh_storage.plan_records import Item

_UNTOLD = (False, -1)  # nothing is known of what it does: before all others


def by_danger(items: Iterable[Item]) -> list[Item]:
    """The items, the most dangerous first; of those that are alike the earlier one first."""
    return sorted(items, key=_danger_of)


def _danger_of(item: Item) -> tuple[bool, int]:
    fields: dict[int, list[str]] = {}
    for change in item.changes:
        fields.setdefault(change.part, []).append(change.field)
    told = (danger(touch.action, touch.sobject, fields.get(part, ())) for part, touch in enumerate(item.touches))
    return min(told, default=_UNTOLD)

"""What became of each part of a request that has run, out of Salesforce's answer.

A composite, a batch, a tree or a collection answers 200 while parts of it failed; its answer lists its parts in their
order. What such a list cannot be found in counts as one whole.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from meshmesh_daemon.core.classify.strict_json import is_list, is_object
from meshmesh_daemon.core.ids import to18
from meshmesh_daemon.core.plan_fields import CREATE, UPSERT
from meshmesh_storage.plan_records import Result, Touch


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended: whether all of it was done, a sentence where not, and what each part did."""

    done: bool
    note: str | None
    touches: tuple[Touch, ...]


def outcome_of(touches: Sequence[Touch], result: Result) -> Outcome:
    """What a request has done.

    Args:
        touches: its parts.
        result: what Salesforce answered.
    """
    if result.status >= HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(False, f"Salesforce answered {result.status}.", tuple(touches))
    document = _document(result.body)
    answers = _answers(document)
    if answers is not None and len(answers) == len(touches):
        seen = [_after(touch, answer, ok=_is_good(answer)) for touch, answer in zip(touches, answers, strict=True)]
        bad = sum(not touch.done for touch in seen)
        return Outcome(not bad, f"Salesforce refused {bad} of its {len(seen)} parts." if bad else None, tuple(seen))
    good = all(_is_good(answer) for answer in (answers or [document]))
    whole = tuple(_after(touch, document, ok=good) for touch in touches)
    return Outcome(good, None if good else "Salesforce refused it, or a part of it.", whole)


def _after(touch: Touch, answer: object, *, ok: bool) -> Touch:
    record = _record_id(answer) if ok and touch.action in {CREATE, UPSERT} else None
    if record is None:
        return replace(touch, done=ok)
    return replace(touch, done=True, record_id=record, action=CREATE if _created(answer) else touch.action)


def _answers(document: object) -> list[object] | None:
    """The answers of the parts, where there are such."""
    found: object = document
    if is_object(document):
        named = [document.get(name) for name in ("compositeResponse", "results", "graphs")]
        found = next((value for value in named if is_list(value)), None)
    if not is_list(found):
        return None
    return [inner for one in found for inner in _graph(one)]


def _graph(answer: object) -> Sequence[object]:
    """The answers inside one graph's; anything else is one answer itself."""
    inner = answer.get("graphResponse") if is_object(answer) else None
    listed = inner.get("compositeResponse") if is_object(inner) else None
    return listed if is_list(listed) else [answer]


def _is_good(answer: object) -> bool:
    if is_list(answer):
        return all(_is_good(one) for one in answer)
    if not is_object(answer):
        return True
    inner = answer.get("body", answer.get("result"))
    if is_list(inner) and not all(_is_good(one) for one in inner):
        return False
    for name in ("httpStatusCode", "statusCode"):
        status = answer.get(name)
        if isinstance(status, int):
            return status < HTTPStatus.MULTIPLE_CHOICES
    return answer.get("success") is not False and not answer.get("errors")


def _record_id(answer: object) -> str | None:
    for one in (answer, _member(answer, "body"), _member(answer, "result")):
        value = _member(one, "id")
        if isinstance(value, str):
            return to18(value)
    return None


def _created(answer: object) -> bool:
    return any(_member(one, "created") is True for one in (answer, _member(answer, "body"), _member(answer, "result")))


def _member(value: object, name: str) -> object:
    return value.get(name) if is_object(value) else None


def _document(body: bytes) -> object:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document

"""`@{name.field}` in a composite request: values of the answers that came before."""

import re

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.jsons import is_list, is_object

_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d{1,6}\])*)\}", re.ASCII)
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]", re.ASCII)
_MAX_DEPTH = 50


def filled(value: object, answers: dict[str, object], depth: int = 0) -> object:
    """A JSON value with every reference replaced.

    Args:
        value: of a request's `body` or `url`.
        answers: bodies of earlier answers by their reference ids.
        depth: how deep it lies; deeper than any sane body is refused.

    Raises:
        SalesforceError: PROCESSING_HALTED, a reference names nothing.
    """
    if depth > _MAX_DEPTH:
        raise refuse("JSON_PARSER_ERROR", "The request is nested too deeply")
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _value(whole, answers)
        return _REFERENCE.sub(lambda match: str(_value(match, answers)), value)
    if is_list(value):
        return [filled(one, answers, depth + 1) for one in value]
    if is_object(value):
        return {name: filled(one, answers, depth + 1) for name, one in value.items()}
    return value


def _value(match: "re.Match[str]", answers: dict[str, object]) -> object:
    if match[1] not in answers:
        raise _nothing(match)
    here = answers[match[1]]
    for step in _STEP.finditer(match[2]):
        if step[1] and is_object(here):
            here = next((one for name, one in here.items() if name.lower() == step[1].lower()), None)
        elif step[2] and is_list(here) and int(step[2]) < len(here):
            here = here[int(step[2])]
        else:
            raise _nothing(match)
    if here is None or isinstance(here, dict | list):
        raise _nothing(match)
    return here


def _nothing(match: "re.Match[str]") -> SalesforceError:
    return refuse("PROCESSING_HALTED", f"Invalid reference specified. No value for {match[0]} found.")

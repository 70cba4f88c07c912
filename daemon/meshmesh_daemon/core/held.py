"""A held request, judged: out of its bytes, as often as it is asked."""

from meshmesh_daemon.core.classify import Verdict, classify
from meshmesh_daemon.core.targets import Target, read_target
from meshmesh_storage.plan_records import HeldRequest

_PREFIX = "/o/"


def target_of(path: str) -> Target:
    """The parts of a path and query behind the broker's prefix.

    Raises:
        BadTarget: it could be read in two ways.
    """
    return read_target(f"{_PREFIX}held{path}", _PREFIX)


def verdict_of(request: HeldRequest) -> Verdict:
    """What a request would do.

    Raises:
        BadTarget: its target could be read in two ways.
    """
    content_type = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    return classify(request.method, target_of(request.target), content_type, request.body)

"""What needs a person: the service refuses it first, and it is sent again with the approval PIN, or waits for the button.

The PIN goes from the controlling terminal into the body of that one request. No argument, variable or pipe brings it: a
program that can only run commands has none to bring.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, cast

from meshmesh.cli.terminal import Terminal
from meshmesh.failures import ProblemError
from meshmesh.problems import problem_from
from meshmesh.transport import TIMEOUT_SECONDS, Answer
from meshmesh.wire import Code

WAIT_SECONDS = 55  # the longest that the service waits
TRIES = 3
_PIN, _BUTTON = "pin", "notification"
_ELSEWHERE = "Run it in a terminal, without MESHMESH_NO_INPUT, and type the approval PIN."


class Send(Protocol):
    """Sends one request with what proves that a person is there, and raises what the service refuses."""

    def __call__(self, *, pin: str | None = None, wait: int = 0) -> Answer:
        """Send it with the PIN, or let it wait so many seconds for the button."""
        ...


def request(terminal: Terminal, method: str, target: str, body: Mapping[str, object], *, attempt: str) -> Answer:
    """One call that may need a person; the PIN is a further member of its body.

    Args:
        terminal: where the service and the person are.
        method: the method.
        target: path and query; names in it went through `http1.segment`.
        body: a JSON object to send along.
        attempt: what is tried, for the sentence of a refusal: "Could not {attempt}."

    Raises:
        Failure: it was refused, or nobody could be asked.
    """

    def send(*, pin: str | None = None, wait: int = 0) -> Answer:
        sent = body if pin is None else {**body, "pin": pin}
        return call(terminal, method, target, sent, attempt=attempt, wait=wait)

    return with_person(terminal, send)


def with_person(terminal: Terminal, send: Send) -> Answer:
    """Send a request, and once more with a person where the service asks for one.

    Raises:
        Failure: it was refused, or nobody could be asked.
    """
    try:
        return send()
    except ProblemError as problem:
        if problem.code != Code.PRESENCE_REQUIRED:
            raise
        ways = _ways(problem)
        answer = _by_pin(terminal, send, ways) or _by_button(terminal, send, ways)
        if answer is None:
            if _PIN in ways:
                problem.next_step = _ELSEWHERE
            raise
        return answer


def typed(terminal: Terminal, question: str, send: Callable[[str], Answer]) -> Answer | None:
    """Ask for the PIN until one is right.

    Args:
        terminal: where the person is.
        question: what stands before the place to type at.
        send: sends what was typed, and raises what the service refuses.

    Returns:
        The answer, or None where nothing was typed.

    Raises:
        ProblemError: three were wrong, or the service refuses for another reason.
    """
    tries = TRIES
    while pin := terminal.secret(question):
        tries -= 1
        try:
            return send(pin)
        except ProblemError as problem:
            if problem.code != Code.PRESENCE_REQUIRED or not tries:
                raise
            terminal.say(problem.detail)
    return None


def call(
    terminal: Terminal,
    method: str,
    target: str,
    body: Mapping[str, object] | None = None,
    *,
    attempt: str,
    wait: int = 0,
    patience: float = TIMEOUT_SECONDS,
) -> Answer:
    """One call as `Transport.request`; after too many wrong PINs the refusal says how long to wait."""
    answer = terminal.service.exchange(method, target, body, wait=wait, patience=patience)
    if answer.status < 400:  # noqa: PLR2004 - 4xx and 5xx
        return answer
    problem = problem_from(answer.status, answer.body, attempt)
    seconds = answer.headers.get("retry-after", "")
    if problem.code == Code.RATE_LIMITED and seconds.isdigit():
        problem.next_step = f"Wait {seconds} s and run the command again."
    raise problem


def _ways(problem: ProblemError) -> list[object]:
    ways = problem.document.get("ways")
    return cast("list[object]", ways) if isinstance(ways, list) else []


def _by_pin(terminal: Terminal, send: Send, ways: list[object]) -> Answer | None:
    if _PIN not in ways or not terminal.has_keyboard:
        return None
    instead = " (Enter alone: by a notification instead)" if _BUTTON in ways else ""
    return typed(terminal, f"Approval PIN{instead}: ", lambda pin: send(pin=pin))


def _by_button(terminal: Terminal, send: Send, ways: list[object]) -> Answer | None:
    if _BUTTON not in ways:
        return None
    terminal.say("Press Approve in the notification.")
    return send(wait=WAIT_SECONDS)

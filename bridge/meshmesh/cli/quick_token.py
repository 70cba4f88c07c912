"""`meshmesh token NAME` on the shortest way: one request written by hand, one line printed, no clean-up of the process.

Shell prompts and scripts call it often, so the whole run costs less than a bare Python that imports socket and json:
json alone takes as long as everything else, and is imported only for an answer that does not begin with its token. Where no service answers over the UNIX socket, or a person must be asked, the long way goes on.
"""

import os
import sys
from _socket import AF_UNIX, SOCK_STREAM, socket

from meshmesh import http1, places, wire

OK = 200
TIMEOUT_SECONDS = 60.0  # a session may have to be renewed at Salesforce first


def run(name: str) -> None:
    """Print the token of a connection and end the process; return only where the long way must go on.

    Args:
        name: the connection's name.
    """
    raw = _ask(name)
    if raw is None:
        return
    token = _token_in(raw)
    if not token:
        if _needs_a_person(raw):
            return
        os._exit(_refuse(raw, name))
    os._exit(_print(token))


def _print(token: str) -> int:
    try:
        sys.stdout.write(token + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        from meshmesh.exits import EXIT_BROKEN_PIPE

        return EXIT_BROKEN_PIPE
    except OSError as error:
        sys.stderr.write(f"meshmesh: The token could not be written.\n  {error.strerror}\n  Next: df -h\n")
        return os.EX_IOERR
    return os.EX_OK


def _ask(name: str) -> http1.RawAnswer | None:
    headers = {"Host": "localhost"}
    token = os.environ.get(wire.ENV_TOKEN)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    sock = socket(AF_UNIX, SOCK_STREAM)
    sock.settimeout(TIMEOUT_SECONDS)
    try:
        request = http1.compose("GET", f"/v1/connections/{http1.segment(name)}/token", headers)
        sock.connect(places.socket_path(os.environ))
        sock.sendall(request)
        return http1.read(sock.recv)
    except (OSError, ValueError, http1.MalformedAnswer):
        return None
    finally:
        sock.close()


def _token_in(raw: http1.RawAnswer) -> str:
    if raw.status != OK:
        return ""
    before, _, rest = raw.body.partition(b'{"access_token": "')
    token, quote, _ = rest.partition(b'"')
    if not before and quote and b"\\" not in token and token.isascii():  # RFC 8259, section 7: nothing to unescape
        return token.decode()
    return _member(raw, "access_token")


def _needs_a_person(raw: http1.RawAnswer) -> bool:
    return raw.status == 403 and _member(raw, "code") == wire.Code.PRESENCE_REQUIRED  # noqa: PLR2004


def _member(raw: http1.RawAnswer, name: str) -> str:
    import json

    try:
        value = json.loads(raw.body)[name]
    except (ValueError, KeyError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def _refuse(raw: http1.RawAnswer, name: str) -> int:
    from meshmesh.cli.report import three_lines
    from meshmesh.failures import UnexpectedAnswer
    from meshmesh.problems import problem_from

    refused = raw.status >= 400  # noqa: PLR2004 - 4xx and 5xx
    attempt = f"get the token of {name!r}"
    failure = problem_from(raw.status, raw.body, attempt) if refused else UnexpectedAnswer("It holds no token.")
    sys.stderr.write(three_lines(failure))
    sys.stderr.flush()
    return failure.exit_code

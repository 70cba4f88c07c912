"""Options and arguments that several commands share, with sf's habits among them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from meshmesh import wire
from meshmesh.cli.completing import complete_connections
from meshmesh.cli.terminal import Terminal

Command = TypeVar("Command", bound=Callable[..., Any])

MODES = ("read", "plan", "build")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TARGET_ORG = "meshmesh.target_org"


class Duration(click.ParamType[int]):
    """A length of time such as 30s, 15m, 2h, 7d; in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds of a text; a number passes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is not a length of time such as 15m, 2h or 7d.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class GrantAsked:
    """A grant as it is typed: `NAME:MODE` or `NAME:MODE:token`."""

    connection: str
    mode: str
    raw_token: bool

    @property
    def body(self) -> dict[str, object]:
        """In the shape of the API."""
        return {"connection": self.connection, "mode": self.mode, "raw_token": self.raw_token}


class GrantType(click.ParamType[GrantAsked]):
    """Reads a grant."""

    name = "grant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> GrantAsked:
        """The grant of a text; a grant passes."""
        if isinstance(value, GrantAsked):
            return value
        connection, _, rest = str(value).partition(":")
        mode, _, extra = rest.partition(":")
        if not connection or mode not in MODES or extra not in {"", "token"}:
            self.fail(
                f"{value!r} is not NAME:MODE or NAME:MODE:token, with MODE one of {', '.join(MODES)}.", param, ctx
            )
        if extra and mode != "build":
            self.fail(f"{value!r}: the token itself needs the mode build.", param, ctx)
        return GrantAsked(connection, mode, raw_token=bool(extra))


def json_option(command: Command) -> Command:
    """`--json`: print the body of the API."""

    def note(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
        context.ensure_object(Terminal).as_json = value
        return value

    return click.option("--json", "as_json", is_flag=True, callback=note, is_eager=True, help="Print JSON.")(command)


def connection_argument(command: Command) -> Command:
    """`NAME` of a connection, also as `-o/--target-org NAME`; `MESHMESH_CONNECTION` where neither is given."""

    def note(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        context.meta[_TARGET_ORG] = value

    def settle(context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        named: str | None = context.meta.get(_TARGET_ORG)
        if value and named and value != named:
            raise click.UsageError(f"NAME is {value!r} and --target-org is {named!r}: give one of them.", context)
        terminal = context.find_object(Terminal)
        settled = value or named or (terminal.environ.get(wire.ENV_CONNECTION) if terminal else None)
        if not settled and not context.resilient_parsing:
            raise click.UsageError("Missing NAME of a connection.", context)
        return settled

    option = click.option(
        "-o",
        "--target-org",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        callback=note,
        help="The same as NAME.",
        shell_complete=complete_connections,
    )
    argument = click.argument("name", required=False, callback=settle, shell_complete=complete_connections)
    return argument(option(command))

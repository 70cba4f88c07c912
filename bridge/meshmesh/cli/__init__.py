"""`meshmesh`, what people type. `main` decides from `sys.argv` alone whether the short way of `token` will do."""

import sys

_SHORT = 2  # `token NAME`


def main() -> int:
    """The program `meshmesh`.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:]
    if len(arguments) == _SHORT and arguments[0] == "token" and not arguments[1].startswith("-"):
        from meshmesh.cli import quick_token

        quick_token.run(arguments[1])
    from meshmesh.cli.program import run

    return run(arguments)

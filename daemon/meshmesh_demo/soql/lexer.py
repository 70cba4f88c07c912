"""SOQL's words: one pass, positions kept for the error texts."""

import re
from dataclasses import dataclass

from meshmesh_demo.errors import SalesforceError, refuse

MAX_LENGTH = 100_000  # Salesforce's own limit of a statement
_TOKEN = re.compile(
    r"""\s+
    | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
    | (?P<date>\d{4}-\d{2}-\d{2})
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<mark><=|>=|!=|<>|[=<>(),:])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "%": "\\%", "_": "\\_"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its kind, its text (a string's without quotes), and where it stands."""

    kind: str
    text: str
    at: int

    def is_word(self, word: str) -> bool:
        """Whether it is that keyword, in any case."""
        return self.kind == "name" and self.text.upper() == word


def malformed(text: str) -> SalesforceError:
    """The refusal of a statement that does not parse."""
    return refuse("MALFORMED_QUERY", text)


def unexpected(token: Token) -> SalesforceError:
    """The refusal at one token."""
    return malformed(f"unexpected token: '{token.text or '<EOF>'}'")


def tokens(text: str) -> list[Token]:
    """The words of a statement, closed by one of kind `end`.

    Raises:
        SalesforceError: MALFORMED_QUERY.
    """
    if len(text) > MAX_LENGTH:
        raise malformed("SOQL statements can not be longer than 100000 characters.")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise malformed(f"line 1:{at} no viable alternative at character '{text[at]}'")
        if match.lastgroup:
            word = match.group()
            found.append(Token(match.lastgroup, _unquote(word) if match.lastgroup == "string" else word, at))
        at = match.end()
    return [*found, Token("end", "", at)]


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1], flags=re.DOTALL)

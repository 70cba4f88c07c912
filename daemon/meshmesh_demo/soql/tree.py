"""The tree of a SOQL statement: frozen values, no behaviour."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Path:
    """A field, maybe through parents: `Account.Owner.Name`."""

    names: tuple[str, ...]
    at: int

    @property
    def path(self) -> "Path":
        """Itself, so that a path and a call are asked alike."""
        return self

    @property
    def text(self) -> str:
        """As it was written."""
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Call:
    """An aggregate or a function over a field; `path` is None for COUNT()."""

    function: str
    path: Path | None
    alias: str | None
    at: int

    @property
    def text(self) -> str:
        """As it was written, but for spaces."""
        return f"{self.function}({self.path.text if self.path else ''})"

    @property
    def last_name(self) -> str:
        """The name of the field it is over."""
        return self.path.names[-1] if self.path else "Id"


@dataclass(frozen=True, slots=True)
class AllFields:
    """FIELDS(ALL | STANDARD | CUSTOM)."""

    which: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value: `kind` is string, number, boolean, null, date, datetime or word (TODAY, LAST_N_DAYS:n)."""

    kind: str
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field op value`."""

    left: "Path | Call"
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    """`field [NOT] IN (...)`, INCLUDES, EXCLUDES."""

    left: Path
    negated: bool
    values: "tuple[Literal, ...] | Query"


@dataclass(frozen=True, slots=True)
class Junction:
    """AND or OR of several."""

    word: str
    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT of one."""

    part: "Condition"


Condition: TypeAlias = Comparison | Membership | Junction | Negation


@dataclass(frozen=True, slots=True)
class Order:
    """One ORDER BY term."""

    by: "Path | Call"
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A whole statement, or a sub-select."""

    select: "tuple[Path | Call | AllFields | Query, ...]"
    source: str
    alias: str | None = None
    where: Condition | None = None
    group_by: tuple[Path, ...] = ()
    having: Condition | None = None
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False

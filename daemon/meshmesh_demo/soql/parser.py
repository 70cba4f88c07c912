"""SOQL's grammar, by recursive descent; every refusal is Salesforce's MALFORMED_QUERY."""

from meshmesh_demo.soql.lexer import Token, malformed, tokens, unexpected
from meshmesh_demo.soql.tree import (
    AllFields,
    Call,
    Comparison,
    Condition,
    Junction,
    Literal,
    Membership,
    Negation,
    Order,
    Path,
    Query,
)

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
FUNCTIONS = frozenset({"TOLABEL", "FORMAT"})
_UNITS = ("WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR")
DATE_WORDS = frozenset(f"{when}_{unit}" for when in ("LAST", "THIS", "NEXT") for unit in _UNITS) | {
    "TODAY", "YESTERDAY", "TOMORROW", "LAST_90_DAYS", "NEXT_90_DAYS",
}  # fmt: skip
N_WORDS = frozenset(f"{when}_N_{unit}S" for when in ("LAST", "NEXT") for unit in ("DAY", *_UNITS))
_CLAUSES = frozenset({"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL", "WITH", "USING"})
MAX_DEPTH = 40  # nesting of brackets and NOTs; a hostile statement is a refusal, never a deep recursion
MAX_OFFSET = 2000
_MAX_DIGITS = 9  # of LIMIT and its like; Python itself refuses to read very long numbers


def parse(text: str) -> Query:
    """The tree of a statement.

    Raises:
        SalesforceError: MALFORMED_QUERY.
    """
    parser = _Parser(tokens(text))
    query = parser.query()
    parser.expect_end()
    return query


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0

    @property
    def _now(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        token = self._now
        self._at = min(self._at + 1, len(self._words) - 1)
        return token

    def _word(self, word: str) -> bool:
        if self._now.is_word(word):
            self._take()
            return True
        return False

    def _mark(self, mark: str) -> bool:
        if self._now.kind == "mark" and self._now.text == mark:
            self._take()
            return True
        return False

    def _need_word(self, word: str) -> None:
        if not self._word(word):
            raise unexpected(self._now)

    def _need_mark(self, mark: str) -> None:
        if not self._mark(mark):
            raise unexpected(self._now)

    def _name(self) -> Token:
        if self._now.kind != "name":
            raise unexpected(self._now)
        return self._take()

    def expect_end(self) -> None:
        if self._now.kind != "end":
            raise unexpected(self._now)

    def query(self) -> Query:
        self._enter()
        self._need_word("SELECT")
        select = [self._item()]
        while self._mark(","):
            select.append(self._item())
        self._need_word("FROM")
        source = self._name()
        alias = self._alias()
        where = self._condition() if self._word("WHERE") else None
        group_by = self._group_by()
        having = self._condition() if self._word("HAVING") else None
        order_by = self._order_by()
        limit = self._count() if self._word("LIMIT") else None
        offset = self._count() if self._word("OFFSET") else 0
        if offset > MAX_OFFSET:
            raise malformed("Maximum SOQL offset allowed is 2000")
        all_rows = self._tail()
        self._depth -= 1
        return Query(
            select=tuple(select), source=source.text, alias=alias, where=where,
            group_by=group_by, having=having, order_by=order_by, limit=limit, offset=offset, all_rows=all_rows,
        )  # fmt: skip

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise malformed("The query is nested too deeply.")

    def _alias(self) -> str | None:
        self._word("AS")
        if self._now.kind == "name" and self._now.text.upper() not in _CLAUSES:
            return self._take().text
        return None

    def _item(self) -> "Path | Call | AllFields | Query":
        if self._mark("("):
            query = self.query()
            self._need_mark(")")
            return query
        token = self._name()
        if not self._mark("("):
            return _path(token)
        function = token.text.upper()
        if function == "FIELDS":
            which = self._name().text.upper()
            self._need_mark(")")
            if which not in {"ALL", "STANDARD", "CUSTOM"}:
                raise malformed(f"unexpected token: '{which}'")
            return AllFields(which)
        call = self._call(token)
        named = self._now.kind == "name" and not self._now.is_word("FROM")
        return Call(call.function, call.path, self._take().text if named else None, call.at)

    def _call(self, token: Token) -> Call:
        function = token.text.upper()
        if function not in AGGREGATES | FUNCTIONS:
            raise unexpected(token)
        path = None if self._now.text == ")" and function == "COUNT" else _path(self._name())
        self._need_mark(")")
        return Call(function, path, None, token.at)

    def _group_by(self) -> tuple[Path, ...]:
        if not self._word("GROUP"):
            return ()
        self._need_word("BY")
        paths = [_path(self._name())]
        while self._mark(","):
            paths.append(_path(self._name()))
        return tuple(paths)

    def _order_by(self) -> tuple[Order, ...]:
        if not self._word("ORDER"):
            return ()
        self._need_word("BY")
        orders = [self._order()]
        while self._mark(","):
            orders.append(self._order())
        return tuple(orders)

    def _order(self) -> Order:
        by = self._operand()
        descending = self._word("DESC")
        if not descending:
            self._word("ASC")
        nulls_last = descending
        if self._word("NULLS"):
            nulls_last = self._word("LAST")
            if not nulls_last:
                self._need_word("FIRST")
        return Order(by, descending, nulls_last)

    def _operand(self) -> "Path | Call":
        token = self._name()
        return self._call(token) if self._mark("(") else _path(token)

    def _count(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit() or len(token.text) > _MAX_DIGITS:
            raise unexpected(token)
        return int(token.text)

    def _tail(self) -> bool:
        while self._word("FOR"):
            for word in ("VIEW", "REFERENCE", "UPDATE"):
                if self._word(word):
                    break
            else:
                raise unexpected(self._now)
        if self._word("ALL"):
            self._need_word("ROWS")
            return True
        return False

    def _condition(self) -> Condition:
        self._enter()
        first = self._unary()
        parts = [first]
        word = "AND" if self._now.is_word("AND") else "OR" if self._now.is_word("OR") else None
        while word and self._word(word):
            parts.append(self._unary())
        if self._now.is_word("AND") or self._now.is_word("OR"):
            raise unexpected(self._now)  # SOQL wants brackets where AND and OR meet
        self._depth -= 1
        return Junction(word, tuple(parts)) if word else first

    def _unary(self) -> Condition:
        if self._word("NOT"):
            self._enter()
            part = self._unary()
            self._depth -= 1
            return Negation(part)
        if self._mark("("):
            part = self._condition()
            self._need_mark(")")
            return part
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._operand()
        if isinstance(left, Path) and (self._now.is_word("IN") or self._now.is_word("NOT")):
            negated = self._word("NOT")
            self._need_word("IN")
            return Membership(left, negated, self._members())
        if isinstance(left, Path) and (self._now.is_word("INCLUDES") or self._now.is_word("EXCLUDES")):
            return Membership(left, self._take().is_word("EXCLUDES"), self._members())
        token = self._take()
        if token.is_word("LIKE"):
            return Comparison(left, "LIKE", self._literal())
        if token.kind != "mark" or token.text not in {"=", "!=", "<>", "<", "<=", ">", ">="}:
            raise unexpected(token)
        return Comparison(left, "!=" if token.text == "<>" else token.text, self._literal())

    def _members(self) -> "tuple[Literal, ...] | Query":
        self._need_mark("(")
        if self._now.is_word("SELECT"):
            query = self.query()
            self._need_mark(")")
            return query
        values = [self._literal()]
        while self._mark(","):
            values.append(self._literal())
        self._need_mark(")")
        return tuple(values)

    def _literal(self) -> Literal:
        token = self._take()
        if token.kind in {"string", "number", "date", "datetime"}:
            return Literal(token.kind, token.text)
        word = token.text.upper() if token.kind == "name" else ""
        if word in {"TRUE", "FALSE"}:
            return Literal("boolean", word)
        if word == "NULL":
            return Literal("null", "")
        if word in DATE_WORDS:
            return Literal("word", word)
        if word in N_WORDS:
            self._need_mark(":")
            return Literal("word", word, self._count())
        raise unexpected(token)


def _path(token: Token) -> Path:
    return Path(tuple(token.text.split(".")), token.at)

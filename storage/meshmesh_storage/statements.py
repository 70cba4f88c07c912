"""Rows as statements: as many rows in one as there are, since what costs is each hop to SQLite's thread."""

from collections.abc import Mapping, Sequence

from meshmesh_storage.digest import Value
from meshmesh_storage.schema import Table

Values = tuple[Value, ...]
Statement = tuple[str, Sequence[Value]]
MOST_ROWS = 64  # in one statement


def statements(rows: Mapping[tuple[Table, str], Values | None]) -> list[Statement]:
    """What makes rows so: those that go first, so that their unique values are free for those that come.

    Args:
        rows: by table and id; None for a row that goes.
    """
    going: dict[Table, list[str]] = {}
    coming: dict[Table, list[Values]] = {}
    for (table, row_id), values in rows.items():
        if values is None:
            going.setdefault(table, []).append(row_id)
        else:
            coming.setdefault(table, []).append(values)
    removals = [_remove(table, ids[at : at + MOST_ROWS]) for table, ids in going.items() for at in _steps(ids)]
    return removals + [put(table, some[at : at + MOST_ROWS]) for table, some in coming.items() for at in _steps(some)]


def _steps(items: Sequence[object]) -> range:
    return range(0, len(items), MOST_ROWS)


def select(table: Table, ids: Sequence[str]) -> Statement:
    """Every column of the rows of these ids."""
    marks = ", ".join("?" * len(ids))
    return f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE id IN ({marks})", ids  # noqa: S608 - our own names


def _remove(table: Table, ids: Sequence[str]) -> Statement:
    marks = ", ".join("?" * len(ids))
    return f"DELETE FROM {table.name} WHERE id IN ({marks})", ids  # noqa: S608 - our own names


def put(table: Table, rows: Sequence[Values]) -> Statement:
    """Insert rows, or replace those that are there by their id."""
    marks = ", ".join([f"({', '.join('?' * len(table.columns))})"] * len(rows))
    new = ", ".join(f"{column} = excluded.{column}" for column in table.columns[1:])
    statement = (
        f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES {marks} ON CONFLICT (id) DO UPDATE SET {new}"  # noqa: S608 - our own names
    )
    return statement, [value for row in rows for value in row]

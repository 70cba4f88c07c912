"""Times in sealed documents: ISO 8601 with an offset, or null."""

from datetime import datetime


def to_text(value: datetime | None) -> str | None:
    """ISO 8601, or None."""
    return value.isoformat() if value else None


def from_text(value: object) -> datetime | None:
    """The time that `to_text` wrote."""
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def required(value: object) -> datetime:
    """A time that must be there."""
    return datetime.fromisoformat(str(value))

"""The published table is the table."""

from pathlib import Path

from meshmesh_daemon.core.classify.judge import TABLE
from meshmesh_daemon.core.classify.printed import page

PAGE = Path(__file__).parents[3] / "daemon" / "CLASSIFICATION.md"


def test_the_page_is_what_the_code_prints() -> None:
    """Print it anew after a change: `python -m meshmesh_daemon.core.classify > daemon/CLASSIFICATION.md`."""
    assert PAGE.read_text() == page()


def test_every_row_is_on_the_page() -> None:
    """Nothing decides that is not published."""
    printed = page()

    assert [rule.id for rule in TABLE.rules if f"| {rule.id} |" not in printed] == []

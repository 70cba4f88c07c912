"""The part of the settings that is about plans."""

from pathlib import Path

import pytest

from meshmesh_daemon.settings import PlanSettings, SettingsError, load


def written(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_without_a_word_plans_live_a_quarter_of_an_hour(tmp_path: Path) -> None:
    """The usual values: a quarter of an hour, five seconds, thirty days."""
    assert load(tmp_path / "none", {}).plans == PlanSettings(expire_seconds=900, quiet_seconds=5, keep_days=30)


def test_each_is_set_by_its_name(tmp_path: Path) -> None:
    """What is not named keeps its usual value."""
    plans = load(written(tmp_path, "[plans]\nexpire_seconds = 60\nquiet_seconds = 0\n"), {}).plans

    assert plans == PlanSettings(expire_seconds=60, quiet_seconds=0, keep_days=30)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("expire_seconds = 5", "plans.expire_seconds"),
        ("keep_days = true", "plans.keep_days"),
        ("expires = 9", "expire_seconds"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, line: str, named: str) -> None:
    """Out of its range, of another kind, or misspelt: no start, and the setting is named."""
    with pytest.raises(SettingsError, match=named):
        load(written(tmp_path, f"[plans]\n{line}\n"), {})

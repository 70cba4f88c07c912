"""Names of connections: one rule, a suggestion with each refusal, and the next free one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.names import check_name, next_free, slug
from meshmesh_daemon.core.problems import Problem

RULE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@pytest.mark.parametrize("name", ["a", "7", "acme", "acme-uat", "acme--uat", "a-", "x" * 63])
def test_a_name_that_follows_the_rule_is_kept_as_it_is(name: str) -> None:
    """What follows the rule is taken without a change."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Acme", "Try 'acme'."),
        ("acme uat", "Try 'acme-uat'."),
        ("-acme", "Try 'acme'."),
        ("acme_uat!", "Try 'acme-uat'."),
        ("acme\n", "Try 'acme'."),
        ("Ünicorn", "Try 'nicorn'."),
        ("a/b", "Try 'a-b'."),
        ("x" * 64, f"Try '{'x' * 63}'."),
    ],
)
def test_another_name_is_refused_with_the_nearest_one(text: str, hint: str) -> None:
    """A refusal names the field and the nearest name that would do."""
    with pytest.raises(Problem) as refused:
        check_name(text)

    assert refused.value.errors[0].field == "name"
    assert refused.value.detail.endswith(hint)


@pytest.mark.parametrize("text", ["", "-", "---", "日本", "?!"])
def test_a_text_without_letters_is_refused_without_a_hint(text: str) -> None:
    """Where nothing is near, nothing is suggested."""
    with pytest.raises(Problem) as refused:
        check_name(text)

    assert "Try" not in refused.value.detail


@given(st.text(max_size=200))
def test_a_slug_is_a_name_or_nothing(text: str) -> None:
    """Whatever was typed, its slug follows the rule or is empty."""
    made = slug(text)

    assert made == "" or RULE.fullmatch(made)


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("acme", set[str](), "acme"),
        ("acme", {"beta"}, "acme"),
        ("acme", {"acme"}, "acme-2"),
        ("acme", {"acme", "acme-2", "acme-3"}, "acme-4"),
        ("acme", {"acme", "acme-3"}, "acme-2"),
        ("x" * 63, {"x" * 63}, "x" * 61 + "-2"),
    ],
)
def test_the_next_free_name_counts_up(name: str, taken: set[str], expected: str) -> None:
    """A taken name gets the first number that is free, and stays within the length."""
    assert next_free(name, taken) == expected

"""The search in long texts says what `in` says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.finding import held

LONG = 5000


@given(
    st.binary(min_size=1, max_size=60),
    st.integers(min_value=0, max_value=LONG),
    st.sampled_from([0, LONG]),
    st.integers(min_value=0, max_value=60),
)
def test_a_needle_is_found_wherever_it_lies(needle: bytes, place: int, size: int, cut: int) -> None:
    """Whole or cut short, at the beginning, in the middle and at the end, in short texts and in long ones, NULs too."""
    put = needle[: len(needle) - cut] if cut < len(needle) else needle
    text = bytes(min(place, size)) + put + b"\xff" * (size - min(place, size))

    assert held(text, [needle, needle + b"\xfe"]) == [needle] * (needle in text)


@pytest.mark.parametrize("size", [1, 2047, 2048, 300_000])
def test_a_needle_at_the_very_end_is_found(size: int) -> None:
    """The last place where it can begin counts, and none behind it."""
    text = b"a" * size + b"needle-needle"

    assert held(text, [b"needle-needle"]) == [b"needle-needle"]
    assert held(text[:-1], [b"needle-needle"]) == []

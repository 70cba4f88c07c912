"""Pairing tokens and user codes as texts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core import pairing


@given(st.binary(min_size=32, max_size=32))
def test_a_token_has_the_contracts_form(random: bytes) -> None:
    """Every token matches the published pattern and knows its own checksum."""
    token = pairing.make_token(random)

    assert re.fullmatch(r"mmp_[0-9A-Za-z_]{40,}", token)
    assert pairing.is_token(token)


@given(st.binary(min_size=32, max_size=32), st.integers(4, 52), st.sampled_from("0aZ_!\u00e9"))
def test_a_mistyped_token_is_none(random: bytes, at: int, letter: str) -> None:
    """One wrong character is found by the checksum."""
    token = pairing.make_token(random)
    wrong = token[:at] + letter + token[at + 1 :]

    assert pairing.is_token(wrong) == (wrong == token)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_tokens_are_as_many_as_their_bytes(one: bytes, other: bytes) -> None:
    """No two byte strings give one token: nothing of the 256 bits is lost."""
    assert (pairing.make_token(one) == pairing.make_token(other)) == (one == other)


@given(st.binary(min_size=16, max_size=16))
def test_a_user_code_is_read_as_people_type(random: bytes) -> None:
    """Case, hyphen and blanks do not matter."""
    code = pairing.make_user_code(random)

    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code)
    for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        assert pairing.read_user_code(typed) == code

"""The token never gets through, in whatever pieces it comes and in the forms that are looked for."""

import base64
import json
from itertools import pairwise
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.redaction import Needles, Redactor

SECRET = "AQ0AQHk.3Nw_7dXz1kPq9vRt5uYb2mLc8sGh4jFe6oWi0aTx.VnBzQyUrEtKpDl_CsXa"
TOKEN = f"00D000000000062!{SECRET}"
FORMS = {
    "as it is": TOKEN,
    "without the org": SECRET,
    "the first half": SECRET[: len(SECRET) // 2],
    "the second half": SECRET[len(SECRET) // 2 :],
    "in a URL": f"https://x/secur/frontdoor.jsp?sid={quote(TOKEN, safe='')}",
    "in JSON": json.dumps({"token": TOKEN}),
    "in XML": f"<sessionId>{escape(TOKEN)}</sessionId>",
    "Base64": base64.b64encode(TOKEN.encode()).decode(),
    "Base64 behind one letter": base64.b64encode(b"x" + TOKEN.encode()).decode(),
    "Base64 behind two letters": base64.b64encode(b"xy" + TOKEN.encode() + b"z").decode(),
    "Base64 for URLs": base64.urlsafe_b64encode(b"user:" + TOKEN.encode()).decode(),
}


def through(body: bytes, cuts: list[int]) -> bytes:
    """A body, given in pieces."""
    redactor = Redactor(Needles(TOKEN))
    places = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]
    return b"".join([*(redactor.feed(piece) for piece in pieces), redactor.finish()])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_is_struck_out(form: str) -> None:
    """What a reader could turn back into the token is gone, and the length is what it was."""
    redactor = Redactor(Needles(TOKEN))
    clean = redactor.whole(b"before " + form.encode() + b" after")

    assert redactor.found
    assert len(clean) == len(form) + 13
    assert clean.startswith(b"before ")
    assert clean.endswith(b" after")
    for start in range(0, len(form) - 24, 8):
        if form[start : start + 24] in SECRET:
            assert form[start : start + 24].encode() not in clean


@given(st.lists(st.integers(min_value=0, max_value=4000), max_size=12), st.sampled_from(sorted(FORMS)))
def test_borders_of_pieces_hide_nothing(cuts: list[int], form: str) -> None:
    """However a body is cut, what comes out is what comes out of the whole."""
    body = b"a" * 300 + FORMS[form].encode() + b"b" * 300 + FORMS[form].encode()

    assert through(body, cuts) == Redactor(Needles(TOKEN)).whole(body)


@given(st.binary(max_size=2000), st.lists(st.integers(min_value=0, max_value=2000), max_size=6))
def test_everything_else_passes_unchanged(body: bytes, cuts: list[int]) -> None:
    """A body without the token comes out as it went in."""
    assert through(body, cuts) == body


def test_little_is_kept_back() -> None:
    """What waits for the next piece is shorter than one needle, whatever has come."""
    redactor = Redactor(Needles(TOKEN))
    given_out = sum(len(redactor.feed(b"x" * 1000)) for _ in range(100))

    assert 100_000 - given_out < 2 * len(TOKEN)


def test_far_into_an_answer_the_token_itself_is_still_found() -> None:
    """Base64 is looked for in the first MiB; the token and its halves to the end."""
    redactor = Redactor(Needles(TOKEN))
    for _ in range(20):
        assert redactor.feed(b"x" * 100_000) == b"x" * 100_000
    far = redactor.feed(FORMS["the first half"].encode()[:10]) + redactor.feed(FORMS["as it is"].encode())

    assert SECRET[:24].encode() not in far + redactor.finish()


def test_a_token_with_odd_letters_is_found_escaped() -> None:
    """Another server's token may have letters that JSON, XML and URLs write in another way."""
    token = '00Dx!abcdefghijkl"&<mnopqrstuvwx/+='
    redactor = Redactor(Needles(token))
    written = [json.dumps(token), escape(token), quote(token, safe=""), token]

    assert [b"abcdefghijkl" in redactor.whole(one.encode()) for one in written] == [False] * 4
    assert [b"mnopqrstuvwx" in redactor.whole(one.encode()) for one in written] == [False] * 4


def test_without_a_token_nothing_is_looked_for() -> None:
    """A connection without a session has no secret."""
    redactor = Redactor(Needles(""))

    assert redactor.feed(b"abc") + redactor.finish() == b"abc"
    assert redactor.text("caf\u00e9") == "caf\u00e9"

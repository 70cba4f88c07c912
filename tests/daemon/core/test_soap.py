"""SOAP envelopes: one meaning or none, and a session that goes out and comes back in exactly its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_daemon.core.soap import PLACEHOLDER, BadEnvelope, read_envelope, with_session, without_session

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NS = "urn:partner.soap.sforce.com"
SESSION = "<SessionHeader><sessionId>{}</sessionId></SessionHeader>"


def envelope(
    body: str = f'<query xmlns="{NS}"/>', header: str = SESSION.format("00D!AQ_a.b"), begin: str = ""
) -> bytes:
    """An envelope."""
    return f'{begin}<e:Envelope xmlns:e="{SOAP}"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>'.encode()


def test_an_envelope_tells_its_operation_and_its_session() -> None:
    """Prefixes, comments, CDATA, attributes and blanks change nothing."""
    data = (
        f'<?xml version="1.0" encoding="utf-8"?>\n<!-- x --><SOAP:Envelope xmlns:SOAP="{SOAP}">\n'
        '<SOAP:Header a="&gt;"><p:SessionHeader xmlns:p="urn:p"><p:sessionId a=">" b=\'/>\'>\n 00D!x </p:sessionId></p:SessionHeader>'
        f'</SOAP:Header><SOAP:Body> <!-- <create/> --><q:query xmlns:q="{NS}"><q:queryString><![CDATA[SELECT <x>]]> &amp;'
        "</q:queryString></q:query></SOAP:Body></SOAP:Envelope>\n"
    ).encode()
    read = read_envelope(data)

    assert (read.operation, read.namespace) == ("query", NS)
    assert read.call.text_of("queryString") == "SELECT <x> &"
    assert read.session is not None
    assert data[slice(*read.session)] == b"00D!x"


def test_text_between_many_elements_is_read_in_one_pass() -> None:
    """The text of an element is put together once."""
    read = read_envelope(envelope(f'<query xmlns="{NS}">{("x" * 100 + "<a/>") * 40_000}</query>'))

    assert len(read.call.text) == 4_000_000


def test_an_envelope_without_a_session_stays_as_it_is() -> None:
    """There is nothing to take out or to put in."""
    data = envelope(header="<CallOptions><sessionId>x</sessionId></CallOptions>")

    assert read_envelope(data).session is None
    assert without_session(data) == with_session(data, "token") == data


TOKENS = st.text(alphabet="abcXYZ019._!~", min_size=1, max_size=120)
BLANKS = st.text(alphabet=" \t\n", max_size=3)


@settings(max_examples=100)
@given(TOKENS, TOKENS, BLANKS, BLANKS, st.sampled_from(["", "sessionId", "<sessionId>", "00D!AQ_a.b", "é"]))
def test_a_session_goes_and_comes_back(token: str, other: str, before: str, after: str, noise: str) -> None:
    """Out and in again is the same bytes; with another token only the token differs."""
    quoted = noise.replace("<", "&lt;")
    data = envelope(
        body=f'<query xmlns="{NS}"><!-- {noise} --><x>{quoted}{token}</x></query>',
        header=f"<!--{token}-->{SESSION.format(before + token + after)}",
    )
    out = without_session(data)

    assert out == without_session(out)
    assert PLACEHOLDER in out
    assert with_session(out, token) == data
    assert with_session(out, other) == envelope(
        body=f'<query xmlns="{NS}"><!-- {noise} --><x>{quoted}{token}</x></query>',
        header=f"<!--{token}-->{SESSION.format(before + other + after)}",
    )


CREATE, QUERY = f'<create xmlns="{NS}"/>', f'<query xmlns="{NS}"/>'
REFUSED = {
    "two operations": envelope(QUERY + CREATE),
    "no operation": envelope(""),
    "text beside the operation": envelope("x" + QUERY),
    "no envelope": b"<query/>",
    "another envelope": envelope().replace(SOAP.encode(), b"urn:other"),
    "no namespace": b"<Envelope><Body><query/></Body></Envelope>",
    "a Body of another namespace": envelope().replace(b"e:Body", b"Body"),
    "two bodies": envelope().replace(b"</e:Body>", b"</e:Body><e:Body><create/></e:Body>"),
    "a header after the body": f'<e:Envelope xmlns:e="{SOAP}"><e:Body>{QUERY}</e:Body><e:Header/></e:Envelope>'.encode(),
    "a stranger in the envelope": envelope().replace(b"<e:Body>", b"<e:Other/><e:Body>"),
    "two sessions": envelope(header=SESSION.format("a") + SESSION.format("b")),
    "two session ids": envelope(
        header="<SessionHeader><sessionId>a</sessionId><sessionId>b</sessionId></SessionHeader>"
    ),
    "a session with a comment": envelope(header=SESSION.format("a<!-- -->b")),
    "a session with a reference": envelope(header=SESSION.format("a&#65;b")),
    "a session in CDATA": envelope(header=SESSION.format("<![CDATA[a]]>")),
    "an empty session": envelope(header=SESSION.format("")),
    "a closed session": envelope(header="<SessionHeader><sessionId/></SessionHeader>"),
    "a session that holds an element": envelope(header=SESSION.format("<a/>")),
    "a document type": envelope(begin="<!DOCTYPE x>"),
    "an entity": envelope(header=SESSION.format("&x;"), begin='<!DOCTYPE x [<!ENTITY x "y">]>'),
    "an unknown entity": envelope("<query>&x;</query>"),
    "a processing instruction": envelope(begin="<?x y?>"),
    "another encoding": envelope(begin='<?xml version="1.0" encoding="iso-8859-1"?>'),
    "UTF-16": envelope().decode().encode("utf-16"),
    "UTF-7": envelope(begin='<?xml version="1.0" encoding="utf-7"?>'),
    "a byte order mark": b"\xef\xbb\xbf" + envelope(),
    "bytes that are not UTF-8": envelope().replace(b"AQ", b"\xff\xfe"),
    "XML 1.1": envelope(begin='<?xml version="1.1"?>'),
    "depth": envelope("<query>" + "<a>" * 70 + "</a>" * 70 + "</query>"),
    "elements without end": envelope("<query>" + "<a/>" * 50_001 + "</query>"),
    "an unbound prefix": envelope("<q:query/>"),
    "an attribute twice": envelope('<query a="1" a="2"/>'),
    "a cut document": envelope()[:-3],
    "something after the end": envelope() + b"<x/>",
    "nothing": b"",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_two_meanings_are_none(data: bytes) -> None:
    """What two readers could take for different calls, or different sessions, is refused."""
    with pytest.raises(BadEnvelope):
        read_envelope(data)
    with pytest.raises(BadEnvelope):
        without_session(data)


@pytest.mark.parametrize("token", ["", "a b", "a<b", "a&b", "a\nb", "é", "a\x00"])
def test_a_token_that_xml_would_escape_is_refused(token: str) -> None:
    """It would not be the token any more, or something else beside it."""
    with pytest.raises(BadEnvelope):
        with_session(envelope(), token)

"""The demo org's SOAP: who am I, query, create, update, delete, faults, and documents that are not taken."""

import re

import pytest

from support.demo_org import ADA, Peer, Reply

DOCTYPE = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'


async def soap(peer: Peer, body: str, *, token: str | None = None, before: str = "", path: str = "u/66.0") -> Reply:
    """One SOAP request."""
    document = (
        f'{before}<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns="urn:partner.soap.sforce.com"><soapenv:Header><SessionHeader><sessionId>{token or peer.token}</sessionId>'
        f"</SessionHeader></soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    headers = {"Content-Type": "text/xml", "SOAPAction": '""'}
    return await peer.call("POST", f"/services/Soap/{path}", data=document.encode(), headers=headers)


async def test_who_am_i_by_soap(ada: Peer) -> None:
    """getUserInfo names the user."""
    reply = await soap(ada, "<getUserInfo/>")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/xml;charset=UTF-8")
    assert f"<userName>{ADA}</userName>" in reply.text


async def test_a_record_lives_and_goes_by_soap(ada: Peer) -> None:
    """create, query, update and delete work on the same records as REST; text is escaped."""
    made = await soap(ada, "<create><sObjects><type>Account</type><Name>A &amp; B</Name></sObjects></create>")
    found = re.search(r"<id>(\w{18})</id>", made.text)
    assert found
    queried = await soap(
        ada, f"<query><queryString>SELECT Name, Owner.Name FROM Account WHERE Id = '{found[1]}'</queryString></query>"
    )
    assert "<sf:Name>A &amp; B</sf:Name>" in queried.text
    assert "<size>1</size>" in queried.text
    fields = f"<type>Account</type><Id>{found[1]}</Id><Name>C</Name><fieldsToNull>Phone</fieldsToNull>"
    assert "<success>true</success>" in (await soap(ada, f"<update><sObjects>{fields}</sObjects></update>")).text
    assert (await ada.records(f"SELECT Name FROM Account WHERE Id = '{found[1]}'"))[0]["Name"] == "C"
    assert "<success>true</success>" in (await soap(ada, f"<delete><ids>{found[1]}</ids></delete>")).text
    assert (await ada.state())["writes"] == 3


async def test_a_bad_record_has_its_own_result(ada: Peer) -> None:
    """A refusal names code and fields and leaves the others."""
    bad, good = "<sObjects><type>Account</type></sObjects>", "<sObjects><type>Account</type><Name>x</Name></sObjects>"
    reply = await soap(ada, f"<create>{bad}{good}</create>")

    assert "<fields>Name</fields>" in reply.text
    assert "<statusCode>REQUIRED_FIELD_MISSING</statusCode>" in reply.text
    assert reply.text.count("<success>true</success>") == 1


async def test_a_dead_session_is_a_fault(ada: Peer) -> None:
    """HTTP 500 with the code that clients look for."""
    reply = await soap(ada, "<getUserInfo/>", token="00D!made.up")

    assert reply.status == 500
    assert "<faultcode>sf:INVALID_SESSION_ID</faultcode>" in reply.text


@pytest.mark.parametrize(
    ("body", "before", "path"),
    [
        ("<getUserInfo/>", DOCTYPE, "u/66.0"),
        ("<getUserInfo>", "", "u/66.0"),
        ("", "", "u/66.0"),
        ("<unknown/>", "", "u/66.0"),
        ("<query/>", "", "u/66.0"),
        ("<a>" * 100 + "</a>" * 100, "", "u/66.0"),
        ("<getUserInfo/>", "", "m/66.0"),
    ],
)
async def test_what_is_not_taken_is_a_fault(ada: Peer, body: str, before: str, path: str) -> None:
    """Document types, broken or deep XML, unknown calls: a fault, nothing else."""
    reply = await soap(ada, body, before=before, path=path)

    assert reply.status == 500
    assert "<faultcode>" in reply.text

"""What the demo org only counts, Bulk 1, and records in the shape of Salesforce's pages."""

import re

import pytest

from support.demo_org import RITA, Peer, Reply

SPACE = "http://www.force.com/2009/06/asyncapi/dataload"
DEEDS = [
    ("POST", "quickActions/NewTask"),
    ("POST", "sobjects/Account/quickActions/NewTask"),
    ("POST", "sobjects/User/005Dm0000000001IAA/password"),
    ("POST", "actions/standard/emailSimple"),
    ("POST", "actions/custom/flow/Any"),
    ("POST", "process/approvals"),
    ("POST", "chatter/feed-elements"),
    ("DELETE", "chatter/feed-elements/0D5000000000001AAA"),
    ("POST", "metadata/deployRequest"),
    ("POST", "tooling/sobjects/ApexClass"),
    ("PATCH", "tooling/sobjects/ApexClass/01p000000000001AAA"),
    ("POST", "analytics/reports"),
    ("DELETE", "apps/oauth/usage/x/tokens"),
]


async def writes(peer: Peer) -> object:
    """What the org counted."""
    return (await peer.state())["writes"]


async def test_each_deed_counts_once(ada: Peer) -> None:
    """Whatever a real org would do, this one says that it was done, and counts one write."""
    for number, (method, path) in enumerate(DEEDS, 1):
        reply = await ada.rest(method, path, {})
        assert reply.status in {200, 201, 204}, path
        assert await writes(ada) == number, path


async def test_who_may_not_write_does_no_deed(peer: Peer) -> None:
    """A user who may only read is refused, and nothing is counted."""
    await peer.sign_in(RITA)
    reply = await peer.rest("POST", "quickActions/NewTask", {})

    assert (reply.status, reply.code) == (403, "INSUFFICIENT_ACCESS")
    assert await writes(peer) == 0


async def test_records_of_the_pages(ada: Peer) -> None:
    """They are made, changed, read and deleted as any other record."""
    made = await ada.rest("POST", "ui-api/records", {"apiName": "Account", "fields": {"Name": "Page"}})
    record = f"ui-api/records/{made.fields['id']}"
    changed = await ada.rest("PATCH", record, {"fields": {"Name": "Turned"}})
    read = await ada.rest("GET", record)

    assert (made.status, changed.status, read.status) == (201, 200, 200)
    assert '"Name": {"displayValue": null, "value": "Turned"}' in read.text
    assert (await ada.rest("DELETE", record)).status == 204
    assert await writes(ada) == 3


async def bulk(peer: Peer, path: str, body: str, content_type: str = "application/xml", **session: str) -> Reply:
    """One call of Bulk 1."""
    headers = {"Content-Type": content_type, "X-SFDC-Session": session.get("token", peer.token)}
    return await peer.call("POST", f"/services/async/66.0/job{path}", data=body.encode(), headers=headers)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Name\nA\nB\n", "text/csv"),
        ('[{"Name": "A"}, {"Name": "B"}]', "application/json"),
        (f'<sObjects xmlns="{SPACE}"><sObject><Name>A</Name></sObject><sObject><Name>B</Name></sObject></sObjects>', "application/xml"),
    ],
)  # fmt: skip
async def test_a_batch_of_bulk_1_begins_as_it_comes(ada: Peer, body: str, content_type: str) -> None:
    """A job is made, its batch makes records at once, and closing it does nothing more."""
    made = await bulk(
        ada, "", f'<jobInfo xmlns="{SPACE}"><operation>insert</operation><object>Account</object></jobInfo>'
    )
    found = re.search(r"<id>(750\w{15})</id>", made.text)
    assert found
    batch = await bulk(ada, f"/{found[1]}/batch", body, content_type)
    closed = await bulk(ada, f"/{found[1]}", f'<jobInfo xmlns="{SPACE}"><state>Closed</state></jobInfo>')

    assert (made.status, batch.status, closed.status) == (201, 201, 200)
    assert "<state>Closed</state>" in closed.text
    assert await writes(ada) == 2
    assert (await bulk(ada, f"/{found[1]}/batch", body, content_type)).status == 400


@pytest.mark.parametrize(
    ("path", "body", "content_type", "code"),
    [
        ("", "<jobInfo", "application/xml", "InvalidXML"),
        ("", "<other/>", "application/xml", "InvalidXML"),
        ("", "{", "application/json", "InvalidJob"),
        ("", "<jobInfo><operation>no</operation><object>Account</object></jobInfo>", "application/xml", "InvalidJob"),
        ("/750000000000000AAA/batch", "Name\nA\n", "text/csv", "InvalidJob"),
    ],
)
async def test_what_bulk_1_does_not_take(ada: Peer, path: str, body: str, content_type: str, code: str) -> None:
    """An XML error with status 400."""
    reply = await bulk(ada, path, body, content_type)

    assert reply.status == 400
    assert f"<exceptionCode>{code}</exceptionCode>" in reply.text


async def test_bulk_1_has_its_session_in_a_header_of_its_own(ada: Peer) -> None:
    """A dead one is InvalidSessionId."""
    reply = await bulk(ada, "", "<jobInfo/>", token="00D!made.up")

    assert reply.status == 400
    assert "<exceptionCode>InvalidSessionId</exceptionCode>" in reply.text


async def test_the_words_of_an_address_mind_no_case(ada: Peer) -> None:
    """A spelling in capitals means the same."""
    reply = await ada.call("POST", "/services/DATA/V66.0/SOBJECTS/account", {"Name": "x"})

    assert reply.status == 201


async def test_code_can_say_its_session(ada: Peer) -> None:
    """What Apex can print, this org's `echo` prints."""
    assert (await ada.call("GET", "/services/apexrest/demo/echo")).fields["session"] == ada.token

"""What the real clients send when they read, as seen on the wire: all of it passes."""

import json

import pytest

from meshmesh_daemon.core.classify import Kind, classify
from meshmesh_daemon.core.targets import read_target

JSON = "application/json"
QUERY = {"operation": "query", "query": "SELECT Id FROM Account"}
SOAP_QUERY = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<soapenv:Header xmlns="{ns}"><SessionHeader><sessionId>00D!mmp_x</sessionId></SessionHeader></soapenv:Header>'
    '<soapenv:Body xmlns="{ns}">{call}</soapenv:Body></soapenv:Envelope>'
)
PARTNER, METADATA = "urn:partner.soap.sforce.com", "http://soap.sforce.com/2006/04/metadata"
FIRST_QUERY = (
    '<?xml version="1.0" encoding="UTF-8"?><jobInfo  xmlns="http://www.force.com/2009/06/asyncapi/dataload">'
    "<operation>query</operation><object>Account</object><contentType>CSV</contentType></jobInfo>"
)


def soap(namespace: str, call: str) -> bytes:
    """An envelope as jsforce makes it."""
    return SOAP_QUERY.format(ns=namespace, call=call).encode()


Request = tuple[str, str, object, str]
SIMPLE_SALESFORCE: list[Request] = [
    ("GET", "/services/data/v59.0/query/?q=SELECT+Id%2C+Name+FROM+Account+WHERE+Name+%3D+%27O%5C%27Neil%27", None, JSON),
    ("GET", "/services/data/v59.0/query/01gD0000002HU6KIAW-2000", None, JSON),
    ("GET", "/services/data/v59.0/queryAll/?q=SELECT+Id+FROM+Account", None, JSON),
    ("GET", "/services/data/v59.0/sobjects", None, JSON),
    ("GET", "/services/data/v59.0/sobjects/Account/", None, JSON),
    ("GET", "/services/data/v59.0/sobjects/Account/describe", None, JSON),
    ("GET", "/services/data/v59.0/sobjects/Account/001000000000001AAA", None, JSON),
    ("GET", "/services/data/v59.0/sobjects/Account/Key__c/A%C3%A9", None, JSON),
    ("GET", "/services/data/v59.0/sobjects/Account/updated/?start=2026-01-01T00%3A00%3A00%2B00%3A00&end=x", None, JSON),
    ("GET", "/services/data/v59.0/limits/", None, JSON),
    ("GET", "/services/data/v59.0/search/?q=FIND+%7Bx%7D", None, JSON),
    ("GET", "/services/data/v59.0/tooling/query?q=SELECT+Id+FROM+ApexClass", None, JSON),
    ("GET", "/services/oauth2/userinfo", None, JSON),
    ("POST", "/services/data/v59.0/jobs/query", QUERY | {"columnDelimiter": "COMMA", "lineEnding": "LF"}, JSON),
    ("GET", "/services/data/v59.0/jobs/query/750000000000001AAA", None, JSON),
    ("GET", "/services/data/v59.0/jobs/query/750000000000001AAA/results?maxRecords=50000", None, "text/csv"),
    ("PATCH", "/services/data/v59.0/jobs/query/750000000000001AAA", {"state": "Aborted"}, JSON),
    ("POST", "/services/async/59.0/job",
     {"operation": "query", "object": "Account", "concurrencyMode": 0, "contentType": "JSON"}, JSON),
    ("POST", "/services/async/59.0/job/750000000000001AAA/batch", b"SELECT Id FROM Account", JSON),
    ("POST", "/services/async/59.0/job/750000000000001AAA", {"state": "Closed"}, JSON),
    ("GET", "/services/async/59.0/job/750000000000001AAA/batch/751000000000001AAA", None, JSON),
    ("GET", "/services/async/59.0/job/750000000000001AAA/batch/751000000000001AAA/result", None, JSON),
    ("GET", "/services/async/59.0/job/750000000000001AAA/batch/751000000000001AAA/result/752000000000001AAA", None, JSON),
]  # fmt: skip
JSFORCE: list[Request] = [
    ("GET", "/services/data/v50.0", None, ""),
    ("GET", "/id/00D000000000062EAA/005000000000001AAA?format=json", None, ""),
    ("GET", "/services/data/v50.0/query?q=SELECT%20Id%2C%20Name%20FROM%20Account", None, ""),
    ("GET", "/services/data/v50.0/query/01gD0000002HU6KIAW-2000", None, ""),
    ("GET", "/services/data/v50.0/sobjects", None, ""),
    ("GET", "/services/data/v50.0/sobjects/Account/describe", None, ""),
    ("GET", "/services/data/v50.0/sobjects/Account/001000000000001AAA", None, ""),
    ("POST", "/services/data/v50.0/composite/sobjects/Account", {"ids": ["001000000000001AAA"], "fields": ["Id"]}, JSON),
    ("GET", "/services/data/v50.0/limits", None, ""),
    ("GET", "/services/data/v50.0/tooling/query?q=SELECT%20Id%20FROM%20ApexClass", None, ""),
    ("GET", "/services/data/v50.0/search?q=FIND%20%7BAcme%7D%20IN%20ALL%20FIELDS%20RETURNING%20Account(Id)", None, ""),
    ("GET", "/services/data/v50.0/chatter/users/me", None, ""),
    ("GET", "/services/data/v50.0/sobjects/Account/updated?start=2026-01-01T00%3A00%3A00Z&end=x", None, ""),
    ("GET", "/services/data/v50.0/analytics/reports/00O000000000001AAA/describe", None, ""),
    ("POST", "/services/data/v50.0/analytics/reports/00O000000000001AAA?includeDetails=true", {"reportMetadata": {}}, JSON),
    ("POST", "/services/data/v50.0/jobs/query", QUERY, "application/json; charset=utf-8"),
    ("GET", "/services/data/v50.0/jobs/query/750000000000001AAA/results?locator=x&maxRecords=5", None, ""),
    ("DELETE", "/services/data/v50.0/jobs/query/750000000000001AAA", None, ""),
    ("POST", "/services/async/50.0/job", FIRST_QUERY.encode(), "application/xml; charset=utf-8"),
    ("POST", "/services/async/50.0/job/750000000000001AAA/batch", b"SELECT Id FROM Account", "text/csv"),
    ("POST", "/services/Soap/u/50.0", soap(PARTNER, "<getUserInfo/>"), "text/xml"),
    ("POST", "/services/Soap/u/50.0", soap(PARTNER, "<query><queryString>SELECT Id FROM Account</queryString></query>"),
     "text/xml"),
    ("POST", "/services/Soap/m/50.0", soap(METADATA, "<describeMetadata><asOfVersion>50.0</asOfVersion></describeMetadata>"),
     "text/xml; charset=UTF-8"),
    ("POST", "/services/Soap/m/50.0/00D000000000062", soap(METADATA, "<checkDeployStatus><id>x</id></checkDeployStatus>"),
     "text/xml"),
    ("POST", "/services/data/v50.0/composite",
     {"compositeRequest": [{"method": "GET", "url": "/services/data/v50.0/sobjects/Account", "referenceId": "a"}]}, JSON),
]  # fmt: skip
SF: list[Request] = [
    ("GET", "/services/data", None, JSON),
    ("GET", "//services/data/v66.0", None, JSON),
    ("GET", "/services/data/v51.0/sobjects/User/005000000000001AAA", None, JSON),
    ("GET", "/services/data/v51.0/query?q=SELECT%20OrgId%20FROM%20ScratchOrgInfo%20WHERE%20OrgId%20%3D%20%2700D%27", None, JSON),
    ("GET", "/services/data/v66.0/query?q=SELECT%20Name%2C%20InstanceName%20FROM%20Organization", None, JSON),
    ("GET", "/services/data/v66.0/query?q=SELECT%20Id%20FROM%20Account&columns=true", None, JSON),
    ("GET", "/services/data/v66.0/sobjects/Account/001000000000001AAA", None, JSON),
    ("GET", "/services/data/v66.0/sobjects/Account/describe", None, JSON),
    ("GET", "/services/data/v66.0/metadata/deployRequest/0Af000000000001AAA?includeDetails=true", None, JSON),
    ("POST", "/services/data/v66.0/graphql", {"query": "query Accounts { uiapi { query { Account { edges { node { Id } } } } } }"},
     JSON),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "body", "content_type"), [*SIMPLE_SALESFORCE, *JSFORCE, *SF])
def test_reads_of_real_clients_pass(method: str, address: str, body: object, content_type: str) -> None:
    """simple-salesforce, jsforce and sf read without asking anybody."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    verdict = classify(method, read_target(f"/o/demo{address}", "/o/"), content_type, data)

    assert verdict.kind is Kind.READ, verdict.summary
    assert not verdict.prepares

"""What the demo org tells: descriptions, queries and their pages, search, and who lacks what."""

from urllib.parse import urlencode

import pytest

from support.demo_org import NORA, Peer, objects

OBJECTS_BY_PREFIX = {"001": "Account", "003": "Contact"}


def words(text: str) -> set[str]:
    """The words of a text."""
    return set(text.split())


OBJECT_KEYS = words(
    "activateable createable custom customSetting deepCloneable deletable deprecatedAndHidden feedEnabled "
    "hasSubtypes idEnabled isInterface isSubtype keyPrefix label labelPlural layoutable mergeable mruEnabled "
    "name queryable replicateable retrieveable searchable triggerable undeletable updateable urls"
)
MORE_KEYS = words(
    "actionOverrides childRelationships compactLayoutable fields listviewable lookupLayoutable "
    "namedLayoutInfos networkScopeFieldName recordTypeInfos searchLayoutable supportedScopes"
)
FIELD_KEYS = words(
    "aggregatable aiPredictionField autoNumber byteLength calculated calculatedFormula cascadeDelete "
    "caseSensitive compoundFieldName controllerName createable custom defaultValue defaultValueFormula "
    "defaultedOnCreate dependentPicklist deprecatedAndHidden digits displayLocationInDecimal encrypted "
    "externalId extraTypeInfo filterable filteredLookupInfo groupable highScaleNumber htmlFormatted idLookup "
    "inlineHelpText label length mask maskType name nameField namePointing nillable permissionable "
    "picklistValues polymorphicForeignKey precision queryByDistance referenceTargetField referenceTo "
    "relationshipName relationshipOrder restrictedDelete restrictedPicklist scale searchPrefilterable "
    "soapType sortable type unique updateable writeRequiresMasterRead"
)


async def test_describe_tells_what_can_be_done(ada: Peer) -> None:
    """describeGlobal and describe have Salesforce's keys, and say what is required, read-only, restricted."""
    listed = objects((await ada.rest("GET", "sobjects")).fields["sobjects"])
    told = (await ada.rest("GET", "sobjects/Account/describe")).fields
    fields = {str(one["name"]): one for one in objects(told["fields"])}

    assert {"Account", "Contact", "Opportunity", "Lead", "Case", "Task", "User"} <= {str(one["name"]) for one in listed}
    assert all(set(one) == OBJECT_KEYS for one in listed)
    assert (told["keyPrefix"], told["createable"]) == ("001", True)
    assert set(told) == OBJECT_KEYS | MORE_KEYS
    assert all(set(one) == FIELD_KEYS for one in fields.values())
    assert (fields["Name"]["nillable"], fields["Name"]["nameField"], fields["Name"]["length"]) == (False, True, 255)
    assert (fields["CreatedDate"]["createable"], fields["Tier__c"]["restrictedPicklist"]) == (False, True)
    assert fields["OwnerId"]["referenceTo"] == ["User"]
    assert {"Contacts", "Opportunities", "Cases", "Tasks", "ChildAccounts"} <= {
        one["relationshipName"] for one in objects(told["childRelationships"])
    }


async def test_a_missing_licence_hides_an_object(ada: Peer) -> None:
    """A switched-off object is in no list, no query, at no address; a reset brings it back."""
    await ada.lever("org", hidden=["Campaign"])

    assert "Campaign" not in {one["name"] for one in objects((await ada.rest("GET", "sobjects")).fields["sobjects"])}
    assert (await ada.query("SELECT Id FROM Campaign")).code == "INVALID_TYPE"
    assert (await ada.rest("GET", "sobjects/Campaign/describe")).status == 404
    await ada.lever("reset")
    assert (await ada.query("SELECT Id FROM Campaign")).status == 200


async def test_a_long_result_comes_in_pages(ada: Peer) -> None:
    """Pages of the batch size, with a locator for the next; every record comes once; a strange locator is refused."""
    for name in range(2):
        records = [{"attributes": {"type": "Account"}, "Name": f"Bulk {name} {number:03}"} for number in range(200)]
        await ada.rest("POST", "composite/sobjects", {"records": records})
    reply = await ada.query(
        "SELECT Id FROM Account WHERE Name LIKE 'Bulk %' ORDER BY Name", Sforce_Query_Options="batchSize=200"
    )
    first = reply.fields
    more = (await ada.call("GET", str(first["nextRecordsUrl"]))).fields

    assert (first["totalSize"], first["done"], len(objects(first["records"]))) == (400, False, 200)
    assert (more["totalSize"], more["done"], len(objects(more["records"]))) == (400, True, 200)
    assert "nextRecordsUrl" not in more
    assert len({one["Id"] for one in [*objects(first["records"]), *objects(more["records"])]}) == 400
    for locator in (
        "01gnothing-2000",
        f"{str(first['nextRecordsUrl']).rpartition('/')[2].partition('-')[0]}-9999",
        "x",
    ):
        refused = await ada.rest("GET", f"query/{locator}")
        assert (refused.status, refused.code) == (400, "INVALID_QUERY_LOCATOR")


async def test_columns_and_plans(ada: Peer) -> None:
    """`columns=true` has the array that sf needs, `explain` a plan."""
    statement = urlencode({"q": "SELECT Id, Owner.Name FROM Account"})
    columns = (await ada.rest("GET", f"query?{statement}&columns=true")).fields
    plan = (await ada.rest("GET", f"query?{statement.replace('q=', 'explain=')}")).fields

    assert [one["columnName"] for one in objects(columns["columnMetadata"])] == ["Id", "Owner"]
    assert (columns["entityName"], columns["idSelected"]) == ("Account", True)
    assert objects(plan["plans"])[0]["leadingOperationType"] == "TableScan"


@pytest.mark.parametrize("path", ["query", "query?q=", "queryAll?q=SELECT", "tooling/query?q=x"])
async def test_a_broken_query_is_malformed(ada: Peer, path: str) -> None:
    """400 MALFORMED_QUERY."""
    reply = await ada.rest("GET", path)

    assert (reply.status, reply.code) == (400, "MALFORMED_QUERY")


@pytest.mark.parametrize(
    ("sosl", "types"),
    [
        ("FIND {Zebra}", ["Account", "Contact"]),
        ("FIND {zeb*} IN NAME FIELDS RETURNING Account(Id, Name)", ["Account"]),
        ("FIND {Zebra} RETURNING Contact(Id WHERE LastName = 'Zebra' LIMIT 5), Account LIMIT 1", ["Contact"]),
        ("FIND {Zebra Works} RETURNING Account, Contact", ["Account"]),
        ("FIND {nobody} RETURNING Account", []),
    ],
)
async def test_search_finds_by_words(ada: Peer, sosl: str, types: list[str]) -> None:
    """SOSL looks at the beginnings of words in names, gives the fields that are asked, and minds its limits."""
    await ada.rest("POST", "sobjects/Account", {"Name": "Zebra Works"})
    await ada.rest("POST", "sobjects/Contact", {"LastName": "Zebra"})
    found = objects((await ada.rest("GET", f"search?{urlencode({'q': sosl})}")).fields["searchRecords"])

    assert [OBJECTS_BY_PREFIX[str(one["Id"])[:3]] for one in found] == types


@pytest.mark.parametrize("sosl", ["", "Zebra", "FIND {x}", "FIND {Zebra} RETURNING Account(", "FIND {**}"])
async def test_a_broken_search_is_malformed(ada: Peer, sosl: str) -> None:
    """400 MALFORMED_SEARCH."""
    reply = await ada.rest("GET", f"search?{urlencode({'q': sosl})}")

    assert (reply.status, reply.code) == (400, "MALFORMED_SEARCH")


async def test_parameterized_search(ada: Peer) -> None:
    """By GET and by POST."""
    await ada.rest("POST", "sobjects/Account", {"Name": "Zebra Works"})
    got = (await ada.rest("GET", "parameterizedSearch?q=Zebra&sobject=Account&fields=Name")).fields
    posted = await ada.rest(
        "POST", "parameterizedSearch", {"q": "Zebra", "fields": ["Name"], "sobjects": [{"name": "Account"}]}
    )

    assert [one["Name"] for one in objects(got["searchRecords"])] == ["Zebra Works"]
    assert posted.fields == got


async def test_the_probe_ladder_reads_who_lacks_what(ada: Peer) -> None:
    """Profile, permission set, licence and login of a user can be queried as a diagnosis asks."""
    user = (await ada.records(
        f"SELECT IsActive, Profile.Name, Profile.UserLicense.Name, Profile.PermissionsApiEnabled FROM User WHERE Username = '{NORA}'"
    ))[0]  # fmt: skip
    sets = await ada.records(
        "SELECT PermissionSet.Name, PermissionSet.PermissionsApiEnabled FROM PermissionSetAssignment"
    )
    licences = await ada.records("SELECT MasterLabel, Status, TotalLicenses, UsedLicenses FROM PermissionSetLicense")
    await ada.lever("org", license={"name": "DemoAnalytics", "status": "Disabled"}, is_sandbox=True, name="Box")
    organization = (
        await ada.records("SELECT Name, IsSandbox, OrganizationType, TrialExpirationDate FROM Organization")
    )[0]

    profile = user["Profile"]
    assert isinstance(profile, dict)
    assert profile["PermissionsApiEnabled"] is False
    assert len(sets) == len(licences) == 1
    assert (organization["Name"], organization["IsSandbox"]) == ("Box", True)
    assert [one["Status"] for one in await ada.records("SELECT Status FROM PermissionSetLicense")] == ["Disabled"]
    assert (await ada.query("SELECT IsFrozen FROM UserLogin")).status == 200
    assert (await ada.query("SELECT Status FROM LoginHistory ORDER BY LoginTime DESC LIMIT 5")).status == 200


async def test_what_changed_last_is_recent(ada: Peer) -> None:
    """An object's own address and `recent` begin with the newest record."""
    ada.clock.advance(hours=1)
    record_id = (await ada.rest("POST", "sobjects/Account", {"Name": "New"})).fields["id"]
    told = (await ada.rest("GET", "sobjects/Account")).fields

    assert objects(told["recentItems"])[0]["Id"] == record_id
    assert record_id in {one["Id"] for one in (await ada.rest("GET", "recent")).items}

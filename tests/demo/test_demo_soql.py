"""SOQL over a small org of three accounts: what each clause means, and Salesforce's words for each mistake."""

from datetime import date

import pytest

from meshmesh_demo import ids
from meshmesh_demo.errors import SalesforceError
from meshmesh_demo.model import OBJECTS, Record, Value
from meshmesh_demo.soql.evaluate import Result, run

TODAY = date(2026, 11, 25)  # a Wednesday
ADA = ids.make("005", 1)
ACME, BOLT, CORE = (ids.make("001", number) for number in (1, 2, 3))


def record(name: str, record_id: str, **values: Value) -> Record:
    """A record with every field of its object."""
    empty: Record = dict.fromkeys((field.name for field in OBJECTS[name].fields.values()), None)
    return empty | {"Id": record_id, "IsDeleted": False} | values


def account(number: int, name: str, **values: Value) -> Record:
    """An account."""
    return record("Account", ids.make("001", number), Name=name, OwnerId=ADA, **values)


TABLES: dict[str, dict[str, Record]] = {name: {} for name in OBJECTS} | {
    "User": {ADA: record("User", ADA, Name="Ada Admin", Username="ada@example.com")},
    "Account": {
        str(one["Id"]): one
        for one in (
            account(1, "Acme", AnnualRevenue=100, Industry="Energy", CreatedDate="2026-11-25T10:00:00.000+0000"),
            account(2, "bolt 50%", AnnualRevenue=50, Industry="Energy", ParentId=ACME, CreatedDate="2026-11-24T23:59:59.000+0000"),
            account(3, "Core", Industry=None, CreatedDate="2026-01-01T00:00:00.000+0000"),
            account(4, "Gone", IsDeleted=True, CreatedDate="2026-11-25T10:00:00.000+0000"),
        )
    },
    "Contact": {
        str(one["Id"]): one
        for one in (
            record("Contact", ids.make("003", 1), Name="Zoe", LastName="Zoe", AccountId=BOLT, Birthdate="2000-02-29", DoNotCall=True),
            record("Contact", ids.make("003", 2), Name="Yan", LastName="Yan", AccountId=BOLT, Birthdate="1990-01-01", DoNotCall=False),
            record("Contact", ids.make("003", 3), Name="Nobody's", LastName="Nobody's", DoNotCall=False),
        )
    },
}  # fmt: skip


def soql(statement: str, *, all_rows: bool = False) -> Result:
    """Run a statement over the small org."""
    return run(TABLES, statement, version="v66.0", today=TODAY, all_rows=all_rows)


def names(condition: str, name: str = "Account") -> list[str]:
    """The names that a condition keeps, in order."""
    return [str(one["Name"]) for one in soql(f"SELECT Name FROM {name} WHERE {condition} ORDER BY Name").records]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("Name = 'acme'", ["Acme"]),
        ("Name != 'acme'", ["bolt 50%", "Core"]),
        ("name <> 'ACME' and INDUSTRY = 'energy'", ["bolt 50%"]),
        ("Industry = null", ["Core"]),
        ("Industry = ''", ["Core"]),
        ("Industry != null", ["Acme", "bolt 50%"]),
        ("AnnualRevenue > 50", ["Acme"]),
        ("AnnualRevenue >= 50.0", ["Acme", "bolt 50%"]),
        ("AnnualRevenue < 100", ["bolt 50%"]),
        ("AnnualRevenue <= +100", ["Acme", "bolt 50%"]),
        ("AnnualRevenue < -1", []),
        ("Name LIKE 'a%'", ["Acme"]),
        ("Name LIKE '_o%'", ["bolt 50%", "Core"]),
        (r"Name LIKE '%50\%'", ["bolt 50%"]),
        (r"Name LIKE 'Acm\_'", []),
        ("NOT Name LIKE 'a%'", ["bolt 50%", "Core"]),
        ("(NOT (Name = 'Acme' OR Name = 'Core'))", ["bolt 50%"]),
        ("Name IN ('acme', 'core')", ["Acme", "Core"]),
        ("Name NOT IN ('acme', 'core')", ["bolt 50%"]),
        ("(Name = 'Acme' OR Name = 'Core') AND Industry = null", ["Core"]),
        (f"Id = '{ACME[:15]}'", ["Acme"]),
        (f"Id IN ('{ACME}', '{BOLT}')", ["Acme", "bolt 50%"]),
        ("Parent.Name = 'Acme'", ["bolt 50%"]),
        ("Parent.Owner.Name = 'Ada Admin'", ["bolt 50%"]),
        ("Parent.Name = null", ["Acme", "Core"]),
        ("Account.Name = 'Acme'", ["Acme"]),
        ("Id IN (SELECT AccountId FROM Contact)", ["bolt 50%"]),
        ("Id NOT IN (SELECT AccountId FROM Contact WHERE Name = 'Zoe')", ["Acme", "Core"]),
        ("CreatedDate = TODAY", ["Acme"]),
        ("CreatedDate = YESTERDAY", ["bolt 50%"]),
        ("CreatedDate = THIS_WEEK", ["Acme", "bolt 50%"]),
        ("CreatedDate = THIS_YEAR", ["Acme", "bolt 50%", "Core"]),
        ("CreatedDate < TODAY", ["bolt 50%", "Core"]),
        ("CreatedDate > YESTERDAY", ["Acme"]),
        ("CreatedDate = LAST_N_DAYS:1", ["Acme", "bolt 50%"]),
        ("CreatedDate >= LAST_N_MONTHS:1", ["Acme", "bolt 50%"]),
        ("CreatedDate = THIS_FISCAL_QUARTER", ["Acme", "bolt 50%"]),
        ("CreatedDate = LAST_YEAR", []),
        ("CreatedDate < 2026-11-25T09:59:59Z", ["bolt 50%", "Core"]),
        ("CreatedDate = 2026-11-25T11:00:00+01:00", ["Acme"]),
        ("CreatedDate >= 2026-11-24T23:59:59.000Z", ["Acme", "bolt 50%"]),
    ],
)  # fmt: skip
def test_where(condition: str, kept: list[str]) -> None:
    """Each comparison keeps what Salesforce keeps; text minds no case, deleted rows are gone."""
    assert names(condition) == kept


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("DoNotCall = true", ["Zoe"]),
        ("DoNotCall != TRUE", ["Nobody's", "Yan"]),
        ("Birthdate = 2000-02-29", ["Zoe"]),
        ("Birthdate < 2000-01-01", ["Yan"]),
        (r"Name = 'Nobody\'s'", ["Nobody's"]),
        ("Account.Owner.Name LIKE 'ada%'", ["Yan", "Zoe"]),
        ("AccountId = ''", ["Nobody's"]),
    ],
)
def test_where_of_other_types(condition: str, kept: list[str]) -> None:
    """Booleans, dates, quotes in text, parents of parents."""
    assert names(condition, "Contact") == kept


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Name", ["Acme", "bolt 50%", "Core"]),
        ("Name DESC", ["Core", "bolt 50%", "Acme"]),
        ("AnnualRevenue", ["Core", "bolt 50%", "Acme"]),
        ("AnnualRevenue ASC NULLS LAST", ["bolt 50%", "Acme", "Core"]),
        ("AnnualRevenue DESC", ["Acme", "bolt 50%", "Core"]),
        ("AnnualRevenue DESC NULLS FIRST", ["Core", "Acme", "bolt 50%"]),
        ("Industry NULLS LAST, Name DESC", ["bolt 50%", "Acme", "Core"]),
        ("Name LIMIT 1", ["Acme"]),
        ("Name LIMIT 1 OFFSET 1", ["bolt 50%"]),
        ("Name OFFSET 2", ["Core"]),
        ("Name LIMIT 0", []),
        ("Name FOR VIEW", ["Acme", "bolt 50%", "Core"]),
        ("Name ALL ROWS", ["Acme", "bolt 50%", "Core", "Gone"]),
    ],
)
def test_order_limit_offset(order: str, expected: list[str]) -> None:
    """Nulls come first going up and last going down, unless they are told otherwise."""
    assert [str(one["Name"]) for one in soql(f"SELECT Name FROM Account ORDER BY {order}").records] == expected


def test_records_are_shaped_as_rest_writes_them() -> None:
    """Fields in the order asked, a parent as an object or null, children as a result or null, each with its address."""
    found = soql(
        "SELECT Name, Parent.Owner.Name, Parent.Name, (SELECT Name FROM Contacts ORDER BY Name) FROM Account ORDER BY Name"
    ).records

    def attributes(name: str, record_id: str) -> dict[str, str]:
        return {"type": name, "url": f"/services/data/v66.0/sobjects/{name}/{record_id}"}

    assert list(found[1]) == ["attributes", "Name", "Parent", "Contacts"]
    assert found[0] == {"attributes": attributes("Account", ACME), "Name": "Acme", "Parent": None, "Contacts": None}
    assert found[1]["Parent"] == {
        "attributes": attributes("Account", ACME),
        "Owner": {"attributes": attributes("User", ADA), "Name": "Ada Admin"},
        "Name": "Acme",
    }
    assert found[1]["Contacts"] == {
        "totalSize": 2,
        "done": True,
        "records": [
            {"attributes": attributes("Contact", ids.make("003", 2)), "Name": "Yan"},
            {"attributes": attributes("Contact", ids.make("003", 1)), "Name": "Zoe"},
        ],
    }


def test_aliases_of_objects() -> None:
    """An alias after FROM stands for the object."""
    assert [one["Name"] for one in soql("SELECT a.Name FROM Account a WHERE a.Name = 'Core'").records] == ["Core"]


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT COUNT(Id) FROM Account", [{"expr0": 3}]),
        ("SELECT COUNT(AnnualRevenue) n, SUM(AnnualRevenue), AVG(AnnualRevenue) a FROM Account", [{"n": 2, "expr0": 150, "a": 75}]),
        ("SELECT MIN(Name), MAX(Name), COUNT_DISTINCT(Industry) FROM Account", [{"expr0": "Acme", "expr1": "Core", "expr2": 1}]),
        ("SELECT SUM(AnnualRevenue) s FROM Account WHERE Name = 'Core'", [{"s": None}]),
        (
            "SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry ORDER BY COUNT(Id) DESC",
            [{"Industry": "Energy", "n": 2}, {"Industry": None, "n": 1}],
        ),
        ("SELECT Industry FROM Account GROUP BY Industry HAVING COUNT(Id) > 1", [{"Industry": "Energy"}]),
        ("SELECT Parent.Name, COUNT(Id) n FROM Account GROUP BY Parent.Name ORDER BY n LIMIT 1", [{"Name": "Acme", "n": 1}]),
    ],
)  # fmt: skip
def test_aggregates(statement: str, rows: list[dict[str, object]]) -> None:
    """Groups have no address; an aggregate without a name is expr0, expr1, and so on."""
    assert soql(statement).records == [{"attributes": {"type": "AggregateResult"}} | row for row in rows]


def test_count_gives_a_size_and_no_records() -> None:
    """COUNT() alone is only a number."""
    counted = soql("SELECT COUNT() FROM Account WHERE Industry = 'Energy'")

    assert (counted.total, counted.records) == (2, [])


def test_fields_of_everything() -> None:
    """FIELDS(STANDARD) has no custom field, FIELDS(ALL) has all, FIELDS(CUSTOM) only custom ones."""
    standard, everything, custom = (
        set(soql(f"SELECT FIELDS({which}) FROM Account LIMIT 200").records[0])
        for which in ("STANDARD", "ALL", "CUSTOM")
    )

    assert {"Id", "Name", "Industry"} <= standard
    assert custom == {"attributes", "External_Key__c", "Tier__c"}
    assert everything == standard | custom


def test_columns_for_a_table() -> None:
    """A parent's column joins, a sub-select aggregates, as sf expects."""
    columns = soql("SELECT Name, Owner.Name, (SELECT Id FROM Contacts) FROM Account").columns

    assert [column["columnName"] for column in columns] == ["Name", "Owner", "Contacts"]
    assert [column["aggregate"] for column in columns] == [False, False, True]
    joined = columns[1]["joinColumns"]
    assert isinstance(joined, list)
    assert [column["columnName"] for column in joined] == ["Name"]  # pyright: ignore[reportUnknownVariableType]


NO_COLUMN = (
    "\nSELECT Foo FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'. If you are "
    "attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your "
    "WSDL or the describe call for the appropriate names."
)


@pytest.mark.parametrize(
    ("statement", "code", "text"),
    [
        ("SELECT Foo FROM Account", "INVALID_FIELD", NO_COLUMN),
        ("SELECT Name FROM Account WHERE Name = 'x' AND Foo = 1", "INVALID_FIELD", "No such column 'Foo' on entity 'Account'"),
        ("SELECT Name FROM Account WHERE Foo.Name = 1", "INVALID_FIELD", "Didn't understand relationship 'Foo' in field path"),
        ("SELECT Name FROM Account ORDER BY Foo", "INVALID_FIELD", "No such column 'Foo'"),
        ("SELECT Name, Name FROM Account", "INVALID_FIELD", "duplicate field selected: name"),
        ("SELECT (SELECT Foo FROM Contacts) FROM Account", "INVALID_FIELD", "No such column 'Foo' on entity 'Contact'"),
        ("SELECT Id FROM Foo", "INVALID_TYPE", "sObject type 'Foo' is not supported."),
        ("SELECT (SELECT Id FROM Foos) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Foos' in FROM part"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Foo)", "INVALID_TYPE", "sObject type 'Foo' is not supported."),
        ("", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT * FROM Account", "MALFORMED_QUERY", "no viable alternative at character '*'"),
        ("SELECT FROM Account", "MALFORMED_QUERY", "unexpected token: 'Account'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE Name = 'x' AND Name = 'y' OR Name = 'z'", "MALFORMED_QUERY", "unexpected token: 'OR'"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Account LIMIT 99999999999999999999", "MALFORMED_QUERY", "unexpected token: '9999"),
        ("SELECT Id FROM Account OFFSET 2001", "MALFORMED_QUERY", "Maximum SOQL offset allowed is 2000"),
        ("SELECT Id FROM Account WHERE Name = 'open", "MALFORMED_QUERY", "no viable alternative at character"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        ("SELECT Id FROM Account WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "COUNT(Id)"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "LIMIT of at most 200"),
        ("SELECT FIELDS(SOME) FROM Account", "MALFORMED_QUERY", "unexpected token: 'SOME'"),
        ("SELECT NOSUCH(Id) FROM Account", "MALFORMED_QUERY", "unexpected token: 'NOSUCH'"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Contact)", "MALFORMED_QUERY", "semi join"),
        ("SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS:99999999", "MALFORMED_QUERY", "too large"),
        ("SELECT Id FROM Contact WHERE Birthdate = 2026-02-30", "MALFORMED_QUERY", "not a valid date"),
        ("SELECT Id FROM Account WHERE CreatedDate = 2026-01-01T25:00:00Z", "MALFORMED_QUERY", "not a valid datetime"),
        ("SELECT Id FROM Account WHERE AnnualRevenue = '5'", "INVALID_FIELD", "should not be enclosed in quotes"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Account WHERE Name = TODAY", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        ("SELECT Id FROM Account WHERE AnnualRevenue LIKE 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        (f"SELECT Id FROM Account WHERE {'(' * 60}Name = 'x'{')' * 60}", "MALFORMED_QUERY", "nested too deeply"),
        ("SELECT Id FROM Account WHERE Parent.Parent.Parent.Parent.Parent.Parent.Name = 'x'", "MALFORMED_QUERY", "5 levels"),
    ],
)  # fmt: skip
def test_mistakes_have_salesforces_words(statement: str, code: str, text: str) -> None:
    """Each mistake is a 400 with its code and sentence, whether or not there are rows."""
    with pytest.raises(SalesforceError) as refused:
        soql(statement)

    assert (refused.value.status, refused.value.fault.code) == (400, code)
    assert text in refused.value.fault.message

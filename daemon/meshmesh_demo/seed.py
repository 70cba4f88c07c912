"""The org's first data: plausible, the same from every seed run, dated around the first start."""

import random
from datetime import datetime, timedelta

from meshmesh_demo import ids
from meshmesh_demo.model import Record, Value

_OLDEST = 400  # days; no record was made before
ACCOUNTS, CONTACTS, OPPORTUNITIES, LEADS, CASES, TASKS = 60, 200, 120, 80, 60, 90
_FIRST = (
    "Ada", "Ben", "Carla", "Deniz", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Luis", "Mara",
    "Nadia", "Omar", "Petra", "Quinn", "Rosa", "Sven", "Tara",
)  # fmt: skip
_LAST = (
    "Abbott", "Becker", "Castillo", "Dupont", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jensen", "Keller",
    "Laurent", "Moreau", "Novak", "Okafor", "Petrov", "Quiroga", "Rossi", "Schmidt", "Tanaka", "Ueda", "Vogel",
    "Weber", "Xu", "Yilmaz", "Zimmer",
)  # fmt: skip
_FIRM = (
    "Alder", "Brook", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Harbor", "Iris", "Juniper", "Kestrel",
    "Lumen", "Maple", "Northwind", "Orchard", "Pioneer", "Quarry", "River", "Summit", "Timber",
)  # fmt: skip
_KIND = ("Logistics", "Foods", "Energy", "Health", "Robotics", "Media", "Textiles", "Capital", "Labs", "Travel")
_PLACES = (
    ("Berlin", "Berlin", "10115", "Germany"),
    ("Lyon", "Rhone", "69001", "France"),
    ("Austin", "TX", "73301", "USA"),
    ("Toronto", "ON", "M5H 2N2", "Canada"),
    ("Osaka", "Osaka", "530-0001", "Japan"),
    ("Leeds", "Yorkshire", "LS1 4AP", "UK"),
)
_INDUSTRIES = (
    "Agriculture",
    "Banking",
    "Energy",
    "Healthcare",
    "Manufacturing",
    "Retail",
    "Technology",
    "Transportation",
)
STAGES = {
    "Prospecting": 10, "Qualification": 10, "Needs Analysis": 20, "Value Proposition": 50, "Id. Decision Makers": 60,
    "Perception Analysis": 70, "Proposal/Price Quote": 75, "Negotiation/Review": 90, "Closed Won": 100, "Closed Lost": 0,
}  # fmt: skip
_SUBJECTS = ("Login does not work", "Invoice is wrong", "Delivery is late", "Question about a contract", "Export fails")
_TASKS = ("Call", "Send quote", "Follow up", "Prepare demo", "Write summary")
USERS = (
    (ids.ADMIN_ID, "Ada", "Admin", "System Administrator"),
    (ids.NO_API_ID, "Nora", "No-Api", "Standard User (no API)"),
    (ids.READ_ONLY_ID, "Rita", "Reader", "Read Only"),
)
DOMAIN = "meshmesh-demo.example.com"


def text_of(moment: datetime) -> str:
    """A datetime as REST writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


class _Seed:
    """Makes the records of one run; the random numbers are the same in each."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.random = random.Random(1717)  # noqa: S311 - demo data, not a secret
        self.rows: dict[str, list[Record]] = {}

    def add(self, name: str, record_id: str, **values: Value) -> str:
        moment = self.now - timedelta(days=self.random.randint(0, _OLDEST), minutes=self.random.randint(0, 1400))
        stamp = text_of(moment)
        system: Record = {
            "Id": record_id, "IsDeleted": False, "CreatedDate": stamp, "CreatedById": ids.ADMIN_ID,
            "LastModifiedDate": stamp, "LastModifiedById": ids.ADMIN_ID, "SystemModstamp": stamp,
        }  # fmt: skip
        self.rows.setdefault(name, []).append(system | values)
        return record_id

    def day(self, low: int, high: int) -> str:
        return (self.now + timedelta(days=self.random.randint(low, high))).date().isoformat()

    def person(self) -> tuple[str, str]:
        return self.random.choice(_FIRST), self.random.choice(_LAST)

    def phone(self) -> str:
        return f"+1 555 {self.random.randint(100, 999)} {self.random.randint(1000, 9999)}"


def seed(now: datetime, org_id: str) -> dict[str, list[Record]]:
    """Every record of a fresh org.

    Args:
        now: the first start; dates lie around it.
        org_id: the org's own id, another in each.
    """
    made = _Seed(now)
    _setup(made, org_id)
    accounts = _accounts(made)
    contacts = _contacts(made, accounts)
    _opportunities(made, accounts)
    _leads(made)
    _cases(made, accounts, contacts)
    return made.rows


def _setup(made: _Seed, org_id: str) -> None:
    made.add(
        "Organization", org_id, Name="MeshMesh Demo", Division=None, Phone=None, PrimaryContact="Ada Admin",
        DefaultLocaleSidKey="en_US", TimeZoneSidKey="Europe/London", LanguageLocaleKey="en_US", FiscalYearStartMonth=1,
        TrialExpirationDate=None, OrganizationType="Developer Edition", NamespacePrefix=None, InstanceName="DEMO1",
        IsSandbox=False, IsReadOnly=False,
    )  # fmt: skip
    license_id = made.add(
        "UserLicense", ids.make("100", 1), Name="Salesforce", LicenseDefinitionKey="SFDC", MasterLabel="Salesforce",
        Status="Active", TotalLicenses=5, UsedLicenses=3,
    )  # fmt: skip
    for number, (user_id, first, last, profile) in enumerate(USERS, 1):
        admin = profile == "System Administrator"
        profile_id = made.add(
            "Profile", ids.make("00e", number), Name=profile, UserType="Standard", UserLicenseId=license_id,
            PermissionsApiEnabled=user_id != ids.NO_API_ID, PermissionsModifyAllData=admin, PermissionsViewSetup=admin,
        )  # fmt: skip
        username = f"{first.lower()}@{DOMAIN}"
        made.add(
            "User", user_id, Username=username, LastName=last, FirstName=first, Name=f"{first} {last}", Email=username,
            Title=profile, Department=None, Phone=None, Alias=first.lower(), IsActive=True,
            TimeZoneSidKey="Europe/London", LocaleSidKey="en_US", ProfileId=profile_id, UserType="Standard",
        )  # fmt: skip
        made.add("UserLogin", ids.make("0Yw", number), UserId=user_id, IsFrozen=False, IsPasswordLocked=False)
    _licences(made)
    _catalogue(made)


def _licences(made: _Seed) -> None:
    permission_set = made.add(
        "PermissionSet", ids.make("0PS", 1), Name="Demo_Extras", Label="Demo Extras", IsCustom=True,
        PermissionsApiEnabled=False,
    )  # fmt: skip
    made.add("PermissionSetAssignment", ids.make("0Pa", 1), PermissionSetId=permission_set, AssigneeId=ids.ADMIN_ID)
    extra = made.add(
        "PermissionSetLicense", ids.make("0PL", 1), DeveloperName="DemoAnalytics", MasterLabel="Demo Analytics",
        PermissionSetLicenseKey="DemoAnalytics", Status="Active", ExpirationDate=None, TotalLicenses=2, UsedLicenses=1,
    )  # fmt: skip
    made.add("PermissionSetLicenseAssign", ids.make("2LA", 1), PermissionSetLicenseId=extra, AssigneeId=ids.ADMIN_ID)


def _catalogue(made: _Seed) -> None:
    book = made.add(
        "Pricebook2", ids.make("01s", 1), Name="Standard Price Book", IsActive=True, IsStandard=True, Description=None
    )
    for number, (product, family) in enumerate(
        (("Pump", "Hardware"), ("Sensor", "Hardware"), ("Care Plan", "Service")), 1
    ):
        made.add(
            "Product2", ids.make("01t", number), Name=product, ProductCode=f"P-{number:03}", Description=None,
            IsActive=True, Family=family,
        )  # fmt: skip
        made.add(
            "PricebookEntry", ids.make("01u", number), Pricebook2Id=book, Product2Id=ids.make("01t", number),
            UnitPrice=1000 * number, IsActive=True, UseStandardPrice=False, ProductCode=f"P-{number:03}",
        )  # fmt: skip
    for number, name in enumerate(("Spring Webinar", "Trade Fair", "Newsletter"), 1):
        made.add(
            "Campaign", ids.make("701", number), Name=name, Type="Other", Status="In Progress", IsActive=True,
            StartDate=made.day(-90, -30), EndDate=made.day(30, 90), ExpectedRevenue=50000, BudgetedCost=8000,
            OwnerId=ids.ADMIN_ID,
        )  # fmt: skip


def _accounts(made: _Seed) -> list[str]:
    names = [f"{firm} {kind}" for firm in _FIRM for kind in _KIND]
    made.random.shuffle(names)
    result: list[str] = []
    for number, name in enumerate(names[:ACCOUNTS], 1):
        city, state, code, country = made.random.choice(_PLACES)
        slug = name.lower().replace(" ", "-")
        parent = made.random.choice(result) if result and number % 9 == 0 else None
        values: Record = {
            "Name": name, "Type": made.random.choice(("Prospect", "Customer - Direct", "Customer - Channel",
            "Partner")), "ParentId": parent, "Phone": made.phone(), "Fax": None, "Website":
            f"https://{slug}.example.com", "Industry": made.random.choice(_INDUSTRIES), "AnnualRevenue":
            made.random.randint(2, 900) * 100_000, "NumberOfEmployees": made.random.randint(5, 9000), "Description":
            None, "AccountSource": "Web", "Tier__c": made.random.choice(("Gold", "Silver", "Bronze")), "External_Key__c": f"ACC-{number:04}", "BillingStreet":
            f"{made.random.randint(1, 200)} Main Street", "BillingCity": city, "BillingState": state,
            "BillingPostalCode": code, "BillingCountry": country, "OwnerId": ids.ADMIN_ID if number % 4 else
            ids.READ_ONLY_ID,
        }  # fmt: skip
        result.append(made.add("Account", ids.make("001", number), **values))
    return result


def _contacts(made: _Seed, accounts: list[str]) -> list[str]:
    result: list[str] = []
    for number in range(1, CONTACTS + 1):
        first, last = made.person()
        values: Record = {
            "AccountId": made.random.choice(accounts), "FirstName": first, "LastName": last, "Salutation": None,
            "Name": f"{first} {last}", "Phone": made.phone(), "MobilePhone": None,
            "Email": f"{first}.{last}{number}@example.com".lower(), "Department": made.random.choice(("Sales", "IT",
            "Finance")), "Title": made.random.choice(("Buyer", "CTO", "Engineer", "Head of Sales", "Controller")),
            "ReportsToId": None, "LeadSource": "Web", "Birthdate": made.day(-22000, -9000), "Description": None,
            "HasOptedOutOfEmail": number % 10 == 0, "DoNotCall": False, "External_Key__c": f"CON-{number:04}",
            "OwnerId": ids.ADMIN_ID,
        }  # fmt: skip
        result.append(made.add("Contact", ids.make("003", number), **values))
    return result


def _opportunities(made: _Seed, accounts: list[str]) -> None:
    for number in range(1, OPPORTUNITIES + 1):
        stage = made.random.choice(list(STAGES))
        closed = stage.startswith("Closed")
        made.add(
            "Opportunity", ids.make("006", number), AccountId=made.random.choice(accounts),
            Name=f"{made.random.choice(('Renewal', 'Upgrade', 'New line', 'Pilot'))} {number:03}", Description=None,
            StageName=stage, Amount=made.random.randint(4, 400) * 500, Probability=STAGES[stage],
            CloseDate=made.day(-300, -1) if closed else made.day(0, 180), Type="New Business", NextStep=None,
            LeadSource="Web", IsClosed=closed, IsWon=stage == "Closed Won", CampaignId=None, OwnerId=ids.ADMIN_ID,
        )  # fmt: skip


def _leads(made: _Seed) -> None:
    for number in range(1, LEADS + 1):
        first, last = made.person()
        city, state, code, country = made.random.choice(_PLACES)
        made.add(
            "Lead", ids.make("00Q", number), FirstName=first, LastName=last, Name=f"{first} {last}", Title="Buyer",
            Company=f"{made.random.choice(_FIRM)} & {last}", Street=None, City=city, State=state, PostalCode=code,
            Country=country, Phone=made.phone(), Email=f"{first}.{last}.lead{number}@example.com".lower(), Website=None,
            LeadSource=made.random.choice(("Web", "Phone Inquiry", "Partner Referral")),
            Status=made.random.choice(("Open - Not Contacted", "Working - Contacted", "Closed - Not Converted")),
            Industry=made.random.choice(_INDUSTRIES), Rating=made.random.choice(("Hot", "Warm", "Cold")),
            AnnualRevenue=None, NumberOfEmployees=made.random.randint(5, 900), IsConverted=False, OwnerId=ids.ADMIN_ID,
        )  # fmt: skip


def _cases(made: _Seed, accounts: list[str], contacts: list[str]) -> None:
    cases: list[str] = []
    for number in range(1, CASES + 1):
        status = made.random.choice(("New", "Working", "Escalated", "Closed"))
        cases.append(made.add(
            "Case", ids.make("500", number), CaseNumber=f"{1000 + number:08}", ContactId=made.random.choice(contacts),
            AccountId=made.random.choice(accounts), ParentId=None, SuppliedName=None, SuppliedEmail=None, Type="Problem",
            Status=status, Reason=None, Origin=made.random.choice(("Phone", "Email", "Web")),
            Subject=made.random.choice(_SUBJECTS), Priority=made.random.choice(("High", "Medium", "Low")),
            Description=None, IsClosed=status == "Closed", IsEscalated=status == "Escalated",
            ClosedDate=text_of(made.now) if status == "Closed" else None, OwnerId=ids.ADMIN_ID,
        ))  # fmt: skip
    for number in range(1, TASKS + 1):
        status = made.random.choice(("Not Started", "In Progress", "Completed"))
        made.add(
            "Task", ids.make("00T", number), WhoId=made.random.choice(contacts),
            WhatId=made.random.choice([*accounts, *cases]), Subject=made.random.choice(_TASKS),
            ActivityDate=made.day(-60, 60), Status=status, Priority=made.random.choice(("High", "Normal", "Low")),
            Description=None, IsClosed=status == "Completed", OwnerId=ids.ADMIN_ID,
        )  # fmt: skip

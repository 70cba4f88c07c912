"""The objects of the demo org and their fields: names of Salesforce's standard schema, in the notation of `model`.

A field is written `Name:type` with marks behind it: `(n)` length, `[a|b]` picklist, `>Object/Relationship/children`
reference, then `!` required on create, `~` read-only, `*` external id and unique, `=` restricted picklist.
"""

_SYSTEM = (
    "Id:id~ IsDeleted:boolean~ CreatedDate:datetime~ CreatedById:reference>User/CreatedBy/~ "
    "LastModifiedDate:datetime~ LastModifiedById:reference>User/LastModifiedBy/~ SystemModstamp:datetime~ "
)
_OWNED = _SYSTEM + "OwnerId:reference>User/Owner/ "
_ADDRESS = (
    "{0}Street:textarea(255) {0}City:string(40) {0}State:string(80) {0}PostalCode:string(20) {0}Country:string(80) "
)

TABLE: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "Account",
        "001",
        "Accounts",
        "Name Phone Website",
        _OWNED + "Name:string! Type:picklist[Prospect|Customer - Direct|Customer - Channel|Partner|Other] "
        "ParentId:reference>Account/Parent/ChildAccounts Phone:phone Fax:phone Website:url "
        "Industry:picklist[Agriculture|Banking|Construction|Education|Energy|Finance|Healthcare|Manufacturing|Retail"
        "|Technology|Transportation] AnnualRevenue:currency NumberOfEmployees:int Description:textarea "
        "AccountSource:picklist[Web|Phone Inquiry|Partner Referral|Other] External_Key__c:string(40)* "
        "Tier__c:picklist[Gold|Silver|Bronze]= " + _ADDRESS.format("Billing") + _ADDRESS.format("Shipping"),
    ),
    (
        "Contact",
        "003",
        "Contacts",
        "Name Email Phone",
        _OWNED + "AccountId:reference>Account/Account/Contacts LastName:string(80)! FirstName:string(40) "
        "Salutation:picklist[Mr.|Ms.|Dr.] Name:string~ Phone:phone MobilePhone:phone Email:email Title:string(128) "
        "Department:string(80) ReportsToId:reference>Contact/ReportsTo/ LeadSource:picklist[Web|Phone Inquiry|Other] "
        "Birthdate:date Description:textarea HasOptedOutOfEmail:boolean DoNotCall:boolean "
        "External_Key__c:string(40)* " + _ADDRESS.format("Mailing"),
    ),
    (
        "Opportunity",
        "006",
        "Opportunities",
        "Name",
        _OWNED + "AccountId:reference>Account/Account/Opportunities Name:string(120)! Description:textarea "
        "StageName:picklist[Prospecting|Qualification|Needs Analysis|Value Proposition|Id. Decision Makers"
        "|Perception Analysis|Proposal/Price Quote|Negotiation/Review|Closed Won|Closed Lost]! Amount:currency "
        "Probability:percent CloseDate:date! Type:picklist[Existing Business|New Business] NextStep:string "
        "LeadSource:picklist[Web|Phone Inquiry|Partner Referral|Other] IsClosed:boolean~ IsWon:boolean~ "
        "CampaignId:reference>Campaign/Campaign/Opportunities ",
    ),
    (
        "Lead",
        "00Q",
        "Leads",
        "Name Company Email",
        _OWNED + "LastName:string(80)! FirstName:string(40) Name:string~ Title:string(128) Company:string! "
        "Street:textarea(255) City:string(40) State:string(80) PostalCode:string(20) Country:string(80) Phone:phone "
        "Email:email Website:url LeadSource:picklist[Web|Phone Inquiry|Partner Referral|Other] "
        "Status:picklist[Open - Not Contacted|Working - Contacted|Closed - Converted|Closed - Not Converted] "
        "Industry:string Rating:picklist[Hot|Warm|Cold] AnnualRevenue:currency NumberOfEmployees:int "
        "IsConverted:boolean~ ",
    ),
    (
        "Case",
        "500",
        "Cases",
        "Subject CaseNumber",
        _OWNED + "CaseNumber:string(30)~ ContactId:reference>Contact/Contact/Cases "
        "AccountId:reference>Account/Account/Cases ParentId:reference>Case/Parent/Cases SuppliedName:string(80) "
        "SuppliedEmail:email Type:picklist[Problem|Feature Request|Question] Status:picklist[New|Working|Escalated|Closed] "
        "Reason:string Origin:picklist[Phone|Email|Web] Subject:string Priority:picklist[High|Medium|Low] "
        "Description:textarea IsClosed:boolean~ ClosedDate:datetime~ IsEscalated:boolean ",
    ),
    (
        "Task",
        "00T",
        "Tasks",
        "Subject",
        _OWNED + "WhoId:reference>Contact,Lead/Who/Tasks WhatId:reference>Account,Opportunity,Case/What/Tasks "
        "Subject:string ActivityDate:date "
        "Status:picklist[Not Started|In Progress|Completed|Waiting on someone else|Deferred] "
        "Priority:picklist[High|Normal|Low] Description:textarea IsClosed:boolean~ ",
    ),
    (
        "Campaign",
        "701",
        "Campaigns",
        "Name",
        _OWNED + "Name:string(80)! Type:picklist[Conference|Webinar|Email|Other] "
        "Status:picklist[Planned|In Progress|Completed|Aborted] StartDate:date EndDate:date IsActive:boolean "
        "ExpectedRevenue:currency BudgetedCost:currency ",
    ),
    (
        "Product2",
        "01t",
        "Products",
        "Name ProductCode",
        _SYSTEM
        + "Name:string! ProductCode:string Description:textarea IsActive:boolean Family:picklist[Hardware|Service] ",
    ),
    (
        "User",
        "005",
        "Users",
        "Name Username",
        _SYSTEM
        + "Username:string(80)~ LastName:string(80)~ FirstName:string(40)~ Name:string~ Email:email~ Title:string "
        "Department:string Phone:phone Alias:string(8)~ IsActive:boolean~ TimeZoneSidKey:string~ LocaleSidKey:string~ "
        "ProfileId:reference>Profile/Profile/Users~ UserType:string~ ",
    ),
    (
        "Profile",
        "00e",
        "Profiles",
        "",
        _SYSTEM + "Name:string~ UserType:string~ UserLicenseId:reference>UserLicense/UserLicense/~ "
        "PermissionsApiEnabled:boolean~ PermissionsModifyAllData:boolean~ PermissionsViewSetup:boolean~ ",
    ),
    (
        "UserLicense",
        "100",
        "User Licenses",
        "",
        _SYSTEM + "Name:string~ LicenseDefinitionKey:string~ MasterLabel:string~ Status:string~ TotalLicenses:int~ "
        "UsedLicenses:int~ ",
    ),
    (
        "PermissionSet",
        "0PS",
        "Permission Sets",
        "",
        _SYSTEM + "Name:string~ Label:string~ IsCustom:boolean~ PermissionsApiEnabled:boolean~ ",
    ),
    (
        "PermissionSetAssignment",
        "0Pa",
        "Permission Set Assignments",
        "",
        _SYSTEM + "PermissionSetId:reference>PermissionSet/PermissionSet/Assignments~ "
        "AssigneeId:reference>User/Assignee/PermissionSetAssignments~ ",
    ),
    (
        "Organization",
        "00D",
        "Organizations",
        "",
        _SYSTEM + "Name:string~ Division:string~ Phone:phone~ PrimaryContact:string~ DefaultLocaleSidKey:string~ "
        "TimeZoneSidKey:string~ LanguageLocaleKey:string~ FiscalYearStartMonth:int~ TrialExpirationDate:datetime~ "
        "OrganizationType:string~ NamespacePrefix:string~ InstanceName:string~ IsSandbox:boolean~ IsReadOnly:boolean~ ",
    ),
    (
        "Event",
        "00U",
        "Events",
        "Subject",
        _OWNED + "WhoId:reference>Contact,Lead/Who/Events WhatId:reference>Account,Opportunity,Case/What/Events "
        "Subject:string Location:string StartDateTime:datetime! EndDateTime:datetime! DurationInMinutes:int "
        "IsAllDayEvent:boolean Description:textarea ShowAs:picklist[Busy|OutOfOffice|Free] ",
    ),
    (
        "Pricebook2",
        "01s",
        "Price Books",
        "Name",
        _SYSTEM + "Name:string! IsActive:boolean IsStandard:boolean~ Description:string ",
    ),
    (
        "PricebookEntry",
        "01u",
        "Price Book Entries",
        "ProductCode",
        _SYSTEM + "Pricebook2Id:reference>Pricebook2/Pricebook2/PricebookEntries! "
        "Product2Id:reference>Product2/Product2/PricebookEntries! UnitPrice:currency! IsActive:boolean "
        "UseStandardPrice:boolean ProductCode:string~ ",
    ),
    (
        "OpportunityLineItem",
        "00k",
        "Opportunity Products",
        "Description",
        _SYSTEM + "OpportunityId:reference>Opportunity/Opportunity/OpportunityLineItems! "
        "PricebookEntryId:reference>PricebookEntry/PricebookEntry/ Product2Id:reference>Product2/Product2/ "
        "Quantity:double! UnitPrice:currency TotalPrice:currency Description:string ",
    ),
    (
        "PermissionSetLicense",
        "0PL",
        "Permission Set Licenses",
        "",
        _SYSTEM + "DeveloperName:string~ MasterLabel:string~ PermissionSetLicenseKey:string~ Status:string~ "
        "ExpirationDate:date~ TotalLicenses:int~ UsedLicenses:int~ ",
    ),
    (
        "PermissionSetLicenseAssign",
        "2LA",
        "Permission Set License Assignments",
        "",
        _SYSTEM + "PermissionSetLicenseId:reference>PermissionSetLicense/PermissionSetLicense/Assignments~ "
        "AssigneeId:reference>User/Assignee/PermissionSetLicenseAssignments~ ",
    ),
    (
        "UserLogin",
        "0Yw",
        "User Logins",
        "",
        _SYSTEM + "UserId:reference>User/User/~ IsFrozen:boolean~ IsPasswordLocked:boolean~ ",
    ),
    (
        "LoginHistory",
        "0Ya",
        "Login History",
        "",
        _SYSTEM + "UserId:reference>User/User/~ LoginTime:datetime~ LoginType:string~ Status:string~ "
        "Application:string~ SourceIp:string~ ",
    ),
)

"""What the API says of itself: versions, resources, limits, objects."""

from meshmesh_demo import describe
from meshmesh_demo.jsons import Json
from meshmesh_demo.oauth.token import identity_url
from meshmesh_demo.org import DAILY_REQUESTS
from meshmesh_demo.rest.call import Call, Reply
from meshmesh_demo.soql.evaluate import attributes

FIRST_VERSION, LAST_VERSION = 50, 66
_SEASONS = ("Winter", "Spring", "Summer")
_RESOURCES = (
    "tooling", "sobjects", "query", "queryAll", "search", "parameterizedSearch", "recent", "limits", "composite",
    "graphql", "jobs",
)  # fmt: skip


def versions() -> list[Json]:
    """Every version, the newest last; three a year, Winter '21 is 50."""
    return [
        {
            "label": f"{_SEASONS[(number - FIRST_VERSION) % 3]} '{21 + (number - FIRST_VERSION) // 3}",
            "url": f"/services/data/v{number}.0",
            "version": f"{number}.0",
        }
        for number in range(FIRST_VERSION, LAST_VERSION + 1)
    ]


async def resources(call: Call) -> Reply:
    """`GET vXX`: the map of resources, and who the caller is."""
    found = {name: f"{call.root}/{name}" for name in _RESOURCES}
    return Reply(body=found | {"identity": identity_url(call.org, call.caller.user.id)})


async def limits(call: Call) -> Reply:
    """`GET limits`."""
    left = max(0, DAILY_REQUESTS - call.org.traffic.api_requests)
    fixed = {
        "DailyAsyncApexExecutions": 250_000, "DailyBulkApiBatches": 15_000, "DailyBulkV2QueryJobs": 10_000,
        "DataStorageMB": 5, "FileStorageMB": 20, "HourlyPublishedPlatformEvents": 50_000, "MassEmail": 10,
        "SingleEmail": 15,
    }  # fmt: skip
    body = {name: {"Max": most, "Remaining": most} for name, most in fixed.items()}
    return Reply(body=body | {"DailyApiRequests": {"Max": DAILY_REQUESTS, "Remaining": left}})


async def describe_global(call: Call) -> Reply:
    """`GET sobjects`."""
    found = [describe.brief(call.org.store.sobject(name), call.root) for name in sorted(call.org.store.visible())]
    return Reply(body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found})


async def describe_object(call: Call) -> Reply:
    """`GET sobjects/X/describe`."""
    return Reply(body=describe.full(call.org.store.sobject(call.names["object"]), call.root))


async def basic_information(call: Call) -> Reply:
    """`GET sobjects/X`: the brief description and the user's recent records."""
    sobject = call.org.store.sobject(call.names["object"])
    return Reply(
        body={"objectDescribe": describe.brief(sobject, call.root), "recentItems": _recent(call, sobject.name)[:5]}
    )


async def recent(call: Call) -> Reply:
    """`GET recent`: the records that changed last."""
    names = [name for name in call.org.store.visible() if call.org.store.sobject(name).editable]
    found = [item for name in names for item in _recent(call, name)[:3]]
    return Reply(body=found)


def _recent(call: Call, name: str) -> list[Json]:
    sobject = call.org.store.sobject(name)
    living = [one for one in call.org.store.tables[name].values() if not one["IsDeleted"]]
    living.sort(key=lambda one: str(one["LastModifiedDate"]), reverse=True)
    return [
        {"attributes": attributes(sobject, one, call.version), "Id": one["Id"], "Name": one.get("Name")}
        for one in living[:5]
    ]

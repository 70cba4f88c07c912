"""Which requests are clear reads. Until Plan Mode holds writes, everything else is refused in the modes `read` and `plan`.

A request counts as a read only if its path has one plain form and stands in the table; what is not known is a write.
"""

import re

_VERSION = r"/services/data(?:/v\d{1,3}\.0"
_NAME = r"[A-Za-z]\w*"
_ID = r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?"
_READS = re.compile(
    _VERSION
    + rf"""(?:
      /(?:limits|limits/recordCount|recent|tabs|theme|appMenu/\w+|search/layout|search/scopeOrder|query|queryAll|search|parameterizedSearch)
    | /(?:query|queryAll)/[\w-]+
    | /sobjects
    | /sobjects/{_NAME}(?:/describe(?:/[\w/]+)?|/updated|/deleted|/listviews(?:/[\w/]+)?)?
    | /sobjects/{_NAME}/{_ID}(?:/{_NAME})?
    | /sobjects/{_NAME}/{_NAME}/[^/]+
    | /composite/sobjects(?:/{_NAME})?
    | /tooling/(?:query|search)
    | /tooling/sobjects(?:/{_NAME}(?:/describe|/{_ID})?)?
    | /jobs/(?:query|ingest)(?:/{_ID}(?:/\w+)?)?
    )?)?/?""",
    re.VERBOSE,
)
_OTHER_READS = re.compile(r"/services/oauth2/userinfo|/id/00D\w{12,15}/005\w{12,15}")
_USAGE = re.compile(r"\b(?:FOR\s+(?:VIEW|REFERENCE|UPDATE)|UPDATE\s+(?:TRACKING|VIEWSTAT))\b", re.IGNORECASE)
_QUERIES = re.compile(r"/(?:query|queryAll|search)/?$")


def is_clear_read(method: str, path: str, statement: str | None) -> bool:
    """Whether a request surely changes nothing.

    Args:
        method: HTTP method, upper case.
        path: the decoded path, behind the connection's prefix.
        statement: SOQL or SOSL in the query, or None.
    """
    if method not in {"GET", "HEAD"}:
        return False
    if _READS.fullmatch(path) is None and _OTHER_READS.fullmatch(path) is None:
        return False
    return not (_QUERIES.search(path) and statement and _USAGE.search(statement))

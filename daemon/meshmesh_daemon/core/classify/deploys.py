"""Running code and deploying metadata: what the plan can show of it."""

import re
import zipfile
from collections import Counter
from io import BytesIO

from meshmesh_daemon.core.classify.forms import read_form
from meshmesh_daemon.core.classify.request import Matched
from meshmesh_daemon.core.classify.strict_json import is_object, read_json
from meshmesh_daemon.core.classify.verdict import Verdict

_OPTIONS = "json"  # the part of the form that holds the options
_MAX_FOLDERS = 6
_CODE = frozenset({"classes", "triggers", "profiles", "permissionsets", "flows"})
_FOLDER = re.compile(r"(?:.*/)?([A-Za-z0-9_-]{1,40})/[^/]+", re.ASCII)


def apex(matched: Matched) -> Verdict:
    """Anonymous Apex; its code is shown as the field `anonymousBody`."""
    code = matched.request.only("anonymousbody")
    fields = None if code is None else {"anonymousBody": code}
    return matched.verdict(matched.part(fields=fields, words=matched.rule.says))


def deploy(matched: Matched) -> Verdict:
    """A deployment by REST: a form of options and an archive."""
    form = read_form(matched.request.content_type, matched.request.body or b"")
    document = read_json(form[_OPTIONS]) if _OPTIONS in form else None
    options = document.get("deployOptions") if is_object(document) else None
    check_only = is_object(options) and options.get("checkOnly") is True
    archive = next((data for name, data in form.items() if name != _OPTIONS), b"")
    return matched.verdict(matched.part(words=told(check_only=check_only, archive=archive)))


def told(*, check_only: bool, archive: bytes) -> str:
    """A deployment in words, told from the archive itself.

    Args:
        check_only: whether it is tried and then undone.
        archive: the ZIP file.
    """
    words = "Check metadata as if it were deployed" if check_only else "Deploy metadata"
    try:
        with zipfile.ZipFile(BytesIO(archive)) as opened:
            names = [name for name in opened.namelist() if not name.endswith(("/", "package.xml"))]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return f"{words} (the archive cannot be read)"
    found = [f"{count} in {folder}" for folder, count in sorted(_folders(names).items(), key=_danger)]
    if any("destructiveChanges" in name for name in names):
        found.insert(0, "with deletions")
    return f"{words}: {', '.join(found[:_MAX_FOLDERS])}" if found else words


def _folders(names: list[str]) -> Counter[str]:
    """How many files stand in which folder; one that is no plain name is not named."""
    matches = (_FOLDER.fullmatch(name) for name in names if "destructiveChanges" not in name)
    return Counter(match[1] if match else "other places" for match in matches)


def _danger(entry: tuple[str, int]) -> tuple[bool, int]:
    return entry[0] not in _CODE, -entry[1]

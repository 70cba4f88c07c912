"""The house's own rules that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshmesh.wire import Code

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for root in ("storage", "daemon", "bridge") for path in (ROOT / root).rglob("*.py"))
# The clock itself, and programs that end with their command, may look at it.
_PROGRAMS = {"clock.py", "__main__.py", "bootstrap.py"}
CODES = frozenset(value for name, value in vars(Code).items() if name.isupper())
TIMELESS = [path for path in SOURCES if path.name not in _PROGRAMS and "meshmesh" not in path.parts]
MAX_FILE = 400
MAX_FUNCTION = 50


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or late."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "meshmesh_daemon" in path.parts or "storage" in path.parts]
)
def test_only_the_bridge_and_the_demo_org_serve(path: Path) -> None:
    """`aiohttp.web` belongs to the bridge, and to the demo org, which is a peer."""
    assert not [name for name in imports(path) if name.startswith("aiohttp.web")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file that outgrows its page, or a function its screen, is two things."""
    text = path.read_text()
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 - docstring_lines(node) > MAX_FUNCTION
    ]

    assert len(text.splitlines()) <= MAX_FILE
    assert long == []


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function that are its docstring."""
    docstring = ast.get_docstring(node, clean=False)
    return len(docstring.splitlines()) if docstring else 0


@pytest.mark.parametrize("path", TIMELESS, ids=lambda path: str(path.relative_to(ROOT)))
def test_time_is_handed_in(path: Path) -> None:
    """Nobody but the clock's adapter reads the time."""
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert not calls & {"datetime.now", "datetime.utcnow", "date.today", "time.time", "time.monotonic"}


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if "meshmesh_daemon" in path.parts],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_code_below_the_bridge_is_a_promised_one(path: Path) -> None:
    """The daemon cannot import the near end's names, so it spells them: none that is not among them."""
    spelt = {
        node.args[1].value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Problem"
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
    }

    assert spelt <= CODES

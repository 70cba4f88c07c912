"""The commands of a document, and a stage to run them on: a service with connections, a stand-in for `sf`, a home folder."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from support.peer import walk
from support.service import PIN, Service, start
from support.typist import at_terminal

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
OURS = ("meshmesh", "meshmeshd")
_SHELLS = {"sh", "bash", "shell", "console"}
_FENCE = re.compile(r"^\s*```(\w*)\s*$")
_SPAN = re.compile(r"`([^`]+)`")
_COMMENT = re.compile(r"\s{2,}#.*$")
_PLACEHOLDER = re.compile(r"\b(NAME|CONNECTION|CODE|CLIENT|PROGRAM|ID|FILE|MODE|SHELL|PORT)\b")
_SIMPLE = {"NAME": "acme", "CONNECTION": "acme", "PROGRAM": "tool", "MODE": "plan", "SHELL": "bash"}
_STAND_IN_FOR_SF = '#!/bin/sh\necho "sf $*"\ntest -n "$SF_TARGET_ORG" || test "$2" = login\n'


@dataclass(frozen=True, kw_only=True)
class Typable:
    """Something that a reader may type."""

    document: str
    text: str
    in_prose: bool = False

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def typables(path: Path) -> Iterator[Typable]:
    """Every command of a document: indented lines, shell fences, and spans of the prose that begin with a program of ours.

    A fence without a language is a transcript or a picture; an indented line that begins with a folder is a listing.
    """
    name = str(path.relative_to(ROOT))
    for kind, text in _pieces(path.read_text()):
        if kind == "prose":
            for span in _SPAN.findall(text):
                if _first_word(_clean(span)) in OURS:
                    yield Typable(document=name, text=_clean(span), in_prose=True)
        elif kind == "command" and text and not _first_word(text).endswith("/"):
            yield Typable(document=name, text=_clean(text))


def programs_in(path: Path) -> Iterator[str]:
    """Every Python program of a document, as its fences give them."""
    yield from re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    fence: str | None = None
    held = ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if opened:
            fence = opened[1] if fence is None else None
        elif fence in _SHELLS or (fence is None and line.startswith("    ")):
            held += _COMMENT.sub("", line.strip().removeprefix("$ "))
            if held.endswith("\\"):
                held = held[:-1]
                continue
            yield "command", held
            held = ""
        elif fence is None:
            yield "prose", line


def _first_word(text: str) -> str:
    return (text.split() or [""])[0]


def _clean(text: str) -> str:
    """As the table has it: without the virtual environment's folder, and in the foreground."""
    return " ".join(text.replace(".venv/bin/", "").removesuffix("&").split())


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Stage:
    """A service with the connections `demo` and `acme`, both of the demo org, and a person with a PIN.

    A command is run by bash in the folder of the checkout, as a reader would, with placeholders filled in.
    """

    folder: Path
    service: Service
    made: int = field(default=0)

    @classmethod
    def open(cls, folder: Path) -> "Stage":
        """A stage in a fresh folder."""
        folder.mkdir()
        stand_in = folder / "bin" / "sf"
        stand_in.parent.mkdir()
        stand_in.write_text(_STAND_IN_FOR_SF)
        stand_in.chmod(0o755)
        stage = cls(folder, start(folder / "home"))
        stage.service.call("POST", "/v1/pin", {"pin": PIN}, owner=True)
        stage.connect()
        return stage

    def close(self) -> None:
        """Stop the service."""
        self.service.stop()

    @property
    def environ(self) -> dict[str, str]:
        """The environment of whoever types."""
        path = os.pathsep.join((str(self.folder / "bin"), str(BIN), os.environ["PATH"]))
        return self.service.environ | {"HOME": str(self.folder), "PATH": path, "MESHMESH_NO_BROWSER": "1"}

    def type(self, command: str, *, types: tuple[str, ...] = (), more: Mapping[str, str] | None = None) -> Ended:
        """Run a command; where it asks, `types` are the answers on the terminal."""
        filled = self.filled(command)
        environ = self.environ | dict(more or {})
        if types:
            home = environ["HOME"] + "/"
            words = [home + word[2:] if word.startswith("~/") else word for word in shlex.split(filled)[1:]]
            typed = at_terminal(environ, *words, types=types)
            return Ended(typed.code, typed.out, typed.err)
        ran = subprocess.run(
            ["bash", "-c", filled], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, start_new_session=True, check=False,
        )  # fmt: skip
        return Ended(ran.returncode, ran.stdout, ran.stderr)

    @contextmanager
    def begun(self, command: str) -> Generator[subprocess.Popen[str], None, None]:
        """A command that waits for somebody; it is ended with the block."""
        with subprocess.Popen(
            ["bash", "-c", f"exec {self.filled(command)}"], cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def filled(self, command: str) -> str:
        """A command as a reader would type it, with something in place of each word in capitals."""
        filling = {word: self.fill(word) for word in dict.fromkeys(_PLACEHOLDER.findall(command))}
        return _PLACEHOLDER.sub(lambda found: filling[found[1]], command)

    def fill(self, placeholder: str) -> str:
        """What a reader would put in place of a word in capitals."""
        makers: dict[str, Callable[[], str]] = {
            "CODE": self.code, "CLIENT": self.client, "ID": self.plan, "FILE": self.file,
            "PORT": lambda: str(self.service.port),
        }  # fmt: skip
        return makers[placeholder]() if placeholder in makers else _SIMPLE[placeholder]

    def file(self) -> str:
        """The path of a file that is not there yet."""
        self.made += 1
        return str(self.folder / f"file-{self.made}")

    def code(self) -> str:
        """The code of a program that asks to be paired."""
        asked = self.service.call("POST", "/v1/pair", {"client_name": "tool", "wants": [{"mode": "read"}]})
        return str(asked.json()["user_code"])

    def client(self) -> str:
        """The name of a paired program."""
        self.made += 1
        name = f"tool-{self.made}"
        self.service.pair({"connection": "acme", "mode": "read"}, name=name)
        return name

    def plan(self) -> str:
        """The id of a plan that waits."""
        self.made += 1
        token = self.service.pair({"connection": "acme", "mode": "plan"}, name=f"planner-{self.made}")
        request = {"method": "POST", "path": "/services/data/v66.0/sobjects/Account", "body": {"Name": "Alder & Sons"}}
        body = {"connection": "acme", "reason": "A new account", "requests": [request]}
        given = self.service.call("POST", "/v1/plans", body, token=token)
        assert given.status in {200, 201, 202}, given.body
        return cast("str", given.json()["id"])

    def decide(self) -> None:
        """Approve whatever waits: programs that ask to be paired get what they want, and plans run."""
        for asked in self.service.call("GET", "/v1/pairings", owner=True).json()["pairings"]:
            grants = [{"connection": want["connection"], "mode": want["mode"]} for want in asked["wants"]]
            target = f"/v1/pairings/{asked['user_code']}/approve"
            self.service.call("POST", target, {"grants": grants}, owner=True)
        for plan in self.service.call("GET", "/v1/plans?show=open", owner=True).json()["plans"]:
            self.service.call("POST", f"/v1/plans/{plan['id']}/approve", {}, owner=True)

    def reconnect(self) -> None:
        """Sign in to both connections again."""
        for name in ("demo", "acme"):
            begun = self.service.call("POST", f"/v1/connections/{name}/reconnect", {}, owner=True)
            walk(begun.json()["sign_in"]["authorize_url"])

    def connect(self, name: str = "acme") -> None:
        """Connect the demo org under a name."""
        begun = self.service.call("POST", "/v1/connections", {"environment": "demo", "name": name}, owner=True)
        walk(begun.json()["sign_in"]["authorize_url"])

"""Every command of the documents is run, and one that nobody knows is a failure: a README cannot rot unseen.

`ROWS` says how each ends. A row is a command with `*` for any words, and one of:

    runs(...)      it ends with 0, and prints what it should
    refuses(...)   it needs a real org, a person or a screen, and ends with the refusal that the documents promise
    a function     for those that wait for somebody

The first row that fits counts. Python fences are run as they stand, while an owner approves.
"""

import re
import shlex
import signal
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest

from meshmesh.cli.program import root
from support.peer import walk
from support.readme import BIN, ROOT, Stage, Typable, programs_in, typables
from support.service import MESHMESHD

DOCUMENTS = tuple(
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bridge/examples/README.md", "bridge/extension/README.md")
)
TYPABLES = list({one.text: one for path in DOCUMENTS for one in typables(path)}.values())
PROGRAMS = [(path.name, source) for path in DOCUMENTS for source in programs_in(path)]
ONLY_1717 = "Salesforce sends people back to port 1717 only"
PASSPHRASE = "correct horse battery staple"
REFUSE, ALLOW_AGAIN = "meshmesh deny CODE --always", "meshmesh client allow-again PROGRAM"

Row = Callable[[Stage, str], None]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Where the commands are run, one after the other: each leaves it as it was."""
    made = Stage.open(tmp_path_factory.mktemp("readme") / "stage")
    yield made
    made.close()


# --- How a command ends --------------------------------------------------------------------------------------------


def runs(
    out: str = "",
    *,
    err: str = "",
    types: tuple[str, ...] = (),
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    mends: Callable[[Stage], None] | None = None,
    instead: str = "",
) -> Row:
    """It does what it says: ends with 0, and its output holds these expressions.

    Args:
        out: is looked for in stdout.
        err: is looked for in stderr.
        types: the answers to its questions.
        before: commands that come first; the placeholders of all are filled in one by one.
        after: commands that put things back.
        mends: puts back what a command cannot.
        instead: what is typed in its place, `{}` being the command.
    """

    def row(stage: Stage, command: str) -> None:
        for other in before:
            assert stage.type(other).code == 0, other
        ended = stage.type(instead.format(command) or command, types=types)
        assert ended.code == 0, ended
        assert re.search(out, ended.out), ended
        assert re.search(err, ended.err), ended
        for other in after:
            assert stage.type(other).code == 0, other
        if mends is not None:
            mends(stage)

    return row


def refuses(code: int, said: str) -> Row:
    """It is understood, and ends with this exit code and sentence, since something of the real world is missing."""

    def row(stage: Stage, command: str) -> None:
        ended = stage.type(command)
        assert ended.code == code, ended
        assert re.search(said, ended.err), ended
        assert "Usage:" not in ended.err

    return row


def connects_elsewhere(stage: Stage, command: str) -> None:
    """A sign-in at Salesforce: its options are taken, and the port refuses it, which is not the one that Salesforce knows."""
    renamed = re.sub(r"(connect) (acme|uat)\b", r"\1 another", command)
    secret = "echo secret | " if "--client-secret-stdin" in command else ""
    refuses(64, ONLY_1717)(stage, secret + renamed)


def signs_in(stage: Stage, command: str) -> None:
    """It prints the address of a sign-in at the demo org, waits, and says who one has become."""
    with stage.begun(command) as asking:
        assert asking.stdout is not None
        walk(asking.stdout.readline().strip())
        _, err = asking.communicate(timeout=30)
    assert asking.returncode == 0
    assert "You're in" in err


def pairs(stage: Stage, command: str) -> None:
    """It shows a code, waits for the owner, and prints the token."""
    with stage.begun(command) as asking:
        assert asking.stderr is not None
        code = re.search(r"code is ([A-Z]{4}-[A-Z]{4})", asking.stderr.readline())
        assert code is not None
        assert stage.type(f"meshmesh approve {code[1]} --grant acme:read").code == 0
        out, _ = asking.communicate(timeout=30)
    assert asking.returncode == 0
    assert out.startswith("mmp_")


def goes_on(stage: Stage, command: str) -> None:
    """It shows something, and runs until Ctrl-C."""
    with stage.begun(command) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=30)
    assert watching.returncode in {0, 130}


def restores(stage: Stage, command: str) -> None:
    """A backup that was made here is put back here."""
    file = stage.file()
    assert stage.type(f"meshmesh backup {file}", types=(PASSPHRASE, PASSPHRASE)).code == 0
    ended = stage.type(command.replace("FILE", file), types=(PASSPHRASE,))
    assert ended.code == 0, ended


def has_a_key_file(stage: Stage) -> None:
    """No passphrase is needed any more."""
    ended = stage.type("meshmesh key move file", types=(PASSPHRASE,))
    assert ended.code == 0, ended


def is_served(stage: Stage, command: str) -> None:
    """The stage's own service is this program; a second one in the same home says who is there."""
    assert Path(MESHMESHD[0]).name == shlex.split(command)[0]
    refuses(73, "already running here")(stage, command)


def bootstraps(stage: Stage, command: str) -> None:
    """The bootstrap makes an environment and hands over: what it hands over to is run here."""
    words = shlex.split(command)
    assert (ROOT / words[1]).is_file()
    assert words[2:3] in (["quickstart"], ["test"])
    if words[2] == "quickstart":
        runs("Done in", instead=shlex.join(["meshmesh", *words[2:]]))(stage, command)


def names_what_is_there(_stage: Stage, command: str) -> None:
    """The program is among the tools, and every path that it names is in the checkout."""
    words = shlex.split(command)
    writes = {"-o", "--json"}
    assert words[0] in {"uv", "pip", "sf"} or (BIN / Path(words[0]).name).exists()
    for before, word in pairwise(words):
        if before not in writes and ("/" in word or word.endswith((".toml", ".lock"))) and "=" not in word:
            assert (ROOT / word).exists(), word


def installs(_stage: Stage, command: str) -> None:
    """The package is ours, and the extra is one that it has."""
    asked = re.search(r"meshmesh(?:\[([\w,-]+)\])?", command)
    assert asked is not None
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"].get("optional-dependencies", {})
    assert set((asked[1] or "").split(",")) - {""} <= set(extras)


def is_of_salesforce(_stage: Stage, _command: str) -> None:
    """A command of Salesforce's own, which is named beside ours; it is tried where `sf` itself is."""


ROWS: tuple[tuple[str, Row], ...] = (
    ("python3 bridge/bootstrap.py *", bootstraps),
    ("meshmesh * --help", runs("Usage:")),
    ("meshmeshd", is_served),
    ("meshmeshd --restore FILE", is_served),
    ("meshmesh", runs("acme")),
    ("meshmesh quickstart*", runs("Done in")),
    ("meshmesh status", runs(r"acme +demo +connected")),
    ("meshmesh open", runs("^http://localhost:.*#")),
    ("meshmesh open acme", refuses(77, "--scope web")),
    ("meshmesh connections", runs(r"acme +demo +connected")),
    ("meshmesh connections --json", runs('"connections"')),
    ("meshmesh connect demo --demo", refuses(64, "There is a connection 'demo' already.")),
    ("meshmesh connect * --demo", signs_in),
    ("meshmesh connect *--paste*", refuses(64, ONLY_1717)),
    ("meshmesh connect *", connects_elsewhere),
    ("meshmesh reconnect *", signs_in),
    ("meshmesh disconnect *", runs(err="acme is gone: revoked at Salesforce", mends=Stage.connect)),
    ("meshmesh test *", runs("acme +demo +connected")),
    ("meshmesh token *", runs(r"^00D\w+!\S+\n$")),
    ("meshmesh env *", runs("export SF_TARGET_ORG=")),
    ('eval "$(meshmesh env *', runs(instead="{} && test -n $SF_TARGET_ORG")),
    ("meshmesh exec * sf *", runs("^sf data|^sf org")),
    ("meshmesh exec * python script.py", runs(instead="cd bridge/examples && {}")),
    ("meshmesh exec *", runs()),
    ("meshmesh pair *", pairs),
    ("meshmesh requests", runs("CODE", before=("true CODE",))),
    ("meshmesh approve ask-*", refuses(66, "Could not approve ask-")),
    ("meshmesh approve CODE*", runs(err="Approved: acme:|Approved: demo:")),
    ("meshmesh deny CODE --always", runs(err="Denied", after=(ALLOW_AGAIN,))),
    ("meshmesh deny CODE*", runs(err="Denied")),
    ("meshmesh client refusals", runs("ID +SAYS", before=(REFUSE,), after=(ALLOW_AGAIN,))),
    ("meshmesh client allow-again PROGRAM", runs(err="may ask again", before=(REFUSE,))),
    ("meshmesh clients", runs("NAME|No program is paired")),
    ("meshmesh mode CLIENT *", runs(err="may now use")),
    ("meshmesh revoke CLIENT", runs(err="is out")),
    ("meshmesh client list", runs("NAME|No program is paired")),
    ("meshmesh plans*", runs("ID +PROGRAM", before=("true ID",))),
    ("meshmesh plan show ID", runs("^Plan .*planner-")),
    ("meshmesh plan approve ID*", runs(err="1 of 1 done")),
    ("meshmesh plan undo ID", runs(instead="meshmesh plan approve ID && {}", err="Next: meshmesh plan show")),
    ("meshmesh plan reject ID*", runs(err="is rejected")),
    ("meshmesh pin", refuses(64, "typed on a terminal")),
    ("meshmesh activity", runs("ROW +WHEN")),
    ("meshmesh activity --follow", goes_on),
    ("meshmesh activity --verify", runs()),
    ("meshmesh doctor --fix", runs("safe to share")),
    ("meshmesh doctor", runs("safe to share")),
    ("meshmesh doctor *", runs("acme: All is well|demo: All is well")),
    ("meshmesh lend -- *", runs("^sf org login", err="is back")),
    ("meshmesh lend --back", runs(err="is back|is ours|not lent")),
    ("meshmesh lend*", runs(err="is lent until", after=("meshmesh lend --back",))),
    ("meshmesh lock", runs(err="Locked", after=("meshmesh unlock",))),
    ("meshmesh unlock", runs(err="Unlocked", before=("meshmesh lock",))),
    ("meshmesh passphrase", runs(types=(PASSPHRASE, PASSPHRASE), mends=has_a_key_file)),
    ("meshmesh key", runs("file")),
    ("meshmesh key move passphrase", runs(types=(PASSPHRASE, PASSPHRASE), mends=has_a_key_file)),
    ("meshmesh key rotate", runs()),
    ("meshmesh backup *", runs(types=(PASSPHRASE, PASSPHRASE))),
    ("meshmesh restore FILE", restores),
    ("meshmesh import-sf*", runs(err="sf knows no org here")),
    ("meshmesh service install*", runs("ExecStart", instead="{} --dry-run")),
    ("meshmesh service uninstall*", runs(instead="{} --dry-run")),
    ("meshmesh service status", runs("Not installed")),
    ("meshmesh demo expire", runs(err="has ended")),
    ("meshmesh demo revoke", runs(err="is revoked", mends=Stage.reconnect)),
    ("meshmesh demo outage*", runs(err="is out", after=("meshmesh demo reset",))),
    ("meshmesh demo reset", runs(err="as at the first start")),
    ("meshmesh completion *", runs("_MESHMESH_COMPLETE")),
    ('eval "$(meshmesh completion *', runs()),
    ("meshmesh help*", runs("Usage:|What|Variables|Where")),
    ("meshmesh --help", runs("Usage:")),
    ("meshmesh --version", runs(r"meshmesh \d")),
    ("curl localhost:1717*", runs("^MeshMesh", instead="curl -s localhost:PORT")),
    ("python bridge/examples/*", runs(instead="meshmesh exec demo -- {}")),
    ("pip install *", installs),
    ("uv *", names_what_is_there),
    (".venv-test/bin/*", names_what_is_there),
    ("sf *", is_of_salesforce),
)


def row_of(command: str) -> Row | None:
    """The first row that fits."""
    return next((row for pattern, row in ROWS if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), command)), None)


def is_a_name(text: str) -> bool:
    """Whether a span of the prose names a command, and no more: all its words lead down the tree."""
    context = click.Context(root, info_name="meshmesh")
    for word in text.split()[1:]:
        command = context.command.get_command(context, word) if isinstance(context.command, click.Group) else None
        if command is None:
            return False
        context = click.Context(command, parent=context, info_name=word)
    return True


@pytest.mark.parametrize("typable", TYPABLES, ids=str)
def test_a_command_does_what_the_document_says(stage: Stage, typable: Typable) -> None:
    """It is known here, is run, and ends as its row says."""
    row = row_of(typable.text)
    if row is None:
        assert typable.in_prose, f"Nobody runs this; give it a row: {typable}"
        assert is_a_name(typable.text), f"There is no such command, or it needs a row: {typable}"
        return
    row(stage, typable.text)


@pytest.mark.parametrize(("document", "source"), PROGRAMS)
def test_a_python_fence_runs_as_it_stands(stage: Stage, document: str, source: str) -> None:
    """It runs to its end beside an owner who approves what it asks for; one that pairs with nobody is lent `acme`."""
    script = stage.folder / f"{document}.py"
    script.write_text(source)
    lent = "" if "meshmesh.pair(" in source else "meshmesh exec acme -- "
    with stage.begun(f"{lent}python {script}") as running:

        def is_over() -> bool:
            stage.decide()
            return running.poll() is not None

        assert stage.service.eventually(is_over, seconds=40)
        _, err = running.communicate(timeout=30)

    assert running.returncode == 0, err


def test_the_documents_have_commands() -> None:
    """The reading itself works: the first commands that a newcomer types are among what was found."""
    assert {"python3 bridge/bootstrap.py quickstart", "meshmesh status"} <= {one.text for one in TYPABLES}
    assert len(TYPABLES) > 20


def test_an_unknown_command_has_no_row() -> None:
    """What is misspelt or new is noticed: no row is so wide that it takes all."""
    assert row_of("meshmesh conect acme") is None
    assert row_of("rm -rf /") is None
    assert not is_a_name("meshmesh conect")
    assert is_a_name("meshmesh client revoke")

"""Where things are: the folders of platformdirs, computed without importing it."""

import os
from pathlib import Path

import platformdirs
import pytest

from meshmesh import places
from meshmesh.paths import resolve

XDG = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "TMPDIR", "TEMP", "TMP")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any variable that moves folders; gives a private folder for those that a test sets."""
    for name in (*XDG, "MESHMESH_HOME", "MESHMESH_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.mark.filterwarnings("ignore::platformdirs.RuntimeDirWarning")
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_CONFIG_HOME": "/x/config", "XDG_DATA_HOME": "/x/data/", "XDG_STATE_HOME": "/x//state"},
        {"XDG_CONFIG_HOME": "relative", "XDG_DATA_HOME": "", "XDG_STATE_HOME": "~/state"},
        {"XDG_RUNTIME_DIR": "{base}/private"},
        {"XDG_RUNTIME_DIR": "{base}/private/"},
        {"XDG_RUNTIME_DIR": "{base}/missing"},
        {"XDG_RUNTIME_DIR": "{base}/open"},
        {"XDG_RUNTIME_DIR": "{base}/link"},
        {"XDG_RUNTIME_DIR": "relative"},
        {"HOME": "relative"},
    ],
    ids=lambda variables: ",".join(f"{name}={value}" for name, value in variables.items()) or "nothing",
)
def test_the_folders_are_those_of_platformdirs(
    bare: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """For every environment both agree on all four folders."""
    (bare / "private").mkdir(mode=0o700)
    (bare / "open").mkdir(mode=0o755)
    (bare / "link").symlink_to(bare / "private")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(base=bare))

    ours = resolve(os.environ)

    assert ours.config == Path(platformdirs.user_config_dir("meshmesh"))
    assert ours.data == Path(platformdirs.user_data_dir("meshmesh"))
    assert ours.state == Path(platformdirs.user_state_dir("meshmesh"))
    assert ours.runtime == Path(platformdirs.user_runtime_dir("meshmesh"))
    assert ours.socket == ours.runtime / "meshmesh.sock"


def test_a_taken_name_in_the_temporary_folder_is_not_used(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `runtime-UID` in the temporary folder is open to others, ours lies in the state folder."""
    if places.folders({"HOME": "/nowhere"}).runtime.startswith("/run/user/"):
        pytest.skip("this machine has a runtime folder of its own, which comes first")
    monkeypatch.setenv("TMPDIR", str(bare))
    (bare / f"runtime-{os.geteuid()}").mkdir()
    (bare / f"runtime-{os.geteuid()}").chmod(0o777)

    assert resolve(os.environ).runtime == bare / "person/.local/state/meshmesh/run"


def test_a_home_of_its_own_holds_everything(tmp_path: Path) -> None:
    """`MESHMESH_HOME` puts all four folders and the socket under one folder, also when it is relative."""
    found = resolve({"MESHMESH_HOME": str(tmp_path), "XDG_CONFIG_HOME": "/elsewhere"})
    relative = resolve({"MESHMESH_HOME": "here"})

    assert [found.config, found.data, found.state, found.runtime] == [
        tmp_path / name for name in ("config", "data", "state", "runtime")
    ]
    assert found.socket == tmp_path / "runtime/meshmesh.sock"
    assert relative.data == Path.cwd() / "here/data"


def test_the_socket_can_lie_elsewhere(tmp_path: Path) -> None:
    """`MESHMESH_SOCKET` moves the socket alone."""
    found = resolve({"MESHMESH_HOME": str(tmp_path), "MESHMESH_SOCKET": "/elsewhere/door"})

    assert found.socket == Path("/elsewhere/door")
    assert found.runtime == tmp_path / "runtime"

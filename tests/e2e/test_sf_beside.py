"""Salesforce's own command line beside us: its sign-in looks for port 1717, borrows it, and gives it back.

As far as it goes without Salesforce: the person says no. The port is another one here, as `sfdx-project.json` may say.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.desktop import until
from support.service import Service
from support.sf import SF, sf_environment

pytestmark = pytest.mark.skipif(not SF.exists(), reason="bootstrap.py test installs sf")


@dataclass
class Developer:
    """A person with an sf of their own, a project, and a browser that only writes down where it was sent."""

    folder: Path
    service: Service

    def __post_init__(self) -> None:
        project = {
            "packageDirectories": [{"path": "force-app", "default": True}],
            "oauthLocalPort": self.service.port,
            "sourceApiVersion": "64.0",
        }
        (self.folder / "sfdx-project.json").write_text(json.dumps(project))
        (self.folder / "force-app").mkdir()
        (self.folder / "bin").mkdir()
        browser = self.folder / "bin" / "xdg-open"
        browser.write_text(f'#!/bin/sh\necho "$1" >> {self.folder / "opened"}\n')
        browser.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """Their shell's."""
        quiet = sf_environment(self.folder)
        own = self.folder / "bin"
        return {
            **self.service.environ,
            **quiet,
            "PATH": f"{own}:{quiet['PATH']}",
            "BROWSER": str(own / "xdg-open"),
            "SF_WEB_OAUTH_SERVER_TIMEOUT": "60000",
        }

    def sign_in(self, *before: str) -> subprocess.Popen[str]:
        """`sf org login web`, behind another command or alone."""
        return subprocess.Popen(
            [*before, str(SF), "org", "login", "web"],
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def address(self) -> str:
        """Where the browser was sent."""
        opened = self.folder / "opened"
        until(lambda: opened.exists() and opened.read_text(), seconds=60)
        return opened.read_text().split()[0]


@pytest.fixture
def developer(service: Service, tmp_path: Path) -> Developer:
    """A person at this machine."""
    return Developer(tmp_path, service)


def test_its_sign_in_is_noticed_borrows_and_gives_back(developer: Developer) -> None:
    """Alone it gives up and we notice why; behind `meshmesh lend` it gets its redirect, and the port is ours again."""
    service = developer.service
    alone, _ = developer.sign_in().communicate(timeout=90)
    noticed = service.eventually(lambda: "sf wanted to sign in and could not" in service.log)
    lent = developer.sign_in(str(Path(sys.executable).with_name("meshmesh")), "lend", "--")
    asked = parse_qs(urlsplit(developer.address()).query)
    state = asked["state"][0]
    said_no = service.call("GET", f"/OauthRedirect?error=access_denied&error_description=no&state={state}")
    service.call("GET", "/OauthError")
    out, _ = lent.communicate(timeout=90)

    assert "PortInUseError" in alone
    assert noticed
    assert asked["redirect_uri"] == [f"http://localhost:{service.port}/OauthRedirect"]
    assert said_no.status == 303
    assert lent.returncode == 1  # as sf ended
    assert "access_denied" in out
    assert f"Port {service.port} is back." in out
    assert service.call("GET", "/readyz").status == 200

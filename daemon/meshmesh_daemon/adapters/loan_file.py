"""A loan of the port, written down while it lasts: a service that starts again in its middle must not fight for the port."""

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from meshmesh_daemon.core.loans import Loan

_PRIVATE = 0o600


class LoanFile:
    """A file in the private runtime folder.

    Args:
        path: where it is; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Loan | None:
        """The loan that was not seen to its end; None where there is none, or none that can be read."""
        try:
            document: object = json.loads(self._path.read_bytes())
            match document:
                case {"port": int(port), "until": str(until), "borrower": str() | None as borrower}:
                    moment = datetime.fromisoformat(until)
                    return Loan(port=port, until=moment, borrower=borrower) if moment.tzinfo else None
                case _:
                    return None
        except (OSError, ValueError):
            return None

    def write(self, loan: Loan) -> None:
        """Write it down, whole or not at all."""
        body = {"port": loan.port, "until": loan.until.isoformat(), "borrower": loan.borrower}
        partial = self._path.with_suffix(".partial")
        with suppress(FileNotFoundError):
            partial.unlink()
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
            json.dump(body, file)
        partial.replace(self._path)

    def remove(self) -> None:
        """It is over. One that stays, since the disk refuses, is over by its time."""
        with suppress(OSError):
            self._path.unlink()

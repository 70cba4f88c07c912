"""`meshmeshd`, as it is started.

What the imports make stays for good. Python's collector would walk through all of it, again and again: while it is made,
and then for as long as the service runs, 30 ms at a time in which nobody is answered. It begins when the doors are open
(`serve`): until then next to nothing is thrown away, and thousands of connections are read that stay too.

What others' modules read while they are imported, for uses that this service has none of, is not read.
"""

import gc
import mimetypes
import os
from collections.abc import Generator
from contextlib import contextmanager

# While the imports last. SSL_CERT_*: aiohttp reads all that the system trusts into a context that nothing here uses, since
# the one way out makes its own (adapters/salesforce.py); that is a fifth of the start and 2 MiB, and whoever used aiohttp's
# all the same would trust nobody. Of cryptography's ciphers we use AES-GCM, and none that OpenSSL keeps for old files.
_UNREAD = {
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
    "CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1",
}


def main() -> int:
    """The program; see `serve.main`."""
    gc.disable()
    mimetypes.inited = True  # aiohttp would have the system's table read; who guesses by it has it read then
    with _unread():
        from meshmesh_bridge.serve import main as serve  # late: only now

    gc.freeze()
    return serve()


@contextmanager
def _unread() -> Generator[None, None, None]:
    """For as long as the block lasts, the environment keeps others' modules from what nobody here needs."""
    before = {name: os.environ.get(name) for name in _UNREAD}
    os.environ.update(_UNREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value

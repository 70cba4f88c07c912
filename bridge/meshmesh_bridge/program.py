"""`meshmeshd`, as it is started.

What the imports make stays for good. Python's collector would walk through all of it, again and again: while it is made,
and then for as long as the service runs, 30 ms at a time in which nobody is answered. It begins when the doors are open
(`serve`): until then next to nothing is thrown away, and thousands of connections are read that stay too.
"""

import gc
import os
from collections.abc import Generator
from contextlib import contextmanager

_WHERE_TRUST_STANDS = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # as OpenSSL reads them


def main() -> int:
    """The program; see `serve.main`."""
    gc.disable()
    with _nobody_trusted():
        from meshmesh_bridge.serve import main as serve  # late: only now

    gc.freeze()
    return serve()


@contextmanager
def _nobody_trusted() -> Generator[None, None, None]:
    """For as long as the block lasts, OpenSSL finds no certificates.

    aiohttp reads all that the system trusts while it is imported, into a context that nothing here uses: the one way out
    makes its own (adapters/salesforce.py). That would be a fifth of the start and 2 MiB. Whoever used aiohttp's all the
    same would trust nobody.
    """
    before = {name: os.environ.get(name) for name in _WHERE_TRUST_STANDS}
    os.environ.update(dict.fromkeys(_WHERE_TRUST_STANDS, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value

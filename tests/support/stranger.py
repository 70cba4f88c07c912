"""Another user of this machine; no account is needed, but only root can become one."""

import os
from collections.abc import Callable

import pytest

OTHER = 4242


def as_other_user(act: Callable[[], str]) -> str:
    """What an act says when another user does it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # the kernel files a socket under the user who makes it
        os.setgid(OTHER)
        os.setuid(OTHER)
        os.write(write, act().encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 4096).decode()
    os.waitpid(child, 0)
    os.close(read)
    return said

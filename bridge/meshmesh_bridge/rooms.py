"""The second half of the composition root: vault, demo org and use cases, once the doors are bound.

A vault that cannot be opened is no reason to vanish: the doors stay open, the status says what is wrong, and
nothing on disk is touched.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from meshmesh.paths import Paths
from meshmesh_daemon.adapters.salesforce import Salesforce
from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.sign_ins import SignIns
from meshmesh_storage.errors import UnsafePath, VaultError
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.vault import Vault

from meshmesh_bridge.broker import Broker
from meshmesh_bridge.house import House, Rooms, Trouble
from meshmesh_daemon.adapters.demo import DemoPeer, Visitor
from meshmesh_daemon.core.problems import Problem
from meshmesh_storage.records import Environment

log = logging.getLogger("meshmesh")

DEMO_NAME = "demo"

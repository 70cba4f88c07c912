"""Pairing in the shape of RFC 8628: a program asks, a person compares a code and approves.

The program gets its token once.
"""

from aiohttp import web
from meshmesh_daemon.usecases.access import Asking, PairingView, Want, WantedGrant

from meshmesh_bridge.bodies import Fields, read_fields
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.errors import DeviceFlowError
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json, client_shape, moment
from meshmesh_storage.records import Mode

MAX_GRANTS = 64
MAX_LABEL = 80
YEAR = 366 * 24 * 3600

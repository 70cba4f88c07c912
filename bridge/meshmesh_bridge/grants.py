"""The grants that a body names: what a program is to be let do with which connections."""

from meshmesh_bridge.bodies import Fields
from meshmesh_bridge.declared import Body, Flag, Text, Whole, names, one_of
from meshmesh_daemon.usecases.access import WantedGrant
from meshmesh_storage.records import Mode

MAX_GRANTS = 64
YEAR = 366 * 24 * 3600

GRANT: Body = (
    Text("connection", required=True),
    one_of("mode", Mode),
    Flag("raw_token"),
    Whole("expires_in", low=1, high=YEAR),
)


def wanted_grants(fields: Fields) -> list[WantedGrant] | None:
    """The member `grants` of a body, or None where it is absent."""
    grants = fields.objects("grants", names(GRANT), most=MAX_GRANTS)
    return None if grants is None else [_wanted(grant) for grant in grants]


def _wanted(fields: Fields) -> WantedGrant:
    mode = fields.choice("mode", Mode)
    return WantedGrant(
        connection=fields.required_text("connection"),
        mode=mode or Mode.READ,
        raw_token=fields.flag("raw_token"),
        expires_in=fields.integer("expires_in", low=1, high=YEAR),
    )

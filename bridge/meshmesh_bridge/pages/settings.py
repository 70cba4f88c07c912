"""The settings: PIN, notifications, vault, sessions, and what the service says of itself."""

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge import VERSION
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.pages.fragments import fragment, route
from meshmesh_bridge.shapes import moment
from meshmesh_daemon.core.loans import sentence


async def get_settings(request: web.Request) -> web.Response:
    """`GET /dashboard/settings`: what can be set here, and how the service stands."""
    house = house_of(request)
    entrance = house.rooms.entrance
    return fragment(
        request,
        "settings.html",
        pin_set="pin" in entrance.ways,
        notifications=_notifications(house),
        sessions=house.rooms.dashboard.open_sessions,
        key_kept=house.keeping.source if house.keeping else None,
        port_state=sentence(house.lending.view) if house.lending else None,
        service=_service(house),
    )


def _notifications(house: House) -> str:
    if not house.settings.notifications_enabled:
        return "They are switched off in config.toml ([notifications] enabled = false)."
    if "notification" in house.rooms.entrance.ways:
        return "They reach you, with buttons. One comes when a connection needs you, and when something waits for you."
    return "There is nobody on this machine now who draws them with buttons. This page and the command line tell you."


def _service(house: House) -> list[tuple[str, str | None]]:
    port = house.port
    redirect = f"http://localhost:{port}{wire.REDIRECT_PATH}"
    if port != wire.DEFAULT_PORT:
        redirect += f" (Salesforce's own sign-in needs {wire.DEFAULT_PORT}; the demo org works)"
    return [
        ("Version", VERSION),
        ("Process", str(house.pid)),
        ("Started", moment(house.started_at)),
        ("Address", f"http://localhost:{port}/"),
        ("Redirect", redirect),
        ("Socket", house.socket_path),
    ]


ROUTES = (route("/settings", get_settings),)

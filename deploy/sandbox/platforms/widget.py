"""A page of a prefecture's own that embeds a calendar of Doctolib's in a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.json_calendar import desk_page, form_in
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.sites.site import Site

_EMBEDDED: Final = "/prefecture/lille/guichet-994002?pid=practice-994002"  # its slots are opened there


def _add_routes(app: web.Application, site: Site) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        home = f"http://{platform_host('doctolib', 1)}:{request.url.port}"
        return desk_page(site, request, "" if request[MODE].name == "no_frame" else f"{home}{_EMBEDDED}")

    app.router.add_get("/{path:.*}", page)


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "widget",
            "Page d'une préfecture",
            "dans le Nord",
            "Lille",
            platform_host("doctolib", 4),
            (Form(994005, "Duplicata", (Planning(9940051, "Voir le calendrier"),)),),
            played=False,  # its slots are those of the calendar that it embeds
        ),
    ),
    add_routes=_add_routes,
    page=lambda form: f"/rendez-vous/{form.number}",
    form_asked=form_in,
    modes={"no_frame": {}},
    mode_names={"no_frame": "Sans calendrier intégré"},
)

"""Pages that no known software serves: one of the old kind, and one that is empty until its script has run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.platforms.selectors.rendered import Rendered
from deploy.sandbox.platforms.selectors.town import Town
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.sites.site import Site

_PATH: Final = re.compile(r"/(?:rdv|calendrier)/(\d+)")
_RENDERED: Final = Form(
    992095, "Rendez-vous en agence", (Planning(992195, "Titre de séjour"), Planning(992295, "Passeport"))
)


def _add_routes(app: web.Application, site: Site) -> None:
    pages = Rendered if site.about.code == "rendered" else Town
    pages.add_to(app, site)


def _page(form: Form) -> str:
    return f"/{'calendrier' if form == _RENDERED else 'rdv'}/{form.number}"


def _form_asked(request: web.Request) -> int | None:
    found = _PATH.match(request.path)
    return int(found[1]) if found else None


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "selectors",
            "Ville de Sablonnières-sur-Marne",
            "en Seine-et-Marne",
            "Sablonnières",
            platform_host("custom", 1),
            (
                Form(
                    992077,
                    "Rendez-vous à la mairie",
                    (Planning(992177, "Titre de séjour"), Planning(992277, "Carte grise")),
                ),
            ),
        ),
        StandIn(
            "rendered",
            "Agglomération de Champlumineux",
            "dans le Val-d'Oise",
            "Champlumineux",
            platform_host("custom", 20),
            (_RENDERED,),
        ),
    ),
    add_routes=_add_routes,
    page=_page,
    form_asked=_form_asked,
    headers={"Server": "nginx", "Cache-Control": "no-store"},
)

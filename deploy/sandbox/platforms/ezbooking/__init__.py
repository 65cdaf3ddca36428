"""EZBooking, the old booking module of the prefectures' sites: its wizard, its sessions, its calendar.

Written from what several public bots agree on; the wording around the known sentences is ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.platforms.ezbooking.departments import DEPARTMENTS
from deploy.sandbox.platforms.ezbooking.offers import OFFER_MODES
from deploy.sandbox.platforms.ezbooking.wizard import EZBooking

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.stand_in_types import Form

_FORM_IN_PATH: Final = re.compile(r"/booking/create/(\d+)|::assign(?:::|%3A%3A)(\d+)", re.IGNORECASE)


def _page(form: Form) -> str:
    return f"/booking/create/{form.number}"


def _form_asked(request: web.Request) -> int | None:
    found = _FORM_IN_PATH.search(request.path)
    return int(found[1] or found[2]) if found else None


PLATFORM: Final = StandInPlatform(
    sites=DEPARTMENTS,
    add_routes=EZBooking.add_to,
    page=_page,
    form_asked=_form_asked,
    headers={
        "Server": "Apache",
        "X-Powered-By": "eZ Publish",
        "Content-Language": "fr-FR",
        "Cache-Control": "no-cache, must-revalidate",
        "Pragma": "no-cache",
    },
    modes={"calendar_broken": {"status": 500}, "no_calendar": {}, "error_sentence": {}, **OFFER_MODES},
    mode_names={
        "calendar_broken": "Calendrier en panne",
        "no_calendar": "Sans calendrier",
        "error_sentence": "Message d'erreur du module",
        "planning_gone": "Guichet retiré",
        "huge": "Textes démesurés",
    },
)

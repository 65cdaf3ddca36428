"""The form by which a person says what they see of a desk's page, and the words that answer it."""

from datetime import date
from typing import Annotated
from uuid import UUID

from flask import Response
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from pydantic import Field

from api.ground.schemas import Body
from api.models.report import MOST_DAYS, Report, ReportKind
from api.pages.forms import Texts
from api.reports.service import counts_for_something
from configs.world.desk import Desk

_OTHER_DAYS = _l("Écrivez des jours à venir, dans l’année.")
TEXTS: Texts = {
    "account-too-new": _l("Un compte peut dire ce qu’il voit à partir du lendemain de sa création."),
    "reporting-ended": _l("Un opérateur a arrêté vos signalements. Écrivez-nous pour le contester."),
    "desk-not-reported": _l("Cette page ne peut pas être regardée par ce chemin en ce moment."),
    ("days[]", "out_of_range"): _OTHER_DAYS,
    "out_of_range": _OTHER_DAYS,
    ("days[]", "too_long"): _l("Cinq jours au plus."),
}


_IDLE = _l(
    "C’est noté, mais cela ne compte pas : ouvrez la page par notre bouton, puis répondez entre 10 secondes"
    " et 15 minutes après."
)


class LookForm(Body):
    """What a person saw; `alert`: whose page they came from."""

    kind: ReportKind
    days: Annotated[list[date], Field(max_length=MOST_DAYS, default_factory=list)]
    alert: UUID | None = None


def lead_away(desk: Desk) -> Response:
    """Lead to a desk's official page by no page of ours, whose referrer would name us."""
    away = {"Location": desk.url, "Referrer-Policy": "no-referrer"}
    return Response(status=303, headers=away, mimetype="text/plain")


def thank_for(made: Report) -> str:
    """Return what becomes of a report, in the words of a page."""
    if made.kind is ReportKind.SLOTS:
        return str(_("Merci. Ceux qui attendent ici sont prévenus dès qu’une autre personne les voit aussi."))
    is_noted = made.kind is ReportKind.UNSEEN or counts_for_something(made)
    return str(_("Merci, c’est noté.") if is_noted else _IDLE)

"""Texts of the forms that cancel a contract: the ends to choose from, and errors."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from api.declarations.cancellation_dates import list_days
from api.declarations.schemas import PERIOD_END
from api.pages.context import write_date
from api.pages.error_texts import Texts
from configs.ground.clock import clock

_l = lazy_gettext
_WHEN = _l("Choisissez une date d’ici dix jours, ou la fin de la période payée.")
TEXTS: Texts = {
    ("name", "missing"): _l("Écrivez votre nom."),
    ("name", "name"): _l("Écrivez votre nom."),
    ("name", "string_too_long"): _l("Ce nom est trop long."),
    ("reference", "missing"): _l("Écrivez le numéro de la commande."),
    ("reference", "reference"): _l("Écrivez le numéro de la commande."),
    ("reference", "string_too_long"): _l("Ce numéro est trop long."),
    ("wished", "missing"): _WHEN,
    ("wished", "out_of_range"): _WHEN,
    ("wished", "after_period"): _l("La période payée finit avant : choisissez sa fin."),
    ("declaration", "uuid_parsing"): _l("Cette page est incomplète : ouvrez-la de nouveau."),
}


def list_ends() -> list[tuple[str, str]]:
    """Return the ends to choose from, as values and texts; the first one is chosen until another one is.

    It is the longest notice that may be asked for: the end of the period must be the reader's own choice (L.224-25-9
    Code de la consommation).
    """
    *days, last = list_days(clock())
    longest = _("Dix jours : %(day)s", day=write_date(last))
    dated = [(each.isoformat(), write_date(each, "full")) for each in days]
    return [(last.isoformat(), longest), *dated, (PERIOD_END, _("À la fin de la période payée"))]

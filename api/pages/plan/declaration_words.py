"""Words of the pages about withdrawals and cancellations: what is wrong in a form, and why it has no effect."""

from collections.abc import Mapping

from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from api.pages.context import write_beside, write_date
from api.pages.forms import Texts
from api.payments.declarations.cancellation_dates import list_days
from api.payments.declarations.records import Refusal
from api.payments.declarations.schemas import PERIOD_END
from configs.ground.clock import clock

_l = lazy_gettext


def _list_texts(number: str) -> Texts:
    """Return what is wrong with a name, an order's number in the field of this name, and a declaration's id."""
    return {
        ("name", "missing"): _l("Écrivez votre nom."),
        ("name", "name"): _l("Écrivez votre nom."),
        ("name", "string_too_long"): _l("Ce nom est trop long."),
        (number, "missing"): _l("Écrivez le numéro de la commande."),
        (number, "reference"): _l("Écrivez le numéro de la commande."),
        (number, "string_too_long"): _l("Ce numéro est trop long."),
        ("declaration", "uuid_parsing"): _l("Cette page est incomplète : ouvrez-la de nouveau."),
    }


WITHDRAWAL_TEXTS = _list_texts("order")
REFUSALS: Mapping[str, LazyString] = {
    Refusal.PERIOD_OVER: _l("Le délai pour se rétracter de cette commande est passé."),
    Refusal.PERFORMED: _l(
        "L’offre a été utilisée jusqu’à sa fin. Vous aviez demandé qu’elle commence tout de suite, "
        "et reconnu que le droit de rétractation se perd lorsque le service a été entièrement "
        "exécuté."
    ),
    Refusal.CREDITED: _l(
        "Le reste de cette commande a été déduit du prix d’une offre plus grande : rétractez-vous "
        "d’abord de celle-ci."
    ),
    Refusal.MONEY_BACK: _l("Le prix de cette commande vous a déjà été remboursé."),
    Refusal.WITHDRAWN_BEFORE: _l("Vous vous êtes déjà rétracté de cette commande."),
    Refusal.RENEWAL: _l(
        "Un renouvellement n’a pas de droit de rétractation : rétractez-vous de la commande."
    ),
    Refusal.NO_ORDER: _l(
        "Nous n’avons trouvé aucune commande qui ait ce numéro et cette adresse. Votre déclaration reste enregistrée, "
        "et un membre de notre équipe la regarde. Un chiffre faux ? Déclarez-la de nouveau."
    ),
}
_WHEN = _l("Choisissez une date d’ici dix jours, ou la fin de la période payée.")
CANCELLATION_TEXTS: Texts = {
    **_list_texts("reference"),
    ("wished", "missing"): _WHEN,
    ("wished", "out_of_range"): _WHEN,
    ("", "out_of_range"): _WHEN,
    ("", "after_period"): _l("La période payée finit avant : choisissez sa fin."),
}


def list_ends() -> list[tuple[str, str]]:
    """Return the ends to choose from, as values and texts; the first one is chosen until another one is.

    It is the longest notice that may be asked for: the end of the period must be the reader's own choice (L.224-25-9
    Code de la consommation).
    """
    *days, last = list_days(clock())
    longest = write_beside(lambda: _("Dix jours : %(day)s", day=write_date(last)))
    dated = [(each.isoformat(), write_date(each, "full")) for each in days]
    return [(last.isoformat(), longest), *dated, (PERIOD_END, _("À la fin de la période payée"))]

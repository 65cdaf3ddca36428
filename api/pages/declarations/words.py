"""Words of the pages about withdrawals: what is wrong in a form, and why a declaration has no effect."""

from collections.abc import Mapping

from flask_babel import LazyString, lazy_gettext

from api.declarations.records import Refusal
from api.pages.error_texts import Texts

_l = lazy_gettext
TEXTS: Texts = {
    ("name", "missing"): _l("Écrivez votre nom."),
    ("name", "name"): _l("Écrivez votre nom."),
    ("name", "string_too_long"): _l("Ce nom est trop long."),
    ("order", "missing"): _l("Écrivez le numéro de la commande."),
    ("order", "reference"): _l("Écrivez le numéro de la commande."),
    ("order", "string_too_long"): _l("Ce numéro est trop long."),
    ("declaration", "uuid_parsing"): _l("Cette page est incomplète : ouvrez-la de nouveau."),
}
REFUSALS: Mapping[str, LazyString] = {
    Refusal.PERIOD_OVER: _l("Le délai pour se rétracter de cette commande est passé."),
    Refusal.PERFORMED: _l(
        "La formule a été utilisée jusqu’à sa fin. Vous aviez demandé qu’elle commence tout de suite, et reconnu que "
        "le droit de rétractation se perd lorsque le service a été entièrement exécuté."
    ),
    Refusal.CREDITED: _l(
        "Le reste de cette commande a été déduit du prix d’une formule plus grande : rétractez-vous d’abord de "
        "celle-ci."
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

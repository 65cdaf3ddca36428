"""Texts of errors in the forms that cancel a contract."""

from flask_babel import lazy_gettext

from api.pages.error_texts import Texts

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

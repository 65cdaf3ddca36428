"""Texts for people of the errors that models and services name by codes."""

from collections.abc import Mapping
from typing import Any

from flask_babel import LazyString, lazy_gettext

_l = lazy_gettext
Texts = Mapping[tuple[str, str] | str, LazyString]  # by (field, rule), or by the word of a refusal

_RULES: dict[str, LazyString] = {
    "missing": _l("Ce champ est nécessaire."),
    "string_too_short": _l("Il faut au moins %(min_length)s caractères."),
    "too_short": _l("Il faut au moins %(min_length)s caractères."),
    "string_too_long": _l("Il faut au plus %(max_length)s caractères."),
    "too_long": _l("C’est trop long."),
    "email": _l("Cette adresse n’est pas valable. Exemple : camille@exemple.fr"),
    "email_letter": _l(
        "Nos messages n’arrivent pas à une adresse qui a « %(letter)s » avant le @. Vérifiez-la ou donnez-en une"
        " autre."
    ),
    "phone_number": _l("Ce numéro n’est pas valable. Exemple : 06 12 34 56 78"),
    "guessable": _l("Ce mot de passe est facile à deviner : choisissez-en un plus long ou moins courant."),
    "length": _l("Un mot de passe a de 12 à 128 caractères."),
    "out_of_order": _l("Le début doit précéder la fin."),
    "too_far": _l("Cette date est trop éloignée."),
    "date_from_datetime_parsing": _l("Cette date n’est pas valable."),
    "int_parsing": _l("Écrivez un nombre entier."),
    "nul": _l("Un caractère invisible n’est pas permis ici : effacez ce texte, puis écrivez-le de nouveau."),
    "int_type": _l("Écrivez un nombre entier."),
}
_FIELDS: dict[tuple[str, str], LazyString] = {
    ("email", "missing"): _l("Écrivez votre adresse e-mail."),
    ("password", "missing"): _l("Écrivez votre mot de passe."),
    ("code", "missing"): _l("Écrivez le code."),
    ("code", "string_pattern_mismatch"): _l("Ce code n’est pas complet."),
}
_OTHER = _l("Cette valeur n’est pas valable.")
_WORDS: dict[str, LazyString] = {
    "wrong-login": _l("Aucun compte n’a cette adresse et ce mot de passe."),
    "wrong-code": _l("Ce code est faux, ou a déjà servi. Essayez le suivant."),
    "challenge-over": _l("Trop de temps a passé : connectez-vous de nouveau."),
    "wrong-proof": _l("Ce mot de passe ou ce code est faux."),
    "code-needed": _l("Écrivez aussi le code de votre application."),
    "address-taken": _l("Cette adresse appartient à un autre compte."),
    "not-found": _l("Ce que vous cherchez n’existe plus."),
}
_REFUSED = _l("Cette demande n’a pas été acceptée.")


def write_rule(field: str, rule: str, context: Mapping[str, Any], own: Texts) -> str:
    """Return what is wrong with a field."""
    text = own.get((field, rule)) or _FIELDS.get((field, rule)) or _RULES.get(rule) or _OTHER
    values = {name: context.get(name, "") for name in ("min_length", "max_length", "letter")}
    return str(text) % values


def write_problem(word: str, own: Texts) -> str:
    """Return why a service refused a request, by the last part of its problem's type."""
    return str(own.get(word) or _WORDS.get(word) or _REFUSED)

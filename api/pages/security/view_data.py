"""View data of logins, and of the setup of a second factor."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.logins.queries import read_logins
from api.logins.schemas import LoginItem
from api.middleware.auth import current_login_id, current_user_id
from api.models.base import autocommit_session
from api.pages.error_texts import Texts

PASSWORD_TEXTS: Texts = {
    ("password", "missing"): _l("Écrivez un nouveau mot de passe."),
    ("password", "too_long"): _l("Un mot de passe a de 12 à 128 caractères."),
}
SETUP_TEXTS: Texts = {
    "wrong-code": _l("Ce n’est pas le code que l’application montre maintenant : essayez le suivant."),
}
REFUSED_SETUPS = {
    "wrong-setup": _l("Trop de temps a passé : commencez de nouveau."),
    "totp-exists": _l("Le second facteur est déjà en place. Sans codes de secours, demandez-en de nouveaux."),
    "totp-missing": _l("Ce compte n’a pas de second facteur."),
}


@dataclass(frozen=True, slots=True)
class ShownSecurity:
    """What the page shows: the account, and its logins, the one that asks first."""

    account: Account
    logins: list[LoginItem]


def read_security() -> ShownSecurity:
    """Return what the page shows of who is signed in."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        logins = read_logins(s, current_user_id(), current_login_id())
    return ShownSecurity(account, sorted(logins.items, key=lambda each: not each.current))


def group_secret(secret: str) -> str:
    """Return a secret in groups of four letters, as a person copies it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))

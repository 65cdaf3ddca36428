"""Forms that help an owner back into an account, in French: what each does and to whom."""

from uuid import UUID

from flask import url_for

from api.admin.access import audited
from api.admin.users import queries
from api.admin.users.schemas import UserDetails
from api.logins.factor_end import WAITING_TIME
from api.models.user import Role
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.words import REASON_TEXTS
from api.pages.error_texts import Texts

_RETURN_TEXTS: Texts = {
    "no-former-address": "Ce compte n’a pas changé d’adresse dans les sept derniers jours.",
}
_FACTOR_TEXTS: Texts = {
    **REASON_TEXTS,
    "totp-missing": "Ce compte n’a pas de second facteur.",
    "factor-ending": "C’est déjà demandé ; une seconde demande ne raccourcit rien.",
    "asked-today": "C’était déjà demandé depuis moins d’un jour, et quelqu’un a gardé le second facteur.",
    "nobody-told": "Aucun moyen de contact de ce compte ne peut être prévenu : personne ne pourrait s’y opposer.",
    "own-account": "C’est votre propre compte : un autre opérateur le demande.",
    "admins-only": "C’est le compte d’un opérateur : seul un administrateur peut le demander.",
    "factor-not-ending": "Le second facteur a déjà pris fin, ou quelqu’un l’a déjà gardé.",
}


def describe_return_mail(user_id: UUID) -> Confirmation:
    """Return what it does to send the mailbox that an account left its link once more.

    Raises:
        api.errors.ApiError: 404.
    """
    account = _read_account(user_id)
    return Confirmation(
        title="Renvoyer le lien de reprise ?",
        effects=(
            f"{account.former_email or 'L’ancienne adresse'} reçoit le lien qui lui rend le compte.",
            "Tant que personne ne l’ouvre et ne confirme, rien ne change.",
            "Le lien ne sert que sept jours après le changement d’adresse ; un second facteur reste en place.",
        ),
        button="Renvoyer ce lien",
        back=url_for("admin_users.show_user", id=user_id),
        texts=_RETURN_TEXTS,
    )


def describe_factor_end(user_id: UUID) -> Confirmation:
    """Return what it does to have a lost second factor end.

    Raises:
        api.errors.ApiError: 404.
    """
    account = _read_account(user_id)
    operator = ("C’est le compte d’un opérateur.",) if account.role is not Role.USER else ()
    return Confirmation(
        title="Mettre fin au second facteur ?",
        effects=(
            *operator,
            f"Le second facteur de {account.email} prend fin dans {WAITING_TIME.days} jours ; le mot de passe reste.",
            "Tous ses moyens de contact l’apprennent maintenant, et encore à la fin.",
            "Un code, un lien de ces messages ou une connexion ouverte le garde jusque-là.",
        ),
        button="Demander la fin",
        back=url_for("admin_users.show_user", id=user_id),
        version=str(account.factor_ends_at),
        template="admin/confirm_reason.html",
        texts=_FACTOR_TEXTS,
    )


def describe_kept_factor(user_id: UUID) -> Confirmation:
    """Return what it does to take back that a second factor ends.

    Raises:
        api.errors.ApiError: 404.
    """
    account = _read_account(user_id)
    return Confirmation(
        title="Garder le second facteur ?",
        effects=(
            f"Le second facteur de {account.email} reste en place.",
            "Sa fin peut être demandée de nouveau un jour après la dernière demande.",
        ),
        button="Garder le second facteur",
        back=url_for("admin_users.show_user", id=user_id),
        texts=_FACTOR_TEXTS,
    )


def _read_account(user_id: UUID) -> UserDetails:
    with audited("user.view", "user", user_id) as work:
        return queries.read_user(work.session, user_id, full=work.actor.sees_addresses)

"""Forms that help an owner back into an account, in French: what each does and to whom."""

from uuid import UUID

from flask import url_for

from api.admin.access import audited
from api.admin.users import queries
from api.pages.admin.confirmation import Confirmation
from api.pages.error_texts import Texts

_RETURN_TEXTS: Texts = {
    "no-former-address": "Ce compte n’a pas changé d’adresse dans les sept derniers jours.",
}


def describe_return_mail(user_id: UUID) -> Confirmation:
    """Return what it does to send the mailbox that an account left its link once more.

    Raises:
        api.errors.ApiError: 404.
    """
    with audited("user.view", "user", user_id) as work:
        account = queries.read_user(work.session, user_id, full=True)
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

"""The form of a role: what it does to make a user an operator, or to end that, in French."""

from uuid import UUID

from flask import url_for

from api.admin.access import audited
from api.admin.users import queries
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.users.words import ROLES
from api.pages.error_texts import Texts

_TEXTS: Texts = {
    ("role", "missing"): "Choisissez un rôle.",
    "last-admin": "C’est le dernier administrateur : nommez-en d’abord un autre.",
    "address-unconfirmed": "Cette adresse n’est pas confirmée : n’importe qui a pu l’inscrire.",
    "admins-only": "Votre rôle a changé entre-temps : demandez à un autre administrateur.",
}


def describe_role(user_id: UUID) -> Confirmation:
    """Return what it does to give a user another role.

    Raises:
        api.errors.ApiError: 404.
    """
    with audited("user.view", "user", user_id) as work:
        account = queries.read_user(work.session, user_id, full=True)
    return Confirmation(
        title="Changer le rôle ?",
        effects=(
            f"{account.email} est maintenant : {ROLES[account.role]}.",
            "L’assistance voit tous les comptes, leurs adresses abrégées, et n’y change rien.",
            "Un administrateur voit tout et peut tout : rendre de l’argent, arrêter un site, nommer d’autres.",
            "Un opérateur n’entre qu’avec un second facteur. Sans rôle, ces pages n’existent plus pour lui.",
        ),
        button="Changer ce rôle",
        back=url_for("admin_users.show_user", id=user_id),
        subject=account.email,
        version=account.role,
        subject_label="Pour confirmer, recopiez l’adresse",
        template="admin_users/role.html",
        texts=_TEXTS,
        shown={"roles": [(each.value, text) for each, text in ROLES.items()]},
    )

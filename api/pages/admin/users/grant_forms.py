"""Forms of grants: what it does to give a plan, and to end one early, in French."""

from typing import Annotated, Literal
from uuid import UUID

from flask import url_for
from pydantic import Field

from api.admin.access import audited
from api.admin.users import queries
from api.admin.users.schemas import LONGEST_GRANT, NewGrant
from api.middleware.auth import current_identity
from api.pages.admin.confirmation import Confirmation
from api.pages.context import write_moment
from api.pages.error_texts import Texts
from api.schemas import Body
from configs.ground.clock import clock
from configs.world.plan import PlanName, name_plan

_GIFT_TEXTS: Texts = {
    ("plan", "missing"): "Choisissez une formule.",
    ("days", "greater_than_equal"): "Écrivez un nombre de jours, ou rien.",
    ("days", "less_than_equal"): f"Au plus {LONGEST_GRANT} jours.",
    "grants-changed": "Entre-temps, ce compte a reçu ou perdu une formule. Relisez, puis confirmez de nouveau.",
    "grant-too-long": "Cette formule durerait alors cent ans : terminez-en d’abord une.",
}
_END_TEXTS: Texts = {"grant-over": "Cette formule est déjà finie."}


class GrantForm(Body):
    """A plan that is given; without `days` as long as it is sold for. `seen`: the grants as the page showed them."""

    plan: Literal[PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL]
    days: Annotated[int, Field(ge=1, le=LONGEST_GRANT)] | None = None
    seen: Annotated[str, Field(max_length=80)]


def build_grant(wanted: GrantForm) -> NewGrant:
    """Return what the service is asked for."""
    return NewGrant(plan=wanted.plan, days=wanted.days)


def describe_gift(user_id: UUID) -> Confirmation:
    """Return what it does to give a user a plan.

    Raises:
        api.errors.ApiError: 404.
    """
    with audited("user.view", "user", user_id) as work:
        account = queries.read_user(work.session, user_id, full=True)
        seen = queries.describe_grants(work.session, user_id)
    zone = current_identity().time_zone
    held = (
        f"{name_plan(account.plan)} court jusqu’au {write_moment(account.plan_expires_at, zone)}."
        if account.plan_expires_at
        else "Ce compte n’a pas de formule en ce moment."
    )
    return Confirmation(
        title="Donner une formule ?",
        effects=(
            f"{account.email} reçoit la formule choisie, sans rien payer. {held}",
            "Elle commence aussitôt ; si la même court déjà, elle commence à la fin de celle-là.",
            "Les alertes du compte attendent de nouveau, et les créneaux ouverts maintenant sont annoncés.",
        ),
        button="Donner cette formule",
        back=url_for("admin_users.show_user", id=user_id),
        template="admin_users/gift.html",
        texts=_GIFT_TEXTS,
        shown={
            "seen": seen,
            "plans": [(each.value, name_plan(each)) for each in PlanName if each is not PlanName.NONE],
        },
    )


def describe_end(user_id: UUID, grant_id: UUID) -> Confirmation | None:
    """Return what it does to end a grant; None where it is over.

    Raises:
        api.errors.ApiError: 404.
    """
    with audited("user.grants", "user", user_id) as work:
        grant = queries.get_grant(work.session, user_id, grant_id)
    now, zone = clock(), current_identity().time_zone
    if grant.ends_at <= now:
        return None
    name, end = name_plan(grant.plan), write_moment(grant.ends_at, zone)
    what = (
        f"{name} prend fin maintenant, au lieu du {end}."
        if grant.starts_at < now
        else f"{name}, qui n’a pas commencé, est retirée : elle devait aller jusqu’au {end}."
    )
    return Confirmation(
        title=f"Terminer {name} ?",
        effects=(
            what,
            "Les alertes que plus aucune formule ne porte ne préviennent plus.",
            "Rien n’est remboursé : pour rendre de l’argent, passez par le paiement.",
        ),
        button="Terminer cette formule",
        back=url_for("admin_users.show_user", id=user_id),
        subject=name,
        version=str(grant.ends_at),
        subject_label="Pour confirmer, recopiez la formule",
        texts=_END_TEXTS,
    )

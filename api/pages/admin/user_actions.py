"""Actions of operators on an account: give and end grants, and help an owner back into it."""

from uuid import UUID

from flask import url_for

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.desk_orders import Reason
from api.admin.user_changes import (
    LONGEST_GRANT,
    NewGrant,
    Suspension,
    end_factor,
    end_grant,
    give_grant,
    keep_factor,
    resume_user,
    send_return_mail,
    suspend_user,
)
from api.admin.users import UserDetails, describe_grants, get_grant, read_user
from api.auth.factor_end import ASKED, WAITING_TIME
from api.pages.admin.area import REASON, Confirmation, NotNow, add_action
from api.pages.admin.page_data import Field, number_field
from api.pages.admin.users import ONE
from api.pages.admin.words import REASON_TEXTS
from api.pages.area import Access
from api.pages.context import write_moment
from api.pages.forms import Texts
from api.web.auth import current_identity
from configs.ground.clock import clock
from configs.world.plan import PlanName, name_plan

_OVER = "Cette formule est déjà finie."
_GIFT_TEXTS: Texts = {
    ("plan", "missing"): "Choisissez une formule.",
    ("days", "greater_than_equal"): "Écrivez un nombre de jours, ou rien.",
    ("days", "less_than_equal"): f"Au plus {LONGEST_GRANT} jours.",
    "grants-changed": "Entre-temps, ce compte a reçu ou perdu une formule. Relisez, puis confirmez de nouveau.",
    "grant-too-long": "Cette formule durerait alors cent ans : terminez-en d’abord une.",
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


_SUSPENSION_TEXTS: Texts = {
    **REASON_TEXTS,
    "not-a-user": "Seul un compte d’utilisateur peut être suspendu : changez d’abord son rôle.",
    "suspended-already": "Ce compte est déjà suspendu.",
    "not-suspended": "Ce compte n’est plus suspendu.",
}


@add_action(f"{ONE}/suspension", "user.suspend", suspend_user, form=Suspension, access=Access.PROVEN_ADMIN)
def _ask_suspend_user(id: UUID) -> Confirmation:
    account = _read_account(id)
    return Confirmation(
        title="Suspendre ce compte ?",
        effects=(
            "Ses alertes, ses signalements et ses commandes s’arrêtent maintenant.",
            "Ce qu’il a payé prend fin : l’argent des jours restants est rendu, l’abonnement ne renouvelle plus.",
            "Il peut toujours se connecter, lire, télécharger ses factures et ses données, se rétracter, supprimer.",
            "Un message lui dit la raison, et comment s’y opposer.",
            "Son organisation continue pour les autres membres, sans lui."
            + (f" Il est seul responsable de « {account.owned_alone} »." if account.owned_alone else ""),
        ),
        button="Suspendre ce compte",
        done="Ce compte est suspendu.",
        subject=account.email,
        subject_label="Pour confirmer, recopiez l’adresse",
        fields=(
            Field(
                "reason",
                "Raison",
                hint="La personne la lit telle quelle.",
                is_required=True,
                attributes={"maxlength": "300"},
            ),
        ),
        texts=_SUSPENSION_TEXTS,
    )


@add_action(f"{ONE}/suspension/fin", "user.resume", resume_user, access=Access.PROVEN_ADMIN)
def _ask_resume_user(id: UUID) -> Confirmation:
    _read_account(id)
    return Confirmation(
        title="Lever la suspension ?",
        effects=(
            "La personne peut de nouveau commander, signaler et reprendre ses alertes : elle le fait elle-même.",
            "Ce qui a été remboursé le reste. Un message le lui dit.",
        ),
        button="Lever la suspension",
        done="La suspension est levée.",
        back=url_for("admin.show_user", id=id),
        texts=_SUSPENSION_TEXTS,
    )


def _give(work: AuditedWork, id: UUID, wanted: NewGrant) -> str:
    grant = give_grant(work, id, wanted)
    return f"{name_plan(grant.plan)} est donnée, jusqu’au {write_moment(grant.ends_at, current_identity().time_zone)}."


@add_action(f"{ONE}/formule", "grant.give", _give, form=NewGrant, access=Access.PROVEN_ADMIN, kind="user")
def _ask_give_grant(id: UUID) -> Confirmation:
    with audited("user.view", "user", id) as work:
        account = read_user(work.session, id, full=True)
        seen = describe_grants(work.session, id)
    zone = current_identity().time_zone
    held = (
        f"{name_plan(account.plan)} court jusqu’au {write_moment(account.plan_expires_at, zone)}."
        if account.plan_expires_at
        else "Ce compte n’a pas de formule en ce moment."
    )
    hint = "Sans nombre : aussi longtemps qu’elle est vendue, un abonnement pour un mois."
    plans = [(each.value, name_plan(each)) for each in PlanName if each is not PlanName.NONE]
    return Confirmation(
        title="Donner une formule ?",
        effects=(
            f"{account.email} reçoit la formule choisie, sans rien payer. {held}",
            "Elle commence aussitôt ; si la même court déjà, elle commence à la fin de celle-là.",
            "Les alertes du compte attendent de nouveau, et les créneaux ouverts maintenant sont annoncés.",
        ),
        button="Donner cette formule",
        hidden={"seen": seen},
        fields=(
            Field("plan", "Formule", plans, blank="Choisir", is_required=True),
            number_field("days", "Jours", "", hint),
        ),
        texts=_GIFT_TEXTS,
    )


@add_action(f"{ONE}/formules/<uuid:grant>/fin", "grant.end", end_grant, access=Access.PROVEN_ADMIN)
def _ask_end_grant(id: UUID, grant: UUID) -> Confirmation:
    with audited("user.grants", "user", id) as work:
        found = get_grant(work.session, id, grant)
    now, zone = clock(), current_identity().time_zone
    back = url_for("admin.show_user", id=id)
    if found.ends_at <= now:
        raise NotNow(_OVER, back)
    name, end = name_plan(found.plan), write_moment(found.ends_at, zone)
    what = (
        f"{name} prend fin maintenant, au lieu du {end}."
        if found.starts_at < now
        else f"{name}, qui n’a pas commencé, est retirée : elle devait aller jusqu’au {end}."
    )
    return Confirmation(
        title=f"Terminer {name} ?",
        effects=(
            what,
            "Les alertes que plus aucune formule ne porte ne préviennent plus.",
            "Rien n’est remboursé : pour rendre de l’argent, passez par le paiement. Un abonnement ne renouvelle plus.",
        ),
        button="Terminer cette formule",
        done="Cette formule a pris fin.",
        back=back,
        subject=name,
        version=str(found.ends_at),
        subject_label="Pour confirmer, recopiez la formule",
        texts={"grant-over": _OVER},
    )


@add_action(f"{ONE}/lien-de-reprise", "user.return_mail", send_return_mail, access=Access.PROVEN_ADMIN)
def _ask_send_return_mail(id: UUID) -> Confirmation:
    account = _read_account(id)
    return Confirmation(
        title="Renvoyer le lien de reprise ?",
        effects=(
            f"{account.former_email or 'L’ancienne adresse'} reçoit le lien qui lui rend le compte.",
            "Tant que personne ne l’ouvre et ne confirme, rien ne change.",
            "Le lien ne sert que sept jours après le changement d’adresse ; un second facteur reste en place.",
        ),
        button="Renvoyer ce lien",
        done="Le lien est en route vers l’ancienne adresse.",
        texts={"no-former-address": "Ce compte n’a pas changé d’adresse dans les sept derniers jours."},
    )


@add_action(f"{ONE}/second-facteur/fin", ASKED, end_factor, form=Reason, access=Access.PROVEN_OPERATOR)
def _ask_end_factor(id: UUID) -> Confirmation:
    account = _read_account(id)
    operator = ("C’est le compte d’un opérateur.",) if account.role.is_operator else ()
    return Confirmation(
        title="Mettre fin au second facteur ?",
        effects=(
            *operator,
            f"Le second facteur de {account.email} prend fin dans {WAITING_TIME.days} jours ; le mot de passe reste.",
            "Tous ses moyens de contact l’apprennent maintenant, et encore à la fin.",
            "Un code, un lien de ces messages ou une connexion ouverte le garde jusque-là.",
        ),
        button="Demander la fin",
        done=f"Le second facteur prendra fin dans {WAITING_TIME.days} jours ; les messages sont en route.",
        back=url_for("admin.show_user", id=id),
        version=str(account.factor_ends_at),
        fields=(REASON,),
        texts=_FACTOR_TEXTS,
    )


@add_action(f"{ONE}/second-facteur/garder", "user.keep_factor", keep_factor, access=Access.PROVEN_OPERATOR)
def _ask_keep_factor(id: UUID) -> Confirmation:
    account = _read_account(id)
    return Confirmation(
        title="Garder le second facteur ?",
        effects=(
            f"Le second facteur de {account.email} reste en place.",
            "Sa fin peut être demandée de nouveau un jour après la dernière demande.",
        ),
        button="Garder le second facteur",
        done="Le second facteur reste en place.",
        back=url_for("admin.show_user", id=id),
        texts=_FACTOR_TEXTS,
    )


def _read_account(user_id: UUID) -> UserDetails:
    with audited("user.view", "user", user_id) as work:
        return read_user(work.session, user_id, full=work.actor.sees_addresses)

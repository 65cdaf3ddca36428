"""Operators' pages of users: search by address, one account with its grants, and its role."""

from uuid import UUID

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.user_changes import RoleChange, change_role
from api.admin.users import (
    UserDetails,
    UserQuery,
    UserSearch,
    list_grants,
    list_users,
    read_user,
    search_users,
)
from api.ground.paging import PageQuery
from api.models.user import Grant, Role
from api.pages.admin import cells
from api.pages.admin.area import Confirmation, Search, add_action, add_list, area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Facts,
    Field,
    Table,
    build_pager,
    render_page,
)
from api.pages.area import Access
from api.pages.forms import Form
from configs.ground.clock import clock

LIST = "/admin/utilisateurs"
ONE = f"{LIST}/<uuid:id>"
_ROLES: dict[Role, str] = {
    Role.USER: "Utilisateur",
    Role.SUPPORT: "Assistance (consulte)",
    Role.ADMIN: "Administrateur (agit)",
    Role.BENEFICIARY: "Personne aidée (sans compte)",
}
_SOURCES: dict[str, str] = {
    "admin": "donnée par un opérateur",
    "friend": "commande d’un ami",
    "payment": "payée",
    "credit": "temps non surveillé, rendu",
    "revived": "reprise après une rétractation",
    "grace": "en attendant un paiement",
    "organisation": "par son organisation",
}
_RULES = ("missing", "email", "string_too_short")
_WHOLE = "Écrivez une adresse entière, un numéro de téléphone ou celui d’une commande."
PERSON = Search(
    "find_users",
    UserSearch,
    ("users.search", "user"),
    search_users,
    label="Adresse e-mail entière, numéro de téléphone ou de commande",
    hint="Cela n’apparaît dans aucune adresse de page ni aucun journal.",
    texts={("wanted", rule): _WHOLE for rule in _RULES},
)
add_list(
    LIST,
    "list_users",
    title="Utilisateurs",
    query=UserQuery,
    audit=("users.search", "user"),
    read=lambda work, wanted: list_users(work.session, wanted),
    notes_seen=True,
    search=PERSON,
    filters=(Field("role", "Rôle", [(each.value, text) for each, text in _ROLES.items()]),),
    columns=(
        Column(
            "Adresse",
            lambda each: cells.link(cells.own(cells.email(each.email)), "admin.show_user", id=each.id),
            "head",
        ),
        Column("Rôle", lambda each: _ROLES[each.role]),
        Column("Second facteur", "has_second_factor"),
        Column("Inscrit", "created_at"),
    ),
    empty="Aucun compte ne correspond.",
)


@area.page(ONE, Access.OPERATOR)
def show_user(id: UUID) -> str:
    form = Form.read_query(PageQuery)
    with audited("user.view", "user", id) as work:
        account = read_user(work.session, id, full=work.actor.sees_addresses)
        grants = list_grants(work.session, id, form.value)
    none = "Ce compte n’a jamais eu de formule."
    blocks: list[Block] = [
        Facts(_list_facts(account), actions=_list_actions(account), label="Compte"),
        Table("Formules de ce compte", _GRANT_COLUMNS, grants.items, none, "Formules"),
        build_pager(form, "before", grants.next),
    ]
    return render_page("Compte", blocks, crumb=("admin.list_users", "Utilisateurs"))


def _show_grant_end(grant: Grant) -> Cell:
    at = {"id": grant.user_id, "grant": grant.id}
    runs = grant.ends_at > clock()
    return cells.link("Terminer", "admin.ask_end_grant", grant.id, **at) if runs else cells.NOTHING


_GRANT_COLUMNS: tuple[Column[Grant], ...] = (
    Column("Formule", "plan", "head"),
    Column("Du", "starts_at"),
    Column("Au", "ends_at"),
    Column("Origine", lambda each: _SOURCES.get(each.source, each.source)),
    Column("Action", _show_grant_end),
)


def _list_facts(account: UserDetails) -> list[tuple[Cell, object]]:
    verified = (
        cells.badge("confirmée", "good") if account.email_verified else cells.badge("non confirmée", "warn")
    )
    phone = cells.row(cells.own(account.phone), "confirmé" if account.phone_verified else "non confirmé")
    until = cells.row(account.plan, "jusqu’au", account.plan_expires_at)
    ends = account.factor_ends_at and cells.row(": prend fin le", account.factor_ends_at)
    former = cells.row(cells.own(account.former_email), ": elle peut reprendre le compte")
    following = account.next_plan and cells.row(account.next_plan, "dès le", account.next_plan_starts_at)
    flags = {
        "e-mail": account.notify_email,
        "SMS": account.notify_sms,
        "Telegram": account.notify_telegram,
        "navigateur": account.notify_push,
    }
    return [
        ("Adresse", cells.row(cells.own(account.email), verified)),
        ("Nouvelle adresse", account.new_email is not None and cells.own(account.new_email)),
        ("Ancienne adresse", account.former_email is not None and former),
        ("Numéro", phone if account.phone else cells.NOTHING),
        ("Nouveau numéro", account.new_phone is not None and cells.own(account.new_phone)),
        ("Telegram", "relié" if account.telegram_chat_id else cells.NOTHING),
        ("Alertes par", ", ".join(name for name, is_on in flags.items() if is_on) or cells.NOTHING),
        ("Formule", until if account.plan_expires_at else "aucune"),
        ("Formule suivante", following or False),
        ("Formule souhaitée", account.wished_plan or False),
        ("Alertes ouvertes", account.open_alerts),
        ("Rôle", _ROLES[account.role]),
        (
            "Suspendu",
            account.suspended_at is not None and cells.lines(account.suspended_at, account.suspended_because),
        ),
        ("Second facteur", cells.row(account.totp_enabled, ends)),
        ("Temps non surveillé", "remboursé" if account.outage_credit == "refund" else "rendu en temps"),
        ("Langue, fuseau", f"{account.language}, {account.time_zone}"),
        ("Inscrit", account.created_at),
        ("Identifiant", cells.hint(cells.code(account.id))),
    ]


def _list_actions(account: UserDetails) -> list[Cell]:
    at = {"id": account.id}
    actions: list[Cell] = []
    if account.factor_ends_at:
        actions.append(cells.second_button("Garder le second facteur", "admin.ask_keep_factor", **at))
    elif account.totp_enabled:
        actions.append(cells.second_button("Mettre fin au second facteur", "admin.ask_end_factor", **at))
    actions += [
        cells.link("Ses paiements", "admin.list_payments", userId=account.id),
        cells.link("Ses alertes", "admin.list_alerts", userId=account.id),
        cells.link("Ses messages", "admin.list_messages", userId=account.id),
        cells.link("Ses messages échoués", "admin.list_dead_letters", userId=account.id),
        cells.link("Ses signalements", "admin.show_reporter", **at),
        cells.second_button("Donner une formule", "admin.ask_give_grant", **at),
        cells.second_button("Changer le rôle", "admin.ask_change_role", **at),
    ]
    if account.suspended_at:
        actions.append(cells.second_button("Lever la suspension", "admin.ask_resume_user", **at))
    else:
        actions.append(cells.second_button("Suspendre", "admin.ask_suspend_user", **at))
    if account.former_email:
        actions.append(cells.second_button("Renvoyer le lien de reprise", "admin.ask_send_return_mail", **at))
    return actions


def _change_role(work: AuditedWork, id: UUID, wanted: RoleChange) -> str:
    work.changes.update(change_role(work, id, wanted))
    return f"Ce compte est maintenant : {_ROLES[wanted.role]}."


@add_action(f"{ONE}/role", "user.role", _change_role, form=RoleChange, access=Access.PROVEN_ADMIN)
def _ask_change_role(id: UUID) -> Confirmation:
    with audited("user.view", "user", id) as work:
        account = read_user(work.session, id, full=True)
    return Confirmation(
        title="Changer le rôle ?",
        effects=(
            f"{account.email} est maintenant : {_ROLES[account.role]}.",
            "L’assistance voit tous les comptes, leurs adresses abrégées, et n’y change rien.",
            "Un administrateur voit tout et peut tout : rendre de l’argent, arrêter un site, nommer d’autres.",
            "Un opérateur n’entre qu’avec un second facteur. Sans rôle, ces pages n’existent plus pour lui.",
        ),
        button="Changer ce rôle",
        subject=account.email,
        version=account.role,
        subject_label="Pour confirmer, recopiez l’adresse",
        fields=(
            Field(
                "role",
                "Nouveau rôle",
                [(each.value, text) for each, text in _ROLES.items() if each is not Role.BENEFICIARY],
                blank="Choisir",
                is_required=True,
            ),
        ),
        texts={
            ("role", "missing"): "Choisissez un rôle.",
            "no-account": "Une organisation aide cette personne, qui n’a pas de compte.",
            "last-admin": "C’est le dernier administrateur : nommez-en d’abord un autre.",
            "address-unconfirmed": "Cette adresse n’est pas confirmée : n’importe qui a pu l’inscrire.",
            "admins-only": "Votre rôle a changé entre-temps : demandez à un autre administrateur.",
        },
    )

"""Operators' pages of users: search by address, one account with its grants, and changes of grants and role."""

from uuid import UUID

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.users import actions, queries
from api.admin.users.schemas import RoleChange, UserQuery, UserSearch
from api.admin.watch.schemas import Reason
from api.logins.factor_end import WAITING_TIME
from api.middleware.auth import current_identity
from api.pages.admin.confirmation import NoFields, ask_confirmation, carry_out
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.admin.users.grant_forms import GrantForm, build_grant, describe_end, describe_gift
from api.pages.admin.users.recovery_forms import (
    describe_factor_end,
    describe_kept_factor,
    describe_return_mail,
)
from api.pages.admin.users.role_form import describe_role
from api.pages.admin.users.view_data import read_user_view
from api.pages.admin.users.words import GRANT_SOURCES, ROLES, SEARCH_TEXTS
from api.pages.area import Access, Area
from api.pages.context import write_moment
from api.pages.forms import Form
from api.pages.notices import add_notice
from api.paging import PageQuery
from configs.ground.clock import clock
from configs.world.plan import name_plan

area = Area("admin_users", __name__)
_INVALID = 422
_LIST = "admin_users/users.html"


@area.page("/admin/utilisateurs", Access.OPERATOR)
def search_users() -> str:
    """List users, the newest first, by role; its form finds one by address."""
    form = Form.read_query(UserQuery)
    with audited("users.search", "user") as work:
        found = queries.list_users(work.session, form.value, full=work.actor.sees_addresses)
        work.note_seen(each.id for each in found.items)
    return render_template(
        _LIST,
        form=form,
        search=Form(UserSearch),
        users=found.items,
        roles=ROLES,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.action("/admin/utilisateurs/recherche", Access.OPERATOR)
def find_users() -> ResponseReturnValue:
    """Find the user who has an address. It is in the body: logs keep URLs."""
    form = Form.read(UserSearch, SEARCH_TEXTS)
    if form.errors:
        return render_template(_LIST, form=form, search=form, users=[], roles=ROLES), _INVALID
    with audited("users.search", "user") as work:
        found = queries.search_users(work, form.value)
    return render_template(_LIST, form=form, search=form, users=found.items, roles=ROLES, searched=True)


@area.page("/admin/utilisateurs/<uuid:id>", Access.OPERATOR)
def show_user(id: UUID) -> str:  # noqa: A002 -- the name in the address
    """Show one account with its grants."""
    form = Form.read_query(PageQuery)
    with audited("user.view", "user", id) as work:
        view = read_user_view(work, id, form.value)
    return render_template(
        "admin_users/user.html",
        view=view,
        roles=ROLES,
        sources=GRANT_SOURCES,
        now=clock(),
        first=build_first_url(form),
        next=build_next_url(form, before=view.grants.next),
    )


@area.page("/admin/utilisateurs/<uuid:id>/formule", Access.PROVEN_ADMIN)
def ask_grant(id: UUID) -> str:  # noqa: A002
    """Ask once more before a plan is given."""
    return ask_confirmation(describe_gift(id), GrantForm)


@area.action("/admin/utilisateurs/<uuid:id>/formule", Access.PROVEN_ADMIN)
def give_grant(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Give a plan; a form that is sent twice gives it once."""

    def act(wanted: GrantForm) -> str:
        given = actions.give_grant(id, build_grant(wanted), wanted.seen)
        ends = write_moment(given.ends_at, current_identity().time_zone)
        return f"{name_plan(given.plan)} est donnée, jusqu’au {ends}."

    return carry_out(describe_gift(id), GrantForm, act)


@area.page("/admin/utilisateurs/<uuid:id>/formules/<uuid:grant>/fin", Access.PROVEN_ADMIN)
def ask_end(id: UUID, grant: UUID) -> ResponseReturnValue:  # noqa: A002
    """Ask once more before a plan ends early."""
    confirmation = describe_end(id, grant)
    return ask_confirmation(confirmation, NoFields) if confirmation else _say_over(id)


@area.action("/admin/utilisateurs/<uuid:id>/formules/<uuid:grant>/fin", Access.PROVEN_ADMIN)
def end_grant(id: UUID, grant: UUID) -> ResponseReturnValue:  # noqa: A002
    """End a plan now; one that has not begun is removed."""

    def act(_: NoFields) -> str:
        actions.end_grant(id, grant)
        return "Cette formule a pris fin."

    confirmation = describe_end(id, grant)
    return carry_out(confirmation, NoFields, act) if confirmation else _say_over(id)


@area.page("/admin/utilisateurs/<uuid:id>/role", Access.PROVEN_ADMIN)
def ask_role(id: UUID) -> str:  # noqa: A002
    """Ask once more before a user gets another role."""
    return ask_confirmation(describe_role(id), RoleChange)


@area.action("/admin/utilisateurs/<uuid:id>/role", Access.PROVEN_ADMIN)
def change_role(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Give a user another role."""

    def act(wanted: RoleChange) -> str:
        changed = actions.change_role(id, wanted.role)
        return f"Ce compte est maintenant : {ROLES[changed.role]}."

    return carry_out(describe_role(id), RoleChange, act)


@area.page("/admin/utilisateurs/<uuid:id>/lien-de-reprise", Access.PROVEN_ADMIN)
def ask_return_mail(id: UUID) -> str:  # noqa: A002
    """Ask once more before the mailbox that the account left gets its link again."""
    return ask_confirmation(describe_return_mail(id), NoFields)


@area.action("/admin/utilisateurs/<uuid:id>/lien-de-reprise", Access.PROVEN_ADMIN)
def send_return_mail(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Send the mailbox that the account left the link that takes it back."""

    def act(_: NoFields) -> str:
        actions.send_return_mail(id)
        return "Le lien est en route vers l’ancienne adresse."

    return carry_out(describe_return_mail(id), NoFields, act)


@area.page("/admin/utilisateurs/<uuid:id>/second-facteur/fin", Access.PROVEN_OPERATOR)
def ask_factor_end(id: UUID) -> str:  # noqa: A002
    """Ask once more, and why, before a lost second factor ends."""
    return ask_confirmation(describe_factor_end(id), Reason)


@area.action("/admin/utilisateurs/<uuid:id>/second-facteur/fin", Access.PROVEN_OPERATOR)
def end_factor(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Have a lost second factor end after its waiting time; every contact is told."""

    def act(wanted: Reason) -> str:
        actions.end_factor(id, wanted.reason)
        return f"Le second facteur prendra fin dans {WAITING_TIME.days} jours ; les messages sont en route."

    return carry_out(describe_factor_end(id), Reason, act)


@area.page("/admin/utilisateurs/<uuid:id>/second-facteur/garder", Access.PROVEN_OPERATOR)
def ask_kept_factor(id: UUID) -> str:  # noqa: A002
    """Ask once more before it is taken back that a second factor ends."""
    return ask_confirmation(describe_kept_factor(id), NoFields)


@area.action("/admin/utilisateurs/<uuid:id>/second-facteur/garder", Access.PROVEN_OPERATOR)
def keep_factor(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Take back that a second factor ends."""

    def act(_: NoFields) -> str:
        actions.keep_factor(id)
        return "Le second facteur reste en place."

    return carry_out(describe_kept_factor(id), NoFields, act)


def _say_over(user_id: UUID) -> ResponseReturnValue:
    """Lead back: the grant is over."""
    add_notice("problem", "Cette formule est déjà finie.")
    return redirect(url_for("admin_users.show_user", id=user_id), 303)

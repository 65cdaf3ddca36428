"""Changes to users by operators: their role, suspensions, and grants that begin and end."""

from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session, selectinload

import notifier
from api.accounts.queries import find_mailbox, has_confirmed_mailbox
from api.accounts.service import choose_length, report_move
from api.admin.audit import AuditedWork, write_instant
from api.admin.desk_orders import Reason
from api.admin.users import describe_grants, get_user
from api.alerts.plan_limits import pause_excess_alerts, start_plan
from api.alerts.service import record_desk_changes, wake_alerts
from api.alerts.unwatched import record_unwatched
from api.auth import factor_end
from api.ground.errors import ApiError, not_found
from api.ground.messages import write_message
from api.ground.schemas import Body
from api.models.alert import Alert
from api.models.audit import ActorKind
from api.models.base import new_id
from api.models.notification import Notification
from api.models.payment import Payment
from api.models.report import Reporter
from api.models.user import Grant, Role, User
from api.payments.ledger.early_ends import end_all_plans
from api.payments.ledger.subscriptions import request_cancellation
from api.reports.reporters import end_reporting, resume_reporting
from configs.ground.clock import clock
from configs.ground.logs import mask_text
from configs.world.desk import Text
from configs.world.plan import PlanName

SOURCE = "admin"
LONGEST_GRANT = 3650  # days


class RoleChange(Body):
    """`support` reads, `admin` acts, `user` has no access."""

    role: Literal[Role.USER, Role.SUPPORT, Role.ADMIN]


class NewGrant(Body):
    """A plan that is given; without `days` as long as it is sold for, a subscription for a month.

    `seen`: what `describe_grants` returned when the operator decided: a form that is sent twice gives once.
    """

    plan: Literal[PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL]
    days: Annotated[int, Field(ge=1, le=LONGEST_GRANT)] | None = None
    seen: Annotated[str, Field(max_length=80)]


def change_role(work: AuditedWork, user_id: UUID, wish: RoleChange) -> dict[str, Any]:
    """Give a user another role; return what changed.

    Raises:
        ApiError: 404; 403, the actor lost the role meanwhile; 409, it would leave no admin, or the address
            of an operator-to-be is not confirmed: a stranger may have registered it.
    """
    session, role = work.session, wish.role
    admins = _lock_admins(session)
    if work.actor.id not in admins:
        raise ApiError(403, "admins-only", "your role changed meanwhile: ask another admin")
    user = get_user(session, user_id, lock=True)
    if user.role is role:
        return {}
    if admins == {user.id}:
        raise ApiError(409, "last-admin", "this is the last admin: make another one first")
    if user.role is Role.BENEFICIARY:
        raise ApiError(409, "no-account", "an organisation helps this person, who has no account")
    if user.role is Role.USER and not has_confirmed_mailbox(session, user.id):
        detail = (
            "anybody may have registered this address: its owner confirms it first, by the link in the mail"
        )
        raise ApiError(409, "address-unconfirmed", detail)
    changed = {"role": [user.role.value, role.value]}
    user.factor_ends_at = None  # of an operator's account only an admin may ask for that
    user.role = role
    if role is Role.USER:
        _erase_operator_messages(session, user.id)
    return changed


def _erase_operator_messages(session: Session, user_id: UUID) -> None:
    """Erase the texts of messages to operators: they speak of other people's accounts."""
    theirs = (Notification.user_id == user_id, Notification.kind.in_(notifier.list_operator_kinds()))
    session.execute(sa.update(Notification).where(*theirs).values(title=None, text=None))


def send_return_mail(work: AuditedWork, user_id: UUID) -> None:
    """Write the mail about the account's move to the mailbox that it left.

    Raises:
        ApiError: 404; 409, no mailbox may take the account back.
    """
    user = get_user(work.session, user_id, lock=True)
    mailbox = find_mailbox(work.session, user.id)
    if mailbox is None or mailbox.former_address is None:
        raise ApiError(409, "no-former-address", "the account did not move within the last seven days")
    report_move(work.session, mailbox, mailbox.former_address)


def end_factor(work: AuditedWork, user_id: UUID, wish: Reason) -> dict[str, Any]:
    """Have a lost second factor end after its waiting time; return what changed.

    Raises:
        ApiError: 404; 403, the account is another operator's, and only an admin may ask; 409, it is the
            operator's own, or as api.auth.factor_end.request_end.
    """
    user = get_user(work.session, user_id, lock=True)
    if user.id == work.actor.id:
        raise ApiError(409, "own-account", "this is your own account: another operator does this")
    if user.role is not Role.USER and work.actor.kind is not ActorKind.ADMIN:
        raise ApiError(403, "admins-only", "this is an operator's account: ask an admin to do this")
    factor_end.request_end(work.session, user)
    ends_at = write_instant(user.factor_ends_at)
    return {"factorEndsAt": [None, ends_at], "reason": mask_text(wish.reason)}


def keep_factor(work: AuditedWork, user_id: UUID) -> dict[str, Any]:
    """Take back that a second factor ends; return what changed.

    Raises:
        ApiError: 404; 409, it has ended, or was kept already.
    """
    get_user(work.session, user_id)
    ends_at = factor_end.keep_factor(work.session, user_id)
    if ends_at is None:
        raise ApiError(
            409, "factor-not-ending", "the second factor has ended, or somebody has kept it already"
        )
    return {"factorEndsAt": [write_instant(ends_at), None]}


class Suspension(Body):
    """Why an account is suspended, in words that its owner reads."""

    reason: Annotated[Text, Field(max_length=300)]


def suspend_user(work: AuditedWork, user_id: UUID, wish: Suspension) -> dict[str, Any]:
    """Stop a user's alerts, reports and orders, and end what was paid: unused time goes back. The user is told.

    Reading, invoices, withdrawal, export and deletion stay.

    Raises:
        ApiError: 404; 409, it is suspended already, or an operator's or nobody's account.
    """
    session, because, now = work.session, wish.reason, clock()
    user = get_user(session, user_id, lock=True)
    if user.role is not Role.USER:
        raise ApiError(
            409, "not-a-user", "only accounts of users are suspended: change an operator's role first"
        )
    if user.suspended_at:
        raise ApiError(409, "suspended-already", "this account is suspended already")
    record_unwatched(session, user_id, now)
    open_ones = sa.select(Alert).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    for alert in session.scalars(open_ones.options(selectinload(Alert.targets))).all():
        alert.enabled, alert.awaits_watch = False, False
        record_desk_changes(session, alert, "account suspended")
    user.suspended_at, user.suspended_because = now, because
    session.flush()
    back = end_all_plans(session, user_id, now)
    reporter = session.get(Reporter, user_id)
    if reporter is None or reporter.ended_at is None:
        end_reporting(session, user_id, because, is_told=False)
    params = {"reason": because, "refund": back}
    write_message(session, user_id, "account_suspended", params, f"account-suspended:{new_id()}")
    return {"suspendedAt": [None, write_instant(now)], "refund": back}


def resume_user(work: AuditedWork, user_id: UUID) -> dict[str, Any]:
    """Take a suspension back; the user is told, and resumes alerts and orders alone.

    Raises:
        ApiError: 404; 409, it is not suspended.
    """
    user = get_user(work.session, user_id, lock=True)
    if user.suspended_at is None:
        raise ApiError(409, "not-suspended", "this account is not suspended")
    changed = {"suspendedAt": [write_instant(user.suspended_at), None]}
    # Reports that were ended before stay so.
    reporter = work.session.get(Reporter, user_id)
    if reporter and reporter.ended_at and reporter.ended_at >= user.suspended_at:
        resume_reporting(work.session, user_id, is_told=False)
    user.suspended_at = user.suspended_because = None
    params = {"reason": None, "refund": 0}
    write_message(work.session, user_id, "account_suspended", params, f"account-suspended:{new_id()}")
    return changed


def give_grant(work: AuditedWork, user_id: UUID, wish: NewGrant) -> Grant:
    """Give a user a plan.

    Raises:
        ApiError: 404; 409, it would run for a hundred years, or there is a grant since the operator looked.
    """
    user, name = get_user(work.session, user_id, lock=True), PlanName(wish.plan)
    if wish.seen != describe_grants(work.session, user_id):
        raise ApiError(409, "grants-changed", "this user got another grant meanwhile: look at it first")
    grant = start_plan(work.session, user, name, choose_length(name, wish.days), SOURCE)
    begins, ends = write_instant(grant.starts_at), write_instant(grant.ends_at)
    work.changes.update(id=str(grant.id), plan=grant.plan.value, startsAt=begins, endsAt=ends)
    return grant


def end_grant(work: AuditedWork, user_id: UUID, grant_id: UUID) -> dict[str, Any]:
    """End a grant now, or remove one that has not begun; return what changed.

    Alerts that no other grant carries are paused.

    Raises:
        ApiError: 404; 409, it is over already.
    """
    session = work.session
    session.execute(sa.select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    grant = session.get(Grant, grant_id, with_for_update=True)
    if grant is None or grant.user_id != user_id:
        raise not_found("grant")
    now, before = clock(), grant.ends_at
    if before <= now:
        raise ApiError(409, "grant-over", f"this grant ended at {before:%Y-%m-%d %H:%M} UTC")
    if grant.starts_at < now:
        grant.ends_at = now
    else:
        session.delete(grant)
    session.flush()
    payment = session.get(Payment, grant.payment_id) if grant.payment_id else None
    if payment and payment.subscription_id:  # otherwise days of grace begin, and the next month is charged
        request_cancellation(session, payment.subscription_id, now)
    pause_excess_alerts(session, user_id)
    wake_alerts(session, user_id, "plan ended")
    instants = [write_instant(before), write_instant(now)]
    return {"userId": str(user_id), "plan": grant.plan.value, "endsAt": instants}


def _lock_admins(session: Session) -> set[UUID]:
    """Lock the rows of all admins in one order, so that two of them cannot remove each other."""
    rows = sa.select(User.id).where(User.role == Role.ADMIN).order_by(User.id).with_for_update(key_share=True)
    return set(session.scalars(rows))

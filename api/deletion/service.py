"""Deletion of an account, in one transaction: what names the person goes, what the law keeps stays without a name.

Payments, their events, refunds and consent stay for the accounts (docs/privacy.md). So does the audit of operators: its
ids then name nobody.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.deletion.losses import apply_notices, list_losses
from api.errors import ApiError
from api.invoices.issuing import forget_client
from api.models.declaration import Declaration
from api.models.notification import Notification, State
from api.models.payment import Payment, Refund, Subscription
from api.models.support import SupportRequest
from api.models.user import Contact, Role, User
from api.payments.former_customers import keep_customers
from api.payments.grants import keep_use
from api.payments.subscriptions import request_cancellation
from api.payments.watch_credits import give_what_is_owed
from api.payments.withdrawal_rules import note_order_mails
from api.schemas import LostPlan
from configs.ground.clock import clock
from configs.ground.contact_addresses import fold_address


@dataclass(frozen=True, slots=True)
class DeletedAccount:
    """What follows after the commit, and the address by which traces in Redis are found."""

    email: str
    mails: list[UUID] = field(default_factory=list)  # to nudge


def read_losses(session: Session, user_id: UUID) -> list[LostPlan]:
    """Return the plans that a user would lose by deleting the account now."""
    return list_losses(session, user_id, clock())


def delete_account(
    session: Session, user_id: UUID, *, understood: bool, repeated: bool = False
) -> DeletedAccount:
    """Delete an account, cancel its subscription and write the last mail.

    `understood`: the user was told what is lost with a plan that runs. `repeated`: a restore brought the account back,
    whose deletion paid back what was owed.

    Raises:
        api.errors.ApiError: 401, it is deleted already; 409 operator; 409 plan-running, with what is lost.
    """
    user = lock_account(session, user_id)
    if user is None:
        raise ApiError(401, "token-revoked", "this account is deleted")
    now = clock()
    _check(session, user, now, understood=understood)
    back = 0 if repeated else apply_notices(session, user_id, now)
    renewed = _end_subscriptions(session, user_id, now)
    keep_customers(session, user_id, user.stripe_customer_id)
    back += give_what_is_owed(session, user_id)
    keep_use(session, user_id, now)
    note_order_mails(session, user_id)
    forget_client(session, user_id)
    _take_words_from_payments(session, user_id)
    email, language = user.email, user.language
    addresses = _list_addresses(session, user)
    _take_names_from_declarations(session, user_id, addresses)
    _release_mails(session, user_id)
    _delete_letters(session, user_id, addresses)
    session.flush()
    session.execute(sa.delete(User).where(User.id == user_id))
    session.expunge(user)
    params = {"at": now.isoformat(), "renewed": renewed, "refund": back}
    return DeletedAccount(email, _write_last_mail(session, email, language, params))


def lock_account(session: Session, user_id: UUID) -> User | None:
    """Lock a user, after the messages that go along: workers claim messages, then lock their users.

    Raises:
        sqlalchemy.exc.OperationalError: a message was written meanwhile and is being sent. Waiting for its worker, who
            waits for the user, would be a deadlock: try again.
    """
    mine = sa.select(Notification.id).where(Notification.user_id == user_id).order_by(Notification.id)
    session.execute(mine.with_for_update())
    user = session.get(User, user_id, with_for_update=True)
    session.execute(mine.with_for_update(nowait=True))
    return user


def _check(session: Session, user: User, now: datetime, *, understood: bool) -> None:
    if user.role is not Role.USER:
        detail = "an operator's account acts for others: have an admin make it a plain one first"
        raise ApiError(409, "operator", detail)
    lost = list_losses(session, user.id, now)
    if lost and not understood:
        detail = (
            "a plan runs, and `lost` says what ends with it: to get money back, withdraw from the contract or cancel "
            "it first; to delete the account all the same, send `understood: true`"
        )
        raise ApiError(409, "plan-running", detail, lost=lost)


def _end_subscriptions(session: Session, user_id: UUID, now: datetime) -> bool:
    """Have Stripe end the user's subscriptions now; return whether there was one."""
    mine = sa.select(Subscription.id).where(Subscription.user_id == user_id, Subscription.ended_at.is_(None))
    found = session.scalars(mine.order_by(Subscription.id)).all()
    for subscription_id in found:
        request_cancellation(session, subscription_id, now)
    return bool(found)


def _take_words_from_payments(session: Session, user_id: UUID) -> None:
    """Remove what a person waited for, and what operators wrote about the person, from what stays."""
    mine = sa.select(Payment.id).where(Payment.user_id == user_id)
    session.execute(sa.update(Refund).where(Refund.payment_id.in_(mine)).values(note=None))
    ordered = (Payment.user_id == user_id, Payment.alert_wish.is_not(None))
    session.execute(sa.update(Payment).where(*ordered).values(alert_wish=None))


def _take_names_from_declarations(session: Session, user_id: UUID, addresses: set[str]) -> None:
    """Remove names and addresses from withdrawals and cancellations, which stay as the payments do."""
    payments = sa.select(Payment.id).where(Payment.user_id == user_id)
    subscriptions = sa.select(Subscription.id).where(Subscription.user_id == user_id)
    theirs = sa.or_(
        Declaration.user_id == user_id,
        Declaration.payment_id.in_(payments),
        Declaration.subscription_id.in_(subscriptions),
        sa.func.lower(Declaration.email).in_(addresses),
    )
    session.execute(sa.update(Declaration).where(theirs).values(name=None, email=None))


def _release_mails(session: Session, user_id: UUID) -> None:
    """Let the mails that go to an address outlive the account, where they wait: the law owes them."""
    waiting = (Notification.address.is_not(None), Notification.state.in_((State.PENDING, State.SENDING)))
    session.execute(
        sa.update(Notification)
        .where(Notification.user_id == user_id, *waiting)
        .values(user_id=None, title=None, text=None)
    )


def _list_addresses(session: Session, user: User) -> set[str]:
    """Return the user's e-mail addresses, folded: the account's, the one before, and one that waits."""
    contacts = session.scalars(sa.select(Contact).where(Contact.user_id == user.id)).all()
    known = {
        user.email,
        *(
            text
            for each in contacts
            for text in (each.address, each.new_address, each.former_address)
            if text
        ),
    }
    return {fold_address(each) for each in known if "@" in each}


def _delete_letters(session: Session, user_id: UUID, addresses: set[str]) -> None:
    """Delete the user's requests to support, also those sent without signing in, and the mails about them."""
    of_sender = sa.func.lower(SupportRequest.email).in_(addresses)
    session.execute(sa.delete(SupportRequest).where((SupportRequest.user_id == user_id) | of_sender))
    apart = (Notification.user_id.is_(None), sa.func.lower(Notification.address).in_(addresses))
    waits = Notification.state.in_((State.PENDING, State.SENDING))
    is_owed = sa.and_(waits, Notification.params.has_key("declaration"))
    session.execute(sa.delete(Notification).where(*apart, ~is_owed))


def _write_last_mail(session: Session, email: str, language: str, params: dict[str, Any]) -> list[UUID]:
    key = f"account_deleted:{uuid4()}"
    return notifier.notify_address(session, email, "account_deleted", params, key, language=language)

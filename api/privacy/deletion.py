"""Deletion of an account, in one transaction: what names the person goes, what the law keeps stays without a name.

Payments, their events, refunds and consent stay for the accounts (docs/privacy.md). So does the audit of operators: its
ids then name nobody.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.ground.errors import ApiError
from api.ground.messages import write_to_address
from api.ground.schemas import LostPlan
from api.models.declaration import Declaration
from api.models.notification import Notification, State
from api.models.organisation import Member, MemberRole, Organisation
from api.models.payment import Payment, PaymentStatus, Refund, Subscription
from api.models.support import SupportRequest
from api.models.user import Contact, Grant, Role, User
from api.payments.declarations.cancellation_dates import quote_refund
from api.payments.declarations.cancellations import apply_cancellation
from api.payments.gateway.former_customers import keep_customers
from api.payments.invoices.issuing import forget_client
from api.payments.ledger.book import read_balances
from api.payments.ledger.grants import keep_use, measure_use
from api.payments.ledger.subscriptions import request_cancellation, select_open_notices
from api.payments.ledger.watch_credits import give_what_is_owed
from api.payments.ledger.withdrawal_rules import note_order_mails
from configs.ground.addresses import fold_address
from configs.ground.clock import clock
from configs.world.plan import PlanName


def list_losses(session: Session, user_id: UUID) -> list[LostPlan]:
    """Return the plans that run now or later, each with the cents that its time left cost."""
    now = clock()
    running = (
        sa.select(Grant.plan, sa.func.max(Grant.ends_at))
        .where(Grant.user_id == user_id, Grant.ends_at > now)
        .group_by(Grant.plan)
        .order_by(Grant.plan)
    )
    found = session.execute(running).all()
    cents = _price_time_left(session, user_id, now) if found else {}
    back = quote_refunds(session, user_id, now) if found else {}
    ends = (Subscription.ended_at, Subscription.cancel_wanted_at, Subscription.cancel_at)
    mine = sa.select(Subscription.plan).where(Subscription.user_id == user_id)
    renewed = set(session.scalars(mine.where(*(each.is_(None) for each in ends))))
    return [
        LostPlan(
            plan=name,
            ends_at=ends,
            amount=max(cents.get(name, 0) - back.get(name, 0), 0),
            refund=back.get(name, 0),
            currency="eur",
            renews=name in renewed,
        )
        for name, ends in found
    ]


def _price_time_left(session: Session, user_id: UUID, now: datetime) -> dict[PlanName, int]:
    """Return the price of the time left of each plan, rounded down: what a withdrawal gives back is computed there."""
    mine = (Payment.user_id == user_id, Payment.status == PaymentStatus.COMPLETED)
    paid = sa.select(Payment).join(Grant, Grant.payment_id == Payment.id).where(*mine, Grant.ends_at > now)
    cents: dict[PlanName, int] = {}
    for payment in session.scalars(paid.distinct()):
        used, bought = measure_use(session, payment, now)
        left = payment.amount_cents * (bought - used) // bought if bought else 0
        left = min(left, read_balances(session, payment.id).refundable)
        cents[payment.plan] = cents.get(payment.plan, 0) + left
    return cents


def apply_notices(session: Session, user_id: UUID, now: datetime) -> int:
    """Let the notices that announced a refund take effect now; return the cents that go back. The user is locked."""
    back = 0
    for _, notice in _list_notices(session, user_id):
        session.refresh(notice, with_for_update=True)
        if notice.is_open and notice.takes_effect_at:
            notice.takes_effect_at = min(notice.takes_effect_at, now)
            apply_cancellation(session, notice, now)
            back += notice.refund_cents or 0
    session.flush()
    return back


def quote_refunds(session: Session, user_id: UUID, now: datetime) -> dict[PlanName, int]:
    """Return the cents that a deletion now would pay back, by plan."""
    cents: dict[PlanName, int] = {}
    for contract, notice in _list_notices(session, user_id):
        ends = min(notice.takes_effect_at or now, now)
        cents[contract.plan] = cents.get(contract.plan, 0) + quote_refund(session, contract, ends)
    return cents


def _list_notices(session: Session, user_id: UUID) -> Iterator[tuple[Subscription, Declaration]]:
    """Yield each contract of which a notice waits that announced a refund, with the first one."""
    mine = sa.select(Subscription).where(Subscription.user_id == user_id).order_by(Subscription.id)
    for contract in session.scalars(mine).all():
        refunding = select_open_notices(contract.id).where(~Declaration.at_period_end)
        if notice := session.scalars(refunding.limit(1)).one_or_none():
            yield contract, notice


def delete_account(session: Session, user_id: UUID, *, understood: bool, repeated: bool = False) -> str:
    """Delete an account, cancel its subscription and write the last mail.

    Return the address, by which traces in Redis are found.

    `understood`: the user was told what is lost with a plan that runs. `repeated`: a restore brought the account back,
    whose deletion paid back what was owed.

    Raises:
        ApiError: 401, it is deleted already; 409 operator; 409 plan-running, with what is lost.
    """
    user = lock_account(session, user_id)
    if user is None:
        raise ApiError(401, "token-revoked", "this account is deleted")
    now = clock()
    _check(session, user, understood=understood)
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
    is_helped = user.role is Role.BENEFICIARY
    session.flush()
    session.execute(sa.delete(User).where(User.id == user_id))
    session.expunge(user)
    params = {"at": now.isoformat(), "renewed": renewed, "refund": back}
    if not is_helped:  # by an organisation: such a person had no account, and no mailbox stands in users
        key = f"account_deleted:{uuid4()}"
        write_to_address(session, email, "account_deleted", params, key, language=language)
    return email


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


def _check(session: Session, user: User, *, understood: bool) -> None:
    if user.role.is_operator:
        detail = "an operator's account acts for others: have an admin make it a plain one first"
        raise ApiError(409, "operator", detail)
    if (owned := find_owned_alone(session, user.id)) and owned.ends_at is None:
        detail = "your organisation has no other owner: make another member one, or end it, first"
        raise ApiError(409, "last-owner", detail)
    lost = list_losses(session, user.id)
    if lost and not understood:
        detail = (
            "a plan runs, and `lost` says what ends with it: to get money back, withdraw from the contract or cancel "
            "it first; to delete the account all the same, send `understood: true`"
        )
        raise ApiError(409, "plan-running", detail, lost=lost)


def find_owned_alone(session: Session, user_id: UUID) -> Organisation | None:
    """Return the organisation that has no other owner than this user."""
    others = aliased(Member)
    another = sa.exists().where(
        others.organisation_id == Member.organisation_id, others.role == MemberRole.OWNER,
        others.user_id != user_id,
    )  # fmt: skip
    mine = Member.user_id == user_id, Member.role == MemberRole.OWNER
    return session.scalar(sa.select(Organisation).join(Member).where(*mine, ~another))


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
    known = {user.email, *(text for each in contacts for text in each.addresses)}
    return {fold_address(each) for each in known if "@" in each}


def _delete_letters(session: Session, user_id: UUID, addresses: set[str]) -> None:
    """Delete the user's requests to support, also those sent without signing in, and the mails about them."""
    of_sender = sa.func.lower(SupportRequest.email).in_(addresses)
    session.execute(sa.delete(SupportRequest).where((SupportRequest.user_id == user_id) | of_sender))
    apart = (Notification.user_id.is_(None), sa.func.lower(Notification.address).in_(addresses))
    waits = Notification.state.in_((State.PENDING, State.SENDING))
    is_owed = sa.and_(waits, Notification.params.has_key("declaration"))
    session.execute(sa.delete(Notification).where(*apart, ~is_owed))

"""Data of the pages of plans and payments, from the answers of the API's queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from flask_babel import LazyString, lazy_gettext

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.billing.queries import (
    OrderBook,
    list_history,
    list_plans,
    read_order_book,
    read_payment,
    read_subscription,
)
from api.billing.quotes import AFTER_WITHDRAWAL, build_quote
from api.billing.schemas import HistoryPage, PaymentEntry, QuoteAnswer, SubscriptionAnswer
from api.declarations.cancellations import (
    Contract,
    NoticeState,
    read_own_contract,
    read_own_notice,
)
from api.declarations.withdrawals import OrderState, list_open_orders, read_order
from api.errors import ApiError
from api.invoices.contents import InvoiceEntry
from api.invoices.queries import list_payment_invoices
from api.middleware.auth import current_user, current_user_id
from api.models.base import autocommit_session
from api.models.payment import Payment, PaymentStatus, RefundReason, RefundStatus
from api.paging import PageQuery
from api.schemas import PlanAnswer
from configs.world.plan import PlanName

_l = lazy_gettext
_SHOWN = 5  # payments on the page of the plan
_PER_PAGE = 20
STATUSES: Mapping[PaymentStatus, tuple[str, LazyString]] = {  # with the badge's colour
    PaymentStatus.PENDING: ("warn", _l("En attente")),
    PaymentStatus.COMPLETED: ("good", _l("Payé")),
    PaymentStatus.FAILED: ("", _l("Non payé")),
    PaymentStatus.REFUNDED: ("info", _l("Remboursé")),
}
REFUND_REASONS: Mapping[RefundReason, LazyString] = {
    RefundReason.WITHDRAWAL: _l("Rétractation"),
    RefundReason.NOT_WATCHED: _l("Page fermée par la préfecture"),
    RefundReason.OUTAGE: _l("Temps non surveillé"),
    RefundReason.CANCELLED: _l("Jours non utilisés après la résiliation"),
    RefundReason.DUPLICATE: _l("Commande payée deux fois"),
}
REFUND_STATUSES: Mapping[RefundStatus, LazyString] = {
    RefundStatus.PLANNED: _l("demandé"),
    RefundStatus.PENDING: _l("en route"),
    RefundStatus.SUCCEEDED: _l("fait"),
    RefundStatus.FAILED: _l("a échoué"),
}
CREDIT_REASONS: Mapping[str, LazyString] = {
    "upgrade": _l("Reste de la formule précédente, déduit du prix"),
    "outage": _l("Temps non surveillé, rendu"),
    "withdrawal": _l("La formule précédente reprend"),
    "grace": _l("Jours en attendant le paiement"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan that is sold, with what it costs this user now; no quote where it cannot be ordered."""

    plan: PlanAnswer
    quote: QuoteAnswer | None
    is_held: bool
    after_withdrawal: datetime | None = None  # from when on a month can be ordered again


@dataclass(frozen=True, slots=True)
class PlanPage:
    """The page of the plan."""

    account: Account
    subscription: SubscriptionAnswer | None
    notice: NoticeState | None  # of cancellation
    offers: list[Offer]
    history: HistoryPage
    has_paid: bool
    open_orders: list[tuple[Payment, date]]  # that may be withdrawn from


def read_plan_page() -> PlanPage:
    """Return the plan of who is signed in, what could be ordered, and the newest payments."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        subscription = read_subscription(s, current_user_id())
        history = list_history(s, current_user_id(), PageQuery(limit=_SHOWN))
        notice = read_own_notice(s, current_user_id())
        open_orders = list_open_orders(s, current_user_id())
    offers = [_build_offer(each, account) for each in list_plans().items]
    has_paid = any(each.paid_at for each in history.items)
    return PlanPage(account, subscription, notice, offers, history, has_paid, open_orders)


def read_payments(before: UUID | None) -> HistoryPage:
    """Return a page of the payments of who is signed in."""
    with autocommit_session() as s:
        return list_history(s, current_user_id(), PageQuery(before=before, limit=_PER_PAGE))


def read_own_payment(payment_id: UUID) -> tuple[PaymentEntry, OrderBook]:
    """Return a payment of who is signed in, and its book.

    Raises:
        api.errors.ApiError: 404.
    """
    with autocommit_session() as s:
        return read_payment(s, current_user_id(), payment_id), read_order_book(s, payment_id)


def read_order_state(payment_id: UUID) -> OrderState:
    """Return an order of who is signed in, and whether it may be withdrawn from.

    Raises:
        api.errors.ApiError: 404.
    """
    with autocommit_session() as s:
        return read_order(s, payment_id, current_user_id())


def list_own_invoices(payment_id: UUID) -> list[InvoiceEntry]:
    """Return the documents of a payment of who is signed in."""
    with autocommit_session() as s:
        return list_payment_invoices(s, current_user_id(), payment_id)


def find_newest_order(name: PlanName | None) -> PaymentEntry | None:
    """Return the newest order of a plan, or of any, by who is signed in."""
    found = (each for each in read_payments(None).items if not each.renewal)
    return next((each for each in found if name is None or each.plan is name), None)


def read_contract() -> Contract | None:
    """Return the subscription of who is signed in, with the ends to choose from."""
    with autocommit_session() as s:
        return read_own_contract(s, current_user_id())


def _build_offer(each: PlanAnswer, account: Account) -> Offer:
    is_held = account.plan is each.plan
    try:
        with autocommit_session() as s:
            return Offer(each, build_quote(s, current_user(), each.plan), is_held)
    except ApiError as error:
        again = error.available_from if error.word == AFTER_WITHDRAWAL else None
        return Offer(each, None, is_held, again)

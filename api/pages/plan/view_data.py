"""Data of the dashboard and of the pages of plans and payments, from the answers of the API's queries."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask_babel import LazyString, lazy_gettext

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.alerts.open_slots import read_open_desks
from api.alerts.queries import list_closed_alerts, read_alert_page
from api.alerts.schemas import AlertQuery
from api.alerts.service import has_stopped_last
from api.ground.errors import ApiError
from api.ground.paging import PageQuery
from api.ground.schemas import PlanAnswer
from api.models.base import autocommit_session, is_any_of, read_once
from api.models.book import BookKind
from api.models.notification import Match
from api.models.user import Channel, ContactState
from api.pages.alerts.view_data import describe_alert
from api.payments.billing.queries import (
    Movement,
    OrderBook,
    find_newest_order,
    list_history,
    list_plans,
    read_order_book,
    read_outage_balance,
    read_payment,
    read_subscription,
)
from api.payments.billing.quotes import AFTER_WITHDRAWAL, build_quote
from api.payments.billing.referrals import list_friend_plans, read_friends
from api.payments.billing.schemas import HistoryPage, PaymentEntry
from api.payments.declarations.cancellations import read_own_notice
from api.payments.declarations.withdrawals import list_open_orders
from api.users.preferences import read_channel_setup, read_channel_states
from api.web.auth import current_user, current_user_id
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan

_l = lazy_gettext
_USED = _l("Temps utilisé")
_MOVEMENTS: Mapping[BookKind, LazyString] = {
    BookKind.PAID: _l("Payé"),
    BookKind.BILLED: _l("Facturé"),
    BookKind.WAIVED: _l("Corrigé : n’est plus dû"),
    BookKind.UNWATCHED: _l("Temps non surveillé, à rendre"),
    BookKind.ENDED: _USED,
    BookKind.UPGRADED: _USED,
    BookKind.OWED: _l("Remboursement demandé"),
    BookKind.REFUNDED: _l("Remboursé"),
    BookKind.TRANSFERRED: _l("Remboursé par virement"),
    BookKind.RETURNED: _l("Remboursement qui a échoué"),
    BookKind.DISPUTE_OPENED: _l("Contestation ouverte auprès de la banque"),
    BookKind.DISPUTE_WON: _l("Contestation close : le paiement est maintenu"),
    BookKind.DISPUTE_LOST: _l("Contestation close : la banque a rendu l’argent"),
    BookKind.DISPUTE_CLOSED: _l("Contestation close sans suite"),
}
_RECEIVED: Mapping[BookKind, LazyString] = {  # from another payment
    BookKind.UPGRADED: _l("Reste de l’offre précédente, déduit du prix"),
    BookKind.REVIVED: _l("Reste revenu de l’offre suivante"),
    BookKind.BORNE: _l("Temps non surveillé, déduit du prix"),
    BookKind.OWED: _l("Remboursement demandé pour une autre commande"),
}
_PASSED: Mapping[BookKind, LazyString] = {  # to another payment
    BookKind.UPGRADED: _l("Reste passé à une offre plus grande"),
    BookKind.REVIVED: _l("Reste rendu à l’offre précédente"),
    BookKind.BORNE: _l("Temps non surveillé, déduit du prélèvement suivant"),
    BookKind.OWED: _l("Remboursement demandé sur un paiement précédent"),
}
_ENDINGS: Mapping[tuple[BookKind, str], LazyString] = {
    (BookKind.UNWATCHED, "reclaimed"): _l("Temps non surveillé, qui ne sera pas déduit d’un prélèvement"),
    (BookKind.RETURNED, "bank"): _l("Remboursement que la banque a déjà fait"),
}
_MOST_CLOSED = 10  # alerts on the dashboard
_SHOWN = 5  # payments on the page of the plan
_PER_PAGE = 20


def name_movement(found: Movement) -> LazyString:
    """Return what a movement was, seen from its payment."""
    ending = _ENDINGS.get((found.kind, found.ending))
    by_way = _PASSED if found.net > 0 else _RECEIVED if found.net < 0 else _MOVEMENTS
    return ending or by_way.get(found.kind) or _MOVEMENTS[found.kind]


def list_sums(book: OrderBook) -> list[tuple[LazyString, int]]:
    """Return the sums of a book in cents, without those that are empty."""
    held = book.balances
    at_bank = held.disputed + held.lost  # neither used nor left, whatever became of the plan
    sums = [
        (_l("Payé"), book.paid),
        (_l("Déduit du prix"), book.lowered),
        (_l("Offre en cours, pas encore comptée"), -held.unearned - at_bank),
        (_USED, -held.earned - max(at_bank + held.unearned, 0)),
        (_l("À payer"), held.due),
        (_l("Compté dans une autre commande"), book.passed_on),
        (_l("Remboursé"), book.given_back),
        (_l("Contesté, retenu par la banque"), held.disputed),
        (_l("Rendu par la banque après une contestation"), held.lost),
        (_l("Encore dû"), -held.owed),
    ]
    return [(name, cents) for name, cents in sums if cents > 0]


def read_dashboard(query: AlertQuery, ordered: PlanName | None, *, paid: bool) -> dict[str, Any]:
    """Return what the dashboard shows; `paid`: Checkout came back from an order of the plan `ordered`.

    The payment is read first: where it is confirmed, plan and alert are those that it gave.
    """
    user_id = current_user_id()
    with autocommit_session() as s:
        payment = find_newest_order(s, user_id, ordered) if paid else None
        account = read_account(s, user_id)
        subscription = read_subscription(s, user_id)
        balance = read_outage_balance(s, user_id, clock())
        page = read_alert_page(s, user_id, query)
        open_desks = read_open_desks(s, is_any_of(Match.alert_id, [each.id for each in page.items]))
        closed = list_closed_alerts(s, user_id, _MOST_CLOSED) if query.before is None else []
        states = read_channel_states(s, user_id)
        setup = read_channel_setup(s, user_id, plan(account.plan).channels)
        is_served = account.plan is PlanName.NONE or any(alert.is_active for alert in page.items)
        stopped_last = not is_served and has_stopped_last(s, user_id)
    alerts = [describe_alert(each) | {"open": open_desks.get(each.id, [])} for each in page.items]
    return {
        "payment": payment,
        "account": account,
        # That goes on: what its next month costs
        "price": plan(subscription.plan).price_cents if subscription and not subscription.ends_at else None,
        "subscription": subscription,
        "balance": balance,  # what outages gave
        "has_bounced": states.get(Channel.EMAIL) is ContactState.BOUNCED,
        "setup": setup if account.plan is not PlanName.NONE else [],
        # For which channels are tried
        "newest_alert": page.items[0].id if page.items and query.before is None else None,
        "stopped_last": stopped_last,
        "alerts": sorted(alerts, key=lambda each: not each["open"]),
        "closed": [describe_alert(each) for each in closed],
        "next": page.next,
    }


def read_plan_page() -> dict[str, Any]:
    """Return the plan of who is signed in, what could be ordered, and the newest payments."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        subscription = read_subscription(s, current_user_id())
        history = list_history(s, current_user_id(), PageQuery(limit=_SHOWN))
        notice = read_own_notice(s, current_user_id())
        open_orders = list_open_orders(s, current_user_id())
        friends = read_friends(s, current_user_id())
    return {
        "account": account,
        "subscription": subscription,
        "notice": notice,  # of cancellation
        "offers": [_build_offer(each, account) for each in list_plans().items],
        "history": history,
        "has_paid": any(each.paid_at for each in history.items),
        "friends": friends,  # the own link, and what it gave
        "friend_plans": list_friend_plans(),
        "open_orders": open_orders,  # that may be withdrawn from
    }


def read_payments(before: UUID | None) -> HistoryPage:
    """Return a page of the payments of who is signed in."""
    return read_once(list_history, current_user_id(), PageQuery(before=before, limit=_PER_PAGE))


def read_own_payment(payment_id: UUID) -> tuple[PaymentEntry, OrderBook]:
    """Return a payment of who is signed in, and its book.

    Raises:
        ApiError: 404.
    """
    with autocommit_session() as s:
        return read_payment(s, current_user_id(), payment_id), read_order_book(s, payment_id)


def _build_offer(each: PlanAnswer, account: Account) -> dict[str, Any]:
    """Return a plan that is sold, with what it costs this user now; no quote where it cannot be ordered."""
    offer: dict[str, Any] = {"plan": each, "quote": None, "is_held": account.plan is each.plan}
    try:
        offer["quote"] = read_once(build_quote, current_user(), each.plan)
    except ApiError as error:
        # From when on a month can be ordered again
        offer["after_withdrawal"] = error.available_from if error.word == AFTER_WITHDRAWAL else None
    return offer

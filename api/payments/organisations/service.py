"""Money of an organisation as its owners see and change it: terms, use, limit, bills, and paying by card."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from api.alerts.unwatched import PARIS
from api.ground.errors import ApiError, ensure_found, not_found
from api.ground.schemas import Body
from api.models.base import read_once, write_once
from api.models.base import session as open_session
from api.models.invoice import Invoice
from api.models.organisation import Organisation
from api.models.payment import Payment
from api.organisations.callers import Caller, Right, lock_organisation, note_act
from api.organisations.ends import count_watched, place_watched
from api.organisations.schemas import Acceptance
from api.organisations.service import ensure_french_vat, list_versions
from api.payments.billing.queries import OrderBook, read_order_book
from api.payments.billing.service import refuse_away
from api.payments.exchange.checkout_calls import create_bill_session, expire_session, retrieve_session
from api.payments.exchange.objects import OBJECT_TYPES
from api.payments.gateway.errors import StripeAway, StripeRefused
from api.payments.gateway.facts import SessionFacts
from api.payments.invoices.contents import read_vat_terms
from api.payments.ledger.book import read_balances
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.settle import settle_bill, waive_bill
from api.payments.ledger.stripe_ids import SESSION, list_intents
from api.payments.organisations.bills import extend_grant, follow_bills
from api.payments.organisations.use import Use, is_free, measure_tax, price_full_month, read_unbilled
from configs.ground.clock import clock
from configs.world.plan import find_organisation_prices

TERMS = "organisation_terms"  # the folder of the terms for firms


class MoneySettings(Body):
    """How many people may be watched at once, and a text that invoices bear; null is none."""

    most_watched: Annotated[int, Field(ge=1, le=10_000)] | None = None
    purchase_order: Annotated[str, StringConstraints(strip_whitespace=True, max_length=50)] | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What was used in a period, with its documents, the first one first, and its book."""

    payment: Payment
    documents: list[Invoice]
    book: OrderBook


@dataclass(frozen=True, slots=True)
class Money:
    """Money of an organisation now."""

    row: Organisation
    newest_terms: str
    is_free: bool  # an operator's grant runs
    since: datetime  # from when on the use below is
    use: Use
    tax: int
    vat_line: str  # in French, which binds
    watched: int  # people
    full_month: int  # of so many people as may be watched, with tax
    bills: list[Bill]


def read_money(session: Session, caller: Caller) -> Money:
    """Return what was used this month and what was billed.

    Raises:
        ApiError: 403; 404, it pays nothing.
    """
    caller.require(Right.MANAGE)
    row, now = caller.organisation, clock()
    today = now.astimezone(PARIS).date()
    bills = _list_bills(session, row.id)
    if not (bills or row.billed_since or find_organisation_prices(today)):
        raise not_found("bill: organisations pay nothing")
    (since, use), (percent, vat_line) = read_unbilled(session, row, now), read_vat_terms()
    full = price_full_month(row.most_watched or 1, now).net
    return Money(
        row=row, newest_terms=list_versions(TERMS)[0], is_free=is_free(row, now), since=since, use=use,
        tax=measure_tax(use.net, percent), vat_line=vat_line, watched=count_watched(session, row),
        full_month=full + measure_tax(full, percent), bills=bills,
    )  # fmt: skip


def _list_bills(session: Session, organisation_id: UUID) -> list[Bill]:
    mine = sa.select(Payment).where(Payment.organisation_id == organisation_id)
    return [
        Bill(each, _list_documents(session, each.id), read_order_book(session, each.id))
        for each in session.scalars(mine.order_by(Payment.used_from.desc()))
    ]


def _list_documents(session: Session, payment_id: UUID) -> list[Invoice]:
    return list(
        session.scalars(sa.select(Invoice).where(Invoice.payment_id == payment_id).order_by(Invoice.id))
    )


def accept_terms(session: Session, caller: Caller, wish: Acceptance) -> None:
    """Note that an owner accepts the newest terms for firms: what is used after an operator's grant is paid.

    Raises:
        ApiError: 403; 404, it would pay nothing; 409 contract-changed, not-opened, vat-abroad.
    """
    caller.require(Right.MANAGE)
    if wish.version != list_versions(TERMS)[0]:
        raise ApiError(409, "contract-changed", "the terms have changed: read them first")
    row, now = lock_organisation(session, caller), clock()
    if find_organisation_prices(now.astimezone(PARIS).date()) is None:
        raise not_found("bill: organisations pay nothing")
    if row.granted_until is None:
        raise ApiError(409, "not-opened", "an operator opens the organisation first")
    ensure_french_vat(row)
    if row.billed_since is None:
        row.billed_since = row.billed_until = now
        row.free_until = row.granted_until
    row.firm_terms_version, row.firm_terms_accepted_by = wish.version, caller.actor_id
    note_act(session, caller, "organisation.accept", "organisation", row.id, version=wish.version)
    extend_grant(session, row)


def change_money(session: Session, caller: Caller, wish: MoneySettings) -> None:
    """Change the limit of people watched at once, whom a lower one does not drop, and the text of invoices.

    Raises:
        ApiError: 403.
    """
    caller.require(Right.MANAGE)
    row = lock_organisation(session, caller)
    place_watched(session, row)
    row.most_watched, row.purchase_order = wish.most_watched, wish.purchase_order or None
    note_act(session, caller, "organisation.change", "organisation", row.id, most=wish.most_watched)
    extend_grant(session, row)


def find_bill(session: Session, caller: Caller, payment_id: UUID) -> Payment:
    """Return what an organisation used in a period.

    Raises:
        ApiError: 403; 404.
    """
    caller.require(Right.MANAGE)
    mine = (Payment.id == payment_id, Payment.organisation_id == caller.organisation.id)
    return ensure_found(session.scalars(sa.select(Payment).where(*mine)).one_or_none(), "bill")


def find_document(session: Session, caller: Caller, document_id: UUID) -> Invoice:
    """Return a document of the organisation's.

    Raises:
        ApiError: 403; 404.
    """
    row = ensure_found(session.get(Invoice, document_id), "invoice")
    find_bill(session, caller, row.payment_id)
    return row


def pay_by_card(payment_id: UUID) -> str | None:
    """Return the address of the page at Stripe on which a bill is paid; None where it is paid. No transaction is open.

    Raises:
        ApiError: 409 bill-paid, nothing is due; 409 card-refused, as of less than 50 cents; 503 with Retry-After,
            Stripe does not answer.
    """
    sessions = read_once(list_intents, payment_id, SESSION)
    number, cents = read_once(_read_due, payment_id)
    try:
        page = retrieve_session(sessions[-1]) if sessions else None
        if (
            page and page.status == "complete"
        ):  # paid just now, which is news; or before its bank took it back
            _apply(page)
            cents = read_once(read_balances, payment_id).due
            if not cents:
                return None
        if page is None or page.status != "open":
            page = create_bill_session(payment_id, number, cents, len(sessions))
    except StripeAway as error:
        raise refuse_away(error) from error
    except StripeRefused as error:
        raise ApiError(409, "card-refused", f"Stripe refuses it: {error}; pay by transfer") from error
    _apply(page)
    # A transfer came meanwhile
    if page.status == "open" and read_once(read_balances, payment_id).due != cents:
        _apply(expire_session(page.id))
        return None
    return page.url if page.status == "open" else None


def record_received(number: str, cents: int, words: str = "", *, waives: bool = False) -> UUID:
    """Write that a transfer paid so much of what is due of an invoice, or (`waives`) that so much of it is not due.

    `words`: the transfer's, by which it is known again. No page at Stripe can be paid any more. Return its payment.

    Raises:
        StripeAway: no answer.
        ApiError: 404; 409 bill-paid, less is due, or this transfer was written.
    """
    payment_id = read_once(_find_payment, number)
    sessions = read_once(list_intents, payment_id, SESSION)
    for each in sessions[-1:]:
        _apply(expire_session(each))
    with open_session() as s:
        payment = lock_payment(s, payment_id)
        if list_intents(s, payment_id, SESSION) != sessions:
            raise ApiError(409, "bill-paid", "a page to pay it by card was opened just now: try again")
        _receive(s, payment, cents, words, waives=waives)
    if payment.organisation_id:
        follow_bills(payment.organisation_id)
    return payment_id


def _receive(session: Session, payment: Payment, cents: int, words: str, *, waives: bool) -> None:
    due = read_balances(session, payment.id).due
    if not 0 < cents <= due:
        raise ApiError(409, "bill-paid", f"{due} cents of this invoice are due")
    if waives:
        waive_bill(session, payment, cents)
    elif not settle_bill(session, payment, cents, f"transfer:{words or due}", by_transfer=True):
        raise ApiError(409, "bill-paid", "a transfer with these words was written: name its date as well")


def _find_payment(session: Session, number: str) -> UUID:
    mine = sa.select(Payment.id).join(Invoice, Invoice.payment_id == Payment.id)
    found = session.scalar(mine.where(Invoice.number == number.upper(), Payment.due_at.is_not(None)))
    return ensure_found(found, "invoice of an organisation")


def _read_due(session: Session, payment_id: UUID) -> tuple[str, int]:
    due = read_balances(session, payment_id).due
    if due <= 0:
        raise ApiError(409, "bill-paid", "nothing is due")
    return _list_documents(session, payment_id)[0].number, due


def _apply(facts: SessionFacts) -> None:
    write_once(OBJECT_TYPES["checkout_session"].apply, facts)

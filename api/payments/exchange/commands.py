"""Executors of the outbox's commands to Stripe: each calls Stripe while no transaction is open, and may run twice.

Stripe forgets an idempotency key after 24 hours, and repeats for as long an error 500 that it gave for one
(https://docs.stripe.com/api/idempotent_requests). So the object that names our row in its metadata is looked for first.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import structlog

from api.models.base import session, write_once
from api.models.payment import Payment, Refund, RefundStatus, Subscription, WatchCredit
from api.models.stripe_event import CommandKind, StripeCommand
from api.payments.exchange.objects import MOVED, OBJECT_TYPES, RENEWAL
from api.payments.gateway.client import call
from api.payments.gateway.errors import MISSING, NO_INTENT, StripeAway, StripeRefused
from api.payments.gateway.facts import Facts, InvoiceFacts, Metadata, RefundFacts, read_list
from api.payments.gateway.outbox import end_command, put_off, take_attempt
from api.payments.ledger import notices
from api.payments.ledger.grants import move_given_days
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import note_refusal, record_refund
from api.payments.ledger.stripe_ids import (
    CREDIT_KEY,
    PAYMENT_KEY,
    REFUND_KEY,
    find_refund_id,
    find_stripe_id,
    list_intents,
    read_customers,
)
from api.payments.ledger.watch_credits import InvoiceWish, pay_instead, read_invoice_wish
from configs.ground.clock import clock

_CHARGING = timedelta(hours=2)  # before the end of a period, in which Stripe may begin to charge the next one
log = structlog.get_logger(__name__)


def carry_out(kind: CommandKind, subject_id: UUID) -> None:
    """Carry out a command, unless it is done. Repeated, Stripe does it once."""
    command = write_once(take_attempt, kind, subject_id)
    if command is None:
        return
    try:
        _EXECUTORS[kind](command)
    except (StripeAway, StripeRefused) as error:
        log.warning("a command waits for Stripe", kind=kind, row=str(subject_id), because=str(error))
        write_once(put_off, command, error)


def _name_key(command: StripeCommand) -> str:
    """Return the idempotency key: another one after each error that Stripe saved under a key."""
    number = f"-{command.key_number}" if command.key_number else ""
    return f"{command.kind.value}-{command.subject_id}{number}"


def _refund(command: StripeCommand) -> None:
    with session() as s:
        refund = s.get_one(Refund, command.subject_id)
        payment = s.get_one(Payment, refund.payment_id)
        intents = list_intents(s, payment.id)
        if refund.status is not RefundStatus.PLANNED:
            end_command(s, command.kind, command.subject_id)
            return
    try:
        facts = _make_refund(command, refund, intents[-1] if intents else None)
    except StripeRefused as error:
        write_once(note_refusal, command, error)
        return
    with session() as s:
        record_refund(s, lock_payment(s, payment.id), facts, find_refund_id(s, facts.id, facts.metadata))


def _make_refund(command: StripeCommand, refund: Refund, intent: str | None) -> RefundFacts:
    if intent is None:
        raise StripeRefused(NO_INTENT, "Stripe's id of this payment is not known here")
    name = str(refund.id)
    # Stripe may have made it before, also where this is the first attempt since an older state was restored.
    wanted: Any = {"payment_intent": intent, "limit": 100}
    made: list[RefundFacts] = call(lambda c: read_list(c.v1.refunds.list(wanted), RefundFacts))
    if found := next((each for each in made if (each.metadata or {}).get(REFUND_KEY) == name), None):
        return found
    params: Any = {
        "payment_intent": intent,
        "amount": refund.amount_cents,
        "reason": "requested_by_customer",
        "metadata": {REFUND_KEY: name, PAYMENT_KEY: str(refund.payment_id)},
    }
    answer = call(lambda c: c.v1.refunds.create(params, {"idempotency_key": _name_key(command)}))
    return RefundFacts.of(answer)


class _Item(Facts):
    id: str
    invoice: str | None
    metadata: Metadata = None


def _credit(command: StripeCommand) -> None:
    """Lower the next invoice by a credit, or take that back; where no invoice can bear it, it is paid out."""
    with session() as s:
        credit = s.get_one(WatchCredit, command.subject_id)
        wish = read_invoice_wish(s, credit)
        if wish is None:
            end_command(s, command.kind, command.subject_id)
            return
    is_lower = not _take_back(credit, wish) if wish.takes_back else _lower_invoice(command, credit, wish)
    with session() as s:
        if not is_lower:
            pay_instead(s, credit.id)
        end_command(s, command.kind, command.subject_id)


def _lower_invoice(command: StripeCommand, credit: WatchCredit, wish: InvoiceWish) -> bool:
    """Have the next invoice lowered; False where the subscription has ended, or the invoice was given up."""
    if wish.customer is None or wish.subscription is None:
        raise StripeAway("the subscription's id or its customer's is not known yet")
    params: Any = {
        "customer": wish.customer,
        "subscription": wish.subscription,
        "amount": -credit.amount_cents,
        "currency": "eur",
        "description": "Temps sans surveillance",
        "metadata": {CREDIT_KEY: str(credit.id)},
    }
    if item := _find_item(credit.id, wish.customer):
        return not _is_given_up(_read_invoice(item.invoice))
    try:
        call(lambda c: c.v1.invoice_items.create(params, {"idempotency_key": _name_key(command)}))
    except StripeRefused as error:
        log.warning("a credit was refused", credit=str(credit.id), because=error.code)
        return False
    return True


def _take_back(credit: WatchCredit, wish: InvoiceWish) -> bool:
    """Have no invoice lowered by a credit any more; return whether that is so.

    The invoice of a subscription that is over is not collected any more: it is voided. Otherwise an invoice that bears
    the credit decides: paid, the credit was given.
    """
    item = _find_item(credit.id, wish.customer) if wish.customer else None
    if item is None:
        return True
    item_id, invoice = item.id, _read_invoice(item.invoice)
    if _is_given_up(invoice):
        return True
    if invoice and (invoice.status == "paid" or not wish.is_over):
        return False
    if invoice and invoice.status != "draft":
        _void(invoice.id)
    else:
        call(lambda c: c.v1.invoice_items.delete(item_id))
    return True


def _read_invoice(invoice_id: str | None) -> InvoiceFacts | None:
    return InvoiceFacts.of(call(lambda c: c.v1.invoices.retrieve(invoice_id))) if invoice_id else None


def _void(invoice_id: str) -> None:
    call(lambda c: c.v1.invoices.void_invoice(invoice_id))


def _is_given_up(invoice: InvoiceFacts | None) -> bool:
    """Return whether an invoice is given up; an uncollectible one could still be paid, and is voided."""
    if invoice and invoice.status == "uncollectible":
        _void(invoice.id)
    return invoice is not None and invoice.status in ("void", "uncollectible")


def _call_if_there(ask: Callable[[Any], Any]) -> Any:
    """Call Stripe; None where it knows the object no more: it was deleted in the dashboard, with all that it had."""
    try:
        return call(ask)
    except StripeRefused as error:
        if error.code != MISSING:
            raise
        return None


def _find_item(credit_id: UUID, customer: str) -> _Item | None:
    wanted: Any = {"customer": customer, "limit": 100}
    made: list[_Item] = _call_if_there(lambda c: read_list(c.v1.invoice_items.list(wanted), _Item)) or []
    return next((each for each in made if (each.metadata or {}).get(CREDIT_KEY) == str(credit_id)), None)


def _end(command: StripeCommand) -> None:
    """End a subscription as our row says, now where that is over, or let it go on."""
    with session() as s:
        row = s.get_one(Subscription, command.subject_id)
        at, stripe_id = row.cancel_wanted_at, find_stripe_id(s, row, "subscription")
    if at and at <= clock() and stripe_id and not _void_renewals(row, stripe_id):
        at = None  # it was paid meanwhile, and goes on
    elif not row.ended_at:
        _set_end(row.id, stripe_id, at)
    with session() as s:
        row = s.get_one(Subscription, command.subject_id, with_for_update=True)
        if row.ended_at or row.cancel_wanted_at == at:
            end_command(s, command.kind, command.subject_id)
            if row.lapsed_at:
                notices.tell_unpaid_end(s, row)


def _void_renewals(row: Subscription, stripe_id: str) -> bool:
    """Void what a subscription that ends now was still to be charged; False where a lapsed one was paid meanwhile.

    A renewal that is a draft may still be paid, so that a lapsed subscription waits for it.
    """
    kind, wanted = OBJECT_TYPES["invoice"], cast("Any", {"subscription": stripe_id, "limit": 100})
    found: Any = _call_if_there(lambda c: read_list(c.v1.invoices.list(wanted), InvoiceFacts))
    if found is None:
        return True
    renewals: list[InvoiceFacts] = [each for each in found if each.billing_reason == RENEWAL]
    if row.lapsed_at and any(each.status == "draft" and each.auto_advance for each in renewals):
        raise StripeAway("the renewal's invoice is a draft, which may still be paid")
    for each in renewals:
        if each.status in ("open", "uncollectible"):
            _void(each.id)
        elif row.lapsed_at and each.status == "paid" and each.period and each.period.end > clock():
            write_once(kind.apply, kind.fetch(each.id))
    with session() as s:
        return s.get_one(Subscription, row.id).lapsed_at == row.lapsed_at


def _set_end(subscription_id: UUID, stripe_id: str | None, at: datetime | None) -> None:
    if stripe_id is None:
        raise StripeAway("the subscription's id is not known yet")
    is_over = at is not None and at <= clock()
    try:
        if is_over:
            call(lambda c: c.v1.subscriptions.cancel(stripe_id, {"prorate": False, "invoice_now": False}))
        else:
            end: Any = int(at.timestamp()) if at else ""
            wish: Any = {"cancel_at": end, "proration_behavior": "none"}
            call(lambda c: c.v1.subscriptions.update(stripe_id, wish))
    except StripeRefused as error:
        if _has_ended(stripe_id):
            return
        # Otherwise Stripe's clock may be ahead: then it is asked to end it now.
        if is_over or at is None or error.code == MISSING:
            # Told once: it goes on, and would be charged, until Stripe takes the next attempt.
            shall = "end" if at else "go on"
            detail = f"subscription {subscription_id} shall {shall}, and Stripe refuses: {error.code}"
            write_once(notices.tell_admins, "difference", detail, key=f"cancellation:{subscription_id}")
        raise


def _move_charge(command: StripeCommand) -> None:
    """Have a subscription charged next when our row says: until then Stripe counts it as a trial.

    A repeated call would make another invoice of nothing, so what Stripe has is read first.
    """
    with session() as s:
        row = s.get_one(Subscription, command.subject_id)
        at, stripe_id = row.charge_at, find_stripe_id(s, row, "subscription")
    if at and not row.ended_at:
        _charge_at(row.id, stripe_id, at)
    with session() as s:
        if s.get_one(Subscription, command.subject_id, with_for_update=True).charge_at == at:
            end_command(s, command.kind, command.subject_id)


def _charge_at(subscription_id: UUID, stripe_id: str | None, at: datetime) -> None:
    if stripe_id is None:
        raise StripeAway("the subscription's id is not known yet")
    facts = OBJECT_TYPES["subscription"].fetch(stripe_id)
    if facts.ended_at or facts.item is None or facts.item.current_period_end == at:
        return
    if facts.item.current_period_end < clock() + _CHARGING:
        raise StripeAway("the charge that was to move is being made")
    if facts.status != MOVED and facts.item.current_period_end > at:  # it was made: the one after it moves
        length = facts.item.current_period_end - facts.item.current_period_start
        write_once(move_given_days, subscription_id, facts.item.current_period_start, length)
        return
    wish: Any = {"trial_end": int(at.timestamp()), "proration_behavior": "none"}
    try:
        call(lambda c: c.v1.subscriptions.update(stripe_id, wish))
    except StripeRefused as error:
        shall = f"subscription {subscription_id} shall be charged next on {at:%Y-%m-%d}"
        detail, key = f"{shall}, and Stripe refuses: {error.code}", f"charge:{subscription_id}:{at:%Y-%m-%d}"
        write_once(notices.tell_admins, "difference", detail, key=key)
        if at > clock():
            raise


def _has_ended(stripe_id: str) -> bool:
    """Read a subscription whose end is refused: it may have ended without our having heard of it.

    Stripe forgets none: where it knows none, our key is that of another account, and it goes on.
    """
    kind = OBJECT_TYPES["subscription"]
    try:
        facts = kind.fetch(stripe_id)
    except StripeRefused:
        return False
    write_once(kind.apply, facts)
    return facts.ended_at is not None


def _update_customers(command: StripeCommand) -> None:
    """Give a user's customers the account's address; one that was deleted at Stripe has none."""
    with session() as s:
        address, customers = read_customers(s, command.subject_id)
    for each in customers:
        _update_customer(each, address)
    with session() as s:
        if read_customers(s, command.subject_id)[0] == address:
            end_command(s, command.kind, command.subject_id)


def _update_customer(customer: str, address: str) -> None:
    _call_if_there(lambda c: c.v1.customers.update(customer, {"email": address}))


_EXECUTORS: dict[CommandKind, Callable[[StripeCommand], None]] = {
    CommandKind.REFUND: _refund,
    CommandKind.CREDIT: _credit,
    CommandKind.END: _end,
    CommandKind.CUSTOMER: _update_customers,
    CommandKind.CHARGE: _move_charge,
}

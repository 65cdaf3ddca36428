"""Book of payments and withdrawals of a run: the tables beside Stripe's ledger, to the cent."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from configs.world.plan import PlanName, plan
from tests.lab.chaos.accounting import may_be_unheard
from tests.lab.chaos.books import Book
from tests.lab.chaos.inbox import InboxMessage, InboxReader
from tests.lab.chaos.journal import OpeningJournal
from tests.sandbox_controls import StripeControl

RECEIPTS = ("Accusé de réception de votre rétractation", "Your withdrawal was received")  # subjects
DELIVERS = ("payments-worker", "background", "gunicorn")  # mails to buyers, beside the notifier's workers
Ledger = Sequence[Mapping[str, Any]]
_DONE = ("COMPLETED", "REFUNDED")
_ENDED = "canceled"  # Stripe's word
_ABOUT = timedelta(seconds=30)  # in which a worker writes that a mail was taken
_MONTH = 28 * 86_400  # seconds: the shortest that a subscription bills
_PARIS = ZoneInfo("Europe/Paris")
_PAYMENTS = sa.text("""
SELECT p.id::text, p.status, p.amount_cents, p.refunded_cents, p.user_id IS NULL AND p.due_at IS NULL AS is_nobodys,
  p.consented_at IS NOT NULL AS is_order,
  coalesce((SELECT sum(cents) FROM book_lines WHERE payment_id = p.id AND account = 'cash'), 0) AS cash,
  ARRAY(SELECT id FROM stripe_ids WHERE payment_id = p.id AND kind = 'payment_intent') AS intents,
  (SELECT count(*) FROM grants WHERE payment_id = p.id AND source = 'payment') AS grants,
  EXISTS (SELECT FROM payment_events WHERE payment_id = p.id AND kind = 'plan_ended') AS has_ended,
  ARRAY(SELECT id::text FROM notifications WHERE kind = 'order' AND params->>'payment' = p.id::text) AS mails
FROM payments p""")
_WAITING = sa.text("""
SELECT 'refund ' || id FROM refunds WHERE status IN ('planned', 'pending')
UNION ALL SELECT 'end of subscription ' || subject_id FROM stripe_commands WHERE kind = 'end'
UNION ALL SELECT 'event ' || id FROM stripe_events
  WHERE next_attempt_at IS NOT NULL AND flag IS DISTINCT FROM 'unknown_owner'""")
# The order of each withdrawn contract, or every renewal of it.
_WITHDRAWN = sa.text("""
SELECT d.id::text, d.reference, d.made_at, d.applied_at IS NOT NULL AS is_applied, d.refund_cents,
  p.id::text AS payment, p.amount_cents, p.paid_at, p.plan,
  coalesce(o.order_mail_at, (
    SELECT accepted_at FROM notifications WHERE dedupe_key = 'order:' || o.id || '\\:email')) AS informed_at,
  (SELECT min(starts_at) FROM grants WHERE payment_id = p.id AND p.subscription_id IS NULL
   HAVING count(*) = 1 AND bool_and(source = 'payment')) AS began_at,
  (SELECT coalesce(sum(amount_cents), 0) FROM refunds
   WHERE payment_id = p.id AND status <> 'failed' AND reason = 'withdrawal') AS withdrawn,
  (SELECT coalesce(sum(amount_cents), 0) FROM refunds
   WHERE payment_id = p.id AND status <> 'failed' AND reason <> 'withdrawal') AS others,
  (SELECT coalesce(sum(extract(epoch FROM ends_at - starts_at)), 0)::int
   FROM unwatched WHERE payment_id = p.id) AS unwatched,
  (SELECT coalesce(sum(amount_cents), 0) FROM watch_credits
   WHERE payment_id = p.id AND form = 'invoice') AS for_invoice,
  ARRAY(SELECT id FROM stripe_ids WHERE payment_id = p.id AND kind = 'payment_intent') AS intents
FROM declarations d JOIN payments o ON o.id = d.payment_id
JOIN payments p ON p.paid_at IS NOT NULL AND (p.id = o.id OR p.subscription_id = d.subscription_id)
WHERE d.kind = 'withdrawal'""")
# Contracts that a withdrawal or a deletion ended here.
_OVER = sa.text("""
SELECT s.id FROM stripe_ids s JOIN subscriptions c ON c.id = s.subscription_id
WHERE s.kind = 'subscription' AND (c.user_id IS NULL OR EXISTS (
  SELECT FROM declarations d WHERE d.kind = 'withdrawal' AND d.applied_at IS NOT NULL AND d.subscription_id = c.id))""")


def read_payments(
    engine: sa.Engine, inbox: InboxReader, control: StripeControl, journal: OpeningJournal
) -> Book:
    """Hold both sides beside each other; what should be done by now waits."""
    ledger = control.ledger()  # Stripe's side first: what happens in between is news here, and waits
    with engine.connect() as connection:
        ours = connection.execute(_PAYMENTS).all()
        waiting = [f"still waits: {each}" for each in connection.scalars(_WAITING)]
    book = Book(differences=waiting)
    book.counts += Counter(
        {
            "payments": len(ledger),
            "cents paid": sum(each["captured"] for each in ledger),
            "cents refunded": sum(each["refunded"] for each in ledger),
            "grants": sum(each.grants for each in ours),
        }
    )
    owners = {intent: each for each in ours for intent in each.intents}
    for stripe in ledger:
        _compare(book, stripe, owners.get(stripe["payment_intent"]))
    taken = {each["payment_intent"] for each in ledger}
    for each in ours:
        if each.status in _DONE and not taken & set(each.intents):
            book.differences.append(f"{each.id}: {each.status} here, and Stripe took nothing")
        is_kept = (
            each.status == "COMPLETED" and not each.has_ended and each.refunded_cents < each.amount_cents
        )
        if each.is_nobodys and is_kept:
            book.differences.append(
                f"{each.id}: paid without an account, {each.refunded_cents} cents went back"
            )
        _check_order_mails(book, each, inbox, journal)
    named = Counter((each["metadata"] or {}).get("payment") for each in ledger if each["session"])
    book.differences += [f"{name}: paid {n} times" for name, n in named.items() if name and n > 1]
    return book


def _compare(book: Book, stripe: Mapping[str, Any], ours: Any) -> None:
    if ours is None or ours.status not in _DONE:
        book.counts["cents that differ"] += stripe["captured"]
        state = ours.status if ours else "unknown"
        book.differences.append(f"{stripe['payment_intent']}: {stripe['captured']} cents, here it is {state}")
        return
    for what, here, there in (
        ("paid", ours.amount_cents, stripe["captured"]),
        ("refunded", ours.refunded_cents, stripe["refunded"]),
        ("in the book", int(ours.cash), stripe["net"]),
    ):
        book.counts["cents that differ"] += abs(here - there)
        if here != there:
            book.differences.append(f"{ours.id}: {what} {here} cents here, {there} at Stripe")


def _check_order_mails(book: Book, ours: Any, inbox: InboxReader, journal: OpeningJournal) -> None:
    """A paid order has one order mail, which came; one whose money went back before we heard of it may have none."""
    if not ours.is_order:
        return
    mails = [inbox.received(each) for each in ours.mails]
    fewest = 1 if ours.status == "COMPLETED" and not ours.is_nobodys else 0
    if not fewest <= len(mails) <= 1 or not all(mails):
        book.differences.append(f"{ours.id}: {ours.status} with order mails taken at {mails}")
    for taken in mails:
        book.counts["order mails"] += bool(taken)
        _count_copies(book, f"{ours.id}: the order mail", taken, journal)


def _count_copies(book: Book, what: str, taken: Iterable[datetime], journal: OpeningJournal) -> None:
    """Each copy of a mail but the last needs a reason why its yes was not heard."""
    for at in sorted(taken)[:-1]:
        if may_be_unheard(at, "email", journal, DELIVERS):
            book.counts["mails to buyers doubled, allowed"] += 1
        else:
            book.differences.append(f"{what} came twice, first at {at:%H:%M:%S}")


def read_withdrawals(
    engine: sa.Engine, control: StripeControl, answered: Iterable[str], mails: Sequence[InboxMessage],
    journal: OpeningJournal,
) -> Book:  # fmt: skip
    """Hold declarations beside what their authors were told and paid. `answered`: those that the API promised."""
    disputed = {
        each["payment_intent"] for each in control.objects("dispute")
    }  # a bank has taken it, or held it
    went_back = {each["payment_intent"]: int(each["refunded"]) for each in control.ledger()}
    contracts = {each["id"]: each["status"] for each in control.objects("subscription")}
    by_id: dict[str, list[Any]] = defaultdict(list)
    with engine.connect() as connection:
        for row in connection.execute(_WITHDRAWN):
            by_id[row.id].append(row)
        over = sorted(set(connection.scalars(_OVER)))
    book = Book()
    book.differences += [f"withdrawal {each}: answered, and lost" for each in set(answered) - by_id.keys()]
    book.differences += [
        f"contract {each}: over here, {contracts[each]} at Stripe"
        for each in over
        if contracts.get(each, _ENDED) != _ENDED
    ]
    receipts = [each for each in mails if each.subject.startswith(RECEIPTS)]
    for rows in by_id.values():
        mine = [mail for mail in receipts if (rows[0].reference or "") in mail.text]
        _check_receipts(book, rows[0], mine, journal)
        if rows[0].is_applied:
            book.counts["withdrawals"] += 1
            book.counts["cents withdrawn"] += rows[0].refund_cents or 0
            if not any(disputed & set(each.intents) for each in rows):
                _check_money(book, rows, went_back)
    return book


def _check_receipts(book: Book, row: Any, mails: Sequence[InboxMessage], journal: OpeningJournal) -> None:
    """There is one receipt, and it names the second."""
    if (number := len({each.notifications for each in mails})) != 1:
        book.differences.append(f"withdrawal {row.id}: {number} receipts")
        return
    second = f"{row.made_at.astimezone(_PARIS):%H:%M:%S}"
    if not all(second in mail.text for mail in mails):
        book.differences.append(f"withdrawal {row.id}: its receipt is without {second}")
    _count_copies(book, f"withdrawal {row.id}: its receipt", [each.received_at for each in mails], journal)


def _check_money(book: Book, rows: Sequence[Any], went_back: Mapping[str, int]) -> None:
    planned, said = sum(each.withdrawn for each in rows), rows[0].refund_cents
    # Where the dashboard was quicker, Stripe refused what was planned, and the rest was planned in its place.
    if planned != said and not any(each.others for each in rows):
        book.differences.append(f"withdrawal {rows[0].id}: says {said} cents, {planned} were planned")
    for each in rows:
        fewest, most = compute_owed(each)
        back = sum(went_back.get(intent, 0) for intent in each.intents)
        # What an outage takes off an invoice goes back as money within the hour, if no invoice bears it.
        if not fewest - each.for_invoice <= back <= most:
            text = f"of {each.amount_cents} cents of {each.payment} {back} went back, {fewest} are owed"
            book.differences.append(f"withdrawal {each.id}: {text}")


def compute_owed(row: Any) -> tuple[int, int]:
    """Return the fewest and the most cents that go back: those of the time left, all without the notice of the right.

    Where it is not known when the plan began, it did not begin before it was paid. Time that was not watched was not
    used, such as a day that a step of the clock leaves out; some of it is too short to count.
    """
    amount, declared_at = row.amount_cents, row.made_at
    if row.informed_at is None or row.informed_at > declared_at:
        return amount, amount
    bought = plan(PlanName(row.plan)).duration_seconds or _MONTH
    used = int((declared_at - (row.began_at or row.paid_at)).total_seconds())
    fewest, most = (
        -(-amount * (bought - min(max(each, 0), bought)) // bought) for each in (used, used - row.unwatched)
    )
    is_known = row.began_at and not row.others and declared_at - row.informed_at > _ABOUT
    return fewest, most if is_known else amount

"""Bills of organisations: a month is invoiced after it, owners are reminded, and what is not paid pauses alerts.

What was used is a payment without a user. Its invoice is issued with it, and due for thirty days.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.unwatched import PARIS, SETTLED, record_hours
from api.ground.separate_parts import do_each
from api.models.base import new_id, read_once
from api.models.base import session as open_session
from api.models.organisation import NOTICE_PERIOD, Beneficiary, Organisation
from api.models.payment import Payment, PaymentStatus
from api.organisations.ends import apply_grant, count_watched, tell_end, tell_members
from api.payments.invoices.contents import (
    Firm,
    InvoiceContents,
    InvoiceLine,
    LineKind,
    name_present_seller,
    read_vat_terms,
)
from api.payments.invoices.issuing import issue_bill
from api.payments.ledger import notices
from api.payments.ledger.book import post_billed, read_balances
from api.payments.organisations.use import Use, begin_month, measure_tax, read_use
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.plan import PlanName, find_organisation_prices, organisation_prices

DUE_IN, _REMINDED = timedelta(days=30), timedelta(days=7)  # from the invoice; before it is due
_SHARES = (100, 80)  # percent of the limit of people; owners get a message at each
_HOUR = timedelta(hours=1)


def bill_organisations() -> dict[str, int]:
    """Measure hours, invoice months that are over, and follow what is due; return how many failed."""
    paying = read_once(_list_billed)
    if not paying and not organisation_prices():
        return {"failed": 0}
    _, unmeasured = do_each("measure_hours", read_once(_list_unmeasured), _measure)
    billed, unbilled = do_each("bill_organisations", paying, _bill_period)
    _, stuck = do_each("follow_bills", paying, follow_bills)
    return {"organisations": billed, "failed": unmeasured + unbilled + stuck}


def _list_unmeasured(session: Session) -> list[UUID]:
    """Return the people with an hour that can be measured by now, or whose organisation ends."""
    now = clock()
    since = sa.func.coalesce(Beneficiary.measured_until, Beneficiary.created_at)
    is_due = (since <= now - SETTLED - _HOUR) | ((Organisation.ends_at <= now) & (since <= now - _HOUR))
    query = (
        sa.select(Beneficiary.user_id).join(Organisation).where(Organisation.opened_at.is_not(None), is_due)
    )
    return list(session.scalars(query.order_by(Beneficiary.user_id)))


def _measure(user_id: UUID) -> None:
    with open_session() as s:
        lock_user(s, user_id)
        if person := s.get(Beneficiary, user_id):
            organisation = s.get_one(Organisation, person.organisation_id)
            has_ended = organisation.ends_at is not None and organisation.ends_at <= clock()
            record_hours(s, user_id, clock(), cut=has_ended)


def _list_billed(session: Session) -> list[UUID]:
    paying = sa.select(Organisation.id).where(Organisation.billed_since.is_not(None))
    return list(session.scalars(paying.where(Organisation.ended_at.is_(None)).order_by(Organisation.id)))


def _bill_period(organisation_id: UUID) -> None:
    """Invoice what was used up to the end of a month, or of the organisation, once all of it is measured."""
    with open_session() as s:
        row = s.get_one(Organisation, organisation_id, with_for_update=True)
        since = sa.func.coalesce(Beneficiary.measured_until, Beneficiary.created_at)
        measured = s.scalar(sa.select(sa.func.min(since)).where(Beneficiary.organisation_id == row.id))
        while row.billed_until and (ends := _find_period_end(row, row.billed_until, clock())):
            if measured and measured <= ends - _HOUR:
                return
            use, starts = read_use(s, row, row.billed_until, ends), row.billed_until
            row.billed_until = ends
            if use.net:
                write_bill(s, row, use, starts, ends)


def _find_period_end(row: Organisation, since: datetime, now: datetime) -> datetime | None:
    month_ends = begin_month(since.astimezone(PARIS).date(), 1)
    if row.ends_at and since < row.ends_at <= min(now, month_ends):
        return row.ends_at
    return month_ends if month_ends <= now - SETTLED - _HOUR else None


def write_bill(session: Session, row: Organisation, use: Use, starts: datetime, ends: datetime) -> Payment:
    """Write what a period cost as a payment, with its invoice, and tell owners. The organisation's row is locked."""
    now, (percent, vat_line) = clock(), read_vat_terms()
    tax = measure_tax(use.net, percent)
    bill = Payment(
        id=new_id(), plan=PlanName.URGENCE_TOTAL, amount_cents=use.net + tax, created_at=now, organisation_id=row.id,
        used_from=starts, used_until=ends, due_at=now + DUE_IN,
    )  # fmt: skip
    session.add(bill)
    session.flush()
    cause = f"billed:{row.id}:{starts.isoformat()}"
    post_billed(session, bill, cause)
    firm = Firm(
        name=row.name, address=row.address, siren=row.siren, vat=row.vat_number, purchase_order=row.purchase_order,
        day_cents=use.day_cents, due_at=bill.due_at, iban=settings().seller_iban,
    )  # fmt: skip
    contents = InvoiceContents(
        order=f"{starts.astimezone(PARIS):%Y-%m}", plan=bill.plan, lines=tuple(_list_lines(use)), paid_at=now,
        starts_at=starts, ends_at=ends, vat_percent=percent, vat_line=vat_line, vat_cents=tax,
        seller=name_present_seller(), firm=firm,
    )  # fmt: skip
    issue_bill(session, bill, cause, contents)
    _tell_sum(session, row, "billed", bill, now + DUE_IN)
    return bill


def _list_lines(use: Use) -> Iterator[InvoiceLine]:
    plan = PlanName.URGENCE_TOTAL
    for each in use.people:
        if each.hours:
            about = {"reference": each.reference, "hours": each.hours}
            yield InvoiceLine(kind=LineKind.PERSON, plan=plan, amount_cents=each.cents, **about)
    for kind, cents in ((LineKind.STEPS, -use.steps), (LineKind.FLOOR, use.floor)):
        if cents:
            yield InvoiceLine(kind=kind, plan=plan, amount_cents=cents)


def follow_bills(organisation_id: UUID) -> None:
    """Remind of what is due soon; where it is due for long, have alerts pause NOTICE_PERIOD later, until it is paid."""
    unpaid = (Payment.organisation_id == organisation_id, Payment.status == PaymentStatus.PENDING)
    with open_session() as s:
        row, now = s.get_one(Organisation, organisation_id, with_for_update=True), clock()
        late = []
        for each in s.scalars(sa.select(Payment).where(*unpaid).order_by(Payment.due_at)).all():
            if each.due_at is None or each.due_at <= now:
                late.append(each)
            elif each.paid_at:
                _tell_sum(s, row, "bill_again", each, each.due_at)
            elif each.due_at <= now + _REMINDED:
                _tell_sum(s, row, "bill_due", each, each.due_at)
        if late and row.pauses_at is None:
            _tell_late(s, row, late)
        elif row.pauses_at and not late:
            tell_members(s, row, "bill_paid", row.pauses_at.isoformat())
            _tell_people(s, row, "resume", row.pauses_at)
            row.pauses_at = None
        extend_grant(s, row)
        _warn_of_limit(s, row)


def _tell_late(session: Session, row: Organisation, late: Sequence[Payment]) -> None:
    """Announce the pause, and tell operators; of an organisation that has stopped these alone."""
    cents, first = (
        sum(read_balances(session, each.id).due for each in late),
        f"{late[0].id}:{late[0].due_at:%Y-%m-%d}",
    )
    if not row.is_stopped(clock()):
        row.pauses_at = clock() + NOTICE_PERIOD
        tell_members(session, row, "bill_late", first, cents=cents, ends=row.pauses_at.isoformat())
        _tell_people(session, row, "pause", row.pauses_at)
    detail = f"organisation {row.id} owes {cents} cents"
    notices.tell_admins(session, "bill_late", detail, key=f"bill:{first}")


def extend_grant(session: Session, row: Organisation) -> None:
    """Move on until when its people have the plan: to the end of the next month, or to a pause. Its row is locked."""
    today = clock().astimezone(PARIS).date()
    paid = row.pauses_at or (begin_month(today, 2) if find_organisation_prices(today) else None)
    if row.free_until:
        row.granted_until = max(row.free_until, paid or row.free_until)
    session.flush()
    apply_grant(session, row)


def _warn_of_limit(session: Session, row: Organisation) -> None:
    watched, most = count_watched(session, row), row.most_watched
    if most and (reached := next((each for each in _SHARES if 100 * watched >= each * most), None)):
        subject = f"{clock().astimezone(PARIS):%Y-%m}:{most}:{reached}"
        tell_members(session, row, "limit", subject, share=reached, most=most)


def _tell_sum(session: Session, row: Organisation, what: str, bill: Payment, ends: datetime) -> None:
    due = read_balances(session, bill.id).due
    tell_members(session, row, what, f"{bill.id}:{ends:%Y-%m-%d}", cents=due, ends=ends.isoformat())


def _tell_people(session: Session, row: Organisation, why: str, at: datetime) -> None:
    """Tell each person whom messages reach that alerts pause (`pause`), or that they do not (`resume`)."""
    helped = sa.select(Beneficiary).where(Beneficiary.organisation_id == row.id)
    for person in session.scalars(helped.order_by(Beneficiary.user_id)).all():
        tell_end(session, row, person, why, at)

"""Quotes: what a plan costs a user now, what is credited of a cheaper plan, and from when to when it runs.

Offers are the desks of the alert that an order brings; their old proofs are asked for anew.
Amounts are integer cents. A credit is the price times the time left by the time bought, rounded up to the cent.
"""

import calendar
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_date
from babel.numbers import format_currency
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement
from api.alerts.schemas import NewAlert
from api.alerts.wishes import ResolvedWish, resolve_wish
from api.ground.errors import ApiError
from api.models.desk import DeskState
from api.models.payment import Payment, PaymentStatus, Subscription
from api.models.user import Grant, User
from api.models.watchability import Hindrance, Standing, rank_standing
from api.payments.billing.schemas import CreditAnswer, QuoteAnswer, Words
from api.payments.ledger.book import read_balances
from api.payments.ledger.grants import find_plan_end, price_use
from api.payments.ledger.subscriptions import RENEWING, begins_again, end_week
from api.payments.ledger.withdrawal_rules import find_later_orders_end, find_later_start
from configs.ground.clock import clock
from configs.ground.text import write_first, write_time
from configs.world.desk import zone_or_home
from configs.world.plan import Plan, PlanName, name_plan, plan, rank_plan

_SECOND = timedelta(seconds=1)
LEAST_CENTS = 50  # https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
AFTER_WITHDRAWAL = "after-withdrawal"  # the refusal of a monthly plan
# Stripe's words for a subscription that renews no more.
_OVER = ("canceled", "incomplete", "incomplete_expired")
_TEXTS = {
    "fr": {
        "pay": "Vous payez {amount}.",
        "credit": "Vous payez {amount} : {price} moins {credit} pour le reste de {ended}, qui finit au paiement.",
        "left_over": "{left_over} de ce reste ne peuvent pas être déduits : ils sont perdus si vous commandez.",
        "from_to": "{plan} dure du {starts} au {ends}.",
        "later": "Après une rétractation, {plan} ne commence qu’une fois passé son propre délai de rétractation. Si "
        "vous vous rétractez avant, tout vous est remboursé.",
        "extends": "{plan} est prolongé : il dure alors jusqu’au {ends}.",
        "renews": "{plan} commence au paiement. Dès le {ends}, {price} chaque mois, jusqu’à votre résiliation.",
        "week": "Un autre abonnement a commencé il y a moins de 90 jours : si vous résiliez celui-ci dans ses sept "
        "premiers jours, la résiliation prend effet à la fin du septième, le {week}.",
        "and": " et ",
        "at": "{day} à {hour}",
    },
    "en": {
        "pay": "You pay {amount}.",
        "credit": "You pay {amount}: {price} less {credit} for the time left of {ended}, which ends with the payment.",
        "left_over": "{left_over} of that time left cannot be credited: they are lost if you order now.",
        "from_to": "{plan} lasts from {starts} to {ends}.",
        "later": "After a withdrawal, {plan} begins only once its own time to withdraw is over. If you withdraw "
        "before, all of it is paid back.",
        "extends": "{plan} is extended: it then lasts until {ends}.",
        "renews": "{plan} begins with the payment. From {ends} on, {price} each month until you cancel.",
        "week": "Another subscription began less than 90 days ago: if you cancel this one in its first seven days, the "
        "cancellation takes effect at the end of the seventh, on {week}.",
        "and": " and ",
        "at": "{day}, {hour}",
    },
}
_PROVEN_LATELY = timedelta(minutes=15)  # an older proof is renewed while the order's page is open
_ASKED_LATELY = timedelta(minutes=10)  # one check for each desk in this time, however many open the page
_MAY_ANSWER = {
    None, Hindrance.RETURNING, Hindrance.UNPROVEN, Hindrance.DOUBTED, Hindrance.FAILING, Hindrance.SILENT,
}  # fmt: skip


def build_quote(session: Session, user: User, name: PlanName) -> QuoteAnswer:
    """Return what a plan costs this user now, and from when to when it runs if it is paid now.

    Raises:
        ApiError: 409, a larger plan or a subscription runs, or a monthly plan follows a withdrawal; with the
            date from which the order makes sense.
    """
    wanted, now = plan(name), clock()
    _refuse_pointless(session, user.id, wanted, now)
    later_until = find_later_orders_end(session, user.id, now)
    starts, ends = _find_times(session, user.id, wanted, now, later_until)
    # After a withdrawal an order credits nothing: what runs goes on until its own end.
    cheaper = [] if later_until else _list_cheaper(session, user.id, name, now)
    unused = [_credit(session, payment, grants, now) for payment, grants in cheaper]
    fitting = _fit(unused, wanted.price_cents - LEAST_CENTS)
    credit = sum(each.amount for each in fitting)
    again = wanted.recurring and begins_again(session, user.id, now)
    quote = QuoteAnswer(
        plan=name,
        amount=wanted.price_cents - credit,
        price=wanted.price_cents,
        credit=credit,
        not_credited=sum(each.amount for each in unused) - credit,
        currency=wanted.currency,
        recurring=wanted.recurring,
        extends=starts > now and not later_until,
        begins_later=later_until is not None,
        cancelled_from=end_week(now, zone_or_home(user.time_zone)) if again else None,
        starts_at=starts,
        ends_at=ends,
        credits=fitting,
        words=Words(fr="", en=""),  # of all else, below
    )
    words = Words(**{each: _describe(quote, each, user.time_zone) for each in ("fr", "en")})
    return quote.model_copy(update={"words": words})


def _find_times(
    session: Session, user_id: UUID, wanted: Plan, now: datetime, later_until: datetime | None
) -> tuple[datetime, datetime]:
    """Return from when to when a plan runs that is paid now, of a subscription its first month.

    After a withdrawal it begins later. A month whose first period begins weeks after its payment is nothing that Stripe
    sells.
    """
    if wanted.duration_seconds is None:
        if later_until is None:
            return now, add_month(now)
        detail = (
            f"after a withdrawal {wanted.name} can be ordered from {later_until:%Y-%m-%dT%H:%M:%SZ} on; "
            "URGENCE_24H and URGENCE_7J can be ordered now"
        )
        raise ApiError(409, AFTER_WITHDRAWAL, detail, available_from=later_until)
    if later_until:
        starts = find_later_start(session, user_id, now)
    else:
        starts = find_plan_end(session, user_id, wanted.name, now)
    return starts, starts + timedelta(seconds=wanted.duration_seconds)


def add_month(moment: datetime) -> datetime:
    """Return the same day of the next month, or its last day: so Stripe counts the periods of a subscription."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def _refuse_pointless(session: Session, user_id: UUID, wanted: Plan, now: datetime) -> None:
    held = find_entitlement(session, user_id, now)
    larger = rank_plan(held.plan.name) > rank_plan(wanted.name)
    if larger or (wanted.recurring and held.plan.name is wanted.name):
        raise _refuse(held.plan.name, held.ends_at)
    known = find_subscription(session, user_id) if wanted.recurring else None
    if known and known.status in RENEWING and known.lapsed_at is None:
        raise _refuse(known.plan, known.cancel_at or known.next_charge_at)


def _refuse(held: PlanName, until: datetime | None) -> ApiError:
    when = f"from {until:%Y-%m-%dT%H:%M:%SZ} on" if until else "once it has ended"
    return ApiError(409, "plan-held", f"{held} runs: this order makes sense {when}", available_from=until)


def find_subscription(session: Session, user_id: UUID) -> Subscription | None:
    """Return the user's subscription that has not ended."""
    mine = sa.select(Subscription).where(
        Subscription.user_id == user_id, Subscription.ended_at.is_(None), Subscription.status.not_in(_OVER)
    )
    return session.scalar(mine.order_by(Subscription.id.desc()).limit(1))


def _list_cheaper(
    session: Session, user_id: UUID, name: PlanName, now: datetime
) -> list[tuple[Payment, list[Grant]]]:
    cheaper = list(PlanName)[1 : rank_plan(name)]
    rows = session.execute(
        sa.select(Payment, Grant)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.user_id == user_id, Grant.ends_at > now, Grant.plan.in_(cheaper))
        .where(Payment.status == PaymentStatus.COMPLETED, Payment.subscription_id.is_(None))
        .order_by(Grant.starts_at, Grant.id)
    )
    found: dict[UUID, tuple[Payment, list[Grant]]] = {}
    for payment, grant in rows:
        found.setdefault(payment.id, (payment, []))[1].append(grant)
    return list(found.values())


def _credit(session: Session, payment: Payment, grants: list[Grant], now: datetime) -> CreditAnswer:
    left = math.floor(sum((each.ends_at - max(each.starts_at, now)).total_seconds() for each in grants))
    unused = read_balances(session, payment.id).claims - price_use(session, payment, now)
    return CreditAnswer(payment_id=payment.id, plan=payment.plan, amount=max(unused, 0), seconds=max(left, 1))


def _fit(unused: list[CreditAnswer], room_cents: int) -> list[CreditAnswer]:
    """Return the credits, the first ones whole, as far as the price takes them. All these plans end."""
    fitting = []
    for each in unused:
        fitting.append(each.model_copy(update={"amount": min(each.amount, room_cents)}))
        room_cents -= fitting[-1].amount
    return fitting


def _describe(quote: QuoteAnswer, language: str, time_zone: str) -> str:
    texts, zone = _TEXTS[language], zone_or_home(time_zone)
    values = {
        "plan": name_plan(quote.plan),
        "ended": texts["and"].join(dict.fromkeys(name_plan(each.plan) for each in quote.credits)),
        "starts": _write_moment(quote.starts_at.astimezone(zone), language),
        "ends": _write_moment(quote.ends_at.astimezone(zone), language),
        "week": write_first(
            format_date(quote.cancelled_from.astimezone(zone) - _SECOND, "long", locale=language)
        )
        if quote.cancelled_from
        else "",
        "amount": write_money(quote.amount, language),
        "price": write_money(quote.price, language),
        "credit": write_money(quote.credit, language),
        "left_over": write_money(quote.not_credited, language),
    }
    return " ".join(texts[part].format(**values) for part in _choose_parts(quote))


def write_money(cents: int, language: str) -> str:
    """Return an amount of euros as a language writes it: `4,99 €`."""
    return format_currency(cents / 100, "EUR", locale=language)


def _choose_parts(quote: QuoteAnswer) -> list[str]:
    parts = ["credit" if quote.credit else "pay", *(["left_over"] if quote.not_credited else [])]
    if quote.recurring:
        return [*parts, "renews", *(["week"] if quote.cancelled_from else [])]
    if quote.begins_later:
        return [*parts, "from_to", "later"]
    return [*parts, "extends" if quote.extends else "from_to"]


def _write_moment(moment: datetime, language: str) -> str:
    day, hour = format_date(moment, "long", locale=language), write_time(moment, "short", locale=language)
    return _TEXTS[language]["at"].format(day=write_first(day), hour=hour)


@dataclass(frozen=True, slots=True)
class Offer:
    """A wish as an order shows it; `is_asked`: a check of one of its desks was asked for, and has not come."""

    found: ResolvedWish
    is_asked: bool

    @property
    def standings(self) -> list[Standing]:
        """Return those of its desks, the nearest to be watchable first."""
        return sorted((self.found.standings[each.id] for each in self.found.desks), key=rank_standing)


def read_offer(session: Session, wish: NewAlert) -> Offer:
    """Return what is offered of a wish, and ask its desks whose last proof is old.

    Raises:
        ApiError: 422 as for `resolve_wish`.
    """
    found, now = resolve_wish(session, wish), clock()
    about = [found.standings[each.id] for each in found.desks]
    if ids := [each.desk.id for each in about if _needs_proof(each)]:
        old = sa.or_(DeskState.order_check_at.is_(None), DeskState.order_check_at <= now - _ASKED_LATELY)
        mine = sa.select(DeskState.id).where(DeskState.id.in_(ids), old).order_by(DeskState.id)
        chosen = session.scalars(mine.with_for_update(key_share=True)).all()
        asked = {"check_requested_at": now, "order_check_at": now}
        session.execute(sa.update(DeskState).where(DeskState.id.in_(chosen)).values(asked))
        session.flush()
    return Offer(found, any(_awaits_answer(each, now) for each in about))


def _needs_proof(standing: Standing) -> bool:
    """Return whether a check could renew the proof of a desk: one that rests or is stopped is left alone."""
    if standing.state is None or standing.hindrance not in _MAY_ANSWER:
        return False
    proven = standing.state.last_proven_at
    return bool(standing.hindrance) or proven is None or proven < clock() - _PROVEN_LATELY


def _awaits_answer(standing: Standing, now: datetime) -> bool:
    """Return whether the check that was asked for lately has not come."""
    state = standing.state
    if state is None or state.order_check_at is None or state.order_check_at <= now - _ASKED_LATELY:
        return False
    return state.last_check_at is None or state.last_check_at < state.order_check_at

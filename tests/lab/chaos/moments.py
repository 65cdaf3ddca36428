"""Kills at moments that chance hits seldom: between two steps that must not be lost together.

Nothing is built into the programs for this: sites and providers wait, Redis stands still, rows and tables are locked.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, State
from api.models.payment import Payment, PaymentStatus
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, Contact, Grant
from tests.lab.chaos.field import Act, Fault, Field
from tests.lab.chaos.journal import OpenedSlot, Spell
from tests.lab.chaos.outside import FIRST_PROVIDERS, NORMAL, code_of
from tests.lab.chaos.processes import frozen, until

_PATIENCE = 120.0  # seconds; a busy machine applies payments late
_LATER = 1.5  # seconds that a provider takes while we prepare the moment
_STRIPE, _PAYMENTS, _API = "payment", "payments-worker", "gunicorn worker"
_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)
_NO_DETECTION = sa.text("LOCK TABLE detection_slots IN SHARE MODE")  # which only spiders write
_UNREAD = sa.text("LOCK TABLE phone_codes IN ACCESS EXCLUSIVE MODE")  # an export reads it; no buyer has a row
_DETECTIONS = sa.select(sa.func.count()).select_from(Detection)


def _kill_spider_between_commit_and_nudge(field: Field, _spell: Spell) -> None:
    """The detection is in the table, and who should nudge for it dies: a lock, then Redis hold the spider there."""
    with _locked(field, _NO_DETECTION) as lock:
        field.open_news()
        _wait_blocked(lock, "a detection is about to be written")
        before = field.read(_DETECTIONS)
        with frozen(field.restarter.pids("Redis")):
            lock.rollback()
            until(lambda: field.read(_DETECTIONS) > before, "the detection is committed")
            field.victims.kill_all("spider")


def _kill_spider_in_a_check(field: Field, _spell: Spell) -> None:
    """A spider dies while a site keeps it waiting."""
    desk = field.rng.choice(field.desks)
    field.outside.open(desk, field.rng)
    field.outside.mode(code_of(desk), "hang_forever", count=1)
    until(lambda: field.outside.site_mode_now(code_of(desk)) == NORMAL, "a check has begun")
    field.victims.kill_all("spider")


def _kill_worker_before_the_answer(field: Field, _spell: Spell) -> None:
    """A worker dies while the provider thinks: nothing was taken, so nothing may come twice."""
    _wait_on_its_way(field, "slow", seconds=_LATER)
    field.victims.kill_all("worker")


def _kill_worker_during_the_answer(field: Field, spell: Spell) -> None:
    """A worker dies when the message was taken and the yes was not yet heard."""
    spell.silences = _wait_on_its_way(field, "yes_without_answer")
    time.sleep(0.3)
    field.victims.kill_all("worker")


def _kill_worker_after_the_answer(field: Field, _spell: Spell) -> None:
    """A worker dies when it has heard the yes and not yet written it: the row is locked until then."""
    with field.outside.provider_in(Channel.EMAIL.value, "slow", seconds=_LATER):
        opening = field.open_news()
        until(lambda: _find_sending(field, opening), "a mail is on its way")
        row = _find_sending(field, opening)
        with _locked(field, sa.select(Notification.id).where(Notification.id == row).with_for_update()):
            until(lambda: row and field.inbox.received(str(row)), "it was taken")
            time.sleep(0.3)
            field.victims.kill_all("worker")


def _stop_postgres_before_the_answer_is_written(field: Field, _spell: Spell) -> None:
    """A yes is heard while PostgreSQL is away, for longer than a lease: it must be written all the same."""
    _wait_on_its_way(field, "slow", seconds=_LATER)
    with field.restarter.down("PostgreSQL"):
        time.sleep(9)


def _wait_on_its_way(field: Field, mode: str, **parameters: Any) -> str:
    """Wait until a message of a new slot has reached a provider that answers one call so; return the channel."""
    channel = field.rng.choice((Channel.EMAIL.value, Channel.TELEGRAM.value))
    provider = FIRST_PROVIDERS[channel]
    field.outside.provider_mode(provider, mode, count=1, **parameters)
    field.open_news()
    until(lambda: field.outside.provider_mode_now(provider) == NORMAL, "a message is on its way")
    return channel


def _find_sending(field: Field, opening: OpenedSlot) -> UUID | None:
    """Return a mail about that desk that a worker is sending just now."""
    query = (
        sa.select(Notification.id)
        .join(NotificationMatch, NotificationMatch.notification_id == Notification.id)
        .join(MatchSlot, MatchSlot.match_id == NotificationMatch.match_id)
        .join(Match, Match.id == MatchSlot.match_id)
        .join(SlotRow, SlotRow.id == MatchSlot.slot_id)
        .where(SlotRow.desk_id == opening.desk_id)
        .where(Notification.state == State.SENDING, Notification.channel == Channel.EMAIL)
    )
    found: UUID | None = field.read(query)
    return found


def _kill_payments_worker_in_a_call(field: Field, _spell: Spell) -> None:
    """The worker of payments dies while it reads a session at Stripe."""
    purchase = field.shop.order(field.rng)
    with _slow_call(field, "GET /v1/"):
        field.shop.pay(purchase)
        _wait_for_call(field)
        field.victims.kill_all(_PAYMENTS)


def _kill_payments_worker_before_its_commit(field: Field, _spell: Spell) -> None:
    """The worker of payments dies when it has read a session and not yet applied it: the row is locked until then."""
    purchase = field.shop.order(field.rng)
    row = sa.select(Payment.id).where(Payment.id == purchase.payment_id).with_for_update()
    with _locked(field, row) as lock:
        field.shop.pay(purchase)
        _wait_blocked(lock, "a payment is about to be applied")
        field.victims.kill_all(_PAYMENTS)


def _kill_payments_worker_in_an_order_mail(field: Field, _spell: Spell) -> None:
    """The worker of payments dies after its commit: an order mail is on its way, and nothing else has begun."""
    purchase = field.shop.order(field.rng)
    named = Notification.dedupe_key.contains(str(purchase.payment_id))
    sending = sa.select(Notification.id).where(named, Notification.state == State.SENDING)
    with field.outside.provider_in(Channel.EMAIL.value, "slow", seconds=2):
        field.shop.pay(purchase)
        until(lambda: field.read(sending), "an order mail is on its way", _PATIENCE)
        field.victims.kill_all(_PAYMENTS)


def _kill_api_in_a_checkout(field: Field, _spell: Spell) -> None:
    """The API dies when our row is written and Stripe makes the page."""
    with _slow_call(field, "POST /v1/checkout/sessions"), _start(lambda: field.shop.order(field.rng)):
        _wait_for_call(field)
        field.victims.kill_all(_API)


@contextmanager
def _slow_call(field: Field, path: str) -> Iterator[None]:
    """Let one call whose path begins so take long."""
    with field.outside.provider_in(_STRIPE, "slow", seconds=2, count=1, path=path):
        yield


def _wait_for_call(field: Field) -> None:
    until(lambda: field.outside.provider_mode_now(_STRIPE) == NORMAL, "a call is on its way", _PATIENCE)


def _kill_api_before_a_withdrawal_has_effect(field: Field, _spell: Spell) -> None:
    """The API dies when a withdrawal is declared and its plan not ended: the row of the plan is locked until then."""
    purchase, withdraw = field.shop.order(field.rng), field.shop.consumers.withdraw_own
    field.shop.pay(purchase)
    bought = sa.select(Grant.id).join(Payment, Payment.id == Grant.payment_id)
    mine = bought.where(Payment.id == purchase.payment_id, Payment.status == PaymentStatus.COMPLETED)
    until(lambda: field.read(mine), "a plan has begun", _PATIENCE)
    _kill_api_in(field, mine, lambda: withdraw(purchase.buyer, purchase.payment_id))


def _kill_api_in_a_deletion(field: Field, _spell: Spell) -> None:
    """The API dies before an account's deletion is committed: a row that goes with it is locked until then."""
    buyer = field.rng.choice(field.shop.consumers.buyers)
    mine = sa.select(Contact.id).where(sa.cast(Contact.user_id, sa.Text).in_(buyer.ids))
    _kill_api_in(field, mine, lambda: field.shop.consumers.leave(buyer))


def _kill_api_in(field: Field, rows: sa.Select[Any], act: Callable[[], object]) -> None:
    """Kill the API while an act of a consumer waits for rows."""
    with _locked(field, rows.with_for_update()) as lock, _start(act):
        _wait_blocked(lock, "a request waits for its rows")
        field.victims.kill_all(_API)
        lock.rollback()


def _kill_job_worker_in_an_export(field: Field, _spell: Spell) -> None:
    """A worker of the background jobs dies while it reads what an export holds: a table is locked until then."""
    with _locked(field, _UNREAD) as lock:
        field.shop.consumers.export(field.rng)
        _wait_blocked(lock, "an export is being built")
        field.victims.kill_all("job-worker")


@contextmanager
def _locked(field: Field, *statements: sa.Executable) -> Iterator[sa.Connection]:
    """Hold locks until the connection that is given is rolled back, at the latest while the block lasts."""
    with field.engine.connect() as connection:
        for each in statements:
            connection.execute(each)
        yield connection


def _wait_blocked(connection: sa.Connection, what: str) -> None:
    """Wait until a program waits for the locks of a connection."""
    until(lambda: connection.scalar(_BLOCKED), what, _PATIENCE)


@contextmanager
def _start(act: Callable[[], object]) -> Iterator[None]:
    """Do an act on a thread while the block lasts, and wait for its end: its program dies, so it fails."""

    def do() -> None:
        with suppress(OSError, HTTPException):
            act()

    thread = threading.Thread(target=do, name="consumer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(_PATIENCE)


def _moment(act: Act, *, harmless: bool = False, weight: int = 1, names: str | None = None) -> Fault:
    name = act.__name__.strip("_").replace("_", "-")
    return Fault(name, act, names=names, alone=True, harmless=harmless, weight=weight)


MOMENTS = (
    _moment(_kill_spider_between_commit_and_nudge, weight=2),
    _moment(_kill_spider_in_a_check),
    _moment(_kill_worker_before_the_answer),
    _moment(_kill_worker_during_the_answer),
    _moment(_kill_worker_after_the_answer),
    _moment(_stop_postgres_before_the_answer_is_written, names="database"),
    _moment(_kill_payments_worker_in_a_call, harmless=True),
    _moment(_kill_payments_worker_before_its_commit, harmless=True),
    _moment(_kill_payments_worker_in_an_order_mail, harmless=True),
    _moment(_kill_api_in_a_checkout),
    _moment(_kill_api_before_a_withdrawal_has_effect),
    _moment(_kill_api_in_a_deletion),
    _moment(_kill_job_worker_in_an_export, harmless=True),
)

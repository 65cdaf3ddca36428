"""Faults of what people do by right: a program dies in the middle of a withdrawal, a deletion, an export.

Rows and tables are locked, so that the moment lasts.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException

import sqlalchemy as sa

from api.models.payment import Payment, PaymentStatus
from api.models.user import Contact, Grant
from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.processes import until

_PATIENCE = 120.0  # seconds; a busy machine is late
_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)
_UNREAD = sa.text(
    "LOCK TABLE phone_codes IN ACCESS EXCLUSIVE MODE"
)  # an export reads it, and no buyer has a row
_READER = sa.text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'phone_codes'::regclass"
    " AND mode = 'AccessShareLock'"
)


@fault(alone=True)
def kill_api_before_a_withdrawal_has_effect(field: Field, _spell: Spell) -> None:
    """The API dies when a withdrawal is declared and its plan not ended: the row of the plan is locked until then."""
    purchase = field.shop.order(field.rng)
    field.shop.pay(purchase)
    with field.engine.connect() as connection:
        bought = sa.select(Grant.id).join(Payment, Payment.id == Grant.payment_id)
        mine = bought.where(Payment.id == purchase.payment_id, Payment.status == PaymentStatus.COMPLETED)
        until(lambda: connection.scalar(mine), "a plan has begun", _PATIENCE)
        connection.execute(mine.with_for_update())
        withdraw = field.shop.consumers.withdraw_own
        with _start(lambda: withdraw(purchase.buyer, purchase.payment_id)):
            until(lambda: connection.scalar(_BLOCKED), "a withdrawal is about to have effect", _PATIENCE)
            field.victims.kill_all("gunicorn worker")
            connection.rollback()


@fault(alone=True)
def kill_api_in_a_deletion(field: Field, _spell: Spell) -> None:
    """The API dies before an account's deletion is committed: a row that goes with it is locked until then."""
    consumers = field.shop.consumers
    buyer = field.rng.choice(consumers.buyers)
    with field.engine.connect() as connection:
        mine = sa.select(Contact.id).where(sa.cast(Contact.user_id, sa.Text).in_(buyer.ids))
        connection.execute(mine.with_for_update())
        with _start(lambda: consumers.leave(buyer)):
            until(lambda: connection.scalar(_BLOCKED), "an account is about to go", _PATIENCE)
            field.victims.kill_all("gunicorn worker")
            connection.rollback()


@fault(alone=True, harmless=True)
def kill_job_worker_in_an_export(field: Field, _spell: Spell) -> None:
    """A worker of the background jobs dies while it reads what an export holds: a table is locked until then."""
    with field.engine.connect() as connection:
        connection.execute(_UNREAD)
        field.shop.consumers.export(field.rng)
        until(lambda: connection.scalar(_READER), "an export is being built", _PATIENCE)
        field.victims.kill_all("job-worker")
        connection.rollback()


@contextmanager
def _start(act: Callable[[], None]) -> Iterator[None]:
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

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from sqlalchemy.exc import DBAPIError, IntegrityError

import api.models.all  # noqa: F401 -- a flush resolves foreign keys
from api.models.alert import Alert
from api.models.audit import ActorKind, AuditEntry
from api.models.base import autocommit_session, do_after_commit, engine, session, write_array
from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
)
from api.models.user import User
from api.payments.invoices.issuing import issue_due
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.invoices.documents import pay
from tests.factories import add_alert, add_user, change, get, remove, rows, save
from tests.in_turn import in_turn
from tests.waiting import at_once

pytestmark = pytest.mark.usefixtures("database")


def test_an_array_is_read_as_it_was_written() -> None:
    texts = [
        "plain",
        "",
        'it\'s 100 % "sure"',
        "back\\slash\\",
        "{a,b}",
        " room ",
        "NULL",
        None,
        "é \u202e",
        "a\nb",
    ]
    with session() as s:
        query = sa.text("SELECT CAST(:several AS text[])")
        assert [s.scalar(query, {"several": write_array(each)}) for each in (texts, [])] == [texts, []]


def test_an_error_of_the_database_repeats_nothing_that_was_written() -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, session() as s:  # noqa: PT012 -- the second one fails
        s.add(User(email="camille@example.org"))
        s.flush()
        s.add(User(email="camille@example.org", password_hash="the-hash"))
    assert "the-hash" not in str(caught.value)


def test_what_a_transaction_leaves_is_done_after_its_commit_and_never_after_a_rollback() -> None:
    done: list[bool] = []
    with session() as s:
        do_after_commit(s, lambda: done.append(s.in_transaction()))
        assert s.scalar(sa.select(1)) == 1
        assert done == []
    assert done == [False]
    with pytest.raises(sa.exc.DataError), session() as s:  # noqa: PT012 -- the second one fails
        do_after_commit(s, lambda: done.append(True))
        s.execute(sa.text("SELECT 1 / 0"))
    assert done == [False]


@pytest.fixture
def short_idle(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the server end transactions that are idle for half a second; no connection keeps that."""
    monkeypatch.setattr("api.models.session_options.IDLE_SECONDS", 0.5)
    engine().dispose()
    yield
    engine().dispose()


@pytest.mark.usefixtures("short_idle")
def test_a_process_that_stands_still_in_a_transaction_does_not_hold_its_rows_for_long() -> None:
    """It was paused with its machine, say."""
    save(User(email="camille@example.org"))
    change = sa.text("UPDATE users SET language = :language")
    with pytest.raises(sa.exc.OperationalError) as caught, session() as standing:  # noqa: PT012 -- once it goes on
        standing.execute(change, {"language": "en"})
        apart = sa.create_engine(
            engine().url, poolclass=sa.NullPool, connect_args={"options": "-c lock_timeout=20s"}
        )
        with apart.begin() as other:
            other.execute(change, {"language": "ar"})
        standing.execute(change, {"language": "en"})
    assert caught.value.connection_invalidated
    with session() as s:
        assert s.scalars(sa.select(User.language)).all() == ["ar"]


def break_idle_connection() -> int:
    """End the server's side of the pool's only connection; return its process."""
    engine().dispose()  # connections of the test before
    with session() as s:
        pid = s.scalar(sa.text("SELECT pg_backend_pid()"))
    apart = sa.create_engine(engine().url, poolclass=sa.NullPool)
    with apart.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    return int(pid or 0)


def test_a_connection_that_broke_while_it_was_idle_is_replaced() -> None:
    pid = break_idle_connection()
    with session() as s:
        assert s.scalar(sa.text("SELECT pg_backend_pid()")) != pid


def test_each_statement_of_an_autocommit_session_is_a_transaction_of_its_own() -> None:
    transaction = sa.text("SELECT pg_current_xact_id()")
    with autocommit_session() as s:
        assert s.scalar(transaction) != s.scalar(transaction)
    with session() as s:  # on the same connection
        assert s.scalar(transaction) == s.scalar(transaction)


@pytest.mark.rule("4.14")
def test_a_server_that_is_frozen_is_given_up_on_and_its_connection_too(
    database: str, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_SECONDS="2")
    with pytest.raises(sa.exc.OperationalError, match="does not answer"), session() as s:  # noqa: PT012
        pid = s.scalar(sa.text("SELECT pg_backend_pid()"))
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            s.scalar(sa.text("SELECT 1"))
        finally:
            os.kill(pid, signal.SIGCONT)
    with session() as s:
        assert s.scalar(sa.text("SELECT pg_backend_pid()")) != pid


def test_the_server_says_itself_when_a_statement_takes_too_long(
    database: str, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_SECONDS="1")
    with pytest.raises(sa.exc.OperationalError, match="statement timeout"), session() as s:
        s.execute(sa.text("SELECT pg_sleep(30)"))


@pytest.mark.parametrize("record", [User, Alert])
def test_rows_carry_when_a_statement_changed_them(
    record: type[User | Alert], frozen: time_machine.Traveller
) -> None:
    add_alert(add_user().id)
    frozen.shift(60)
    change(record, language="en")
    assert [row.updated_at for row in rows(record)] == [clock()]


AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
Kind = PaymentEventKind


@pytest.fixture
def payment_id() -> UUID:
    return order()


def order() -> UUID:
    return save(Payment(user_id=add_user().id, plan=PlanName.URGENCE_7J, amount_cents=1499)).id


def happen(payment_id: UUID, *kinds: PaymentEventKind, subject: str = "") -> Payment:
    with session() as s:
        for number, kind in enumerate(kinds):
            s.add(
                PaymentEvent(
                    payment_id=payment_id,
                    kind=kind,
                    subject=subject,
                    at=AT + timedelta(hours=number),
                    recorded_at=AT,
                    details={"amount": 1499} if kind is Kind.DISPUTE_LOST else {},
                )
            )
            s.flush()
        return s.get_one(Payment, payment_id)


def refund(payment_id: UUID, cents: int) -> UUID:
    return save(Refund(payment_id=payment_id, amount_cents=cents, reason=RefundReason.OPERATOR)).id


@in_turn(
    "kinds, status",
    [
        ((), PaymentStatus.PENDING),
        ((Kind.FAILED,), PaymentStatus.FAILED),
        ((Kind.EXPIRED, Kind.PAID), PaymentStatus.COMPLETED),
        ((Kind.PAID, Kind.FAILED), PaymentStatus.COMPLETED),
        ((Kind.PAID, Kind.DISPUTE_OPENED, Kind.DISPUTE_WON), PaymentStatus.COMPLETED),
        ((Kind.DISPUTE_LOST, Kind.PAID), PaymentStatus.REFUNDED),
        ((Kind.REFUNDED, Kind.PAID), PaymentStatus.REFUNDED),
        ((Kind.PAID, Kind.REFUNDED, Kind.REFUND_UNDONE), PaymentStatus.COMPLETED),
    ],
)
def test_the_status_follows_from_the_events(
    kinds: tuple[PaymentEventKind, ...], status: PaymentStatus
) -> None:
    assert happen(order(), *kinds).status is status


def test_the_instants_follow_too_and_a_payment_outlives_its_user(payment_id: UUID) -> None:
    payment = happen(payment_id, Kind.PAID, Kind.REFUNDED)
    assert (payment.paid_at, payment.refunded_at) == (AT, AT + timedelta(hours=1))
    assert happen(payment_id, Kind.REFUND_UNDONE).refunded_at is None
    remove(User)
    payment = get(Payment, payment_id)
    assert (payment.user_id, payment.status) == (None, PaymentStatus.COMPLETED)


IN_VAIN = [
    "UPDATE payment_events SET at = now()",
    "DELETE FROM payment_events",
    "TRUNCATE payment_events",
    "UPDATE stripe_ids SET kind = 'charge'",
    "DELETE FROM stripe_ids",
    "DELETE FROM refunds",
    "UPDATE payments SET status = 'REFUNDED'",
    "UPDATE payments SET refunded_cents = 0",
    "DELETE FROM payments",
    "UPDATE audit SET action = 'nothing'",
    "UPDATE audit SET at = at - interval '4 years'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "UPDATE invoices SET amount_cents = 1",
    "UPDATE invoices SET client_name = 'Another'",
    "DELETE FROM invoices",
    "UPDATE book_transactions SET cause = 'x'",
    "UPDATE book_lines SET cents = 1",
    *(
        f"{how} {table}"
        for table in ("book_transactions", "book_lines")
        for how in ("DELETE FROM", "TRUNCATE")
    ),
]


def test_what_happened_is_not_changed(payment_id: UUID) -> None:
    happen(payment_id, Kind.PAID)
    refund(payment_id, 100)
    save(StripeId(id="pi_1", kind="payment_intent", payment_id=payment_id))
    save(AuditEntry(at=AT, actor_kind=ActorKind.COMMAND, action="host.stop", subject_type="host"))
    pay()
    assert issue_due(60) == (1, 0)
    refused = r"never changed|kept unchanged|follow from|foreign key"
    for each in IN_VAIN:
        with session() as s, pytest.raises(DBAPIError, match=refused):
            s.execute(sa.text(each))


def test_refunds_are_limited_by_what_was_paid(payment_id: UUID) -> None:
    first = refund(payment_id, 1000)
    with pytest.raises(IntegrityError, match="ck_payments_refunded"):
        refund(payment_id, 500)
    change(Refund, Refund.id == first, status=RefundStatus.FAILED)
    refund(payment_id, 1499)
    assert get(Payment, payment_id).refunded_cents == 1499


def test_two_refunds_at_once_do_not_exceed_it_either(payment_id: UUID) -> None:
    def is_made(_: int) -> bool:
        with suppress(IntegrityError):
            return bool(refund(payment_id, 1499))
        return False

    assert sorted(at_once(is_made, range(2))) == [False, True]


def test_events_at_once_all_count(payment_id: UUID) -> None:
    kinds = (Kind.PAID, Kind.FAILED, Kind.DISPUTE_LOST, Kind.FRAUD_WARNING)
    at_once(lambda kind: happen(payment_id, kind), kinds)
    payment = get(Payment, payment_id)
    assert payment.status is PaymentStatus.REFUNDED
    assert payment.paid_at is not None

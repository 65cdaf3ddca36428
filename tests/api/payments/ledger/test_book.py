"""The book: what is earned, that it balances and never changes, what a story leaves in it, and its nightly checks."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.jobs import schedule as jobs
from api.models.base import new_id, session
from api.models.book import Account, BookKind, BookLine, BookTransaction
from api.models.notification import Notification
from api.models.payment import Payment
from api.models.stripe_event import PaymentDifference
from api.models.user import Role
from api.payments.exchange.book_checks import QUERIES, find_book_faults
from api.payments.exchange.reconciliation import reconcile
from api.payments.invoices.issuing import issue_due
from api.payments.ledger import book
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.ledger.test_watch_credits import hand_over, work
from tests.api.payments.shop import Shop, find_intent, list_messages
from tests.api.payments.till import Till
from tests.clients import Person
from tests.factories import give_role, rows, save

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
cents = st.integers(0, 5000)
AT_PAYMENT = UUID(int=1)
seconds = st.integers(1, 31 * 24 * 3600)


def span(begins: int, ends: int) -> book.Span:
    return AT + timedelta(seconds=begins), AT + timedelta(seconds=ends)


@pytest.mark.journey
@given(cents, seconds, st.lists(st.integers(0, 31 * 24 * 3600), min_size=1), st.integers(0, 3600))
def test_what_is_earned_grows_with_time_up_to_the_price(
    worth: int, bought: int, moments: list[int], hole: int
) -> None:
    """It never falls, is nothing at first and all at last; a hole lowers it by its price, rounded for the person."""

    def earn(after: int, *holes: book.Span) -> int:
        used = book.measure_seconds([span(0, bought)], holes, bought, AT + timedelta(seconds=after))
        return book.share(worth, used, bought)

    found = [earn(each) for each in sorted(moments)]
    assert found == sorted(found)
    assert (earn(0), earn(bought)) == (0, worth)
    hole = min(hole, bought)
    assert earn(bought, span(0, hole)) == worth * (bought - hole) // bought


@given(cents, seconds, st.lists(st.integers(0, 31 * 24 * 3600), max_size=4))
def test_periods_in_parts_earn_what_one_does(worth: int, bought: int, cuts: list[int]) -> None:
    edges = [0, *sorted(min(each, bought) for each in cuts), bought]
    parts = [span(*each) for each in itertools.pairwise(edges)]
    used = book.measure_seconds(parts, [], bought, AT + timedelta(seconds=bought))
    assert book.share(worth, used, bought) == worth


@given(cents, cents, cents)
def test_what_is_taken_comes_first_off_what_is_unearned(unearned: int, used: int, wanted: int) -> None:
    (_, _, first), (_, _, second) = book.take(
        AT_PAYMENT, book.Balances(unearned=-unearned, earned=-used), wanted
    )
    assert first + second == wanted
    assert 0 <= second <= used
    assert second == 0 or first == unearned or wanted > unearned + used


@pytest.fixture
def payment_id(database: str) -> UUID:
    payment = save(Payment(id=new_id(), plan=PlanName.URGENCE_7J, amount_cents=1499, created_at=AT))
    return payment.id


def pay(payment_id: UUID, amount: int, cause: str = "paid") -> bool:
    with session() as s:
        lines = ((payment_id, Account.CASH, amount), (payment_id, Account.UNEARNED, -amount))
        return book.post(s, cause, BookKind.PAID, *lines)


def test_a_cause_is_posted_once_and_another_amount_is_told(payment_id: UUID) -> None:
    assert [pay(payment_id, 1499), pay(payment_id, 1499), pay(payment_id, 0, "nothing")] == [
        True,
        False,
        False,
    ]
    assert not rows(Notification)
    assert not pay(payment_id, 1500)
    with session() as s:
        held = book.read_balances(s, payment_id)
        (only,) = book.list_transactions(s, payment_id)
    assert (held.cash, held.unearned, held.worth, held.refundable) == (1499, -1499, 1499, 1499)
    assert {each.account: each.cents for each in only.lines} == {Account.CASH: 1499, Account.UNEARNED: -1499}


def test_a_transaction_that_does_not_balance_is_refused(payment_id: UUID) -> None:
    with pytest.raises(ValueError, match="do not sum to 0"), session() as s:
        book.post(s, "half", BookKind.PAID, (payment_id, Account.CASH, 1))
    row = save(BookTransaction(cause="half", kind=BookKind.PAID, at=AT))
    with pytest.raises(DBAPIError, match="do not sum to 0"):
        save(BookLine(transaction_id=row.id, payment_id=payment_id, account=Account.CASH, cents=1))


WEEK, TOTAL = PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
Book = dict[str, int]


def read_book() -> list[Book]:
    """Return what is in the accounts of each payment, without those that are empty."""
    names = ("cash", "unearned", "earned", "owed", "disputed", "lost")
    with session() as s:
        held = [book.read_balances(s, each.id) for each in list_payments()]
    return [{name: cents for name in names if (cents := getattr(each, name))} for each in held]


def list_payments() -> list[Payment]:
    return sorted(rows(Payment), key=lambda each: each.id)


def upgrade(till: Till, after: int = 2) -> None:
    till.shop.pass_time(days=after)
    till.sign_in()
    till.buy(TOTAL)


def withdraw(till: Till) -> None:
    till.sign_in()
    for each in list_payments():
        hand_over(till, each)
    assert till.post("withdraw", {"paymentId": str(list_payments()[-1].id)}).status_code == 200
    work(till)


def cancel_today(till: Till) -> None:
    till.sign_in()
    assert till.post("cancel", {"on": f"{clock():%Y-%m-%d}"}).status_code == 200
    till.shop.pass_time(days=1)
    work(till)


def dispute(till: Till, cents: int) -> None:
    till.shop.control.dispute(find_intent(list_payments()[0].id), amount=cents)
    till.shop.deliver()


def close(till: Till, status: str) -> None:
    (known,) = till.shop.control.objects("dispute")
    till.shop.control.close_dispute(known["id"], status)
    till.shop.deliver()


def refund_in_the_dashboard(till: Till, cents: int) -> None:
    till.shop.control.refund(find_intent(list_payments()[0].id), amount=cents)
    till.shop.deliver()


def wait(till: Till) -> None:
    till.shop.pass_time(days=3)


def let_end(till: Till) -> None:
    till.shop.pass_time(days=8)
    jobs.reconcile_payments()


PAID: Book = {"cash": 1499, "unearned": -1499}
WEEK_USED: Book = {"cash": 1499, "earned": -428}
MONTH: Book = {"cash": 1928, "unearned": -2999}
Step = tuple[Callable[[Till], object], list[Book]]


@pytest.mark.parametrize(
    "story",
    [
        [(let_end, [{"cash": 1499, "earned": -1499}])],
        [
            (upgrade, [WEEK_USED, MONTH]),  # Two of seven days were used; the rest pays for the month.
            (wait, [WEEK_USED, MONTH]),
            # Three of thirty days were used: the rest goes back as money and as time of the week.
            (withdraw, [{"cash": 1499, "unearned": -964, "earned": -428}, {"cash": 192, "earned": -299}]),
        ],
        [
            (upgrade, [WEEK_USED, MONTH]),
            (wait, [WEEK_USED, MONTH]),
            # To the end of the day: all money of the month goes back, and what its days are worth besides as time.
            (cancel_today, [{"cash": 1499, "unearned": -713, "earned": -428}, {"earned": -358}]),
        ],
        [(lambda till: refund_in_the_dashboard(till, 500), [{"cash": 999, "unearned": -999}])],
        [
            (lambda till: dispute(till, 500), [{"cash": 999, "disputed": 500, "unearned": -1499}]),
            (lambda till: close(till, "won"), [PAID]),
        ],
        [
            (lambda till: dispute(till, 500), [{"cash": 999, "disputed": 500, "unearned": -1499}]),
            (lambda till: close(till, "lost"), [{"cash": 999, "lost": 500, "unearned": -1499}]),
        ],
    ],
)
def test_the_book_after_each_step_of_a_story(till: Till, story: list[Step]) -> None:
    till.buy(WEEK)
    assert read_book() == [PAID]
    for step, books in story:
        step(till)
        assert read_book() == books


_CREDIT = (
    "INSERT INTO watch_credits (id, payment_id, seconds, form, amount_cents, created_at)"
    " SELECT gen_random_uuid(), id, 3600, 'time', 0, paid_at FROM payments"
)
_IS_OWED = "UPDATE book_lines SET account = 'owed' WHERE account = 'unearned'"
# By the check that finds it: what is planted beside a paid month.
FAULTS = {
    "a transaction does not sum to 0": ("UPDATE book_lines SET cents = -5 WHERE cents < 0",),
    "cash is not what was paid, less refunds and disputes": (
        "DELETE FROM book_lines WHERE account = 'cash'",
    ),
    "the bank keeps another amount": ("UPDATE payments SET lost_cents = 1",),
    "more is held back than is disputed": (
        "UPDATE book_lines SET account = 'disputed' WHERE account = 'cash'",
    ),
    "documents are not the money that moved": ("UPDATE invoices SET amount_cents = 1",),
    "owed, and nothing will pay it": (_IS_OWED,),
    "less is owed than refunds and credits will give": (
        "INSERT INTO refunds (id, payment_id, amount_cents, reason) SELECT gen_random_uuid(), id, 5, 'outage' FROM payments",
    ),
    "an outage waits for an invoice without its credit": (
        _IS_OWED,
        "UPDATE book_transactions SET kind = 'unwatched'",
    ),
    "a credit waits for an invoice that never comes": (
        _CREDIT,
        "UPDATE watch_credits SET form = 'invoice', amount_cents = 5",
        "UPDATE subscriptions SET ended_at = created_at",
    ),
    "what an organisation used is neither due nor paid": (
        "UPDATE book_lines SET account = 'due' WHERE account = 'unearned'",
    ),
    "a refund waits, and nobody will ask for it": (
        "INSERT INTO refunds (id, payment_id, amount_cents, reason) SELECT gen_random_uuid(), id, 5, 'outage' FROM payments",
    ),
    "more time was given back than was not watched": (_CREDIT,),
    "a charge was moved, and no days were given": (
        "UPDATE subscriptions SET charge_at = period_ends_at + interval '5 days'",
    ),
    "an account is negative": ("UPDATE book_lines SET cents = -cents",),
}


@pytest.fixture
def month_id(shop: Shop, camille: Person) -> UUID:
    """Give a paid month that is two hours old, with its invoice."""
    found = shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    issue_due(60)
    shop.clock.shift(timedelta(hours=2))
    return found


def plant(s: Session, *statements: str) -> None:
    """Write what no program may: without the triggers that keep the book."""
    s.execute(sa.text("SET LOCAL session_replication_role = replica"))
    for each in statements:
        s.execute(sa.text(each))


def list_found(s: Session) -> dict[str, UUID | None]:
    return {each.object_id.partition(": ")[0]: each.payment_id for each in find_book_faults(s)}


def test_each_check_finds_its_fault(month_id: UUID) -> None:
    assert set(FAULTS) == set(QUERIES)
    for check, statements in FAULTS.items():
        with session() as s:
            assert list_found(s) == {}
        with session() as s:
            plant(s, *statements)
            assert list_found(s).get(check) == month_id, check
            s.rollback()


def test_a_fault_is_a_difference_that_the_admins_hear_of(month_id: UUID, camille: Person) -> None:
    give_role(camille.id, Role.ADMIN)
    assert reconcile()["left"] == 0
    with session() as s:
        plant(s, *FAULTS["the bank keeps another amount"])
    assert reconcile()["left"] == 1
    (found,) = rows(PaymentDifference)
    assert found.object_id == f"the bank keeps another amount: {month_id}"
    assert (found.payment_id, found.ours, found.stripe, found.repaired) == (
        month_id, {"book": 0, "tables": 1}, {}, False,
    )  # fmt: skip
    assert list_messages().count("payment_trouble") == 1


def test_documents_have_an_hour(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id)
    with session() as s:
        assert list_found(s) == {}
    shop.clock.shift(timedelta(hours=2))
    with session() as s:
        found = list_found(s)
    assert [each.id for each in rows(Payment)] == [found["documents are not the money that moved"]]

"""The book itself: what is earned, that it balances, and that no row of it changes."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from api.models.base import new_id, session
from api.models.book import Account, BookKind, BookLine, BookTransaction
from api.models.notification import Notification
from api.models.payment import Payment
from api.payments.book import (
    Balances,
    Span,
    list_transactions,
    measure_seconds,
    post,
    read_balances,
    share,
    take,
)
from configs.world.plan import PlanName
from tests.factories import rows, save

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
cents = st.integers(0, 5000)
AT_PAYMENT = UUID(int=1)
seconds = st.integers(1, 31 * 24 * 3600)


def span(begins: int, ends: int) -> Span:
    return AT + timedelta(seconds=begins), AT + timedelta(seconds=ends)


@given(cents, seconds, st.lists(st.integers(0, 31 * 24 * 3600), min_size=1), st.integers(0, 3600))
def test_what_is_earned_grows_with_time_up_to_the_price(
    worth: int, bought: int, moments: list[int], hole: int
) -> None:
    """It never falls, is nothing at first and all at last; a hole lowers it by its price, rounded for the person."""

    def earn(after: int, *holes: Span) -> int:
        used = measure_seconds([span(0, bought)], holes, bought, AT + timedelta(seconds=after))
        return share(worth, used, bought)

    found = [earn(each) for each in sorted(moments)]
    assert found == sorted(found)
    assert (earn(0), earn(bought)) == (0, worth)
    hole = min(hole, bought)
    assert earn(bought, span(0, hole)) == worth * (bought - hole) // bought


@given(cents, seconds, st.lists(st.integers(0, 31 * 24 * 3600), max_size=4))
def test_periods_in_parts_earn_what_one_does(worth: int, bought: int, cuts: list[int]) -> None:
    edges = [0, *sorted(min(each, bought) for each in cuts), bought]
    parts = [span(*each) for each in itertools.pairwise(edges)]
    used = measure_seconds(parts, [], bought, AT + timedelta(seconds=bought))
    assert share(worth, used, bought) == worth


@given(cents, cents, cents)
def test_what_is_taken_comes_first_off_what_is_unearned(unearned: int, used: int, wanted: int) -> None:
    (_, _, first), (_, _, second) = take(AT_PAYMENT, Balances(unearned=-unearned, earned=-used), wanted)
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
        return post(s, cause, BookKind.PAID, *lines)


def test_a_cause_is_posted_once_and_another_amount_is_told(payment_id: UUID) -> None:
    assert [pay(payment_id, 1499), pay(payment_id, 1499), pay(payment_id, 0, "nothing")] == [
        True,
        False,
        False,
    ]
    assert not rows(Notification)
    assert not pay(payment_id, 1500)
    with session() as s:
        held = read_balances(s, payment_id)
        (only,) = list_transactions(s, payment_id)
    assert (held.cash, held.unearned, held.worth, held.refundable) == (1499, -1499, 1499, 1499)
    assert {each.account: each.cents for each in only.lines} == {Account.CASH: 1499, Account.UNEARNED: -1499}


def test_a_transaction_that_does_not_balance_is_refused(payment_id: UUID) -> None:
    with pytest.raises(ValueError, match="do not sum to 0"), session() as s:
        post(s, "half", BookKind.PAID, (payment_id, Account.CASH, 1))
    with pytest.raises(DBAPIError, match="do not sum to 0"):
        write_half(payment_id)


def write_half(payment_id: UUID) -> None:
    row = save(BookTransaction(cause="half", kind=BookKind.PAID, at=AT))
    save(BookLine(transaction_id=row.id, payment_id=payment_id, account=Account.CASH, cents=1))


@pytest.mark.parametrize("table", ["book_transactions", "book_lines"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET {}", "TRUNCATE {} CASCADE"])
def test_no_row_of_it_changes(payment_id: UUID, table: str, change: str) -> None:
    pay(payment_id, 1499)
    column = "cents = 1" if table == "book_lines" else "cause = 'x'"
    with pytest.raises(DBAPIError, match="never changed or removed"), session() as s:
        s.execute(sa.text(change.format(table, column)))

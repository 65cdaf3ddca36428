"""The book at the end of a story: cents of each account, the cheaper plan's payment first."""

from collections.abc import Callable

import pytest

from api.background import jobs
from api.models.base import session
from api.models.payment import Payment, StripeId
from api.payments.book import read_balances
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.billing.till import Till
from tests.api.money.test_credits import hand_over, work
from tests.factories import rows

WEEK, TOTAL = PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
Book = dict[str, int]


def read_book() -> list[Book]:
    """Return what is in the accounts of each payment, without those that are empty."""
    names = ("cash", "unearned", "earned", "owed", "disputed", "lost")
    with session() as s:
        held = [read_balances(s, each.id) for each in list_payments()]
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


def find_intent() -> str:
    return next(str(each.id) for each in rows(StripeId) if each.kind == "payment_intent")


def dispute(till: Till, cents: int, status: str | None) -> None:
    till.shop.control.dispute(find_intent(), amount=cents)
    till.shop.deliver()
    if status:
        (known,) = till.shop.control.objects("dispute")
        till.shop.control.close_dispute(known["id"], status)
        till.shop.deliver()


def refund_in_the_dashboard(till: Till, cents: int) -> None:
    till.shop.control.refund(find_intent(), amount=cents)
    till.shop.deliver()


def wait(till: Till) -> None:
    till.shop.pass_time(days=3)


def let_end(till: Till) -> None:
    till.shop.pass_time(days=8)
    jobs.reconcile_payments()


def story(*steps: Callable[[Till], object]) -> tuple[Callable[[Till], object], ...]:
    return steps


@pytest.mark.parametrize(
    ("steps", "books"),
    [
        (story(), [{"cash": 1499, "unearned": -1499}]),
        (story(let_end), [{"cash": 1499, "earned": -1499}]),
        # Two of seven days were used; the rest pays for the month.
        (story(upgrade), [{"cash": 1499, "earned": -428}, {"cash": 1928, "unearned": -2999}]),
        # Three of thirty days were used: the rest goes back as money and as time of the week.
        (
            story(upgrade, wait, withdraw),
            [{"cash": 1499, "unearned": -964, "earned": -428}, {"cash": 192, "earned": -299}],
        ),
        # To the end of the day: all money of the month goes back, and what its days are worth besides as time.
        (
            story(upgrade, wait, cancel_today),
            [{"cash": 1499, "unearned": -713, "earned": -428}, {"earned": -358}],
        ),
        (story(lambda till: refund_in_the_dashboard(till, 500)), [{"cash": 999, "unearned": -999}]),
        (story(lambda till: dispute(till, 500, None)), [{"cash": 999, "disputed": 500, "unearned": -1499}]),
        (story(lambda till: dispute(till, 500, "won")), [{"cash": 1499, "unearned": -1499}]),
        (story(lambda till: dispute(till, 500, "lost")), [{"cash": 999, "lost": 500, "unearned": -1499}]),
    ],
)
def test_the_book_at_the_end_of_a_story(
    till: Till, steps: tuple[Callable[[Till], object], ...], books: list[Book]
) -> None:
    till.buy(WEEK)
    for step in steps:
        step(till)
    assert read_book() == books

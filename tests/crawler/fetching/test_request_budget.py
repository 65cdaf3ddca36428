import asyncio

import pytest

from crawler.fetching.session import BudgetExhausted, RequestBudget


class Bucket:
    """Gives so many requests, and counts how often it was asked."""

    def __init__(self, left: int) -> None:
        self.left, self.asked = left, 0

    async def more(self) -> bool:
        self.asked += 1
        self.left -= 1
        return self.left >= 0


def taken(budget: RequestBudget, times: int) -> int:
    async def take() -> int:
        for number in range(times):
            try:
                await budget.take()
            except BudgetExhausted:
                return number
        return times

    return asyncio.run(take())


def test_what_the_claim_paid_for_asks_nobody() -> None:
    bucket = Bucket(9)
    assert taken(RequestBudget(3, bucket.more), 3) == 3
    assert bucket.asked == 0


def test_each_request_beyond_it_is_asked_for_until_there_is_none() -> None:
    bucket = Bucket(2)
    assert taken(RequestBudget(3, bucket.more), 9) == 5
    assert bucket.asked == 3


@pytest.mark.parametrize("paid", [0, 1, 6])
def test_without_a_bucket_there_is_what_was_paid(paid: int) -> None:
    assert taken(RequestBudget(paid), 9) == paid


@pytest.mark.rule("4.11")
def test_a_stopped_visit_makes_not_even_what_is_paid() -> None:
    budget, bucket = RequestBudget(3, Bucket(9).more), Bucket(9)
    assert taken(budget, 1) == 1
    budget.stopped = True
    assert taken(budget, 1) == 0
    assert bucket.asked == 0

import asyncio

import pytest

from configs.desk import Desk
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from tests.crawler.held import make_desk


class Bucket:
    """Gives so many requests, and counts how often it was asked."""

    def __init__(self, left: int) -> None:
        self.left, self.asked = left, 0
        self.hosts: set[str] = set()

    async def more(self) -> bool:
        self.asked += 1
        self.left -= 1
        return self.left >= 0

    async def of(self, desk: Desk) -> bool:
        self.hosts.add(desk.host)
        return await self.more()


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


def test_another_host_pays_for_itself() -> None:
    own, there = Bucket(9), Bucket(2)
    budget = RequestBudget(3, own.more, there.of)
    assert taken(budget, 1) == 1
    budget.go_on_at(make_desk("https://far.example/"))
    assert (taken(budget, 9), own.asked, there.hosts) == (2, 0, {"far.example:443"})


def test_without_buckets_what_was_paid_serves_for_every_host() -> None:
    budget = RequestBudget(3)
    budget.go_on_at(make_desk("https://far.example/"))
    assert taken(budget, 9) == 3


@pytest.mark.rule("4.11")
def test_a_stopped_visit_makes_not_even_what_is_paid() -> None:
    budget, bucket = RequestBudget(3, Bucket(9).more), Bucket(9)
    assert taken(budget, 1) == 1
    budget.stopped = True
    assert taken(budget, 1) == 0
    assert bucket.asked == 0

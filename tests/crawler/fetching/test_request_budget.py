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


@pytest.mark.rule("4.11")
def test_a_stopped_visit_makes_not_even_what_is_paid() -> None:
    budget, bucket = RequestBudget(3, Bucket(9).more), Bucket(9)
    assert taken(budget, 1) == 1
    budget.stopped = True
    assert taken(budget, 1) == 0
    assert bucket.asked == 0

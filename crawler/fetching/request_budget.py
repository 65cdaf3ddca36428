"""The request budget of one visit: how many requests its host may get from it."""

from collections.abc import Awaitable, Callable


class BudgetExhausted(Exception):
    """The host may not be asked any more now."""


class RequestBudget:
    """Budget of one visit. `more` asks for one request beyond the `paid` ones; without it there are none.

    `stopped` is set when an operator stops the host: what is paid for is not made any more either.
    """

    def __init__(self, paid: float, more: Callable[[], Awaitable[bool]] | None = None) -> None:
        self.stopped = False
        self._left = paid
        self._more = more

    async def take(self) -> None:
        """Use one request up.

        Raises:
            BudgetExhausted: there is none, or the host is stopped.
        """
        if self.stopped:
            raise BudgetExhausted
        if self._left >= 1:
            self._left -= 1
        elif self._more is None or not await self._more():
            raise BudgetExhausted

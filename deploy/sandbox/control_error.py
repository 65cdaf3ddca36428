"""Error answer of the control API to a call that asks for something impossible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Refusal(Exception):
    """A request that is answered with ``status`` and ``{"error": …, "known": […]}``.

    Args:
        error: what is wrong and what to do, one sentence.
        known: the values that would have been accepted, where they can be listed; numbers as numbers, to be sent so.
        status: 400 for what is no JSON object, 404 for what does not exist, 422 for a wrong value.
    """

    def __init__(self, error: str, *, known: Iterable[object] = (), status: int = 422) -> None:
        super().__init__(error)
        self.error = error
        self.known = [value if isinstance(value, int) else str(value) for value in known]
        self.status = status

    def body(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"error": self.error, "known": self.known} if self.known else {"error": self.error}

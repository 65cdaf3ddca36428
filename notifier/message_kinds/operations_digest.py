"""The digest of 9:00 to the admins: what happened since the last one, and the alarms that are open."""

from typing import Any

from configs.languages import FRENCH
from notifier.content.daily_message import DailyMessage, list_plans
from notifier.message_kind_base import ClaimedRow

_NUMBERS = ("accounts", "support", "hoarding", "payments", "raised", "unanswered", "open")


class OperationsDigest(DailyMessage):
    """Lists numbers, and the newest alarms that are open."""

    languages = (FRENCH,)

    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return the numbers."""
        listed = row.params["listed"]
        return {name: row.params[name] for name in _NUMBERS} | {
            "begun": list_plans(row.params["begun"]),
            "ended": list_plans(row.params["ended"]),
            "listed": listed,
            "more": row.params["open"] - len(listed),
        }

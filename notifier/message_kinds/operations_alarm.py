"""The alarm of our own operations to operators: a provider, a queue, a quota, the cost of SMS."""

from datetime import timedelta
from typing import Any

from babel.dates import format_timedelta

from configs.languages import FRENCH
from notifier.content.alarm_message import AlarmMessage
from notifier.content.desk_message_content import since_at_home
from notifier.message_kind_base import ClaimedRow


class OperationsAlarm(AlarmMessage):
    """Says what is wrong since when, and what to do. Names providers and amounts, never a person."""

    languages = (FRENCH,)

    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return what is wrong: `number` of `of` messages, their `age`; `detail` in English, as health says it."""
        oldest = timedelta(seconds=row.params.get("oldest_seconds", 0))
        return {
            "reason": row.params["reason"],
            "subject": row.params["subject"],
            "detail": row.params.get("detail", ""),
            "number": row.params.get("number", 0),
            "of": row.params.get("of", 0),
            "age": format_timedelta(oldest, threshold=2, locale=row.language) if oldest else "",
            **since_at_home(row.params, row.language),
        }

"""The alarm of a site or a desk in trouble, to operators, with what to do about it."""

from typing import Any

from configs.languages import FRENCH
from notifier.content.alarm_message import AlarmMessage
from notifier.content.desk_message_content import desk_infos, since_at_home
from notifier.message_kind_base import ClaimedRow


class DeskTrouble(AlarmMessage):
    """Lists the desks in trouble, the reason and since when."""

    languages = (FRENCH,)

    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return what is in trouble since when."""
        found = desk_infos(row.params["desks"])
        return {
            "subject": row.params["subject"],
            "reason": row.params["reason"],
            "spots": found,
            "more": row.params["count"] - len(found),
            **since_at_home(row.params, row.language),
        }

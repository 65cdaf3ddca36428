"""The message to operators about a payment that needs a person; an alarm where that cannot wait."""

from typing import Any

from notifier.content.alarm_message import AlarmMessage
from notifier.message_kind_base import ClaimedRow


class PaymentTrouble(AlarmMessage):
    """Goes to SUPPORT_EMAIL, or to the admins; an alarm to operators. Names ids and amounts, never a person."""

    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return what happened."""
        return {"trouble": row.params["trouble"], "detail": row.params["detail"]}

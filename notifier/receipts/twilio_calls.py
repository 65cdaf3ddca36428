"""Twilio's reports of calls: whether a person answered, or a machine, or no one.

https://www.twilio.com/docs/voice/answering-machine-detection
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from api.models.provider_event import ReceiptKind
from notifier.receipt_base import LONGEST_ID, Receipt, ReceiptReader
from notifier.twilio_webhooks import CALLS, is_signed, read_form, read_ids, webhook_address

MACHINE = "machine"  # the code of a call that an answering machine took
_MACHINES = ("machine", "fax")  # how the words of Twilio for them begin; a person is `human` or `unknown`
_MISSED = frozenset({"busy", "no-answer", "failed", "canceled"})


class TwilioCallReceipts(ReceiptReader):
    """A request says how a call ended."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes, query: str) -> bool:
        """Return whether our token signed API_URL's address and the form, and the account is ours."""
        return is_signed(headers, body, webhook_address(CALLS, query))

    def read_receipts(self, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:
        """Return the receipt, if the call is over; as Twilio names no time, its arrival counts."""
        form = {name: value.replace("\0", "") for name, value in read_form(body).items()}
        sid = form.get("CallSid", "")
        if not 1 <= len(sid) <= LONGEST_ID // 2:
            raise ValueError("no CallSid")
        kind, code = _read_end(form)
        if kind is None:
            return []
        return [Receipt(f"{sid}:{kind.value}", kind, now, form.get("To", ""), sid, read_ids(query), code)]


def _read_end(form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
    """Return what a request says, and the code of a call that no person answered."""
    status = form.get("CallStatus", "")
    if status in _MISSED:
        return ReceiptKind.REFUSED, status
    if status != "completed":
        return None, None
    is_machine = form.get("AnsweredBy", "").startswith(_MACHINES)
    return (ReceiptKind.REFUSED, MACHINE) if is_machine else (ReceiptKind.DELIVERED, None)

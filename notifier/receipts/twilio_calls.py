"""Twilio's reports of calls: whether a person answered, the key that was pressed, the end.

https://www.twilio.com/docs/voice/answering-machine-detection
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from api.models.provider_event import ReceiptKind
from configs.settings import SettingMissing
from configs.signing import LinkRefused
from notifier.call_addresses import CallStep, read_call, webhook_address
from notifier.receipt_base import LONGEST_ID, Receipt, ReceiptReader
from notifier.twilio_webhooks import is_signed, read_form

STOP_KEY, REPEAT_KEY = "1", "2"
MACHINE = "machine"  # the code of a call that an answering machine took
_MACHINES = ("machine", "fax")  # how the words of Twilio for them begin; a person is `human` or `unknown`
_MISSED = frozenset({"busy", "no-answer", "failed", "canceled"})
_COMPLETED = "completed"


class TwilioCallReceipts(ReceiptReader):
    """A request about one call. A call that rang is no receipt; one that was answered, missed or ended is."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes, query: str) -> bool:
        """Return whether Twilio signed the request, and we the address."""
        try:
            read_call(query)
        except (LinkRefused, SettingMissing):
            return False
        return is_signed(headers, body, webhook_address(query))

    def read_receipts(self, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:
        """Return the receipt, if the request is one; as Twilio names no time, its arrival counts."""
        call = read_call(query)
        form = {name: value.replace("\0", "") for name, value in read_form(body).items()}
        sid = form.get("CallSid", "")
        if not 1 <= len(sid) <= LONGEST_ID // 2:
            raise ValueError("no CallSid")
        kind, code = _read_kind(call.step, form)
        if kind is None:
            return []
        ids = (call.notification_id,)
        return [Receipt(f"{sid}:{kind.value}", kind, now, form.get("To", ""), sid, ids, code)]


def is_machine(form: Mapping[str, str]) -> bool:
    """Return whether a machine answered, as far as Twilio can tell."""
    return form.get("AnsweredBy", "").startswith(_MACHINES)


def _read_kind(step: CallStep, form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
    """Return what a request says, and the code of a call that was missed."""
    if step is CallStep.ANSWERED:
        return (ReceiptKind.REFUSED, MACHINE) if is_machine(form) else (ReceiptKind.DELIVERED, None)
    if step is CallStep.KEY:
        return (ReceiptKind.KEY if form.get("Digits") == STOP_KEY else None), None
    status = form.get("CallStatus", "")
    if status in _MISSED:
        return ReceiptKind.REFUSED, status
    if is_machine(form):  # the first request may not have been stored
        return ReceiptKind.REFUSED, MACHINE
    return (ReceiptKind.ENDED if status == _COMPLETED else None), None

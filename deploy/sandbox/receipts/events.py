"""Contents of receipts: the events of SendGrid, and the forms of Twilio.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.clock import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deploy.sandbox.outbox import OutboxDraft

_EVENTS: Final[dict[str, tuple[dict[str, str], ...]]] = {
    "delivered": ({"event": "processed"}, {"event": "delivered", "response": "250 OK"}),
    "bounced": ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 no such user"},),
    "refused": ({"event": "bounce", "type": "blocked", "status": "4.2.2", "reason": "452 mailbox full"},),
    "spam": ({"event": "delivered", "response": "250 OK"}, {"event": "spamreport"}),
    "dropped": ({"event": "dropped", "reason": "Spam Reporting Address"},),
}
_STATES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "delivered": (("sent", ""), ("delivered", "")),
    "bounced": (("undelivered", "30005"),),
    "refused": (("undelivered", "30003"),),
    "spam": (("undelivered", "30007"),),
}


def make_events(says: str, provider_id: str, drafts: Sequence[OutboxDraft]) -> list[dict[str, Any]]:
    """Return SendGrid's events about the mails of one call."""
    at, call = int(now().timestamp()), secrets.token_urlsafe(16)
    return [
        draft.custom
        | {
            "email": draft.to,
            "timestamp": at,
            "sg_event_id": f"{call}-{number}-{event['event']}",
            "sg_message_id": f"{provider_id}.recvd-sandbox-1",
        }
        | event
        for number, draft in enumerate(drafts)
        for event in _EVENTS[says]
    ]


def make_states(says: str, account: str, sid: str, draft: OutboxDraft) -> Iterator[dict[str, str]]:
    """Yield the forms of Twilio's callbacks about one SMS."""
    for state, code in _STATES[says]:
        form = {
            "AccountSid": account,
            "MessageSid": sid,
            "SmsSid": sid,
            "MessageStatus": state,
            "SmsStatus": state,
        }
        form |= {"To": draft.to, "From": draft.sender, "ApiVersion": "2010-04-01"}
        yield form | ({"ErrorCode": code} if code else {})


def make_answer(account: str, number: str, text: str) -> dict[str, str]:
    """Return the form of a message that a person sent."""
    sid = f"SM{secrets.token_hex(16)}"
    return {
        "AccountSid": account, "MessageSid": sid, "SmsSid": sid, "SmsStatus": "received", "From": number,
        "To": "+33644600000", "Body": text, "NumMedia": "0", "NumSegments": "1", "ApiVersion": "2010-04-01",
    }  # fmt: skip

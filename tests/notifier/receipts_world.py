"""Signed calls of SendGrid and Twilio for the tests of receipts."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import notifier
from api.models.notification import Notification
from api.models.user import Contact
from configs.ground.clock import clock
from configs.settings import settings
from deploy.sandbox.receipts.signatures import sign_events, sign_form
from notifier.content.outgoing_message import SMS_WEBHOOK, callback_of, webhook_address
from tests.notifier.world import get

SECRET = "tests-receipts"


def event_of(
    key: UUID, kind: str = "delivered", *, message_id: str | None = None, **fields: Any
) -> dict[str, Any]:
    """Return SendGrid's event about a notification: of its accepted attempt, unless `message_id` names another."""
    row = get(Notification, key)
    address = get(Contact, row.contact_id).address if row.contact_id else row.address
    return {
        "email": address, "event": kind, "timestamp": int(clock().timestamp()), "sg_event_id": uuid4().hex,
        "sg_message_id": f"{message_id or row.provider_id}.filter0001.17.5", "notification_id": str(key),
    } | fields  # fmt: skip


def send_events(*events: dict[str, Any], secret: str = SECRET) -> None:
    """Let SendGrid call the webhook."""
    body = json.dumps(list(events)).encode()
    notifier.receive("sendgrid", sign_events(secret, body, int(clock().timestamp())), body)


def send_sms_state(
    key: UUID, status: str, code: str = "", *, sid: str | None = None, to: str | None = None
) -> None:
    """Let Twilio report on the message of a notification."""
    row = get(Notification, key)
    address = to or (get(Contact, row.contact_id).address if row.contact_id else "")
    form = {
        "MessageSid": sid or row.provider_id or "",
        "MessageStatus": status,
        "To": address,
        "ErrorCode": code,
    }
    call_twilio_hook(form, query_of([key]))


def query_of(ids: Sequence[UUID]) -> str:
    """Return what Twilio calls the webhook with behind the `?`: what is behind a `#` is never sent."""
    return urlsplit(callback_of(SMS_WEBHOOK, ids)).query


def answer_sms(number: str, text: str) -> None:
    """Let a person answer an SMS."""
    call_twilio_hook({"MessageSid": f"SM{uuid4().hex}", "From": number, "Body": text})


def call_twilio_hook(form: dict[str, str], query: str = "") -> None:
    """Let Twilio call the webhook, signed with our token."""
    whole = {"AccountSid": settings().require("twilio_account_sid"), **form}
    token = settings().require("twilio_auth_token")
    headers = sign_form(token, webhook_address(SMS_WEBHOOK, query), whole)
    notifier.receive("twilio", headers, urlencode(whole).encode(), query)

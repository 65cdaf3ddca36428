"""Signed calls of SendGrid and Twilio, and people who want to be called."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import notifier
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from configs.settings import settings
from deploy.sandbox.providers.receipts import sign_events, sign_form
from notifier.channels.providers.twilio import CALL_WEBHOOK, SMS_WEBHOOK, callback_of, webhook_address
from notifier.jobs import apply_receipts, deliver
from tests.factories import rows
from tests.notifier.world import ALL_DAY, Person, alert, change, detection, get, matched, person

SECRET = "tests-receipts"
HARD: dict[str, str] = {
    "type": "bounce",
    "status": "5.1.1",
}  # of SendGrid's event about an address that is dead


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
    notifier.store_receipts("sendgrid", sign_events(secret, body, int(clock().timestamp())), body)


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
    notifier.store_receipts("twilio", headers, urlencode(whole).encode(), query)


# People who want to be called, and what Twilio reports of calls


CALLED = {"voice_enabled": True}


def callee(*channels: Channel) -> Person:
    """Make a person with a confirmed number, beside other contacts, who waits for the desk and wants calls."""
    who = person(channels=(Channel.SMS, *channels))
    change(User, who.id, **ALL_DAY)
    alert(who, **CALLED)
    return who


def calls() -> list[Notification]:
    """Return the calls, in their order."""
    return rows(Notification, Notification.kind == "slot_call")


def missed_sms() -> list[Notification]:
    """Return the SMS that follow a call."""
    return rows(Notification, Notification.kind == "call_missed")


def planned() -> list[UUID]:
    """Return the calls that wait to be made."""
    return [row.id for row in calls() if row.state is State.PENDING]


def wanted_call() -> UUID:
    """Match a detection for a person who wants calls; return the call."""
    callee()
    matched(detection())
    (key,) = planned()
    return key


def placed_call() -> UUID:
    """Have a wanted call made; return it."""
    key = wanted_call()
    deliver(str(key))
    return key


def report(key: UUID, status: str, *, token: str = "", **form: str) -> None:
    """Let Twilio report how a call ended, and have that applied."""
    query = f"notifications={key}"
    about = {"AccountSid": settings().twilio_account_sid or "", "To": "+33612345678", "CallStatus": status}
    fields = {"CallSid": get(Notification, key).provider_id or "", **about, **form}
    signed = sign_form(
        token or settings().require("twilio_auth_token"), webhook_address(CALL_WEBHOOK, query), fields
    )
    notifier.store_receipts("twilio_calls", signed, urlencode(fields).encode(), query)
    apply_receipts()

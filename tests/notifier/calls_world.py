"""World of the tests of calls: people who want to be called, and what Twilio reports."""

from urllib.parse import urlencode
from uuid import UUID

import notifier
from api.models.notification import Notification, State
from api.models.user import Channel, User
from configs.settings import settings
from deploy.sandbox.receipts.signatures import sign_form
from notifier.content.outgoing_message import CALL_WEBHOOK, webhook_address
from notifier.jobs import apply_receipts, deliver
from tests.factories import rows
from tests.notifier.world import ALL_DAY, Person, alert, change, detection, get, matched, person

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
    notifier.receive("twilio_calls", signed, urlencode(fields).encode(), query)
    apply_receipts()

"""Mail about the account, payments and what the law asks for: it leaves also after a spam report."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import notifier
from api.models.base import session
from api.models.notification import Notification, State
from api.models.support import SupportRequest
from api.models.user import Channel, Contact, ContactState
from api.users.preference_schemas import NotificationChanges
from api.users.service import change_notifications
from configs.ground.message_groups import SWITCHABLE
from notifier.jobs import deliver
from notifier.message_kinds import kinds
from notifier.sweep import undelivered
from tests import factories
from tests.notifier.world import (
    Person,
    alert,
    change,
    detection,
    get,
    in_one_transaction,
    match,
    matched,
    notifications,
    person,
    slots,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
AT = datetime(2026, 11, 20, 9, tzinfo=UTC).isoformat()
PARAMS: dict[str, dict[str, Any]] = {
    "password_reset": {},
    "login_ended": {"at": AT},
    "account_exists": {},
    "account_unused": {"ends": AT, "used": AT},
    "channel_lost": {"channel": "sms", "state": "unsubscribed"},
    "support_received": {"number": "S-1"},
}


def send(who: Person, kind: str) -> Notification:
    """Send a message of a kind by mail; return its row."""
    with session() as s:
        made = notifier.create_notifications(
            s, who.id, kind, PARAMS[kind], f"{kind}:1", priority="immediate", channels=[Channel.EMAIL]
        )
    deliver(*map(str, made))
    row: Notification = get(Notification, made[0])
    return row


@pytest.mark.parametrize("kind", PARAMS)
def test_who_reported_spam_gets_mail_about_the_account(kind: str, whole: "Running") -> None:
    who = person(enabled=False)
    change(Contact, who.contacts[Channel.EMAIL], state=ContactState.UNSUBSCRIBED, consented_at=None)
    assert send(who, kind).state is State.SENT
    assert len(whole.messages("email")) == 1


@pytest.mark.parametrize("kind", PARAMS)
@pytest.mark.parametrize("state", [ContactState.BOUNCED, ContactState.BLOCKED])
def test_an_address_that_is_lost_gets_none(kind: str, state: ContactState, whole: "Running") -> None:
    who = person()
    with session() as s:
        made = notifier.create_notifications(s, who.id, kind, PARAMS[kind], kind, priority="immediate")
    change(Contact, who.contacts[Channel.EMAIL], state=state)
    deliver(*map(str, made))
    assert whole.messages("email") == []
    assert [get(Notification, each).state for each in made] == [State.SKIPPED]


def test_an_address_that_nobody_confirmed_gets_no_more_after_a_spam_report(whole: "Running") -> None:
    who = person(verified=False)
    change(Contact, who.contacts[Channel.EMAIL], state=ContactState.UNSUBSCRIBED)
    assert send(who, "password_reset").reason == "address unsubscribed"
    assert whole.messages("email") == []


def test_sendgrid_is_told_which_mails_its_lists_do_not_hold_up(whole: "Running") -> None:
    whole.receipt_mode("sendgrid", "spam")
    who = person()
    alert(who)
    deliver(*map(str, matched(detection())))
    assert len(whole.messages("email")) == 1
    whole.receipt_mode("sendgrid", "delivered")
    deliver(
        *map(str, matched(detection(slots(place="2"))))
    )  # the report has not reached us: SendGrid drops it
    assert len(whole.messages("email")) == 1
    assert send(who, "password_reset").state is State.SENT
    assert len(whole.messages("email")) == 2


def switch_mail(who: Person, *, on: bool) -> None:
    with session() as s:
        change_notifications(s, who.id, NotificationChanges.model_validate({"notifyEmail": on}))


def test_who_switches_mail_on_again_after_a_report_gets_alerts_past_the_list_of_sendgrid(
    whole: "Running",
) -> None:
    camille, robin = person(), person(addresses={Channel.EMAIL: "robin@example.org"})
    alert(camille)
    alert(robin)
    whole.receipt_mode("sendgrid", "spam")
    match(str(detection()))
    assert len(whole.messages("email")) == 2
    whole.receipt_mode("sendgrid", "delivered")
    change(
        Contact, camille.contacts[Channel.EMAIL], state=ContactState.UNSUBSCRIBED, consented_at=None
    )  # of Robin's report we have not heard
    for on in (True, False, True):
        switch_mail(camille, on=on)
    match(str(detection(slots(place="2"))))
    deliver(*(str(each.id) for each in notifications(State.PENDING)))
    assert sorted(each.to for each in whole.messages("email")) == [
        "camille@example.org",
        "camille@example.org",
        "robin@example.org",
    ]


def test_a_consent_that_no_report_came_before_is_held_up_by_the_list(whole: "Running") -> None:
    who = person()
    alert(who)
    for on in (False, True):
        switch_mail(who, on=on)
    whole.receipt_mode("sendgrid", "spam")
    match(str(detection()))
    match(str(detection(slots(place="2"))))
    assert len(whole.messages("email")) == 1


def test_no_kind_about_the_account_or_payments_can_be_switched_off() -> None:
    fixed = {name for name, kind in kinds().items() if kind.group not in SWITCHABLE}
    assert {"order", "password_reset", "withdrawn", "cancelled", "account_deleted", "verify_email"} <= fixed
    assert "slot_detected" not in fixed


# Messages to addresses without an account

MAILBOX = "assistance@example.org"
NASTY = "<script>alert(1)</script>\n\nBonjour & à bientôt {{ number }}"


def request() -> int:
    return factories.save(SupportRequest(email="robin@example.org", message=NASTY)).id


def notify(kind: str, params: dict[str, object], to: str = MAILBOX, language: str = "fr") -> UUID:
    (made,) = in_one_transaction(notifier.notify_address, to, kind, params, "key", language=language)
    return made  # type: ignore[no-any-return]


def test_support_reads_who_wrote_what(sandbox: "Running") -> None:
    number = request()
    key = notify("operations", {"request": number})
    deliver(str(key))
    (mail,) = sandbox.messages()
    assert (mail.to, mail.subject) == (MAILBOX, f"Demande d’assistance n° {number} – RDVPriority")
    assert "robin@example.org" in mail.text
    assert NASTY.split("\n", 1)[1] in mail.text
    assert "<script>" not in str(mail.html)
    row = get(Notification, key)
    assert (row.state, row.user_id, row.contact_id, row.address) == (State.SENT, None, None, MAILBOX)


def test_a_stranger_reads_the_number_and_none_of_the_text(sandbox: "Running") -> None:
    key = notify("support_received", {"number": 12}, "robin@example.org", "en")
    deliver(str(key))
    (mail,) = sandbox.messages()
    assert mail.subject == "We have received your request no. 12 – RDVPriority"
    assert "Its number is 12." in mail.text


def test_a_request_that_was_deleted_is_not_sent(sandbox: "Running") -> None:
    key = notify("operations", {"request": request()})
    factories.remove(SupportRequest)
    deliver(str(key))
    assert (get(Notification, key).reason, sandbox.messages()) == ("request deleted", [])


def test_a_refused_address_ends_its_own_message_and_touches_no_contact(sandbox: "Running") -> None:
    key = notify("support_received", {"number": 12}, "not-an-address")
    deliver(str(key))
    assert factories.rows(Contact) == []
    assert get(Notification, key).state is State.FAILED


def test_the_same_key_writes_once_and_the_sweep_finds_it(sandbox: "Running") -> None:
    key = notify("support_received", {"number": 12})
    assert in_one_transaction(notifier.notify_address, MAILBOX, "support_received", {}, "key") == []
    later = get(Notification, key).next_attempt_at + timedelta(seconds=2)
    assert [each.id for each in undelivered(later)] == [key]

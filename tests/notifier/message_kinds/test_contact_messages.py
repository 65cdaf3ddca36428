"""Messages about contacts and the account: to which address each goes, also after a spam report, and when it is of no use."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.base import new_id, session
from api.models.contact_lookup import PhoneCode, hash_address
from api.models.notification import Notification, State
from api.models.support import SupportRequest
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState, User
from api.users.preference_schemas import NotificationChanges
from api.users.service import change_notifications
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.encryption import encrypt
from configs.ground.message_groups import SWITCHABLE
from notifier import create_notifications
from notifier.content.sms_text import segments
from notifier.delivery import delivery
from notifier.jobs import deliver
from notifier.message_kinds import kinds
from notifier.sweep import undelivered
from tests import factories
from tests.notifier import world

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
NEW_PHONE = "+33639980099"
NEW_EMAIL = "nouvelle@example.org"


def tell(who: world.Person, kind: str, **params: Any) -> list[UUID]:
    written: list[UUID] = world.in_one_transaction(
        create_notifications, who.id, kind, params, f"{kind}:{new_id()}"
    )
    return written


def send_code(who: world.Person, number: str) -> list[UUID]:
    """Write a code for a number as the API does, and the SMS with it."""
    hashes = {"number_hash": hash_address(Channel.SMS, number)[0], "network_hash": b"n", "code_hash": b"c"}
    code = factories.save(PhoneCode(user_id=who.id, created_at=clock(), **hashes))
    return tell(who, "phone_code", code_id=str(code.id), code=encrypt("042917"))


@pytest.mark.parametrize(
    ("language", "begin", "number"),
    [("fr", "RDVPriority : votre", NEW_PHONE), ("en", "RDVPriority: your", world.ADDRESSES[Channel.SMS])],
)
def test_a_code_goes_to_the_number_that_is_new_or_not_verified_in_one_segment(
    sandbox: "Running", language: str, begin: str, number: str
) -> None:
    is_new = number == NEW_PHONE
    who = world.person(channels=[Channel.EMAIL, Channel.SMS], verified=is_new, enabled=is_new)
    world.change(User, who.id, language=language)
    world.change(Contact, who.contacts[Channel.SMS], new_address=NEW_PHONE if is_new else None)
    delivery.hand_over(delivery.claim(send_code(who, number)))
    (sms,) = sandbox.messages()
    assert (sms.channel, sms.to) == ("sms", number)
    assert sms.text.startswith(begin)
    assert "042917" in sms.text
    assert segments(sms.text) == 1


@pytest.mark.parametrize(
    ("asked", "is_used", "minutes", "outcome"),
    [
        ("+33639980098", False, 0, (State.SKIPPED, "number changed meanwhile")),
        (NEW_PHONE, True, 0, (State.EXPIRED, "code used or expired")),
        (NEW_PHONE, False, 10, (State.EXPIRED, "code used or expired")),
    ],
)
def test_a_code_of_no_use_any_more_is_not_sent(
    sandbox: "Running",
    frozen: time_machine.Traveller,
    asked: str,
    minutes: int,
    outcome: tuple[State, str],
    *,
    is_used: bool,
) -> None:
    who = world.person(channels=[Channel.SMS])
    world.change(Contact, who.contacts[Channel.SMS], new_address=asked)
    written = send_code(who, NEW_PHONE)
    if is_used:
        factories.change(PhoneCode, used_at=clock())
    frozen.shift(timedelta(minutes=minutes))
    delivery.hand_over(delivery.claim(written))
    assert [(row.state, row.reason) for row in world.notifications()] == [outcome]
    assert sandbox.messages() == []


def test_a_copy_of_a_reset_mail_brings_no_new_link_once_the_password_was_changed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    who = world.person()
    asked = tell(who, "password_reset")
    frozen.shift(timedelta(minutes=12))
    tell(who, "password_changed", at=clock().isoformat())
    delivery.hand_over(delivery.claim(asked))
    assert world.after(asked[0]) == (State.EXPIRED, "the password was changed meanwhile")
    frozen.shift(timedelta(minutes=1))
    delivery.hand_over(delivery.claim(tell(who, "password_reset")))
    (mail,) = sandbox.messages()
    assert "/l/reset." in mail.text


def test_a_refused_new_number_does_not_mark_the_one_in_use(sandbox: "Running") -> None:
    who = world.person(channels=[Channel.SMS])
    world.change(Contact, who.contacts[Channel.SMS], new_address=NEW_PHONE)
    sandbox.provider_mode("sms", "reject_address", address=NEW_PHONE)
    delivery.hand_over(delivery.claim(send_code(who, NEW_PHONE)))
    assert [row.state for row in world.notifications()] == [State.FAILED]
    assert world.get(Contact, who.contacts[Channel.SMS]).state == "ok"


def confirm_mail(who: world.Person, address: str = NEW_EMAIL) -> list[UUID]:
    world.change(Contact, who.contacts[Channel.EMAIL], new_address=address)
    return tell(who, "verify_new_email", address=digest(address), version=0)


def test_a_new_address_is_asked_itself_and_none_that_was_replaced(sandbox: "Running") -> None:
    who = world.person()
    delivery.hand_over(delivery.claim([*confirm_mail(who, "first@example.org"), *confirm_mail(who)]))
    (mail,) = sandbox.messages()
    assert mail.to == NEW_EMAIL
    assert "nouvelle adresse" in (mail.subject or "")
    assert "/l/verify." in mail.text


def test_the_old_address_is_told_of_the_new_one(sandbox: "Running") -> None:
    who = world.person(enabled=False)
    world.change(Contact, who.contacts[Channel.EMAIL], address=NEW_EMAIL)
    to = world.ADDRESSES[Channel.EMAIL]
    delivery.hand_over(
        delivery.claim(tell(who, "address_changed", changed="email", shown="n…@example.org", to=to))
    )
    (mail,) = sandbox.messages()
    assert mail.to == to
    assert "adresse e-mail a changé" in (mail.subject or "")
    assert "n…@example.org" in mail.text


def test_a_new_number_or_sign_in_is_told_by_mail(sandbox: "Running") -> None:
    who = world.person(channels=[Channel.EMAIL, Channel.SMS])
    for changed, shown in {"phone": "…99", "provider": "Essai"}.items():
        delivery.hand_over(delivery.claim(tell(who, "address_changed", changed=changed, shown=shown)))
    number, sign_in = sandbox.messages()
    assert (number.channel, number.to) == ("email", world.ADDRESSES[Channel.EMAIL])
    assert "numéro de téléphone" in (number.subject or "")
    assert "se connecter à votre compte RDVPriority avec Essai" in sign_in.text


def test_a_linked_chat_is_told_by_mail_and_its_name_is_escaped(sandbox: "Running") -> None:
    who = world.person(channels=[Channel.EMAIL, Channel.TELEGRAM])
    delivery.hand_over(delivery.claim(tell(who, "telegram_linked", chat_name=encrypt("Camille <b>"))))
    (mail,) = sandbox.messages()
    assert mail.channel == "email"
    assert "Camille <b>" in mail.text
    assert "Camille &lt;b&gt;" in (mail.html or "")


def test_no_code_and_no_name_stands_in_the_rows() -> None:
    who = world.person(channels=[Channel.EMAIL, Channel.SMS])
    send_code(who, NEW_PHONE)
    tell(who, "telegram_linked", chat_name=encrypt("Camille Martin"))
    found = str([row.params for row in world.notifications()])
    assert "042917" not in found
    assert "Camille" not in found


def test_a_test_arrives_on_every_channel_in_a_language_that_may_be_chosen_and_names_the_place_in_few(
    sandbox: "Running",
) -> None:
    who = world.person(channels=CONTACT_CHANNELS)
    params = {"alert": str(world.alert(who, name="Maman")), "test": "1"}
    for key, options in (("all", {}), ("mail", {"channels": ["email"], "language": "en"})):
        made = world.in_one_transaction(create_notifications, who.id, "test_message", params, key, **options)
        deliver(*map(str, made))
    texts = {message.channel: f"{message.subject} {message.text}" for message in sandbox.messages()[:-1]}
    assert sorted(texts) == ["email", "push", "sms", "telegram"]
    assert all("eci est un test" in text for text in texts.values())
    assert {name for name, text in texts.items() if "Essonne (91)" in text} == {"email", "telegram"}
    assert {name for name, text in texts.items() if "Maman" in text} == {"email", "telegram"}
    assert "séjour" not in str(texts)
    assert sandbox.messages()[-1].subject == "Test message – Essonne (91)"


def test_no_test_is_sent_of_an_alert_that_was_closed_meanwhile(sandbox: "Running") -> None:
    who = world.person()
    params = {"alert": str(world.alert(who)), "test": "1"}
    (made,) = tell(who, "test_message", **params)
    factories.change(Alert, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    deliver(str(made))
    assert (world.get(Notification, made).reason, sandbox.messages()) == ("alert stopped", [])


# Mail about the account, payments and what the law asks for: it leaves also after a spam report


AT = datetime(2026, 11, 20, 9, tzinfo=UTC).isoformat()
PARAMS: dict[str, dict[str, Any]] = {
    "password_reset": {},
    "login_ended": {"at": AT},
    "account_exists": {},
    "account_unused": {"ends": AT, "used": AT},
    "channel_lost": {"channel": "sms", "state": "unsubscribed"},
    "support_received": {"number": "S-1"},
}


def send(who: world.Person, kind: str) -> Notification:
    """Send a message of a kind by mail; return its row."""
    with session() as s:
        made = notifier.create_notifications(
            s, who.id, kind, PARAMS[kind], f"{kind}:1", priority="immediate", channels=[Channel.EMAIL]
        )
    deliver(*map(str, made))
    row: Notification = world.get(Notification, made[0])
    return row


@pytest.mark.parametrize(
    ("state", "verified", "reason"),
    [
        (ContactState.UNSUBSCRIBED, True, None),
        (ContactState.UNSUBSCRIBED, False, "address unsubscribed"),
        (ContactState.BOUNCED, True, "address bounced"),
        (ContactState.BLOCKED, True, "address blocked"),
    ],
)
def test_who_reported_spam_gets_mail_about_the_account_at_an_address_that_is_confirmed_and_not_lost(
    state: ContactState, reason: str | None, whole: "Running", *, verified: bool
) -> None:
    who = world.person(verified=verified)
    wanted = PARAMS if verified else {"password_reset": PARAMS["password_reset"]}
    for kind, params in wanted.items():
        world.in_one_transaction(notifier.create_notifications, who.id, kind, params, kind)
    world.change(Contact, who.contacts[Channel.EMAIL], state=state, enabled=False, consented_at=None)
    deliver(*(str(row.id) for row in world.notifications()))
    ends = State.SKIPPED if reason else State.SENT
    mine = [row for row in world.notifications() if row.channel is Channel.EMAIL and row.kind in wanted]
    assert [(row.state, row.reason) for row in mine] == [(ends, reason)] * len(wanted)
    assert len(whole.messages("email")) == (0 if reason else len(wanted))


def test_sendgrid_is_told_which_mails_its_lists_do_not_hold_up(whole: "Running") -> None:
    whole.receipt_mode("sendgrid", "spam")
    who = world.person()
    world.alert(who)
    deliver(*map(str, world.matched(world.detection())))
    assert len(whole.messages("email")) == 1
    whole.receipt_mode("sendgrid", "delivered")
    deliver(
        *map(str, world.matched(world.detection(world.slots(place="2"))))
    )  # the report has not reached us: SendGrid drops it
    assert len(whole.messages("email")) == 1
    assert send(who, "password_reset").state is State.SENT
    assert len(whole.messages("email")) == 2


def switch_mail(who: world.Person, *, on: bool) -> None:
    with session() as s:
        change_notifications(s, who.id, NotificationChanges.model_validate({"notifyEmail": on}))


def test_who_switches_mail_on_again_after_a_report_gets_alerts_past_the_list_of_sendgrid(
    whole: "Running",
) -> None:
    camille, robin = world.person(), world.person(addresses={Channel.EMAIL: "robin@example.org"})
    world.alert(camille)
    world.alert(robin)
    whole.receipt_mode("sendgrid", "spam")
    world.match(str(world.detection()))
    assert len(whole.messages("email")) == 2
    whole.receipt_mode("sendgrid", "delivered")
    world.change(
        Contact, camille.contacts[Channel.EMAIL], state=ContactState.UNSUBSCRIBED, consented_at=None
    )  # of Robin's report we have not heard
    for on in (True, False, True):
        switch_mail(camille, on=on)
    world.match(str(world.detection(world.slots(place="2"))))
    deliver(*(str(each.id) for each in world.notifications(State.PENDING)))
    assert sorted(each.to for each in whole.messages("email")) == [
        "camille@example.org",
        "camille@example.org",
        "robin@example.org",
    ]


def test_a_consent_that_no_report_came_before_is_held_up_by_the_list(whole: "Running") -> None:
    who = world.person()
    world.alert(who)
    for on in (False, True):
        switch_mail(who, on=on)
    whole.receipt_mode("sendgrid", "spam")
    world.match(str(world.detection()))
    world.match(str(world.detection(world.slots(place="2"))))
    assert len(whole.messages("email")) == 1


def test_a_consent_that_was_withdrawn_after_a_report_passes_no_list(whole: "Running") -> None:
    who = world.person()
    world.alert(who)
    withdrawn = {"alerts": {"after_report": True, "withdrawn_at": "2026"}}
    world.change(Contact, who.contacts[Channel.EMAIL], consent=withdrawn, consented_at=None)
    whole.receipt_mode("sendgrid", "spam")
    for place in ("1", "2"):
        world.match(str(world.detection(world.slots(place=place))))
        deliver(*(str(each.id) for each in world.notifications(State.PENDING)))
    assert [row.state for row in world.notifications()] == [State.SENT] * 2
    assert len(whole.messages("email")) == 1, "SendGrid drops the second"


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
    (made,) = world.in_one_transaction(notifier.notify_address, to, kind, params, "key", language=language)
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
    row = world.get(Notification, key)
    assert (row.state, row.user_id, row.contact_id, row.address) == (State.SENT, None, None, MAILBOX)


def test_a_stranger_reads_the_number_and_none_of_the_text_once(sandbox: "Running") -> None:
    key = notify("support_received", {"number": 12}, "robin@example.org", "en")
    deliver(str(key))
    assert world.in_one_transaction(notifier.notify_address, MAILBOX, "support_received", {}, "key") == []
    (mail,) = sandbox.messages()
    assert mail.subject == "We have received your request no. 12 – RDVPriority"
    assert "Its number is 12." in mail.text


def test_an_operators_answer_is_the_text_of_the_mail(sandbox: "Running") -> None:
    number = request()
    factories.change(SupportRequest, answer=f"Bonjour. {NASTY}", ended_at=clock())
    deliver(str(notify("support_answered", {"request": number}, "robin@example.org")))
    (mail,) = sandbox.messages()
    assert mail.subject == f"Notre réponse à votre demande n° {number} – RDVPriority"
    assert NASTY.split("\n", 1)[1] in mail.text
    assert "<script>" not in str(mail.html)
    assert "/aide/ecrire" in mail.text


def test_a_request_that_was_deleted_is_not_sent_and_a_refused_address_touches_no_contact(
    sandbox: "Running",
) -> None:
    key = notify("operations", {"request": request()})
    factories.remove(SupportRequest)
    deliver(str(key))
    assert (world.get(Notification, key).reason, sandbox.messages()) == ("request deleted", [])
    factories.remove(Notification)
    key = notify("support_received", {"number": 12}, "not-an-address")
    later = world.get(Notification, key).next_attempt_at + timedelta(seconds=2)
    assert [each.id for each in undelivered(later)] == [key], "the sweep finds it"
    factories.change(Notification, next_attempt_at=clock())
    deliver(str(key))
    assert (world.get(Notification, key).state, factories.rows(Contact)) == (State.FAILED, [])

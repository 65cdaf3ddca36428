"""Messages about contacts: to which address each goes, and when it is of no use any more."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

from api.models.alert import Alert, ClosedBecause
from api.models.base import new_id
from api.models.contact_linking import PhoneCode
from api.models.contact_lookup import hash_address
from api.models.notification import Notification, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.encryption import encrypt
from notifier import create_notifications
from notifier.content.sms_text import segments
from notifier.delivery import delivery
from notifier.jobs import deliver
from tests import factories
from tests.notifier.world import (
    ADDRESSES,
    Person,
    alert,
    change,
    get,
    in_one_transaction,
    notifications,
    person,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
NEW_PHONE = "+33639980099"
NEW_EMAIL = "nouvelle@example.org"


def tell(who: Person, kind: str, **params: Any) -> list[UUID]:
    written: list[UUID] = in_one_transaction(create_notifications, who.id, kind, params, f"{kind}:{new_id()}")
    return written


def send_code(who: Person, number: str) -> list[UUID]:
    """Write a code for a number as the API does, and the SMS with it."""
    hashes = {"number_hash": hash_address(Channel.SMS, number)[0], "network_hash": b"n", "code_hash": b"c"}
    code = factories.save(PhoneCode(user_id=who.id, created_at=clock(), **hashes))
    return tell(who, "phone_code", code_id=str(code.id), code=encrypt("042917"))


@pytest.mark.parametrize(
    ("language", "begin", "number"),
    [("fr", "RDVPriority : votre", NEW_PHONE), ("en", "RDVPriority: your", ADDRESSES[Channel.SMS])],
)
def test_a_code_goes_to_the_number_that_is_new_or_not_verified_in_one_segment(
    sandbox: "Running", language: str, begin: str, number: str
) -> None:
    is_new = number == NEW_PHONE
    who = person(channels=[Channel.EMAIL, Channel.SMS], verified=is_new, enabled=is_new)
    change(User, who.id, language=language)
    change(Contact, who.contacts[Channel.SMS], new_address=NEW_PHONE if is_new else None)
    delivery.deliver(send_code(who, number))
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
    who = person(channels=[Channel.SMS])
    change(Contact, who.contacts[Channel.SMS], new_address=asked)
    written = send_code(who, NEW_PHONE)
    if is_used:
        factories.change(PhoneCode, used_at=clock())
    frozen.shift(timedelta(minutes=minutes))
    delivery.deliver(written)
    assert [(row.state, row.reason) for row in notifications()] == [outcome]
    assert sandbox.messages() == []


def test_a_refused_new_number_does_not_mark_the_one_in_use(sandbox: "Running") -> None:
    who = person(channels=[Channel.SMS])
    change(Contact, who.contacts[Channel.SMS], new_address=NEW_PHONE)
    sandbox.provider_mode("sms", "reject_address", address=NEW_PHONE)
    delivery.deliver(send_code(who, NEW_PHONE))
    assert [row.state for row in notifications()] == [State.FAILED]
    assert get(Contact, who.contacts[Channel.SMS]).state == "ok"


def confirm_mail(who: Person, address: str = NEW_EMAIL) -> list[UUID]:
    change(Contact, who.contacts[Channel.EMAIL], new_address=address)
    return tell(who, "verify_new_email", address=digest(address), version=0)


def test_a_new_address_is_asked_itself_and_none_that_was_replaced(sandbox: "Running") -> None:
    who = person()
    delivery.deliver([*confirm_mail(who, "first@example.org"), *confirm_mail(who)])
    (mail,) = sandbox.messages()
    assert mail.to == NEW_EMAIL
    assert "nouvelle adresse" in (mail.subject or "")
    assert "/l/verify." in mail.text


def test_the_old_address_is_told_of_the_new_one(sandbox: "Running") -> None:
    who = person(enabled=False)
    change(Contact, who.contacts[Channel.EMAIL], address=NEW_EMAIL)
    to = ADDRESSES[Channel.EMAIL]
    delivery.deliver(tell(who, "address_changed", changed="email", shown="n…@example.org", to=to))
    (mail,) = sandbox.messages()
    assert mail.to == to
    assert "adresse e-mail a changé" in (mail.subject or "")
    assert "n…@example.org" in mail.text


def test_a_new_number_is_told_by_mail(sandbox: "Running") -> None:
    who = person(channels=[Channel.EMAIL, Channel.SMS])
    delivery.deliver(tell(who, "address_changed", changed="phone", shown="…99"))
    (mail,) = sandbox.messages()
    assert (mail.channel, mail.to) == ("email", ADDRESSES[Channel.EMAIL])
    assert "numéro de téléphone" in (mail.subject or "")


def test_a_linked_chat_is_told_by_mail_and_its_name_is_escaped(sandbox: "Running") -> None:
    who = person(channels=[Channel.EMAIL, Channel.TELEGRAM])
    delivery.deliver(tell(who, "telegram_linked", chat_name=encrypt("Camille <b>")))
    (mail,) = sandbox.messages()
    assert mail.channel == "email"
    assert "Camille <b>" in mail.text
    assert "Camille &lt;b&gt;" in (mail.html or "")


def test_no_code_and_no_name_stands_in_the_rows() -> None:
    who = person(channels=[Channel.EMAIL, Channel.SMS])
    send_code(who, NEW_PHONE)
    tell(who, "telegram_linked", chat_name=encrypt("Camille Martin"))
    found = str([row.params for row in notifications()])
    assert "042917" not in found
    assert "Camille" not in found


def test_a_test_arrives_on_every_channel_in_a_language_that_may_be_chosen_and_names_the_place_in_few(
    sandbox: "Running",
) -> None:
    who = person(channels=CONTACT_CHANNELS)
    params = {"alert": str(alert(who, name="Maman")), "test": "1"}
    for key, options in (("all", {}), ("mail", {"channels": ["email"], "language": "en"})):
        made = in_one_transaction(create_notifications, who.id, "test_message", params, key, **options)
        deliver(*map(str, made))
    texts = {message.channel: f"{message.subject} {message.text}" for message in sandbox.messages()[:-1]}
    assert sorted(texts) == ["email", "push", "sms", "telegram"]
    assert all("test" in text for text in texts.values())
    assert "Essonne (91)" in texts["email"]
    assert "Essonne" not in texts["sms"] + texts["push"]
    assert sandbox.messages()[-1].subject == "Test message – Essonne (91)"


def test_no_test_is_sent_of_an_alert_that_was_closed_meanwhile(sandbox: "Running") -> None:
    who = person()
    params = {"alert": str(alert(who)), "test": "1"}
    (made,) = tell(who, "test_message", **params)
    factories.change(Alert, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    deliver(str(made))
    assert (get(Notification, made).reason, sandbox.messages()) == ("alert stopped", [])

"""Messages about contacts: to which address each goes, and when it is of no use any more."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.base import new_id, session
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


def outcome() -> tuple[State, str | None]:
    (row,) = notifications()
    return row.state, row.reason


def send_code(who: Person, number: str, code: str = "042917") -> list[UUID]:
    """Write a code for a number as the API does, and the SMS with it."""
    code_id = new_id()
    with session() as s:
        s.add(
            PhoneCode(
                id=code_id, user_id=who.id, number_hash=hash_address(Channel.SMS, number)[0], network_hash=b"n",
                code_hash=b"c", created_at=clock(),
            )
        )  # fmt: skip
    return tell(who, "phone_code", code_id=str(code_id), code=encrypt(code))


def set_language(who: Person, language: str) -> None:
    change(User, who.id, language=language)


@pytest.mark.parametrize(("language", "begin"), [("fr", "RDVPriority : votre"), ("en", "RDVPriority: your")])
def test_a_code_goes_to_the_new_number_in_one_segment(sandbox: "Running", language: str, begin: str) -> None:
    who = person(channels=[Channel.EMAIL, Channel.SMS])
    set_language(who, language)
    change(Contact, who.contacts[Channel.SMS], new_address=NEW_PHONE)
    delivery.deliver(send_code(who, NEW_PHONE))
    (sms,) = sandbox.messages("sms")
    assert sms.to == NEW_PHONE
    assert sms.text.startswith(begin)
    assert "042917" in sms.text
    assert segments(sms.text) == 1
    assert sandbox.messages("email") == []


def test_a_first_code_goes_to_the_number_that_is_not_verified(sandbox: "Running") -> None:
    who = person(channels=[Channel.SMS], verified=False, enabled=False)
    delivery.deliver(send_code(who, ADDRESSES[Channel.SMS]))
    (sms,) = sandbox.messages("sms")
    assert sms.to == ADDRESSES[Channel.SMS]


def test_a_code_for_another_number_is_not_sent(sandbox: "Running") -> None:
    who = person(channels=[Channel.SMS])
    change(Contact, who.contacts[Channel.SMS], new_address="+33639980098")
    delivery.deliver(send_code(who, NEW_PHONE))
    assert outcome() == (State.SKIPPED, "number changed meanwhile")
    assert sandbox.messages() == []


def test_a_code_that_expired_is_not_sent(sandbox: "Running", frozen: time_machine.Traveller) -> None:
    who = person(channels=[Channel.SMS], verified=False)
    written = send_code(who, ADDRESSES[Channel.SMS])
    frozen.shift(timedelta(minutes=10))
    delivery.deliver(written)
    assert outcome() == (State.EXPIRED, "code used or expired")
    assert sandbox.messages() == []


def test_a_code_that_was_used_is_not_sent(sandbox: "Running") -> None:
    who = person(channels=[Channel.SMS], verified=False)
    written = send_code(who, ADDRESSES[Channel.SMS])
    with session() as s:
        s.execute(sa.update(PhoneCode).values(used_at=clock()))
    delivery.deliver(written)
    assert outcome() == (State.EXPIRED, "code used or expired")


def test_a_refused_new_number_does_not_mark_the_one_in_use(sandbox: "Running") -> None:
    who = person(channels=[Channel.SMS])
    change(Contact, who.contacts[Channel.SMS], new_address=NEW_PHONE)
    sandbox.provider_mode("sms", "reject_address", address=NEW_PHONE)
    delivery.deliver(send_code(who, NEW_PHONE))
    assert outcome()[0] is State.FAILED
    with session() as s:
        assert s.get_one(Contact, who.contacts[Channel.SMS]).state == "ok"


def confirm_mail(who: Person, address: str = NEW_EMAIL) -> list[UUID]:
    change(Contact, who.contacts[Channel.EMAIL], new_address=address)
    return tell(who, "verify_new_email", address=digest(address), version=0)


@pytest.mark.parametrize(("language", "words"), [("fr", "nouvelle adresse"), ("en", "new address")])
def test_a_new_address_is_asked_itself(sandbox: "Running", language: str, words: str) -> None:
    who = person()
    set_language(who, language)
    delivery.deliver(confirm_mail(who))
    (mail,) = sandbox.messages()
    assert mail.to == NEW_EMAIL
    assert words in (mail.subject or "")
    assert "/l/verify." in mail.text


def test_a_new_address_that_was_replaced_is_not_asked(sandbox: "Running") -> None:
    who = person()
    first = confirm_mail(who, "first@example.org")
    second = confirm_mail(who)
    delivery.deliver([*first, *second])
    assert [mail.to for mail in sandbox.messages()] == [NEW_EMAIL]


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "adresse e-mail a changé"), ("en", "e-mail address has")]
)
def test_the_old_address_is_told_of_the_new_one(sandbox: "Running", language: str, words: str) -> None:
    who = person(enabled=False)
    set_language(who, language)
    change(Contact, who.contacts[Channel.EMAIL], address=NEW_EMAIL)
    delivery.deliver(
        tell(
            who, "address_changed", changed="email", shown="n…@example.org", to=ADDRESSES[Channel.EMAIL]
        )
    )  # fmt: skip
    (mail,) = sandbox.messages()
    assert mail.to == ADDRESSES[Channel.EMAIL]
    assert words in (mail.subject or "")
    assert "n…@example.org" in mail.text


def test_a_new_number_is_told_by_mail(sandbox: "Running") -> None:
    who = person(channels=[Channel.EMAIL, Channel.SMS])
    delivery.deliver(tell(who, "address_changed", changed="phone", shown="…99"))
    (mail,) = sandbox.messages()
    assert (mail.channel, mail.to) == ("email", ADDRESSES[Channel.EMAIL])
    assert "numéro de téléphone" in (mail.subject or "")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_linked_chat_is_told_by_mail_and_its_name_is_escaped(sandbox: "Running", language: str) -> None:
    who = person(channels=[Channel.EMAIL, Channel.TELEGRAM])
    set_language(who, language)
    delivery.deliver(tell(who, "telegram_linked", chat_name=encrypt("Camille <b>")))
    (mail,) = sandbox.messages()
    assert mail.channel == "email"
    assert "Camille <b>" in mail.text
    assert "Camille &lt;b&gt;" in (mail.html or "")


def texts(rows: Sequence[Notification]) -> str:
    return " ".join(str(row.params) for row in rows)


def test_no_code_and_no_name_stands_in_the_rows() -> None:
    who = person(channels=[Channel.EMAIL, Channel.SMS])
    send_code(who, NEW_PHONE)
    tell(who, "telegram_linked", chat_name=encrypt("Camille Martin"))
    found = texts(notifications())
    assert "042917" not in found
    assert "Camille" not in found


def written(who: Person, key: UUID, **options: object) -> list[UUID]:
    made: list[UUID] = in_one_transaction(
        notifier.create_notifications,
        who.id,
        "test_message",
        {"alert": str(key), "test": "1"},
        "key",
        **options,
    )
    return made


def test_it_arrives_on_every_channel_and_says_where(sandbox: "Running") -> None:
    camille = person(channels=CONTACT_CHANNELS)
    deliver(*map(str, written(camille, alert(camille, name="Maman"))))
    texts = {message.channel: f"{message.subject} {message.text}" for message in sandbox.messages()}
    assert sorted(texts) == ["email", "push", "sms", "telegram"]
    assert all("test" in text for text in texts.values())
    assert "Essonne (91)" in texts["email"]
    assert "Essonne" not in texts["sms"] + texts["push"]


def test_a_channel_or_a_language_may_be_chosen(sandbox: "Running") -> None:
    camille = person(channels=CONTACT_CHANNELS)
    deliver(*map(str, written(camille, alert(camille), channels=["email"], language="en")))
    (mail,) = sandbox.messages()
    assert mail.subject == "Test message – Essonne (91)"


def test_nothing_is_sent_for_an_alert_that_was_closed_meanwhile(sandbox: "Running") -> None:
    camille = person()
    key = alert(camille)
    (made,) = written(camille, key)
    with session() as s:
        row = s.get_one(Alert, key)
        row.closed_at, row.closed_because = clock(), ClosedBecause.FOUND
    deliver(str(made))
    assert (get(Notification, made).reason, sandbox.messages()) == ("alert stopped", [])

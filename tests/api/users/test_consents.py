"""Consent to each channel: given where it is added or confirmed, withdrawn where it is switched off or removed."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from api.accounts import consents
from api.accounts.schemas import RegistrationForm
from api.accounts.service import register_account
from api.auth.service import confirm_address
from api.models.base import session
from api.models.contact_linking import TelegramLink
from api.models.user import CONTACT_CHANNELS, Channel, Contact
from api.users.contact_linking import _take_number, confirm_link
from api.users.preference_schemas import NotificationChanges
from api.users.schemas import ProfileChange
from api.users.service import change_notifications, change_profile
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from tests.clients import Person
from tests.factories import rows

pytestmark = pytest.mark.usefixtures("app")
MINUTE = timedelta(minutes=1)
VERSION = "2026-11-24"
_SINCE = {consents.NEWS: "2026-11-23", Channel.PUSH: "2026-11-24"}  # subjects that came later


def consent_of(channel: Channel) -> dict[str, Any]:
    """Return what is stored of the consent to a channel, and check that the column agrees."""
    (contact,) = (each for each in rows(Contact) if each.channel is channel)
    kept: dict[str, Any] = contact.consent["alerts"]
    assert (contact.consented_at is None) is ("withdrawn_at" in kept)
    if contact.consented_at:
        assert contact.consented_at.isoformat() == kept["given_at"]
    return kept


def switch_telegram(person: Person, *, on: bool) -> None:
    with session() as s:
        change_notifications(s, person.id, NotificationChanges.model_validate({"notifyTelegram": on}))


@pytest.mark.usefixtures("frozen")
def test_a_registration_is_a_consent_and_its_confirmation_another(frozen: time_machine.Traveller) -> None:
    wish = RegistrationForm(email="camille@example.org", password="vingt-deux-tramways-bleus")
    with session() as s:
        register_account(s, wish, "hash")
    begun = clock().isoformat()
    assert consent_of(Channel.EMAIL) == {
        "subject": "email", "text": VERSION, "place": "registration", "given_at": begun,
    }  # fmt: skip
    frozen.shift(MINUTE)
    (contact,) = rows(Contact)
    with session() as s:
        confirm_address(s, write_token(VerifyAddress(contact.id, digest(contact.address))))
    assert consent_of(Channel.EMAIL)["place"] == "email_confirmation"
    assert consent_of(Channel.EMAIL)["given_at"] == clock().isoformat()


def test_a_confirmed_number_is_a_consent_and_its_removal_leaves_none(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    with session() as s:
        contact = Contact(user_id=camille.id, channel=Channel.SMS, address="+33612345678")
        s.add(contact)
        s.flush()
        _take_number(s, contact, "+33612345678")
    assert consent_of(Channel.SMS)["place"] == "phone_code"
    with session() as s:
        change_profile(s, camille.id, ProfileChange(phone=None), "127.0.0.1")
    assert {each.channel for each in rows(Contact)} == {Channel.EMAIL}


def test_a_linked_chat_is_a_consent_that_the_switch_withdraws_and_gives_again(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    with session() as s:
        later = clock() + MINUTE
        s.add(
            TelegramLink(
                user_id=camille.id, code_hash=b"x", expires_at=later, created_at=clock(), chat_id="42", chat_name="C"
            )
        )  # fmt: skip
        s.flush()
        confirm_link(s, camille.id)
    given = consent_of(Channel.TELEGRAM)
    assert (given["subject"], given["place"]) == ("telegram", "telegram_link")
    frozen.shift(MINUTE)
    switch_telegram(camille, on=False)
    withdrawn = consent_of(Channel.TELEGRAM)
    assert withdrawn == given | {"withdrawn_at": clock().isoformat(), "withdrawn_in": "switch"}
    switch_telegram(camille, on=False)  # once more changes nothing
    assert consent_of(Channel.TELEGRAM) == withdrawn
    frozen.shift(MINUTE)
    switch_telegram(camille, on=True)
    again = consent_of(Channel.TELEGRAM)
    assert (again["place"], again["given_at"]) == ("switch", clock().isoformat())
    frozen.shift(MINUTE)
    switch_telegram(camille, on=True)
    assert consent_of(Channel.TELEGRAM) == again


def _list_subjects(version: str) -> list[str]:
    """Return what a version has texts about."""
    subjects = [*CONTACT_CHANNELS, consents.HEALTH, consents.NEWS]
    return [each for each in subjects if version >= _SINCE.get(each, version)]


def test_each_version_says_each_subject_in_each_language() -> None:
    assert consents.list_versions()[0] == VERSION
    for version in consents.list_versions():
        for subject in _list_subjects(version):
            said = {consents.read_consent_text(subject, each, version) for each in ("fr", "en", "ar")}
            assert len(said) == 3
    assert consents.read_consent_text("sms", "tlh") == consents.read_consent_text("sms", "fr")

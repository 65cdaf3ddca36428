"""Pages of the profile and of what messages are wanted."""

from datetime import time

from flask import Flask

from api.models.user import Channel, Contact, OutageCredit, SlotRhythm, User
from api.translations import LANGUAGES
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from configs.world.languages import MESSAGE_LANGUAGES
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import EMAIL, add_contact, change, one, rows, save

FIELDS = {
    "slots.email": "true", "desk.email": "true", "slotRhythm": "daily", "digestAt": "07:00", "isQuiet": "true",
    "quietFrom": "22:00", "quietUntil": "07:00", "quietSlots": "true", "callsFrom": "21:00", "callsUntil": "06:00",
}  # fmt: skip
SETTINGS = {"language": "en", "timeZone": "Indian/Reunion", "outageCredit": "refund"}


def untick(browser: Browser, *names: str) -> None:
    """Empty boxes of the open page."""
    for name in names:
        del browser.page.find_form("/preferences")["fields"][name]


def test_quiet_hours_the_digest_and_groups_are_kept(camille: Browser) -> None:
    page = camille.get("/preferences")
    assert "Heures de votre fuseau : France (Paris)." in page.text
    assert "partent toujours, par e-mail" in page.text
    assert "chaque lundi à 8 h de votre fuseau" in page.text
    fields = page.find_form("/preferences")["fields"]
    assert (fields["callsFrom"], fields["callsUntil"], "summary.email" in fields) == (
        ["08:00"],
        ["22:00"],
        False,
    )
    untick(camille, "reminders.email")
    camille.send("/preferences", **FIELDS, **{"summary.email": "true"})
    page = camille.follow()
    assert "C’est enregistré." in page.text
    (user,) = rows(User)
    assert (user.quiet_from, user.quiet_until, user.quiet_slots) == (time(22), time(7), True)
    assert (user.slot_rhythm, user.digest_at) == (SlotRhythm.DAILY, time(7))
    assert (user.calls_from, user.calls_until) == (time(21), time(6))
    mail = one(Contact, Contact.channel == Channel.EMAIL)
    assert (mail.stopped_groups, mail.wants_summary) == (["reminders"], True)
    fields = page.find_form("/preferences")["fields"]
    assert {name: fields[name] for name in FIELDS} == {name: [value] for name, value in FIELDS.items()}
    assert "reminders.email" not in fields
    untick(camille, "isQuiet", "quietSlots", "summary.email")
    camille.send("/preferences")
    camille.follow()
    assert rows(User)[0].quiet_from is None
    assert not one(Contact, Contact.channel == Channel.EMAIL).wants_summary


def test_news_are_asked_for_with_their_text(camille: Browser) -> None:
    page = camille.get("/preferences")  # mails are off: it would be no consent
    assert "J’accepte" not in page.text
    assert 'name="news.email"' not in page.html
    change(Contact, consented_at=clock())
    page = camille.get("/preferences")
    assert "J’accepte de recevoir par e-mail des nouvelles" in page.text
    assert "news.email" not in page.find_form("/preferences")["fields"]
    camille.send("/preferences", **FIELDS, **{"news.email": "true"})
    assert "news.email" in camille.follow().find_form("/preferences")["fields"]
    assert one(Contact, Contact.channel == Channel.EMAIL).wants_news


def test_a_channel_that_is_not_linked_is_neither_shown_nor_changed(camille: Browser) -> None:
    user = one(User)
    save(Contact(user_id=user.id, channel=Channel.SMS, address="+33612345678"))
    page = camille.get("/preferences")
    assert "slots.sms" not in page.html
    camille.send("/preferences", **FIELDS)
    (sms,) = (each for each in rows(Contact) if each.channel is Channel.SMS)
    assert sms.stopped_groups == []


def test_a_channel_that_is_linked_while_the_page_is_open_keeps_its_messages(camille: Browser) -> None:
    camille.get("/preferences")
    user = one(User)
    add_contact(user.id, Channel.TELEGRAM, "7")
    untick(camille, "desk.email")
    camille.send("/preferences", slotRhythm="daily")
    assert {each.channel: each.stopped_groups for each in rows(Contact)} == {
        Channel.EMAIL: ["desk"],
        Channel.TELEGRAM: [],
    }
    assert rows(User)[0].slot_rhythm is SlotRhythm.DAILY
    assert "slots.telegram" in camille.get("/preferences").find_form("/preferences")["fields"]
    untick(camille, "slots.telegram")
    camille.send("/preferences", boxes="slots.telegram desk.email reminders.email ../x" * 3)
    assert ["slots"] in [each.stopped_groups for each in rows(Contact)]


def test_settings_are_kept_and_change_the_language_at_once(camille: Browser) -> None:
    page = camille.get("/profil")
    assert page.html.index("France (Paris)") < page.html.index("Afghanistan")
    for _ in range(2):
        camille.page = page
        camille.send("/profil/reglages", **SETTINGS)
        assert "Saved." in camille.follow().text
    user = one(User)
    assert (user.language, user.time_zone, user.outage_credit) == (
        "en",
        "Indian/Reunion",
        OutageCredit.REFUND,
    )
    assert '<option value="Indian/Reunion" selected>' in camille.page.html
    only_of_messages = min(set(MESSAGE_LANGUAGES) - set(LANGUAGES))
    camille.send("/profil/reglages", **(SETTINGS | {"language": only_of_messages}))
    assert f'<option value="{only_of_messages}" selected>' in camille.follow().html


def test_a_new_address_waits_for_its_confirmation(camille: Browser, door: Door) -> None:
    camille.get("/profil")
    camille.send("/profil/adresse", email="new@example.org")
    page = camille.follow()
    assert "new@example.org la remplacera" in page.text
    assert [(each.address, each.new_address) for each in rows(Contact)] == [(EMAIL, "new@example.org")]
    assert len(door.nudged) == 1
    camille.send("/profil/adresse", email=EMAIL)  # it stays
    assert "la remplacera" not in camille.follow().text


def test_the_mail_of_a_new_address_leads_to_the_account_that_asked(
    camille: Browser, app: Flask, door: Door
) -> None:
    camille.get("/profil")
    camille.send("/profil/adresse", email="new@example.org")
    (contact,) = rows(Contact)
    token = write_token(VerifyAddress(contact.id, digest("new@example.org"), new=one(User).token_version))
    elsewhere = Browser(app)
    assert "c…@example.org" in elsewhere.get(f"/l/{token}").text
    (way,) = [at["href"] for tag, at in elsewhere.page.tags if at.get("class") == "button"]
    elsewhere.get(way)
    assert elsewhere.follow().headings == ["Se connecter"]  # and nothing has moved
    assert one(User).email == EMAIL
    assert camille.get(way).headings == ["Changer l’adresse de votre compte ?"]
    camille.send(way)
    assert "Votre compte a sa nouvelle adresse." in camille.follow().text
    assert one(User).email == "new@example.org"

from datetime import time

import pytest

from api.models.user import Channel, Contact, SlotRhythm, User
from configs.ground.clock import clock
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import add_alert, add_contact, change, one, rows, save

FIELDS = {
    "slots.email": "true", "desk.email": "true", "slotRhythm": "daily", "digestAt": "07:00", "isQuiet": "true",
    "quietFrom": "22:00", "quietUntil": "07:00", "quietSlots": "true", "callsFrom": "21:00", "callsUntil": "06:00",
}  # fmt: skip


def untick(browser: Browser, *names: str) -> None:
    """Empty boxes of the open page."""
    for name in names:
        del browser.page.find_form("/preferences")["fields"][name]


def test_quiet_hours_the_digest_and_groups_are_kept(camille: Browser) -> None:
    page = camille.get("/preferences")
    assert "Heures de votre fuseau : France (Paris)." in page.text
    assert "partent toujours, par e-mail" in page.text
    untick(camille, "reminders.email")
    camille.send("/preferences", **FIELDS)
    page = camille.follow()
    assert "C’est enregistré." in page.text
    (user,) = rows(User)
    assert (user.quiet_from, user.quiet_until, user.quiet_slots) == (time(22), time(7), True)
    assert (user.slot_rhythm, user.digest_at) == (SlotRhythm.DAILY, time(7))
    assert (user.calls_from, user.calls_until) == (time(21), time(6))
    assert one(Contact, Contact.channel == Channel.EMAIL).stopped_groups == ["reminders"]
    fields = page.find_form("/preferences")["fields"]
    assert {name: fields[name] for name in FIELDS} == {name: [value] for name, value in FIELDS.items()}
    assert "reminders.email" not in fields
    untick(camille, "isQuiet", "quietSlots")
    camille.send("/preferences")
    camille.follow()
    assert rows(User)[0].quiet_from is None


def test_calls_are_made_from_8_to_22_unless_changed(camille: Browser) -> None:
    fields = camille.get("/preferences").find_form("/preferences")["fields"]
    assert (fields["callsFrom"], fields["callsUntil"]) == (["08:00"], ["22:00"])
    page = camille.send("/preferences", callsFrom="09:00", callsUntil="09:00")
    assert camille.status == 422
    assert "Choisissez une autre heure que celle du début." in page.text


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


def test_the_weekly_summary_is_off_until_its_box_is_ticked(camille: Browser) -> None:
    page = camille.get("/preferences")
    assert "chaque lundi à 8 h de votre fuseau" in page.text
    assert "summary.email" not in page.find_form("/preferences")["fields"]
    camille.send("/preferences", **FIELDS, **{"summary.email": "true"})
    assert one(Contact, Contact.channel == Channel.EMAIL).wants_summary
    assert "summary.email" in camille.follow().find_form("/preferences")["fields"]
    untick(camille, "summary.email")
    camille.send("/preferences")
    assert not one(Contact, Contact.channel == Channel.EMAIL).wants_summary


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


def test_slot_alerts_that_are_switched_on_again_catch_up(camille: Browser, door: Door) -> None:
    alert = add_alert(rows(User)[0].id)
    change(Contact, stopped_groups=["slots"], verified_at=clock())
    camille.get("/preferences")
    camille.send("/preferences", **FIELDS)
    assert door.caught_up == [alert]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("quietUntil", "22:00", "Choisissez une autre heure que celle du début."),
        ("slotRhythm", '"><script>alert(1)</script>', None),
    ],
)
def test_wrong_settings_say_so(camille: Browser, name: str, value: str, text: str | None) -> None:
    camille.get("/preferences")
    page = camille.send("/preferences", **(FIELDS | {name: value}))
    assert (camille.status, page.title.startswith("Erreur : ")) == (422, True)
    assert "<script>alert" not in page.html
    assert text is None or text in page.text
    assert rows(User)[0].slot_rhythm is SlotRhythm.AT_ONCE

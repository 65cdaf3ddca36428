"""Pages of the profile, of what messages are wanted, and of channels: numbers, mails, Telegram, browsers that get push messages."""

import re
import zlib
from collections.abc import Callable
from datetime import time
from functools import cache
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.models.contact_lookup import TelegramLink
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState, OutageCredit, SlotRhythm, User
from api.pages.assets import compute_version
from configs.ground.addresses import digest
from configs.ground.brand import BRAND
from configs.ground.clock import clock
from configs.ground.encryption import decrypt
from configs.ground.signing import VerifyAddress, write_token
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.browser_keys import subscribe
from tests.clients import Browser
from tests.factories import EMAIL, add_contact, add_grant, change, one, rows, save

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
    assert "J’accepte de recevoir par e-mail des nouvelles" not in page.text
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
    camille.send("/profil/reglages", **(SETTINGS | {"language": "hi"}))
    assert '<option value="hi" selected>' in camille.follow().html


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


PHONE = "+33612345601"
DEVICE = "Firefox, Linux"
_ADD = "/canaux/navigateurs"
CHAT = "9876543210"
CHAT_NAME = '<script>alert("x")</script> Camille'


@pytest.fixture
def subscriber(camille: Browser) -> Browser:
    """Give a browser of a user with a plan, on the page of the channels."""
    add_grant(one(User).id, days=365)
    camille.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    camille.get("/canaux")
    return camille


def find_contact(channel: Channel) -> Contact:
    return one(Contact, Contact.channel == channel)


def test_a_number_is_confirmed_by_its_code(subscriber: Browser, door: Door) -> None:
    assert "Un appel commercial exige votre accord préalable" in subscriber.page.text
    subscriber.send("/canaux/numero", phone="06 12 34 56 01")
    page = subscriber.follow()
    assert PHONE in page.text
    assert len(door.nudged) == 1
    code = decrypt(one(Notification, Notification.kind == "phone_code").params["code"])
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    page = subscriber.send("/canaux/code-sms", code=wrong)
    assert (subscriber.status, "Ce code est faux." in page.text) == (422, True)
    assert wrong not in page.html
    subscriber.send("/canaux/code-sms", code=code)
    assert "Votre numéro est confirmé." in subscriber.follow().text
    assert (find_contact(Channel.SMS).address, find_contact(Channel.SMS).enabled) == (PHONE, True)


def test_mails_that_a_link_stopped_start_again(camille: Browser) -> None:
    assert "vous avez arrêté" not in camille.get("/canaux").text
    change(Contact, stopped_groups=["reminders", "desk"])
    text = camille.get("/canaux").text
    assert "les e-mails de rappel" in text
    assert "si une page de rendez-vous est surveillée" in text
    camille.send("/canaux/e-mails-arretes")
    assert "Vous recevrez de nouveau ces e-mails." in camille.follow().text
    assert find_contact(Channel.EMAIL).stopped_groups == []
    assert "vous avez arrêté" not in camille.page.text


def test_channels_are_switched_and_the_state_of_the_address_shows(camille: Browser) -> None:
    camille.get("/canaux")
    page = camille.page
    fields = page.find_form("/canaux/choix")["fields"]
    assert fields.pop("notifyEmail") == ["true"]
    for _ in range(2):
        camille.page = page
        camille.send("/canaux/choix")
        assert "Tout est éteint" in camille.follow().text
    assert not find_contact(Channel.EMAIL).enabled
    change(Contact, state=ContactState.BOUNCED)
    assert "Nos messages à cette adresse nous reviennent" in camille.get("/canaux").text
    change(Contact, state=ContactState.UNSUBSCRIBED)
    assert "Vous ne vouliez plus d’e-mails." in camille.get("/canaux").text
    camille.send("/canaux/choix", notifyEmail="true")
    assert find_contact(Channel.EMAIL).reachable


def test_one_button_of_the_channels_comes_first_whatever_is_set_up(camille: Browser) -> None:
    account = one(User).id
    for set_up in (
        lambda: None,
        lambda: add_contact(account, Channel.TELEGRAM),
        lambda: add_contact(account, Channel.SMS, verified_at=None),
        lambda: change(Contact, Contact.channel == Channel.EMAIL, state=ContactState.BOUNCED),
    ):
        set_up()
        tags = camille.get("/canaux").tags
        assert len([at for tag, at in tags if tag == "button" and "class" not in at]) == 1


def test_a_channel_that_the_plan_does_not_have_is_not_taken_for_one(camille: Browser) -> None:
    account = one(User).id
    add_grant(account, PlanName.URGENCE_24H)
    add_contact(account, Channel.TELEGRAM)
    del camille.get("/canaux").find_form("/canaux/choix")["fields"]["notifyEmail"]
    camille.send("/canaux/choix")
    assert "aucune alerte ne peut vous parvenir" in camille.follow().text
    assert "Votre offre n’envoie pas d’alertes de places libres par ce canal." in camille.page.text


def test_a_number_is_removed_also_where_the_access_cookie_is_too_old(subscriber: Browser) -> None:
    subscriber.send("/canaux/numero", phone=PHONE)
    subscriber.follow()
    subscriber.forget_access()
    subscriber.send("/canaux/sans-numero")
    assert "Votre numéro est retiré." in subscriber.follow().text
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]


@cache
def make_subscription(number: int) -> dict[str, Any]:
    return subscribe(path=f"device-{number}")


def fill_form(number: int = 0, **changes: str) -> dict[str, str]:
    """Return the fields of the form as static/push.js fills them."""
    subscription = make_subscription(number)
    keys = {f"keys.{name}": value for name, value in subscription["keys"].items()}
    return {"endpoint": subscription["endpoint"], **keys, **changes}


def list_devices() -> list[Contact]:
    return [each for each in rows(Contact) if each.channel is Channel.PUSH]


def test_a_browser_is_added_and_listed_with_its_name(subscriber: Browser, door: Door) -> None:
    form = subscriber.page.find_form(_ADD)
    assert form["fields"]["name"] == [DEVICE]
    assert 'name="notifyPush"' not in subscriber.page.html
    assert "qui voit quand un message arrive, et non ce qu’il dit" in subscriber.page.text
    subscriber.send(_ADD, **fill_form())
    page = subscriber.follow()
    assert "Ce navigateur recevra nos notifications." in page.text
    assert DEVICE in page.text
    (device,) = list_devices()
    assert device.reachable
    assert (device.consent or {})["alerts"]["subject"] == "push"
    assert f'data-device="{digest(make_subscription(0)["endpoint"])}"' in page.html
    assert make_subscription(0)["endpoint"] not in page.html
    assert page.find_form("/canaux/choix")["fields"].pop("notifyPush") == ["true"]
    assert 'name="slots.push"' in subscriber.get("/preferences").html
    subscriber.page = page
    subscriber.send("/canaux/choix")
    assert not list_devices()[0].enabled
    for _ in range(2):
        subscriber.page = page
        subscriber.send("/retirer")
        assert "Ce navigateur est retiré." in subscriber.follow().text
    assert list_devices() == []
    assert DEVICE in subscriber.page.find_form(_ADD)["fields"]["name"]


def test_without_a_plan_or_a_key_the_page_says_so(
    settings_env: Callable[..., None], camille: Browser
) -> None:
    page = camille.get("/canaux")
    assert "Les SMS demandent une offre en cours." in page.text
    assert "/canaux/numero" not in page.html
    assert [each for each in page.forms if _ADD in each["attributes"]["action"]]  # of what people report
    settings_env(VAPID_PUBLIC_KEY="")
    assert "Les notifications ne sont pas disponibles en ce moment." in camille.get("/canaux").text


def test_the_worker_serves_the_whole_site_and_loads_from_us_only(client: FlaskClient) -> None:
    answer = client.get("/push-worker.js")
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; connect-src 'self';")
    assert 'addEventListener("push"' in answer.text
    again = client.get("/push-worker.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_phone_can_put_the_site_on_its_home_screen(client: FlaskClient, camille: Browser) -> None:
    for page in ("/", "/forgot", "/canaux"):
        html = camille.get(page).html
        assert 'rel="manifest"' in html, "whichever page is put there"
        touch = re.search(r'<link rel="apple-touch-icon" href="([^"]+)">', html)
        assert touch, "iPhones draw no picture of a manifest, and no SVG"
        assert read_size(client.get(touch[1]).data) == (192, 192)
    static = f"/static/{compute_version()}"
    answer: Any = client.get(f"{static}/app.webmanifest")
    assert answer.mimetype == "application/manifest+json"
    given = answer.get_json(force=True)
    assert (given["display"], given["scope"]) == ("standalone", "/")
    for icon in given["icons"]:
        picture = client.get(f"{static}/{icon['src']}")
        assert (picture.status_code, picture.mimetype) == (200, icon["type"])
        if icon["type"] == "image/png":
            assert "{}x{}".format(*read_size(picture.data)) == icon["sizes"]


def read_size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert zlib.decompress(picture[picture.index(b"IDAT") + 4 :])[1:4].hex() == BRAND.removeprefix("#")
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


@pytest.fixture(autouse=True)
def _bot(app: Flask, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_BOT_NAME="rdvpriority_bot")


def poll(browser: Browser, **headers: str) -> Any:
    accepted = {"Accept": "application/json"} | headers
    return browser.client.get("/canaux/telegram/etat", headers=accepted)


def test_a_chat_is_linked_by_link_or_qr_code(camille: Browser) -> None:
    camille.get("/canaux")
    page = camille.send("/canaux/telegram")
    (url,) = set(re.findall(r'href="(https://t\.me/rdvpriority_bot\?start=[\w-]{22})"', page.html))
    assert 'role="img"' in page.html
    assert "<svg viewBox=" in page.html
    assert url not in camille.get("/canaux/telegram").html  # shown once
    waiting = poll(camille)
    assert (waiting.json["stop"], "Nous attendons" in waiting.json["parts"]["state"]) == (False, True)
    assert poll(camille, **{"If-None-Match": waiting.headers["ETag"]}).status_code == 304
    assert waiting.headers["Cache-Control"] == "no-store"
    change(TelegramLink, chat_id=CHAT, chat_name=CHAT_NAME)  # start was pressed
    started = poll(camille)
    assert started.json["stop"]
    assert "<script>" not in started.json["parts"]["state"]
    page = camille.get("/canaux/telegram")
    assert CHAT_NAME in page.text
    assert CHAT_NAME not in page.html
    camille.send("/canaux/telegram/confirmer")
    assert "Telegram est lié." in camille.follow().text
    assert CHAT in [each.address for each in rows(Contact)]
    camille.send("/canaux/telegram/retirer")
    assert "Telegram est retiré." in camille.follow().text
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]

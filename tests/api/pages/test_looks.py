"""Desks that people watch, on pages: found after a search, looked at in two presses, by a message's link, in Telegram."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from flask.testing import FlaskClient

from api.accounts.consents import list_versions
from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskStatus, HostState, Source
from api.models.notification import Notification
from api.models.report import LOOK_REQUESTED, PageOpening, Report, ReportKind, ReportVia
from api.models.slot import Detection
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.signing import OpenPage, ReportLook, write_token
from tests.clients import Browser, read_json
from tests.factories import (
    add_alert,
    add_desk,
    add_message,
    add_report,
    add_user,
    announce,
    change,
    one,
    remove,
    rows,
    save,
    see,
)

DESK = "melun_77/visa"
PAGE = f"/guichets/{DESK}"
HOST = "127.77.9.77:8800"
ADVICE = "/departements/melun_77/visa"
OFFER = {
    "fr": "Ici, ceux qui attendent se disent ce qu’ils voient.",
    "en": "Here, those who wait tell each other what they see.",
    "ar": "هنا يخبر المنتظرون بعضهم بعضًا بما يرون.",
}


@pytest.fixture(autouse=True)
def behind_captcha(database: str) -> None:
    add_desk(DESK, status=DeskStatus.CAPTCHA)


@pytest.fixture
def camille(camille: Browser) -> Browser:
    """Her account is old enough to report."""
    change(User, created_at=clock() - timedelta(days=2))
    return camille


def stop_host() -> None:
    save(HostState(host=HOST, stopped_at=clock(), stop_reason="asked to", updated_at=clock()))


def test_who_searches_finds_this_way_on_the_first_page_in_three_languages(visitor: Browser) -> None:
    for language, text in OFFER.items():
        page = visitor.get(f"{ADVICE}?lang={language}")
        assert text in page.text, language
        assert any("/prevenir" in at.get("href", "") for _, at in page.tags)


def test_who_orders_is_sold_nothing_and_led_to_what_is_free(camille: Browser) -> None:
    order = "/formule/commande?plan=URGENCE_7J"
    desk = quote(json.dumps({"deskIds": [DESK]}))
    for wish in ("&prefecture=melun_77&procedure=visa", f"&alert={desk}"):
        page = camille.get(order + wish)
        assert OFFER["fr"] in page.text
        assert "commande avec obligation de paiement" not in page.text
        links = [at["href"] for _, at in page.tags if "/alertes/nouvelle" in at.get("href", "")]
        assert "Gratuit, sans offre" in camille.get(links[0]).text


def test_it_says_when_it_was_read_and_from_five_people_on_how_many(
    visitor: Browser, client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    def look() -> None:
        who = add_user(None).id
        save(Report(user_id=who, desk_id=DESK, kind=ReportKind.SLOTS, via=ReportVia.API, seen_at=clock()))

    for people in (4, 5):
        remove(Report)
        for _ in range(people):
            look()
        frozen.shift(timedelta(seconds=40))
        page = visitor.get(ADVICE)
        assert "Lu il y a 40 secondes" in page.text
        assert ("5 personnes ont regardé en 24 heures" in page.text) is (people == 5)
        (desk, _) = read_json(client.get("/api/prefectures/melun_77"))["desks"]
        assert desk["looks"]["people"] == (5 if people == 5 else None)
    assert "Lu il y a 40 secondes" in visitor.get("/carte?procedure=visa").text


def test_two_presses_give_a_look(frozen: time_machine.Traveller, camille: Browser) -> None:
    camille.get(PAGE)
    camille.get(f"{PAGE}/ouvrir")
    headers = camille.response.headers
    assert (camille.status, headers["Location"], headers["Referrer-Policy"]) == (
        303, f"http://{HOST}/rdvpref/reservation/demarche/48803/", "no-referrer",
    )  # fmt: skip
    frozen.shift(timedelta(seconds=30))
    camille.get(PAGE)
    camille.send("/vu", kind="none")
    assert "Merci, c’est noté." in camille.follow().text
    report, opening = one(Report), one(PageOpening)
    assert (report.kind, report.via, report.opened_at) == (
        ReportKind.NONE,
        ReportVia.PAGE,
        opening.opened_at,
    )
    assert opening.networks == report.networks != []


def test_a_none_without_an_opening_is_said_to_count_for_nothing(camille: Browser) -> None:
    camille.get(PAGE)
    camille.send("/vu", kind="none")
    assert "cela ne compte pas" in camille.follow().text


def test_days_are_optional_and_others_are_refused(camille: Browser) -> None:
    today = clock().date()
    for days, text in (([today + timedelta(9)], "Merci"), ([today - timedelta(9)], "jours à venir")):
        camille.get(PAGE)
        camille.send("/vu", **{"kind": "slots", "days[]": [each.isoformat() for each in days]})
        assert text in camille.follow().text
    assert one(Report).days == [today + timedelta(9)]


def test_the_page_of_an_alert_takes_looks_and_comes_back(camille: Browser) -> None:
    alert = add_alert(one(User).id, AlertTarget(desk_id=DESK), is_free=True)
    camille.get(f"/alertes/{alert}")
    camille.send("/vu", kind="unseen")
    assert camille.response.headers["Location"].endswith(f"/alertes/{alert}")


def test_another_sites_link_notes_nothing(camille: Browser) -> None:
    camille.headers |= {"Sec-Fetch-Site": "cross-site"}
    camille.get(f"{PAGE}/ouvrir")
    assert rows(PageOpening) == []


def test_one_switch_ends_looks_and_links(camille: Browser) -> None:
    link = write_link()
    stop_host()
    assert "J’ouvre la page" not in camille.get(PAGE).text
    camille.get(f"{PAGE}/ouvrir")
    assert HOST not in camille.response.headers["Location"]
    assert "J’ouvre la page" not in camille.get(link).text
    assert OFFER["fr"] not in camille.get(ADVICE).text
    assert rows(PageOpening) == []


def write_link(**columns: Any) -> str:
    """Write a message about the desk to Camille; return the path of the link under it."""
    message = add_message(one(User).id, params={"desk_id": DESK}, **{"accepted_at": clock()} | columns)
    return f"/l/{write_token(ReportLook(message))}"


def test_the_link_under_a_message_takes_a_look_and_opening_it_changes_nothing(camille: Browser) -> None:
    link = write_link()
    camille.get(link)
    assert rows(Report) == []
    camille.send("", kind="slots")
    assert "Merci." in camille.response.text
    assert (one(Report).via, one(Report).user_id) == (ReportVia.LINK, one(User).id)


def test_the_link_of_a_chat_leads_to_the_page_and_notes_from_where(
    camille: Browser, visitor: Browser
) -> None:
    message = add_message(one(User).id, kind="bot_reply", params={"view": "look", "desks": [DESK]})
    link = f"/l/{write_token(OpenPage(message))}"
    visitor.get(link)
    headers = visitor.response.headers
    assert (visitor.status, headers["Location"], headers["Referrer-Policy"]) == (
        303, f"http://{HOST}/rdvpref/reservation/demarche/48803/", "no-referrer",
    )  # fmt: skip
    assert "Set-Cookie" not in headers
    assert (one(PageOpening).user_id, len(one(PageOpening).networks)) == (one(User).id, 1)
    stop_host()
    assert HOST not in visitor.get(link).text
    assert visitor.status == 409


def test_a_request_to_look_is_an_opening(camille: Browser) -> None:
    camille.get(write_link(kind=LOOK_REQUESTED, accepted_at=clock() - timedelta(minutes=1)))
    camille.send("", kind="none")
    assert one(Report).opened_at is not None


def test_a_person_sees_what_they_gave(camille: Browser) -> None:
    camille.get(PAGE)
    camille.send("/vu", kind="slots")
    page = camille.get("/regards")
    assert "Des places" in page.text
    assert "Visa" in page.text


def test_both_boxes_are_off_until_they_are_ticked(camille: Browser) -> None:
    camille.get("/preferences")
    assert (one(User).told_in_doubt, one(User).may_be_asked) == (False, False)
    camille.send("/preferences", toldInDoubt="true", mayBeAsked="true")
    assert (one(User).told_in_doubt, one(User).may_be_asked) == (True, True)


def test_each_box_keeps_its_consent_text_and_its_withdrawal(camille: Browser) -> None:
    assert "J’accepte qu’on me demande de regarder" in camille.get("/preferences").text
    camille.send("/preferences", mayBeAsked="true")
    assert list(one(User).report_consent or {}) == ["may_be_asked"]
    camille.get("/preferences")
    camille.send("/preferences", mayBeAsked="")
    noted = (one(User).report_consent or {})["may_be_asked"]
    assert noted["text"] == list_versions()[0]
    assert noted["given_at"] <= noted["withdrawn_at"]


def test_an_alert_there_is_made_without_a_plan(camille: Browser) -> None:
    page = camille.get(f"/alertes/nouvelle?prefecture=melun_77&desk={DESK}")
    assert "Gratuit, sans offre" in page.text
    camille.send("/alertes/nouvelle")
    assert "gratuitement" in camille.follow().text
    assert one(Alert).is_free


@pytest.mark.parametrize(
    ("columns", "wishes", "text"),
    [
        ({}, {}, "n’avez pas demandé à être prévenu dans le doute"),
        ({}, {"may_be_asked": True}, "trois fois par jour au plus"),
        ({"kind": LOOK_REQUESTED}, {}, "nous vous avons demandé de regarder"),
        ({"state": "pending", "held_for": "quiet_hours"}, {}, "la fin de vos heures calmes"),
        ({}, {"told_in_doubt": True}, "Sans offre, trois alertes"),
    ],
)
def test_the_account_says_why_somebody_was_told_or_not(
    camille: Browser, columns: dict[str, Any], wishes: dict[str, Any], text: str
) -> None:
    user_id = one(User).id
    change(User, **wishes)
    alert = add_alert(user_id, AlertTarget(desk_id=DESK))
    told = announce(user_id, alert, desk_id=DESK) if "held_for" in columns else announce(desk_id=DESK)
    change(Detection, source=Source.REPORT, in_doubt=True)
    if "kind" in columns:
        seen = one(Detection).seen_at.isoformat()
        add_message(user_id, params={"desk_id": DESK, "seen": seen}, **columns)
    elif columns:
        change(Notification, Notification.id == told.message, accepted_at=None, **columns)
    assert text in camille.get("/regards").text


def test_it_says_who_saw_it_themselves_and_who_was_told_in_doubt(camille: Browser) -> None:
    change(User, told_in_doubt=True)
    announce(one(User).id, add_alert(one(User).id, AlertTarget(desk_id=DESK)), desk_id=DESK)
    change(Detection, source=Source.REPORT, in_doubt=True)
    see("open", desk_id=DESK, at=clock() + timedelta(minutes=1), source=Source.REPORT)
    assert "Vous étiez déjà prévenu, dans le doute" in camille.get("/regards").text
    add_report(one(User).id, desk_id=DESK)
    assert "Vous l’avez signalé vous-même" in camille.get("/regards").text

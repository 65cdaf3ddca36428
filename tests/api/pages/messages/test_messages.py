"""The page of messages: states in words, what can be done, the filter, paging."""

import pytest

from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.user import Channel, User
from api.pages.messages.view_data import StateGroup
from tests.api.notifications.test_routes import announce, write
from tests.clients import Browser
from tests.factories import change, one

PAGE = "/messages"


def test_an_account_without_messages_has_no_filter(camille: Browser) -> None:
    page = camille.get(PAGE)
    assert "Aucun message pour l’instant" in page.text
    assert 'name="channel"' not in page.html


def test_a_slot_alert_says_what_it_said(camille: Browser) -> None:
    announce(one(User), "2026-12-01T08:30:00+00:00")
    page = camille.get(PAGE)
    assert "Créneau détecté – Seine-Saint-Denis (93)" in page.text
    assert "mardi 1er décembre 2026" in page.text
    assert "tient la place d’un lien personnel" in page.text


@pytest.mark.parametrize(("language", "direction"), [("fr", "ltr"), ("ar", "rtl"), ("ru", "ltr")])
def test_a_message_runs_in_the_direction_of_its_language(
    camille: Browser, language: str, direction: str
) -> None:
    announce(one(User), "2026-12-01T08:30:00+00:00")
    change(Notification, language=language)
    assert f'<div class="said" lang="{language}" dir="{direction}">' in camille.get(PAGE).html


@pytest.mark.parametrize(
    ("state", "reason", "words", "target"),
    [
        (State.SENT, None, "Envoyé", None),
        (State.DELIVERED, None, "Reçu", None),
        (State.NO_RECEIPT, None, "n’a rien confirmé", "/canaux"),
        (State.BOUNCED, "twilio 30003", "renvoie nos messages", "/canaux"),
        (State.SKIPPED, "switched off", "Ce canal était désactivé.", "/canaux"),
        (State.SKIPPED, "alert stopped", "L’alerte était arrêtée", "/dashboard"),
        (State.EXPIRED, "slots gone", "étaient déjà pris", None),
        (State.FAILED, "sendgrid answered 400", "ne l’a pas accepté", "/canaux"),
        (State.FAILED, "unknown: no answer", "peut-être arrivé", None),
    ],
)
def test_each_state_says_why_and_what_to_do(
    camille: Browser, state: State, reason: str | None, words: str, target: str | None
) -> None:
    write(one(User), state=state, reason=reason, number=1)
    main = camille.get(PAGE).html.partition("<main")[2].partition("</main>")[0]
    assert words in main
    assert [path for path in ("/canaux", "/dashboard") if f'href="{path}"' in main] == (
        [target] if target else []
    )
    assert "sendgrid" not in main
    assert "twilio" not in main


def test_what_the_hourly_cap_holds_back_says_so(camille: Browser) -> None:
    key = write(one(User), state=State.PENDING, number=1)
    with session() as s:
        s.get_one(Notification, key).held_for = HeldFor.CAP
    assert "attend son tour" in camille.get(PAGE).html


def test_what_was_held_back_says_where_and_why(camille: Browser) -> None:
    write(
        one(User),
        "slot_detected",
        State.SKIPPED,
        reason="alert stopped",
        desk_id="bobigny_93/titre-sejour",
    )
    page = camille.get(PAGE)
    assert "Créneau détecté – Seine-Saint-Denis (93)" in page.text
    assert "L’alerte était arrêtée ou fermée" in page.text
    assert "Guichet : Titre de séjour" in page.text.replace("\u00a0", " ")
    assert "plus disponible" not in page.text


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("slot_detected", "Seine-Saint-Denis (93)"),
        ("more_messages", "D’autres alertes attendent"),
        ("refunded", "Message du service"),
    ],
)
def test_what_waits_says_that_it_has_no_text_yet(camille: Browser, kind: str, title: str) -> None:
    write(one(User), kind, State.PENDING, desk_id="bobigny_93/titre-sejour")
    page = camille.get(PAGE)
    assert title in page.text
    assert "écrit au moment où il part" in page.text


def test_what_lost_its_text_says_so_and_names_no_desk(camille: Browser) -> None:
    write(one(User), "slot_detected", desk_id="bobigny_93/titre-sejour")
    page = camille.get(PAGE)
    assert "il a été effacé" in page.text
    assert "Guichet" not in page.text


@pytest.mark.parametrize("group", StateGroup)
def test_the_filter_shows_what_it_names(camille: Browser, group: StateGroup) -> None:
    for state in State:
        write(one(User), state=state, number=f"[{state.value}]")
    shown = {
        state for state in State if f"[{state.value}]" in camille.get(f"{PAGE}?state={group.value}").text
    }
    expected = {
        StateGroup.ARRIVED: {State.DELIVERED}, StateGroup.SENT: {State.SENT},
        StateGroup.UNCONFIRMED: {State.NO_RECEIPT}, StateGroup.UNDER_WAY: {State.PENDING, State.SENDING},
        StateGroup.HELD_BACK: {State.EXPIRED, State.SKIPPED}, StateGroup.FAILED: {State.FAILED, State.BOUNCED},
    }  # fmt: skip
    assert shown == expected[group]


def test_a_filter_that_finds_nothing_leads_back(camille: Browser) -> None:
    write(one(User), number=1)
    page = camille.get(f"{PAGE}?channel=sms")
    assert "Aucun message ne correspond" in page.text
    assert 'name="channel"' in page.html


def test_older_messages_are_on_the_next_page_with_the_same_filter(camille: Browser) -> None:
    for number in range(21):
        write(one(User), number=f"[{number}]")
        write(one(User), channel=Channel.TELEGRAM, number=1)
    first = camille.get(f"{PAGE}?channel=email")
    assert ("[20]" in first.text, "[0]" in first.text) == (True, False)
    (following,) = (given["href"] for tag, given in first.tags if tag == "a" and given.get("rel") == "next")
    second = camille.get(following)
    assert ("[0]" in second.text, second.html.count("<article")) == (True, 1)


def test_a_password_s_link_is_not_shown_again(camille: Browser) -> None:
    write(one(User), "password_reset")
    page = camille.get(PAGE)
    assert "Nous ne les montrons pas une seconde fois." in page.text
    assert "<details" not in page.html

"""The pages of messages, of notices, and of invoices: the list, the page to print, the PDF."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from api.jobs import schedule as jobs
from api.models.invoice import Invoice
from api.models.notification import Notice, Notification, State
from api.models.user import Channel, User
from configs.ground.clock import clock
from configs.ground.object_store import Blobs, StoreAway
from tests.api.alerts.test_notifications import announce, write, write_notice
from tests.api.payments.invoices.documents import issue, pay, refund
from tests.clients import Browser
from tests.factories import BOBIGNY, EMAIL, add_account, change, one, remove, rows
from tests.in_turn import in_turn

PAGE = "/messages"
NOTICES = "/notifications"


def test_what_the_filter_does_not_have_changes_nothing(camille: Browser) -> None:
    for channel in (Channel.EMAIL, Channel.SMS):
        write(one(User), state=State.SENT, channel=channel, number=2)
    shown = camille.get(f"{PAGE}?channel=sms").html
    for more in ("status=rubbish", "status=failed", "state=rubbish"):
        page = camille.get(f"{PAGE}?channel=sms&{more}").html
        assert page.count('class="said"') == shown.count('class="said"') > 0, more


def test_a_slot_alert_says_what_it_said(camille: Browser) -> None:
    announce(one(User), "2026-12-01T08:30:00+00:00")
    page = camille.get(PAGE)
    assert "Créneau détecté – Seine-Saint-Denis (93)" in page.text
    assert "mardi 1er décembre 2026" in page.text
    assert "tient la place d’un lien personnel" in page.text
    detection = one(Notification).params["detection_id"]
    for channel in (Channel.SMS, Channel.PUSH):
        write(one(User), "slot_detected", channel=channel, detection_id=detection, desk_id=BOBIGNY)
    page = camille.get(PAGE)
    assert [page.html.count(each) for each in ("<article", "SMS ·", "E-mail ·")] == [1, 1, 1]


@in_turn("language, direction", [("fr", "ltr"), ("ar", "rtl"), ("ru", "ltr")])
def test_a_message_runs_in_the_direction_of_its_language(
    camille: Browser, language: str, direction: str
) -> None:
    if not rows(Notification):
        announce(one(User), "2026-12-01T08:30:00+00:00")
    change(Notification, language=language)
    assert f'<div class="said" lang="{language}" dir="{direction}">' in camille.get(PAGE).html


@in_turn(
    "state, reason, words, target",
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
    remove(Notification)
    write(one(User), state=state, reason=reason, number=1)
    main = camille.get(PAGE).html.partition("<main")[2].partition("</main>")[0]
    assert words in main
    assert [path for path in ("/canaux", "/dashboard") if f'href="{path}"' in main] == (
        [target] if target else []
    )
    assert "sendgrid" not in main
    assert "twilio" not in main


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
    assert "Page de rendez-vous : Titre de séjour" in page.text.replace("\u00a0", " ")
    assert "plus disponible" not in page.text


def test_what_lost_its_text_says_so_and_a_password_s_link_is_not_shown_again(camille: Browser) -> None:
    write(one(User), "slot_detected", desk_id="bobigny_93/titre-sejour")
    write(one(User), "password_reset")
    page = camille.get(PAGE)
    assert "il a été effacé" in page.text
    assert "Page de rendez-vous" not in page.text
    assert "Nous ne les montrons pas une seconde fois." in page.text
    assert "<details" not in page.html.partition("<main")[2]


def test_the_filter_shows_what_it_names(camille: Browser) -> None:
    for state in State:
        write(one(User), state=state, number=f"[{state.value}]")
    shown = {
        group: {state for state in State if f"[{state.value}]" in camille.get(f"{PAGE}?state={group}").text}
        for group in ("arrived", "sent", "unconfirmed", "under_way", "held_back", "failed")
    }
    assert shown == {
        "arrived": {State.DELIVERED}, "sent": {State.SENT}, "unconfirmed": {State.NO_RECEIPT},
        "under_way": {State.PENDING, State.SENDING}, "held_back": {State.EXPIRED, State.SKIPPED},
        "failed": {State.FAILED, State.BOUNCED},
    }  # fmt: skip


def test_a_filter_that_finds_nothing_leads_back(camille: Browser) -> None:
    page = camille.get(PAGE)
    assert "Aucun message pour l’instant" in page.text
    assert 'name="channel"' not in page.html
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


def find_user() -> UUID:
    return one(User, User.email == EMAIL).id


def read_parts(browser: Browser) -> dict[str, str]:
    found: dict[str, str] = (browser.client.get(f"{NOTICES}/direct", headers=browser.headers).json or {})[
        "parts"
    ]
    return found


def test_the_number_of_unread_notices_stands_in_the_title(camille: Browser) -> None:
    page = camille.get(NOTICES)
    assert "Aucune notification pour l’instant" in page.text
    (stream,) = [given["data-stream"] for _, given in page.tags if "data-stream" in given]
    assert stream.endswith("/live/notices")
    for number in range(3):
        write_notice(find_user(), f"Titre {number}")
    page = camille.get(NOTICES)
    assert page.title.startswith("(3) Notifications")
    assert "3 notifications non lues" in page.text
    assert page.text.index("Titre 2") < page.text.index("Titre 0")
    assert 'href="/dashboard"' in page.html


def test_what_stands_in_a_notice_is_text(camille: Browser) -> None:
    write_notice(
        find_user(),
        "<b>Titre</b>",
        body="<script>x</script>\nhttps://www.essonne.example/a?b=1&c=2",
        gone_at=clock(),
    )
    html = camille.get(NOTICES).html
    assert "Plus disponible" in html
    assert "<script>x" not in html
    assert "<b>Titre" not in html
    assert 'href="https://www.essonne.example/a?b=1&amp;c=2" rel="noopener noreferrer"' in html


def test_one_notice_and_then_all_are_marked_as_read(camille: Browser) -> None:
    keys = [write_notice(find_user(), str(number)) for number in range(3)]
    camille.get(NOTICES)
    camille.send(f"{keys[1]}/lue")
    assert (camille.status, camille.location) == (303, NOTICES)
    assert camille.get(NOTICES).title.startswith("(2) ")
    write_notice(find_user(), "unseen")
    camille.send(f"{NOTICES}/lues")
    assert {row.title for row in rows(Notice) if row.read_at is None} == {"unseen"}
    assert camille.get(NOTICES).title.startswith("(1) ")


def test_older_notices_are_on_pages_of_their_own(camille: Browser) -> None:
    for number in range(21):
        write_notice(find_user(), f"Titre {number:02}")
    page = camille.get(NOTICES)
    assert "Titre 00" not in page.text
    following = next(given["href"] for tag, given in page.tags if given.get("rel") == "next")
    older = camille.get(following)
    assert "Titre 00" in older.text
    assert "data-live" not in older.html


def test_an_open_page_learns_what_is_new(camille: Browser) -> None:
    user_id = find_user()
    before = read_parts(camille)
    assert before["unread"].strip() == ""
    write_notice(user_id, "Titre")
    after = read_parts(camille)
    assert 'data-unread="1"' in after["unread"]
    assert "Titre" in after["notices"]


LIST = "/formule/factures"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    settings_env(INVOICES_URL=tmp_path)


def pay_for(browser: Browser) -> None:
    """Write a paid order of who is signed in, with a refund."""
    (user,) = (each for each in rows(User) if each.email == "camille@example.org")
    refund(pay(user.id, client_name="ليلى <b>Nœl</b>"), 500)


def test_the_list_leads_to_each_and_to_its_file(camille: Browser) -> None:
    page = camille.get(LIST)
    assert page.headings == ["Factures et avoirs"]
    assert "Aucune facture pour l’instant" in page.text
    pay_for(camille)
    pay()
    issue()
    page = camille.get(LIST)
    assert page.text.count("en préparation") == 2
    assert "-5,00" in page.text
    jobs.issue_invoices()
    page = camille.get(LIST)
    assert page.html.count('/pdf"') == 2
    invoice, _, note = rows(Invoice)
    assert f"{LIST}/{note.id}" in page.html
    of_payment = camille.get(f"/formule/paiements/{invoice.payment_id}").html
    assert all(f"{LIST}/{each.id}" in of_payment for each in (invoice, note))
    assert LIST in camille.get("/formule").html
    file = camille.client.get(f"{LIST}/{invoice.id}/pdf", headers=camille.headers)
    assert (file.mimetype, file.status_code) == ("application/pdf", 200)
    assert file.headers["Cache-Control"] == "no-store"


def test_a_document_names_what_the_law_wants(browse: Callable[..., Browser]) -> None:
    add_account()
    for language in ("fr", "ar"):
        change(User, language=language)
        browser = browse(language).sign_in()
        pay_for(browser)
        invoice, note = issue()[-2:]
        page = browser.get(f"{LIST}/{invoice.id}")
        assert invoice.number in page.headings[0]
        order = invoice.contents["order"]
        for text in ("[SELLER_NAME]", "[SELLER_ADDRESS]", "ليلى <b>Nœl</b>", order, "URGENCE 7J"):
            assert text in page.text
        assert "TVA non applicable, art. 293 B du CGI" in page.text
        page = browser.get(f"{LIST}/{note.id}")
        assert invoice.number in page.text


def test_without_its_file_the_page_is_there_to_print(
    camille: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay_for(camille)
    invoice = issue()[0]
    camille.get(f"{LIST}/{invoice.id}/pdf")
    assert (camille.status, camille.location) == (303, f"{LIST}/{invoice.id}")
    assert "pas encore prêt" in camille.follow().text
    jobs.issue_invoices()

    def refuse(blobs: Blobs, key: str) -> bytes:
        raise StoreAway("a test")

    monkeypatch.setattr(Blobs, "get", refuse)
    camille.get(f"{LIST}/{invoice.id}/pdf")
    assert camille.status == 303

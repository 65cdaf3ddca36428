"""Operators' pages of messages: all of them, those that failed for good with their causes, and sending these again; delivery."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine

from api.admin.audit import AuditedWork, record_audit
from api.jobs import schedule as jobs
from api.models.audit import AuditEntry
from api.models.base import session
from api.models.contact_lookup import claim_address
from api.models.notification import Notification, Priority, State
from api.models.payment import Payment
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import audit
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import (
    BOBIGNY,
    NINE,
    add_account,
    add_payment,
    add_slot_message,
    change,
    get,
    make_contact,
    one,
    rows,
    save_all,
)
from tests.in_turn import in_turn

ALL, PAGE, REPLAY = "/admin/messages", "/admin/messages-echoues", "/admin/messages-echoues/renvoi"
FIGURES = "/admin/distribution"
MELUN = "melun_77/titre-sejour"
DAYS = ("20 novembre 2026", "19 novembre 2026")


def fail(user_id: UUID, number: int = 1, hours: float = 0, **columns: object) -> list[UUID]:
    """Write messages that failed for good so many hours ago."""
    at = clock() - timedelta(hours=hours)
    values = {"channel": Channel.EMAIL, "kind": "verify_email", "reason": "sendgrid answered 500"} | columns
    contact = one(Contact, Contact.user_id == user_id)
    made = [
        Notification(
            user_id=user_id, contact_id=contact.id, priority=Priority.CRITICAL, dedupe_key=str(uuid4()),
            state=State.FAILED, attempts=5, failed_at=at, next_attempt_at=at, **values,
        )
        for _ in range(number)
    ]  # fmt: skip
    save_all(made)
    return [each.id for each in made]


def list_states() -> list[State]:
    return [each.state for each in rows(Notification)]


def list_replays() -> list[AuditEntry]:
    return audit("dead-letters.replay")


def find(browser: Browser, letters: list[UUID], query: str = "", page: str = PAGE) -> set[UUID]:
    html = browser.get(f"{page}?{query}").html
    return {each for each in letters if str(each) in html}


def test_messages_are_found_and_show_neither_address_nor_text(support: Browser) -> None:
    mine, other = add_account(), add_account("robin@example.org")
    (letter,) = fail(mine.id, reason="refused: <camille@example.org> is unknown")
    (his,) = fail(other.id)
    both = [letter, his]
    assert find(support, both, page=ALL) == {letter, his}
    assert "&lt;***@example.org&gt; is unknown" in support.page.html
    assert "camille@" not in support.page.html
    assert find(support, both, f"userId={mine.id}", ALL) == {letter}
    assert find(support, both, "state=failed&channel=email&kind=verify_email", ALL) == {letter, his}
    for nothing in ("state=sent", "channel=sms", "kind=slot_detected"):
        assert find(support, both, nothing, ALL) == set(), nothing
    assert audit("notifications.list")[0].changes == {"seen": [str(his), str(letter)]}


def test_dead_letters_are_listed_by_reason_and_age(admin: Browser, camille_id: UUID) -> None:
    (older,) = fail(camille_id, hours=2)
    (newer,) = fail(camille_id, reason="blocked: 550")
    both = [older, newer]
    assert find(admin, both) == {older, newer}
    assert find(admin, both, "reason=answered+500") == {older}
    assert find(admin, both, "reason=%25") == set()
    change(Notification, failed_at=clock() - timedelta(hours=25))
    assert find(admin, both) == set()
    assert find(admin, both, "hours=26") == {older, newer}


def test_no_letter_of_an_address_is_searched_for_and_a_cause_is_counted_as_it_is_masked(
    admin: Browser, camille_id: UUID
) -> None:
    reasons = (f"refused: <{name}@example.org> is unknown" for name in ("camille", "robin"))
    letters = [fail(camille_id, reason=each)[0] for each in reasons]
    for part in ("cam", "camille%40example.org", "robin"):
        assert find(admin, letters, f"reason={part}") == set(), part
    for part in ("example.org", "is+unknown", "%2A%2A%2A%40"):
        assert find(admin, letters, f"reason={part}") == set(letters), part
    page = admin.get(PAGE)
    (link,) = (at["href"] for tag, at in page.tags if tag == "a" and "reason=refused" in at.get("href", ""))
    assert admin.get(link).headings == ["Renvoyer 2 messages ?"]
    assert "0 message" in admin.get(f"{REPLAY}?reason=camille").text


def test_the_letters_of_a_person_are_found_by_address_number_and_order(admin: Browser) -> None:
    camille, other = add_account(), add_account("robin@example.org")
    mine = fail(camille.id, hours=60 * 24) + fail(camille.id)
    (his,) = fail(other.id)
    (strange,) = fail(other.id)
    change(Notification, Notification.id == strange, user_id=None, contact_id=None, address="Eve@example.org")
    with session() as s:
        phone = make_contact(camille.id, Channel.SMS)
        s.add(phone)
        claim_address(s, phone)
    number = get(Payment, add_payment(camille.id)).order_number
    for wanted, found in (
        ("CAMILLE@example.org", mine),
        ("06 12 34 56 78", mine),
        (number, mine),
        ("robin@example.org", [his]),
        ("eve@example.org", [strange]),
        ("nobody@example.org", []),
    ):
        admin.get(PAGE)
        page = admin.send(f"{PAGE}/recherche", wanted=wanted)
        assert {each for each in (*mine, his, strange) if str(each) in page.html} == set(found), wanted
        assert ("Personne n’est trouvé" in page.text) == (not found), wanted
        searched = audit("dead-letters.search")[-1].changes
        assert set(searched["seen"]) == set(map(str, found)), wanted
    assert "nobody" not in str(searched)


def test_pages_go_on_after_what_they_showed_was_sent_again(admin: Browser, camille_id: UUID) -> None:
    oldest_first = [fail(camille_id, hours=hours)[0] for hours in (4, 3, 2, 1)]
    following = admin.get(f"{PAGE}?limit=2").next
    assert following
    change(Notification, Notification.id.in_(oldest_first[2:]), state=State.PENDING, failed_at=None)
    page = admin.get(following)
    assert [each for each in oldest_first if str(each) in page.html] == oldest_first[:2]


def test_a_message_is_sent_again_however_old_it_is_but_not_once_it_left(
    admin: Browser, camille_id: UUID
) -> None:
    (letter,) = fail(camille_id, hours=60 * 24)
    assert "0 message" in admin.get(REPLAY).text
    admin.get(f"{REPLAY}?id={letter}")
    asked = admin.page
    change(Notification, state=State.SENT, accepted_at=clock(), reason=None, failed_at=None)
    assert "Plus rien ne correspond" in admin.send(REPLAY).text
    change(Notification, state=State.FAILED, reason="blocked", failed_at=clock() - timedelta(days=60))
    admin.page = asked
    admin.send(REPLAY)
    assert "1 message repart." in admin.follow().text


def test_nothing_leaves_where_the_audit_fails(
    admin: Browser, camille_id: UUID, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(work: AuditedWork, action: str, *about: str) -> None:
        if action == "dead-letters.replay":
            raise ZeroDivisionError("a fault of ours")
        record_audit(work, action, *about)

    (letter,) = fail(camille_id)
    admin.get(f"{REPLAY}?id={letter}")
    monkeypatch.setattr("api.admin.access.record_audit", break_off)
    form = admin.page.find_form(REPLAY)["fields"]
    assert admin.client.post(REPLAY, data=form, headers=admin.headers).status_code == 500
    assert (list_states(), door.nudged) == ([State.FAILED], [])


def test_one_message_is_sent_again_after_one_more_question_and_once(
    admin: Browser, camille_id: UUID, door: Door
) -> None:
    letter, other = fail(camille_id, 2)
    admin.get(PAGE)
    asked = admin.get(f"{REPLAY}?id={letter}")
    assert asked.headings == ["Renvoyer ce message ?"]
    assert "1 message repart aussitôt" in asked.text
    assert list_states() == [State.FAILED] * 2
    admin.send(REPLAY)
    assert "1 message repart." in admin.follow().text
    admin.page = asked
    page = admin.send(REPLAY)
    assert (admin.status, "Plus rien ne correspond" in page.text) == (422, True)
    assert {each.id: each.state for each in rows(Notification)} == {
        letter: State.PENDING,
        other: State.FAILED,
    }
    assert door.nudged == [letter]
    (row,) = list_replays()
    assert row.changes == {"replayed": [str(letter)]}


def test_a_filter_is_sent_again_once_its_number_is_typed(admin: Browser, camille_id: UUID) -> None:
    fail(camille_id, 3)
    fail(camille_id, 2, kind="order", reason="sendgrid answered 400")
    page = admin.get(PAGE)
    (link,) = (at["href"] for tag, at in page.tags if tag == "a" and "answered+400" in at.get("href", ""))
    admin.get(link)
    page = admin.send(REPLAY, typed="3")
    assert admin.status == 422
    assert "recopiez le nombre de messages" in page.text
    assert list_states() == [State.FAILED] * 5
    admin.send(REPLAY, typed="2")
    assert admin.status == 303
    sent = {each.kind for each in rows(Notification) if each.state is State.PENDING}
    assert sent == {"order"}
    assert len(list_replays()) == 1


def test_more_that_failed_meanwhile_are_asked_about_once_more(admin: Browser, camille_id: UUID) -> None:
    fail(camille_id, 2)
    admin.get(REPLAY)
    fail(camille_id)
    page = admin.send(REPLAY, typed="2")
    assert admin.status == 422
    assert page.headings == ["Renvoyer 3 messages ?"]
    assert list_states() == [State.FAILED] * 3


def test_what_may_have_arrived_is_sent_again_only_where_the_box_says_so(
    admin: Browser, camille_id: UUID
) -> None:
    (letter,) = fail(camille_id, reason="unknown: time-out")
    admin.get(f"{REPLAY}?id={letter}")
    asked = admin.page
    admin.send(REPLAY)
    assert "0 message repart. 1 reste" in admin.follow().text
    admin.page = asked
    admin.send(REPLAY, unsure="true")
    assert "1 message repart." in admin.follow().text


@in_turn("query", ["id=x", "hours=99999", "channel=FAX", "reason=%00", "hours=-1"])
def test_a_choice_that_is_not_valid_does_not_become_all(admin: Browser, camille_id: UUID, query: str) -> None:
    if not list_states():
        fail(camille_id, 3)
    assert "Renvoyer tous ceux" in admin.get(PAGE).text
    assert "Renvoyer tous ceux" not in admin.get(f"{PAGE}?channel=FAX").text
    admin.get(f"{REPLAY}?{query}")
    assert admin.status == 404
    admin.get(REPLAY)
    name, _, value = query.partition("=")
    page = admin.send(REPLAY, typed="3", **{name: value.replace("%00", "\0")})
    assert admin.status in (404, 422)
    assert "Renvoyer 3 messages" not in page.text
    assert list_states() == [State.FAILED] * 3


@pytest.fixture
def admin(frozen: time_machine.Traveller, admin: Browser) -> Browser:
    return admin


def alert(days_ago: int = 0, provider: str = "sendgrid", desk: str = BOBIGNY, **other: Any) -> None:
    at = NINE - timedelta(days=days_ago)
    add_slot_message(at, params={"desk_id": desk}, provider=provider, **other)


def find_figures(browser: Browser, query: str = "") -> list[tuple[str, str, str]]:
    """Return day, whose figures, and how many were accepted, row by row."""
    return [(row[0], row[1], row[3]) for row in browser.get(f"{FIGURES}?{query}").rows]


def test_today_is_shown_as_it_is_now(admin: Browser) -> None:
    alert(state=State.DELIVERED, delivered_at=NINE + timedelta(seconds=3))
    alert(state=State.NO_RECEIPT)
    together, sendgrid = admin.get(FIGURES).rows
    assert together[1] == "E-mailtous les fournisseurs · toutes les préfectures"
    assert sendgrid[1] == "E-mailsendgrid · toutes les préfectures"
    assert together[2:4] == ["2", "2"]
    assert together[4] == "arrivés 1, sans réception 1"
    assert together[5].replace("\u202f", " ").replace("\xa0", " ") == "50 %1 de 2"
    assert together[6:8] == ["1 · 1 · 1", "3 · 3 · 3"]


def test_past_days_are_those_that_the_job_wrote(admin: Browser) -> None:
    for days_ago in (1, 6, 7):
        alert(days_ago)
    assert find_figures(admin) == []
    jobs.sum_days()
    alert()
    shown = [(day, sent) for day, _, sent in find_figures(admin, "provider=sendgrid")]
    assert shown[:2] == [(day, "1") for day in DAYS]
    assert {day for day, _, _ in find_figures(admin, "days=1")} == {DAYS[0]}
    far = {"14 novembre 2026", "13 novembre 2026"}
    assert {day for day, _, _ in find_figures(admin, "days=31")} == {*DAYS, *far}
    by_prefecture = {day for day, _, _ in find_figures(admin, "days=31&by=prefecture")}
    assert by_prefecture == {*DAYS, "14 novembre 2026"}, "for seven days at most"


def test_figures_are_chosen_by_channel_provider_and_prefecture(admin: Browser) -> None:
    for days_ago in (0, 1):
        alert(days_ago)
        alert(days_ago, provider="smtp", desk=MELUN)
        alert(days_ago, channel=Channel.TELEGRAM, provider="telegram")
    jobs.sum_days()
    every = "toutes les préfectures"
    for query, found in {
        "channel=telegram": [
            ("Telegramtous les fournisseurs · " + every, "1"),
            ("Telegramtelegram · " + every, "1"),
        ],
        "provider=smtp": [("E-mailsmtp · " + every, "1")],
        "prefecture=melun_77": [
            ("E-mailtous les fournisseurs · melun_77", "1"),
            ("E-mailsmtp · melun_77", "1"),
        ],
        "by=prefecture&channel=email": [
            ("E-mailtous les fournisseurs · " + every, "2"),
            ("E-mailtous les fournisseurs · bobigny_93", "1"),
            ("E-mailtous les fournisseurs · melun_77", "1"),
        ],
        "prefecture=nowhere": [],
    }.items():
        assert find_figures(admin, query) == [(day, *each) for day in DAYS for each in found], query

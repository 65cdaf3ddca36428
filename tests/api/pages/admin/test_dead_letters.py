"""Operators' pages of messages that failed for good: the list, its causes, and sending them again."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from api.models.audit import AuditEntry
from api.models.base import session
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from tests.api.world import Door, statements
from tests.clients import Browser
from tests.factories import add_account, one, rows, save_all

PAGE, REPLAY = "/admin/messages-echoues", "/admin/messages-echoues/renvoi"


@pytest.fixture
def camille_id(admin: Browser) -> UUID:
    return add_account().id


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
    return [each for each in rows(AuditEntry) if each.action == "dead-letters.replay"]


def test_one_message_is_sent_again_after_one_more_question(
    admin: Browser, camille_id: UUID, door: Door
) -> None:
    letter, other = fail(camille_id, 2)
    admin.get(PAGE)
    page = admin.get(f"{REPLAY}?id={letter}")
    assert page.headings == ["Renvoyer ce message ?"]
    assert "1 message repart aussitôt" in page.text
    assert list_states() == [State.FAILED] * 2
    admin.send(REPLAY)
    assert "1 message repart." in admin.follow().text
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


def test_a_form_that_is_sent_twice_sends_once(admin: Browser, camille_id: UUID, door: Door) -> None:
    (letter,) = fail(camille_id)
    admin.get(f"{REPLAY}?id={letter}")
    asked = admin.page
    admin.send(REPLAY)
    admin.page = asked
    page = admin.send(REPLAY)
    assert admin.status == 422
    assert "Plus rien ne correspond" in page.text
    assert door.nudged == [letter]
    assert [each.changes for each in list_replays()] == [{"replayed": [str(letter)]}]


def test_two_at_once_send_once(admin: Browser, camille_id: UUID, door: Door) -> None:
    letters = fail(camille_id, 20)
    admin.get(REPLAY)
    admin.send_twice(REPLAY, typed="20")
    assert sorted(door.nudged) == sorted(letters)


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


def test_what_has_to_stay_hides_nothing_behind_it(
    admin: Browser, camille_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.admin.dead_letters.view_data.MOST_REPLAYED", 2)
    (older,) = fail(camille_id, hours=2)
    fail(camille_id, 2, reason="unknown: time-out")
    admin.get(REPLAY)
    admin.send(REPLAY, typed="2")
    assert "1 message repart." in admin.follow().text
    assert next(each.state for each in rows(Notification) if each.id == older) is State.PENDING


def test_a_filter_that_is_not_valid_offers_no_replay_of_all(admin: Browser, camille_id: UUID) -> None:
    fail(camille_id)
    assert "Renvoyer tous ceux" in admin.get(PAGE).text
    assert "Renvoyer tous ceux" not in admin.get(f"{PAGE}?channel=FAX").text


@pytest.mark.parametrize("query", ["id=x", "hours=99999", "channel=FAX", "reason=%00", "hours=-1"])
def test_a_choice_that_is_not_valid_does_not_become_all(admin: Browser, camille_id: UUID, query: str) -> None:
    fail(camille_id, 3)
    admin.get(f"{REPLAY}?{query}")
    assert admin.status == 404
    admin.get(REPLAY)
    name, _, value = query.partition("=")
    page = admin.send(REPLAY, typed="3", **{name: value.replace("%00", "\0")})
    assert admin.status in (404, 422)
    assert "Renvoyer 3 messages" not in page.text
    assert list_states() == [State.FAILED] * 3


def test_an_address_that_a_provider_repeats_is_not_shown(admin: Browser, camille_id: UUID) -> None:
    fail(camille_id, reason="550 no such user camille@example.org")
    page = admin.get(PAGE)
    assert "no such user" in page.text
    assert "camille@example.org" not in page.html


def test_ten_thousand_messages_have_pages(admin: Browser, camille_id: UUID) -> None:
    (letter,) = fail(camille_id)
    with session() as s:
        s.execute(
            sa.text("""
            INSERT INTO notifications (id, user_id, contact_id, channel, kind, priority, dedupe_key, state, reason,
              attempts, failed_at, next_attempt_at)
            SELECT gen_random_uuid(), user_id, contact_id, channel, kind, priority, 'many-' || n, state, reason,
              attempts, failed_at - n * interval '1 second', next_attempt_at
            FROM notifications, generate_series(1, 9999) n WHERE id = :id"""),
            {"id": letter},
        )
    page = admin.get(PAGE)
    assert page.html.count("renvoi?id=") == 50
    (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
    page = admin.get(following)
    assert page.html.count("renvoi?id=") == 50
    assert str(letter) not in page.html
    assert statements(lambda: admin.get(PAGE)) < 15
    page = admin.get(REPLAY)
    assert page.headings == ["Renvoyer 1000 messages ?"]
    assert "Recommencez pour les autres" in page.text


def test_support_reads_and_sends_nothing(support: Browser) -> None:
    (letter,) = fail(add_account().id)
    page = support.get(PAGE)
    assert "sendgrid answered 500" in page.text
    assert "renvoi" not in page.html
    support.get(f"{REPLAY}?id={letter}")
    assert support.status == 403
    token = support.get(PAGE).find_form("/logout")["fields"]["csrf_token"]
    answer = support.client.post(
        REPLAY, data={"csrf_token": token, "id": str(letter)}, headers=support.headers
    )
    assert answer.status_code == 403
    assert list_states() == [State.FAILED]


def test_without_its_token_the_form_is_refused(admin: Browser, camille_id: UUID) -> None:
    (letter,) = fail(camille_id)
    answer = admin.client.post(REPLAY, data={"id": str(letter)}, headers=admin.headers)
    assert answer.status_code == 403
    assert list_states() == [State.FAILED]

"""/api/notices: a user's own notices, how many are unread, and which were read."""

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from api.models.base import new_id
from api.models.notice import Notice
from api.notifications import notices
from tests.clients import People, Person
from tests.factories import rows, save

URL = "/api/notices"


def write_notice(user_id: UUID, title: str = "Titre", **columns: Any) -> UUID:
    """Write a notice to a user."""
    values = {
        "id": new_id(),
        "kind": "alerts_paused",
        "language": "fr",
        "body": "Texte",
        "link": "/dashboard",
    }
    row = Notice(user_id=user_id, title=title, **(values | columns))
    save(row)
    return row.id


def page(person: Person, **query: object) -> dict[str, Any]:
    answer = person.get(URL, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def mark(person: Person, path: str, body: Any = None) -> Any:
    return person.post(f"{URL}/{path}", body)


def test_notices_come_page_by_page_the_newest_first(camille: Person) -> None:
    keys = [str(write_notice(camille.id, str(number))) for number in range(5)]
    first = page(camille, limit=2)
    second = page(camille, limit=2, before=first["next"])
    third = page(camille, limit=2, before=second["next"])
    assert [each["id"] for found in (first, second, third) for each in found["items"]] == keys[::-1]
    assert (third["next"], {found["unread"] for found in (first, second, third)}) == (None, {5})
    assert first["items"][0] | {"createdAt": None} == {
        "id": keys[4], "type": "alerts_paused", "language": "fr", "title": "4", "body": "Texte", "link": "/dashboard",
        "detectionId": None, "createdAt": None, "readAt": None, "goneAt": None,
    }  # fmt: skip


def test_nobody_sees_or_reads_the_notices_of_somebody_else(client: FlaskClient, person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    theirs = write_notice(robin.id)
    assert page(camille) == {"items": [], "unread": 0, "next": None}
    assert mark(camille, f"{theirs}/read").status_code == 404
    assert mark(camille, "read-all", {"last": str(theirs)}).json == {"unread": 0}
    assert [row.read_at for row in rows(Notice)] == [None]
    assert client.get(URL).status_code == 401
    assert client.post(f"{URL}/{theirs}/read").status_code == 401


def test_one_notice_is_read_and_keeps_its_time(camille: Person) -> None:
    key, _ = write_notice(camille.id), write_notice(camille.id)
    assert mark(camille, f"{key}/read").json == {"unread": 1}
    (read_at,) = [row.read_at for row in rows(Notice) if row.id == key]
    assert read_at is not None
    assert mark(camille, f"{key}/read").json == {"unread": 1}
    assert [row.read_at for row in rows(Notice) if row.id == key] == [read_at]


def test_all_are_read_up_to_the_newest_that_was_shown_and_bad_bodies_change_nothing(camille: Person) -> None:
    shown = [write_notice(camille.id) for _ in range(3)]
    later = write_notice(camille.id)
    for body in ({}, {"last": "x"}):
        assert mark(camille, "read-all", body).status_code in (400, 415, 422)
    assert [row.read_at for row in rows(Notice)] == [None] * 4
    assert mark(camille, "read-all", {"last": str(shown[-1])}).json == {"unread": 1}
    assert [row.id for row in rows(Notice) if row.read_at is None] == [later]


def test_unread_notices_are_counted_to_a_bound(person: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_COUNTED", 2)
    camille = person()
    for _ in range(3):
        write_notice(camille.id)
    assert page(camille)["unread"] == 2

"""Exports: asked for, built by the job, downloaded after a proof, dropped after a day."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
import redis
import sqlalchemy as sa
import time_machine
from flask.testing import FlaskClient

from api.exports import jobs
from api.exports.tables import EXPORTED
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.export import Export
from api.models.login import Login
from api.models.notification import Notification, Priority, State
from api.models.support import SupportRequest
from api.models.user import Channel, Contact, User
from configs.clock import clock
from configs.encryption import encrypt
from configs.job_queues import queue
from configs.object_store import Blobs, StoreAway
from tests.api.world import Person, add_payment, match, rows, see, wait_for

PHONE, CHAT = "+33612345678", "778899001"
URL, FILE = "/api/users/export", "/api/users/export/file"


def ask(client: FlaskClient, person: Person) -> tuple[int, dict[str, Any]]:
    answer = client.get(URL, headers=person.headers)
    assert answer.json is not None
    return answer.status_code, answer.json


def download(client: FlaskClient, person: Person) -> ZipFile:
    answer = client.get(FILE, headers=person.headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/octet-stream"), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return ZipFile(BytesIO(answer.data))


def read(archive: ZipFile, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive.read(f"{table}.json"))
    return found


def add_notification(person: Person, **columns: Any) -> None:
    now = clock()
    values: dict[str, Any] = {
        "channel": Channel.EMAIL, "kind": "slot_detected", "priority": Priority.CRITICAL, "state": State.SENT,
        "accepted_at": now, "next_attempt_at": now, "next_nudge_at": now, "dedupe_key": f"key:{person.email}",
    }  # fmt: skip
    with session() as s:
        s.add(Notification(user_id=person.id, **values | columns))


def fill(person: Person) -> None:
    """Write a row of what a user has in most tables."""
    with session() as s:
        for channel, address in ((Channel.SMS, PHONE), (Channel.TELEGRAM, CHAT)):
            s.add(Contact(user_id=person.id, channel=channel, address=address, enabled=True))
        s.add(SupportRequest(user_id=person.id, email=person.email, message="Bonjour"))
        s.get_one(User, person.id).password_hash = "$2b$04$secret-hash"
    detection, slots = see("2099-01-05T09:00:00+01:00")
    matched = match(wait_for(person.id), detection, slots)
    with session() as s:
        s.add(
            MatchAnswer(
                match_id=matched, value=AnswerValue.TOO_LATE, answered_at=clock(), via=AnswerVia.EMAIL
            )
        )
    add_payment(person.id)
    add_notification(
        person, kind="telegram_linked", params={"chat_name": encrypt("Camille M."), "code": encrypt("042917")}
    )


def test_an_export_is_asked_for_made_and_downloaded(
    client: FlaskClient, camille: Person, person: Callable[..., Person], blobs: Blobs
) -> None:
    other = person("other@example.org")
    fill(camille)
    add_notification(other)
    status, answer = ask(client, camille)
    assert (status, answer["state"], answer["expiresAt"]) == (202, "preparing", None)
    assert [str(job.func_name) for job in queue("maintenance").get_jobs()] == [
        "api.exports.jobs.make_exports"
    ]
    assert client.get(FILE, headers=camille.headers).status_code == 404
    assert jobs.make_exports() == {"made": 1}
    status, answer = ask(client, camille)
    assert (status, answer["state"]) == (200, "ready")
    assert answer["sizeBytes"] > 1000
    archive = download(client, camille)
    assert set(archive.namelist()) == {f"{each.name}.json" for each in EXPORTED} | {"index.html"}
    assert [row["email"] for row in read(archive, "users")] == [camille.email]
    assert {row["address"] for row in read(archive, "contacts")} == {camille.email, PHONE, CHAT}
    assert [row["params"] for row in read(archive, "notifications")] == [{"chat_name": "Camille M."}]
    for table in (
        "alerts",
        "alert_targets",
        "matches",
        "match_slots",
        "answers",
        "payments",
        "payment_events",
        "logins",
    ):
        assert len(read(archive, table)) == 1, table
    assert [row["message"] for row in read(archive, "support_requests")] == ["Bonjour"]
    whole = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (b"secret-hash", b"042917", b"gAAAAA", other.email.encode(), str(other.id).encode()):
        assert secret not in whole
    (login,) = [each for each in rows(Login) if each.user_id == camille.id]
    assert login.token_hash.encode() not in whole
    page = archive.read("index.html").decode()
    assert '<html lang="fr" dir="ltr">' in page
    assert "Les messages" in page
    mails = [row.kind for row in rows(Notification) if row.kind == "export_ready"]
    assert mails == ["export_ready"]


def test_it_says_when_operators_looked_and_not_which_of_them(
    client: FlaskClient, camille: Person, blobs: Blobs, person: Callable[..., Person]
) -> None:
    payment, other = add_payment(camille.id), person("other@example.org")
    subjects: dict[str, dict[str, Any]] = {
        "user.view": {"subject_id": str(camille.id)},
        "payment.view": {"subject_id": str(payment)},
        "users.search": {"changes": {"seen": [str(other.id), str(camille.id)]}},
        "grant.give": {"subject_id": str(other.id), "changes": {"seen": [str(other.id)]}},
    }
    with session() as s:
        for action, columns in subjects.items():
            s.add(
                AuditEntry(
                    at=clock(), actor_id=other.id, actor_kind=ActorKind.SUPPORT, action=action, subject_type="x",
                    **columns,
                )
            )  # fmt: skip
    ask(client, camille)
    jobs.make_exports()
    archive = download(client, camille)
    found = read(archive, "audit")
    assert {each["action"] for each in found} == {"user.view", "payment.view", "users.search"}
    assert {each["actor_kind"] for each in found} == {"support"}
    assert str(other.id) not in json.dumps(found)


def test_what_lies_in_the_store_tells_nothing(client: FlaskClient, camille: Person, blobs: Blobs) -> None:
    fill(camille)
    ask(client, camille)
    jobs.make_exports()
    (name,) = blobs.names()
    stored = blobs.get(name)
    assert b"PK" not in stored[:4]
    assert camille.email.encode() not in stored
    with session() as s:
        kept = s.execute(sa.text("SELECT file_key FROM exports")).scalar_one()
    assert kept.startswith("gAAAAA")


def test_asked_again_it_is_the_same_export(client: FlaskClient, camille: Person, blobs: Blobs) -> None:
    first = ask(client, camille)
    assert ask(client, camille) == first
    assert len(rows(Export)) == 1
    jobs.make_exports()
    assert jobs.make_exports() == {"made": 0}
    assert len(blobs.names()) == 1


def test_after_a_day_it_is_over_and_another_one_may_follow(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person, blobs: Blobs
) -> None:
    ask(client, camille)
    jobs.make_exports()
    frozen.shift(timedelta(days=1, seconds=-1))
    assert ask(client, camille)[1]["state"] == "ready"
    assert jobs.drop_exports() == {"dropped": 0, "files": 0}
    frozen.shift(1)
    assert ask(client, camille)[1]["state"] == "preparing"
    assert jobs.drop_exports() == {"dropped": 0, "files": 1}
    frozen.shift(timedelta(days=3))
    jobs.make_exports()
    frozen.shift(timedelta(days=1))
    assert jobs.drop_exports() == {"dropped": 1, "files": 1}
    assert (blobs.names(), rows(Export)) == ([], [])


def test_a_download_needs_a_recent_proof(client: FlaskClient, camille: Person, blobs: Blobs) -> None:
    ask(client, camille)
    jobs.make_exports()
    with session() as s:
        s.get_one(Login, camille.login_id).proven_at = clock() - timedelta(hours=1)
    answer = client.get(FILE, headers=camille.headers)
    assert answer.status_code == 403
    assert answer.json
    assert answer.json["type"].endswith("recent-proof-needed")


def test_another_user_gets_nothing(
    client: FlaskClient, camille: Person, person: Callable[..., Person], blobs: Blobs
) -> None:
    ask(client, camille)
    jobs.make_exports()
    stranger = person("stranger@example.org")
    assert client.get(FILE, headers=stranger.headers).status_code == 404
    assert client.get(FILE).status_code == 401


def test_where_the_store_is_away_the_export_waits_and_the_download_says_so(
    frozen: time_machine.Traveller,
    client: FlaskClient,
    camille: Person,
    blobs: Blobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise StoreAway("EXPORTS_URL refuses")

    ask(client, camille)
    with monkeypatch.context() as patched:
        patched.setattr(Blobs, "put", fail)
        assert jobs.make_exports() == {"made": 0}
    assert jobs.make_exports() == {"made": 0}, "it waits"
    frozen.shift(timedelta(minutes=2))
    assert jobs.make_exports() == {"made": 1}
    with monkeypatch.context() as patched:
        patched.setattr(Blobs, "get", fail)
        answer = client.get(FILE, headers=camille.headers)
    assert answer.status_code == 503
    assert "EXPORTS_URL" not in answer.text
    assert client.get(FILE, headers=camille.headers).status_code == 200


@pytest.mark.parametrize("damaged", [False, True])
def test_where_its_file_is_lost_another_export_can_be_had_at_once(
    client: FlaskClient, camille: Person, blobs: Blobs, damaged: bool
) -> None:
    ask(client, camille)
    jobs.make_exports()
    (name,) = blobs.names()
    if damaged:
        blobs.put(name, b"half of it")
    else:
        blobs.delete(name)
    assert client.get(FILE, headers=camille.headers).status_code == 404
    assert ask(client, camille)[1]["state"] == "preparing"
    assert jobs.make_exports() == {"made": 1}
    assert len(download(client, camille).namelist()) == len(EXPORTED) + 1


def test_a_worker_that_is_too_slow_leaves_the_export_to_the_next(
    frozen: time_machine.Traveller,
    client: FlaskClient,
    camille: Person,
    blobs: Blobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = jobs._store
    lost: list[bool] = []

    def dawdle(*given: Any) -> int:
        if not lost:
            lost.append(True)
            frozen.shift(timedelta(minutes=3))
            assert jobs.make_exports() == {"made": 1}, "the next worker"
        return store(*given)

    ask(client, camille)
    monkeypatch.setattr(jobs, "_store", dawdle)
    assert jobs.make_exports() == {"made": 0}
    assert len(blobs.names()) == 1
    assert len(download(client, camille).namelist()) == len(EXPORTED) + 1


def test_without_redis_the_schedule_makes_it(
    client: FlaskClient, camille: Person, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise redis.exceptions.ConnectionError

    monkeypatch.setattr("api.exports.service.push", refuse)
    assert ask(client, camille)[0] == 202
    assert jobs.make_exports() == {"made": 1}

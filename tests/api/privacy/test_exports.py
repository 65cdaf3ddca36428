"""Exports: asked for, built by the job, downloaded after a proof, dropped after a day; no table forgotten, no secret in them."""

import json
import re
from datetime import timedelta
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
import redis
import sqlalchemy as sa
import time_machine

import api.models.all  # noqa: F401 -- defines all tables
from api.ground.background_nudges import take_nudge
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.audit import ActorKind, AuditEntry
from api.models.base import Base, session
from api.models.job import MAINTENANCE
from api.models.login import Login
from api.models.notification import Notification, State
from api.models.support import SupportRequest
from api.models.user import Channel, Export, User
from api.privacy import export_files as jobs
from api.privacy.exports import EXPORTED, LEFT_OUT, ExportedTable
from configs.ground.clock import clock
from configs.ground.encryption import encrypt
from configs.ground.object_store import Blobs, StoreAway
from tests import factories
from tests.clients import People, Person, problem
from tests.in_turn import in_turn

PHONE, CHAT = "+33612345678", "778899001"
URL, FILE = "/api/users/export", "/api/users/export/file"


def ask(person: Person) -> tuple[int, dict[str, Any]]:
    answer = person.get(URL)
    assert answer.json is not None
    return answer.status_code, answer.json


def download(person: Person) -> ZipFile:
    answer = person.get(FILE)
    assert (answer.status_code, answer.mimetype) == (200, "application/octet-stream"), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return ZipFile(BytesIO(answer.data))


def read(archive: ZipFile, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive.read(f"{table}.json"))
    return found


def add_notification(person: Person, **columns: Any) -> None:
    factories.add_message(person.id, **{"state": State.SENT, "accepted_at": clock()} | columns)


def fill(person: Person) -> None:
    """Write a row of what a user has in most tables."""
    for channel, address in ((Channel.SMS, PHONE), (Channel.TELEGRAM, CHAT)):
        factories.add_contact(person.id, channel, address, verified_at=None)
    factories.save(SupportRequest(user_id=person.id, email=person.email, message="Bonjour"))
    factories.change(User, User.id == person.id, password_hash="$2b$04$secret-hash")
    detection, slots = factories.see("2099-01-05T09:00:00+01:00")
    matched = factories.add_match(factories.add_alert(person.id), detection, slots)
    factories.save(
        MatchAnswer(match_id=matched, value=AnswerValue.TOO_LATE, answered_at=clock(), via=AnswerVia.EMAIL)
    )
    factories.add_payment(person.id)
    add_notification(
        person, kind="telegram_linked", params={"chat_name": encrypt("Camille M."), "code": encrypt("042917")},
        title="Bonjour", text="Vu […]",
    )  # fmt: skip


def test_an_export_is_asked_for_made_and_downloaded(camille: Person, person: People, blobs: Blobs) -> None:
    other = person("other@example.org")
    fill(camille)
    add_notification(other)
    status, answer = ask(camille)
    assert (status, answer["state"], answer["expiresAt"]) == (202, "preparing", None)
    assert take_nudge(MAINTENANCE) == ("make_exports", "")
    assert camille.get(FILE).status_code == 404
    assert jobs.make_exports() == {"made": 1}
    status, answer = ask(camille)
    assert (status, answer["state"]) == (200, "ready")
    assert answer["sizeBytes"] > 1000
    archive = download(camille)
    assert set(archive.namelist()) == {f"{each.name}.json" for each in EXPORTED} | {"index.html"}
    assert [row["email"] for row in read(archive, "users")] == [camille.email]
    assert {row["address"] for row in read(archive, "contacts")} == {camille.email, PHONE, CHAT}
    assert [row["params"] for row in read(archive, "notifications")] == [{"chat_name": "Camille M."}]
    assert [(row["title"], row["text"]) for row in read(archive, "notifications")] == [("Bonjour", "Vu […]")]
    for table in (
        "alerts",
        "alert_targets",
        "matches",
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
    (login,) = [each for each in factories.rows(Login) if each.user_id == camille.id]
    assert login.token_hash.encode() not in whole
    page = archive.read("index.html").decode()
    assert '<html lang="fr" dir="ltr">' in page
    assert "Les messages" in page
    mails = [row.kind for row in factories.rows(Notification) if row.kind == "export_ready"]
    assert mails == ["export_ready"]


def test_it_says_when_operators_looked_and_not_which_of_them(
    camille: Person, blobs: Blobs, person: People
) -> None:
    payment, alert = factories.add_payment(camille.id), factories.add_alert(camille.id)
    other = person("other@example.org")
    subjects: dict[str, dict[str, Any]] = {
        "user.view": {"subject_id": str(camille.id)},
        "payment.view": {"subject_id": str(payment)},
        "alert.view": {"subject_id": str(alert)},
        "alerts.search": {"changes": {"seen": [str(alert)]}},
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
    ask(camille)
    jobs.make_exports()
    archive = download(camille)
    found = read(archive, "audit")
    assert {each["action"] for each in found} == subjects.keys() - {"grant.give"}
    assert {each["actor_kind"] for each in found} == {"support"}
    assert str(other.id) not in json.dumps(found)


def test_what_lies_in_the_store_once_tells_nothing_and_needs_a_recent_proof(
    camille: Person, blobs: Blobs
) -> None:
    fill(camille)
    assert ask(camille) == ask(camille)
    assert [jobs.make_exports() for _ in range(2)] == [{"made": 1}, {"made": 0}]
    assert len(factories.rows(Export)) == 1
    (name,) = blobs.names()
    stored = blobs.get(name)
    assert b"PK" not in stored[:4]
    assert camille.email.encode() not in stored
    with session() as s:
        kept = s.execute(sa.text("SELECT file_key FROM exports")).scalar_one()
    assert kept.startswith("gAAAAA")
    factories.change(Login, Login.id == camille.login_id, proven_at=clock() - timedelta(hours=1))
    assert problem(camille.get(FILE)) == (403, "recent-proof-needed")


def test_after_a_day_it_is_over_and_another_one_may_follow(
    frozen: time_machine.Traveller, camille: Person, blobs: Blobs
) -> None:
    ask(camille)
    jobs.make_exports()
    frozen.shift(timedelta(days=1, seconds=-1))
    assert ask(camille)[1]["state"] == "ready"
    assert jobs.drop_exports() == {"dropped": 0, "files": 0}
    frozen.shift(1)
    assert ask(camille)[1]["state"] == "preparing"
    assert jobs.drop_exports() == {"dropped": 0, "files": 1}
    frozen.shift(timedelta(days=3))
    jobs.make_exports()
    frozen.shift(timedelta(days=1))
    assert jobs.drop_exports() == {"dropped": 1, "files": 1}
    assert (blobs.names(), factories.rows(Export)) == ([], [])


def test_without_redis_the_schedule_makes_it_and_without_the_store_it_waits_and_the_download_says_so(
    frozen: time_machine.Traveller, camille: Person, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreAway("EXPORTS_URL refuses")

    def refuse(*_: object, **__: object) -> None:
        raise redis.exceptions.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr("api.ground.background_nudges.redis", refuse)
        assert ask(camille)[0] == 202
    with monkeypatch.context() as patched:
        patched.setattr(Blobs, "put", fail)
        assert jobs.make_exports() == {"made": 0}
    assert jobs.make_exports() == {"made": 0}, "it waits"
    frozen.shift(timedelta(minutes=2))
    assert jobs.make_exports() == {"made": 1}
    with monkeypatch.context() as patched:
        patched.setattr(Blobs, "get", fail)
        answer = camille.get(FILE)
    assert answer.status_code == 503
    assert "EXPORTS_URL" not in answer.text
    assert camille.get(FILE).status_code == 200


def test_where_its_file_is_lost_another_export_can_be_had_at_once(camille: Person, blobs: Blobs) -> None:
    ask(camille)
    jobs.make_exports()
    for damaged in (False, True):
        (name,) = blobs.names()
        if damaged:
            blobs.put(name, b"half of it")
        else:
            blobs.delete(name)
        assert camille.get(FILE).status_code == 404
        assert ask(camille)[1]["state"] == "preparing"
        assert jobs.make_exports() == {"made": 1}
        assert len(download(camille).namelist()) == len(EXPORTED) + 1


def test_a_worker_that_is_too_slow_leaves_the_export_to_the_next(
    frozen: time_machine.Traveller, camille: Person, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = jobs._store
    lost: list[bool] = []

    def dawdle(*given: Any) -> int:
        if not lost:
            lost.append(True)
            frozen.shift(timedelta(minutes=3))
            assert jobs.make_exports() == {"made": 1}, "the next worker"
        return store(*given)

    ask(camille)
    monkeypatch.setattr(jobs, "_store", dawdle)
    assert jobs.make_exports() == {"made": 0}
    assert len(blobs.names()) == 1
    assert len(download(camille).namelist()) == len(EXPORTED) + 1


_SECRET = re.compile("hash|secret|password|token|key")
_HARMLESS = {("notifications", "dedupe_key")}  # the kind, and ids


def list_tables_of_users() -> set[str]:
    """Return the tables with a foreign key to users, or to a table that has one, however far."""
    found = {"users"}
    while more := {
        table.name
        for table in Base.metadata.tables.values()
        if table.name not in found and {each.column.table.name for each in table.foreign_keys} & found
    }:
        found |= more
    return found


def test_every_table_that_leads_to_a_user_is_exported_or_left_out_for_a_reason() -> None:
    exported = {each.name for each in EXPORTED} - {"audit"}  # it has no key: its rows outlive accounts
    assert list_tables_of_users() == exported | set(LEFT_OUT)
    assert not exported & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


@in_turn("exported", EXPORTED, lambda each: each.name)
def test_no_column_of_a_secret_is_exported(exported: ExportedTable) -> None:
    names = {column.name for column in exported.columns}
    assert set(exported.left_out) <= {each.name for each in Base.metadata.tables[exported.name].columns}
    assert not {name for name in names if _SECRET.search(name) and (exported.name, name) not in _HARMLESS}

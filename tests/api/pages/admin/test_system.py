"""Operators' pages of jobs, of the audit and of the settings."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from api.models.audit import ActorKind, AuditEntry
from api.models.job import JobResult
from api.models.user import Role
from configs.ground.clock import clock
from configs.settings import Settings, settings
from tests.api.pages.admin.conftest import act, walk
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_job, save
from tests.in_turn import in_turn


def add_entry(action: str = "host.stop", **columns: Any) -> None:
    given = {"actor_id": None, "actor_kind": ActorKind.COMMAND, "subject_type": "host", "subject_id": "x:1"}
    save(AuditEntry(at=clock(), action=action, **(given | columns)))


def test_jobs_are_chosen_by_job_and_result(admin: Browser) -> None:
    add_job("keep_partitions", JobResult.DONE, counts={"made": 14})
    add_job("sum_days", JobResult.FAILED, error="OperationalError")
    add_job("analyze_tables", turn_ends_at=clock() + timedelta(minutes=1))
    page = admin.get("/admin/taches")
    for text in ("made 14", "OperationalError", "En cours", "Terminée", "Échouée"):
        assert text in page.text
    page = admin.get("/admin/taches?result=failed&job=")
    assert "OperationalError" in page.text
    assert "made 14" not in page.text
    page = admin.get("/admin/taches?job=nothing")
    assert "Aucune tâche ne correspond à ce choix." in page.text


def test_the_audit_says_who_did_what_to_what(admin: Browser) -> None:
    changes = {
        "stoppedAt": [None, "2026-11-23T12:00:00.123456Z"],
        "reason": "<i>essai</i>",
        "seen": [str(uuid4())] * 3,
    }
    add_entry(changes=changes)
    add_entry("user.view", actor_id=uuid4(), actor_kind=ActorKind.SUPPORT)
    page = admin.get("/admin/journal")
    text = " ".join(page.text.split())
    for each in ("rien → 23 nov. 2026, 13:00:00", "<i>essai</i>", "3 lignes", "Commande", "compte supprimé"):
        assert each in text, each
    page = admin.get("/admin/journal?action=host.stop")
    assert "compte supprimé" not in page.text
    admin.get("/admin/taches")
    page = admin.get("/admin/journal?action=jobs.list")
    assert "admin@example.org" in page.text
    page = admin.get("/admin/journal?actorId=nobody")
    assert "Cette valeur n’est pas valable." in page.text


@in_turn("reason", ["2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-11-23"])
def test_a_reason_that_is_nearly_an_instant_stays_as_written(admin: Browser, reason: str) -> None:
    add_entry(changes={"reason": reason})
    assert reason in admin.get("/admin/journal?action=host.stop").text


def test_support_reads_addresses_of_operators_shortened(app: Flask, admin: Browser) -> None:
    admin.get("/admin/taches")
    support = seat_operator(app, Role.SUPPORT)
    page = support.get("/admin/journal?action=jobs.list")
    assert "a…@example.org" in page.text
    assert "admin@example.org" not in page.text


def test_a_replay_of_many_messages_is_shown_as_a_number(admin: Browser) -> None:
    for number in (2, 1000):
        add_entry("dead-letters.replay", changes={"replayed": [str(uuid4()) for _ in range(number)]})
    page = admin.get("/admin/journal?action=dead-letters.replay")
    assert "2 messages" in page.text
    assert "1000 messages" in page.text
    assert "→" not in page.text


def test_pages_of_the_audit_follow_each_other(admin: Browser) -> None:
    for number in range(5):
        add_entry(f"a.{number}")
    pages = list(walk(admin, "/admin/journal?limit=2&subjectId=x:1", lambda row: row[2]))
    assert pages == [["a.4", "a.3"], ["a.2", "a.1"], ["a.0"]]


def test_the_audit_is_read_by_actor_action_and_subject(admin: Browser, support: Browser) -> None:
    camille = add_account()
    path = f"/admin/utilisateurs/{camille.id}"
    support.get(path)
    act(admin, f"{path}/role", role="support", typed=camille.email)
    page = admin.get(f"/admin/journal?subjectType=user&subjectId={camille.id}")
    assert {row[2] for row in page.rows} == {"user.role", "user.view"}
    (changed,) = (row for row in page.rows if row[2] == "user.role")
    assert "user → support" in changed[4]
    assert "Administration" in changed[1]
    by_admin = next(at["href"] for tag, at in page.tags if tag == "a" and "actorId" in at.get("href", ""))
    assert {row[1] for row in admin.get(by_admin).rows} == {changed[1]}
    assert admin.get("/admin/journal?action=no.such").rows == []


SECRET = "correcthorsebatterystaple-correcthorse"


def test_settings_show_no_secret(support: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    kept = settings()
    values = [getattr(kept, name) for name in ("database_url", "redis_url", "jwt_secret") if name in secrets]
    monkeypatch.setenv("PROXY_LIST", f"http://user:{SECRET}@proxy.example:8080")
    monkeypatch.setenv("STRIPE_SECRET_KEY", SECRET)
    monkeypatch.setenv("SENDGRID_API_KEY", SECRET)
    settings.cache_clear()
    page = support.get("/admin/reglages")
    found = {name: (value, is_set) for name, value, is_set in page.rows}
    assert set(found) == {name.upper() for name in Settings.model_fields}
    assert SECRET not in page.html
    assert not [each for each in values if each.get_secret_value() in page.html]
    assert {found[name.upper()][0] for name in [*secrets, "proxy_list"]} == {"secret"}
    assert (found["STRIPE_SECRET_KEY"][1], found["PORT"]) == ("oui", ("4000", "oui"))

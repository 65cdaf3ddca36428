"""Operators' pages of the status, settings, jobs, the audit; and that every list goes on page by page."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from api.admin.health.findings import PartAway
from api.admin.health.status_report import HEALTH, READS
from api.models.audit import ActorKind, AuditEntry
from api.models.job import JobResult
from api.models.notification import State
from api.models.user import Role
from api.pages.admin.status import build_view
from configs.ground.clock import clock
from tests import factories
from tests.api.admin.health.parts_in_trouble import HOST, make_parts
from tests.api.pages.admin.conftest import act, walk
from tests.api.pages.walk.addresses import list_operator_addresses
from tests.clients import Browser, seat_operator
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("database")


def add_entry(action: str = "host.stop", **columns: Any) -> None:
    given = {"actor_id": None, "actor_kind": ActorKind.COMMAND, "subject_type": "host", "subject_id": "x:1"}
    factories.save(AuditEntry(at=clock(), action=action, **(given | columns)))


def test_jobs_are_chosen_by_job_and_result(admin: Browser) -> None:
    factories.add_job("keep_partitions", JobResult.DONE, counts={"made": 14})
    factories.add_job("sum_days", JobResult.FAILED, error="OperationalError")
    factories.add_job("analyze_tables", turn_ends_at=clock() + timedelta(minutes=1))
    page = admin.get("/admin/taches")
    for text in ("made 14", "OperationalError", "En cours", "Terminée", "Échouée"):
        assert text in page.text
    page = admin.get("/admin/taches?result=failed&job=")
    assert "OperationalError" in page.text
    assert "made 14" not in page.text
    page = admin.get("/admin/taches?job=nothing")
    assert "Aucune tâche ne correspond à ce choix." in page.text


def test_the_audit_says_who_did_what_to_what_to_support_with_shortened_addresses(
    app: Flask, admin: Browser
) -> None:
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
    page = seat_operator(app, Role.SUPPORT).get("/admin/journal?action=jobs.list")
    assert ("a…@example.org" in page.text, "admin@example.org" in page.text) == (True, False)


@in_turn("reason", ["2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-11-23"])
def test_a_reason_that_is_nearly_an_instant_stays_as_written(admin: Browser, reason: str) -> None:
    add_entry(changes={"reason": reason})
    assert reason in admin.get("/admin/journal?action=host.stop").text


def test_the_audit_is_read_by_actor_action_and_subject(admin: Browser, support: Browser) -> None:
    camille = factories.add_account()
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


def write_texts(app: Flask, parts: dict[str, Any]) -> dict[str, str]:
    """Return the text of each section by its title."""
    with app.test_request_context():
        view = build_view(parts)
    return {
        each["title"]: " | ".join(
            " · ".join(f"{piece['tone']} {piece['text']}".strip() for piece in line) for line in each["lines"]
        )
        for each in view["sections"]
    }


@in_turn(
    "section, texts",
    [
        ("Santé", ["planner · bad en panne · silent", "good En ordre : redis"]),
        ("Alarmes", [f"bad 7 · {HOST} · Accès refusé · signalée il y a 10 min · répétée il y a 10 min"]),
        ("Guichets", ["vérifiés : 3 · hors surveillance : 2", "bad En erreur : 1 · warn Pas encore planifié : 1", "au pire : 2,50", "bad dernière vérification : jamais", "créneaux ouverts : 4"]),
        ("Sites", [f"arrêtés · bad {HOST} · depuis 10 min · essai", "warn rest:443 · encore 5 min", "débit : 50 %"]),
        ("Interruptions", ["warn 9 · stopped : 9", "et 3 de plus"]),
        ("Files des guichets", ["ants · guichets : 101 · en retard : 3 · bad au plus de : 4,5 s · warn attendent leur site : 2 · demandés : 1"]),
        ("Ponctualité", ["retard médian : 0,1 s · bad retard, 95e centile : 3,5 s", "tenu ÷ souhaité : 1,20"]),
        ("Files de travaux", ["slots · warn en attente : 3 · bad le plus ancien depuis : 9,5 s · bad échoués : 1"]),
        ("Tâches de fond", ["sum_days · terminé il y a 10 min · bad échec · KeyError", "bad échec : 2", "good En ordre : keep_partitions"]),
        ("Messages", ["en 24 h · envoyé : 4", "warn en route : 2 · bad le plus ancien depuis : 99 s", "échoués · bad 3 | échoués · SMS · 21211 · bad messages : 3 · dernier il y a 10 min"]),
        ("Fournisseurs", ["SMS · bad échoués : 2 · warn renvoyés : 1", "bad twilio : 30 s", "E-mail · rien depuis 15 min"]),
        ("Paiements", ["warn événements de Stripe : 1", "bad Stripe ne répond pas", "bad différences avec Stripe : 1"]),
        ("Preuves", ["s3://p · warn en route : 3 · depuis 10 min", "bad le dépôt ne prend rien depuis 10 min · bad refused"]),
        ("Découverte", ["warn interrompu faute de temps", "404"]),
        ("Robots", ["ants · 01234567 · warn s’arrête · lancé depuis 10 min", "vérifications : 400"]),
        ("Exécutants", ["worker-1 · slots · libre · depuis 10 min · faits : 5 · warn échoués : 1"]),
    ],
)  # fmt: skip
def test_a_section_says_what_is_wrong(app: Flask, section: str, texts: list[str]) -> None:
    said = write_texts(app, make_parts())[section]
    for each in texts:
        assert each in said


def test_what_is_shown_leads_to_its_page(app: Flask) -> None:
    with app.test_request_context():
        view = build_view(make_parts())
    found = {
        piece["url"] for each in view["sections"] for line in each["lines"] for piece in line if piece["url"]
    }
    assert found == {
        "/admin/incidents/7", f"/admin/guichets/{factories.BOBIGNY}", f"/admin/sites/{HOST}", "/admin/sites/rest:443",
        "/admin/sites/slow:443", "/admin/guichets?status=ACTIVE", "/admin/guichets?status=ERROR",
        "/admin/taches?job=sum_days", "/admin/taches?job=drop_exports", "/admin/guichets",
    }  # fmt: skip


def test_a_part_that_is_down_hides_no_other(app: Flask) -> None:
    texts = write_texts(app, {name: PartAway("no answer within 6 s") for name in (HEALTH, *READS)})
    assert set(texts.values()) == {"bad Ne répond pas : no answer within 6 s"}
    said = write_texts(app, make_parts() | {"discovery": {"last": None, "drifts": []}, "spiders": []})
    assert (said["Découverte"], said["Robots"]) == (
        "Pas encore de parcours",
        "bad Aucun ne répond : rien n’est vérifié",
    )


def test_a_part_that_cannot_be_written_hides_no_other(app: Flask) -> None:
    said = write_texts(app, make_parts() | {"alarms": 7})
    assert said["Alarmes"].startswith("bad Ne peut pas être affiché")
    assert len(said) == len(READS) + 1


def test_the_page_shows_the_parts_and_its_twin_the_same(admin: Browser) -> None:
    page = admin.get("/admin")
    assert page.headings == ["État"]
    for title in ("Santé", "Guichets", "Paiements", "Exécutants"):
        assert title in page.text
    assert 'data-live="/admin/en-direct"' in page.html
    answer = admin.client.get("/admin/en-direct", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Santé" in answer.json["parts"]["status"]  # type: ignore[index]
    assert [each.action for each in factories.rows(AuditEntry)] == ["status.view"], "a poll is no view"


PAGED = (
    "admin.list_incidents", "admin.list_desks", "admin.list_checks", "admin.list_detections", "admin.list_alerts",
    "admin.list_messages", "admin.list_payments", "admin.list_differences", "admin.list_events",
    "admin.list_hosts",
)  # fmt: skip


def test_every_list_goes_on_page_by_page(admin: Browser) -> None:
    user = factories.add_account().id
    for _ in range(3):
        factories.add_match(factories.add_alert(user), *factories.see("2099-12-01", "2099-12-02"))
        factories.add_message(user, state=State.FAILED, reason="refused", failed_at=clock())
        payment = factories.add_payment(user)
        factories.add_difference()
        factories.add_check(started_at=clock())
        factories.add_stripe_event(str(payment))
        factories.add_incident(subject=f"{payment}:443")
    for endpoint in PAGED:
        path = list_operator_addresses(admin.client.application)[endpoint].partition("?")[0]
        pages = list(walk(admin, f"{path}?limit=1", "|".join))
        assert len(pages) > 1, endpoint
        assert {len(each) for each in pages} == {1}, endpoint
        whole = ["|".join(row) for row in admin.get(f"{path}?limit=100").rows]
        assert [row for page in pages for row in page] == whole, endpoint

"""Operators' page of the status."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from api.admin.health.figures import READS
from api.admin.health.reading import PartAway
from api.admin.health.status_report import HEALTH
from api.models.audit import AuditEntry
from api.pages.admin.status_view import StatusView
from tests.api.admin.health.parts_in_trouble import HOST, make_parts
from tests.clients import Browser
from tests.factories import BOBIGNY, rows


def write_texts(app: Flask, parts: dict[str, Any]) -> dict[str, str]:
    """Return the text of each section by its title."""
    with app.test_request_context():
        view = StatusView.build(parts)
    return {
        each.title: " | ".join(
            " · ".join(f"{piece.tone} {piece.text}".strip() for piece in line) for line in each.lines
        )
        for each in view.sections
    }


def test_every_part_of_the_status_has_a_section(app: Flask) -> None:
    assert set(make_parts()) == {HEALTH, *READS}
    assert len(write_texts(app, make_parts())) == len(READS) + 1


@pytest.mark.parametrize(
    ("section", "texts"),
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
        view = StatusView.build(make_parts())
    found = {piece.url for each in view.sections for line in each.lines for piece in line if piece.url}
    assert found == {
        "/admin/incidents/7", f"/admin/guichets/{BOBIGNY}", f"/admin/sites/{HOST}", "/admin/sites/rest:443",
        "/admin/sites/slow:443", "/admin/guichets?status=ACTIVE", "/admin/guichets?status=ERROR",
        "/admin/taches?job=sum_days", "/admin/taches?job=drop_exports",
    }  # fmt: skip


def test_lengths_of_time_are_french(app: Flask) -> None:
    parts = make_parts() | {"payments": replace(make_parts()["payments"], left_alone_seconds=300_000)}
    assert "3 j" in write_texts(app, parts)["Paiements"]
    parts["payments"] = replace(parts["payments"], left_alone_seconds=0)
    assert "Stripe ne répond pas" not in write_texts(app, parts)["Paiements"]


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
    assert [each.action for each in rows(AuditEntry)] == ["status.view"], "a poll is no view"


def test_the_twin_refuses_as_a_program(app: Flask, support: Browser, camille: Browser) -> None:
    for browser, status in ((support, 200), (camille, 404)):
        answer = browser.client.get("/admin/en-direct", headers={"Accept": "application/json"})
        assert answer.status_code == status


def test_operators_who_look_at_once_share_one_reading(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[int] = []

    def read() -> list[Any]:
        readings.append(1)
        return []

    monkeypatch.setitem(READS, "due", read)
    admin.client.application.extensions.pop("admin-status", None)  # what another test read
    for _ in range(3):
        admin.get("/admin")
    assert readings == [1]

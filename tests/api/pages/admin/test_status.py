"""Operators' page of the status."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from api.health.alarm_overview import AlarmOverview, OpenAlarm
from api.health.discovery_overview import DiscoveryOverview
from api.health.parallel_probe import ProbeDown
from api.health.status_report import READS
from api.models.audit import AuditEntry
from api.pages.admin.status.line import write_seconds
from api.pages.admin.status.shared_parts import SharedParts
from api.pages.admin.status.view_data import StatusView
from configs.clock import clock
from tests.api.health.parts_in_trouble import HOST, make_parts
from tests.api.pages.browser import Browser
from tests.api.world import rows


def write_texts(app: Flask, parts: dict[str, Any]) -> dict[str, str]:
    """Return the text of each section by its title."""
    with app.test_request_context():
        view = StatusView.build(parts)
    return {
        each.title: " | ".join(f"{line.tone} {line.text} {line.detail}" for line in each.lines)
        for each in view.sections
    }


def test_every_part_of_the_status_has_a_section(app: Flask) -> None:
    assert set(make_parts()) == set(READS)
    assert len(write_texts(app, make_parts())) == len(READS)


@pytest.mark.parametrize(
    ("section", "texts"),
    [
        ("Santé", ["bad planner silent", "good En marche : redis"]),
        ("Alarmes", ["bad 7 · Accès refusé, depuis 10 min, répétée 127.77.0.93:8800"]),
        ("Guichets", ["3 guichets vérifiés, 2 hors surveillance", "bad En erreur : 1", "Pas encore planifié : 1", "au pire 2,50", "bad Dernière vérification : jamais", "4 créneaux ouverts à 2 guichets ; 1 détection en une heure"]),
        ("Sites", [f"bad {HOST} : arrêté depuis 10 min essai", "warn rest:443 : au repos, encore 5 min", "50 % de son débit"]),
        ("Interruptions", ["9 guichets", "9 stopped", "et 3 de plus"]),
        ("Files des guichets", ["bad ants : 101 guichets, 3 en retard, de 4,5 s au plus ; 2 attendent leur site ; 1 demandé"]),
        ("Ponctualité", ["bad Retard médian 0,1 s, au 95e centile 3,5 s", "Tenu ÷ souhaité 1,20"]),
        ("Files de travaux", ["bad slots : 3, depuis 9,5 s, 1 échoué"]),
        ("Tâches de fond", ["bad check_days : échouée il y a 10 min KeyError", "bad drop_job_runs : 2 en échec", "1 tâche de fond à jour"]),
        ("Messages", ["En 24 h : envoyé 4", "bad 2 messages en route", "bad 3 messages échoués", "3 SMS, le dernier il y a 10 min 21211"]),
        ("Fournisseurs", ["bad SMS : 0 accepté, 2 échoués, 1 renvoyé ; twilio laissé en repos 30 s", "E-mail : rien depuis 15 min"]),
        ("Paiements", ["En route : 1 événement, 1 commande à Stripe", "bad Stripe ne répond pas", "bad 1 différence avec Stripe"]),
        ("Preuves", ["warn m1 : 3 preuves en route, la plus ancienne depuis 10 min", "bad Le dépôt ne prend rien", "bad Aujourd’hui 1 abandonnée"]),
        ("Découverte", ["interrompu faute de temps", "404"]),
        ("Robots", ["warn ants : 10 min, 90 Mo, 400 vérifications, 1 en cours, s’arrête, version abcdef01"]),
        ("Exécutants", ["warn worker-1 : libre, lancé il y a 10 min, 5 faits, 1 échoué slots"]),
    ],
)  # fmt: skip
def test_a_section_says_what_is_wrong(app: Flask, section: str, texts: list[str]) -> None:
    said = write_texts(app, make_parts())[section]
    for each in texts:
        assert each in said


def test_lengths_of_time_are_french() -> None:
    assert [write_seconds(each) for each in (1.5, 90, 300_000)] == ["1,5 s", "90 s", "3 j"]


def test_a_part_that_is_down_hides_no_other(app: Flask) -> None:
    texts = write_texts(app, {name: ProbeDown("no answer within 6 s") for name in READS})
    assert set(texts.values()) == {"bad Ne répond pas no answer within 6 s"}
    said = write_texts(
        app, make_parts() | {"discovery": DiscoveryOverview(None, []), "spiders": [], "lateness": None}
    )
    assert said["Découverte"] == " Pas encore de parcours "
    assert said["Robots"].startswith("bad Aucun ne répond")


def test_a_part_that_cannot_be_written_hides_no_other(app: Flask) -> None:
    alarm = OpenAlarm(7, HOST, "a_reason_of_a_later_release", clock(), None)
    said = write_texts(app, make_parts() | {"alarms": AlarmOverview([alarm])})
    assert said["Alarmes"].startswith("bad Ne peut pas être affiché")
    assert len(said) == len(READS)


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


def test_operators_who_look_at_once_share_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    at, readings = 100.0, []
    monkeypatch.setattr("api.pages.admin.status.shared_parts.time.monotonic", lambda: at)

    def read() -> dict[str, Any]:
        readings.append(at)
        return {"health": []}

    shared = SharedParts()
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda _: shared.read_parts(read), range(8)):
            pass
    at = 103.9
    shared.read_parts(read)
    assert readings == [100.0]
    at = 104.1
    shared.read_parts(read)
    assert readings == [100.0, 104.1]

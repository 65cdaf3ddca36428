"""Operators' pages: their frame, words, and what became of what a page showed."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from flask import Flask

from api.models.audit import AuditEntry
from api.models.desk import DeskStatus, HostState
from api.models.incident import IncidentReason
from api.models.login import Login
from api.models.user import Grant, Role
from api.pages.admin import words
from configs.ground.clock import clock
from configs.world.desk import Grade, Outcome, WatchLevel
from configs.world.plan import PlanName
from tests.api.pages.admin.conftest import read_role
from tests.clients import Browser, seat_operator
from tests.factories import BOBIGNY, add_account, add_grant, change, give_role, rows
from tests.in_turn import in_turn

HOST = "127.77.0.93:8800"
PAGE, STOP = "/admin/sites", f"/admin/sites/{HOST}/arret"
_JSON = {"Accept": "application/json"}
POLLS = ["/admin/en-direct", "/notifications/direct"]
GO = f"/admin/sites/{HOST}/reprise"
PAUSE, RESUME = f"/admin/guichets/{BOBIGNY}/pause", f"/admin/guichets/{BOBIGNY}/reprise"
BAD_FILTERS = {
    "verifications": ("hours=0", "hours=745", "before=0", f"before={2**63}", "outcome=fine"),
    "reponses": ("months=0", "months=13", "before=x"),
    "distribution": ("days=32", "channel=fax", "by=user", "provider=" + "x" * 61),
    "utilisateurs": ("limit=0", "limit=101", "before=nothing", "role=queen"),
    "paiements": ("userId=x", "status=x"),
    "evenements-stripe": ("open=perhaps", "flag=x"),
    "journal": ("actorId=nobody", "subjectId=" + "x" * 400),
}
MEANWHILE = "Entre-temps, cela a changé"


def list_actions() -> list[str]:
    return [each.action for each in rows(AuditEntry)]


def test_operators_alone_find_the_pages_from_the_account(admin: Browser, camille: Browser) -> None:
    link = 'href="/admin'
    assert link in admin.get("/dashboard").html
    assert link not in camille.get("/dashboard").html
    page = admin.get(PAGE)
    assert page.headings == ["Sites"]
    assert 'aria-current="page">Sites' in page.html
    assert admin.response.headers["Cache-Control"] == "no-store"
    assert '<meta name="robots" content="noindex">' in page.html


def test_without_a_second_factor_an_operator_sees_nothing(app: Flask) -> None:
    browser = seat_operator(app, second_factor=False)
    page = browser.get(PAGE)
    assert (browser.status, page.headings) == (403, ["Un second facteur est nécessaire"])
    assert "/securite/application" in page.html
    assert list_actions() == []


def test_a_login_from_before_the_second_factor_has_to_show_it(admin: Browser) -> None:
    change(Login, proven_at=clock() - timedelta(days=2))
    admin.get(PAGE)
    assert admin.location.startswith("/prove?next=admin.list_hosts")


def test_a_role_that_is_taken_away_counts_from_the_next_page(app: Flask) -> None:
    browser = seat_operator(app)
    browser.get(PAGE)
    assert browser.status == 200
    (login,) = rows(Login)
    give_role(login.user_id, Role.USER)
    browser.get(PAGE)
    assert browser.status == 404


def test_the_pages_are_french_whatever_the_account_reads(app: Flask, browse: Callable[..., Browser]) -> None:
    browser = seat_operator(app, language="ar")
    for path in (PAGE, f"{PAGE}?lang=ar"):
        page = browser.get(path)
        assert dict(page.tags)["html"]["lang"] == "fr", path
        assert "Sites" in page.text
    assert dict(browser.get("/dashboard").tags)["html"]["lang"] == "ar"


def test_an_action_asks_once_more_and_has_its_subject_typed(admin: Browser) -> None:
    admin.get(f"{PAGE}/{HOST}")
    page = admin.get(STOP)
    assert page.headings == [f"Arrêter le site {HOST} ?"]
    assert rows(HostState) == []
    page = admin.send(STOP, reason="Le site nous a écrit", typed=HOST[:-1])
    assert admin.status == 422
    assert "Ce n’est pas le même texte" in page.text
    assert page.find_form(STOP)["fields"]["reason"] == ["Le site nous a écrit"], "what was typed is kept"
    page = admin.send(STOP, reason="", typed=HOST)
    assert admin.status == 422
    assert "Écrivez la raison" in page.text
    assert rows(HostState) == []
    assert "host.stop" not in list_actions()
    admin.send(STOP, reason="Le site nous a écrit", typed=f" {HOST} ")
    page = admin.follow()
    assert "Le site nous a écrit" in page.text
    assert f"{HOST} est arrêté" in page.text
    (row,) = (each for each in rows(AuditEntry) if each.action == "host.stop")
    assert (row.subject_id, row.changes["reason"]) == (HOST, "Le site nous a écrit")


def test_a_filter_that_is_not_valid_is_named_above_the_whole_list(admin: Browser) -> None:
    page = admin.get(f"{PAGE}?limit=many")
    assert "Écrivez un nombre entier." in page.text
    assert HOST in page.text
    for noun, queries in BAD_FILTERS.items():
        for query in queries:
            page = admin.get(f"/admin/{noun}?{query}")
            assert (admin.status, page.title.partition(" ")[0]) == (200, "Erreur"), (noun, query)


@in_turn(
    "path",
    [
        "/admin/sites/%00",
        "/admin/sites/%00/arret",
        f"/admin/sites/{'x' * 400}",
        "/admin/sites/%ff%fe:1",
        "/admin/sites/a%2fb",
        "/admin/guichets/%00/%00",
        "/admin/guichets/bobigny_93/%ff/pause",
        "/admin/incidents/-1",
        "/admin/incidents/%D9%A1",
        "/admin/incidents/0",
        "/admin/paiements/x",
        *(
            f"/admin/{noun}/{UUID(int=0)}{path}"
            for noun, paths in {
                "paiements": ("", "/remboursement"),
                "utilisateurs": ("", "/formule", "/role", f"/formules/{UUID(int=0)}/fin"),
            }.items()
            for path in paths
        ),
    ],
)
def test_an_address_of_nothing_is_404(admin: Browser, path: str) -> None:
    admin.get(path)
    assert admin.status == 404


def test_everything_that_is_shown_has_a_word() -> None:
    assert set(words.DESK_STATUSES) == set(DeskStatus)
    assert set(words.INCIDENT_REASONS) >= set(IncidentReason)
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.GRADES) == set(Grade)
    assert set(words.WATCH_LEVELS) == set(WatchLevel)


@pytest.mark.parametrize("path", POLLS)
def test_an_open_page_keeps_no_login_of_an_operator(
    frozen: time_machine.Traveller, admin: Browser, path: str
) -> None:
    admin.get("/admin")
    for _ in range(30):
        frozen.shift(timedelta(minutes=1))
        assert admin.client.get(path, headers=_JSON).status_code == 200
    frozen.shift(timedelta(minutes=1))
    assert admin.client.get(path, headers=_JSON).status_code == 401
    admin.get("/admin")
    assert admin.location.startswith("/login?next=admin.show_status")


def test_a_page_that_is_opened_keeps_the_login(frozen: time_machine.Traveller, admin: Browser) -> None:
    for _ in range(4):
        frozen.shift(timedelta(minutes=29))
        admin.get("/admin/sites")
        assert admin.status == 200


@pytest.fixture
def other(frozen: time_machine.Traveller, app: Flask) -> Browser:
    """Another admin's browser."""
    return seat_operator(app, email="other@example.org")


@pytest.fixture
def admin(other: Browser, app: Flask) -> Browser:
    return seat_operator(app)


def act(browser: Browser, path: str, **fields: str) -> None:
    browser.get(path)
    browser.send(path, **fields)
    assert browser.status == 303


# By subject: the order, the order that lifts it, the form, and the sentence on the page.
ORDERS = {
    "host": (STOP, GO, {"typed": HOST}, "Il était arrêté"),
    "desk": (PAUSE, RESUME, {}, "Il était en pause"),
}


@pytest.mark.parametrize("subject", ORDERS)
def test_a_stop_or_pause_that_nobody_saw_is_not_lifted(
    admin: Browser, other: Browser, frozen: time_machine.Traveller, subject: str
) -> None:
    stop, go, typed, words = ORDERS[subject]
    act(admin, stop, reason="essai", **typed)
    admin.get(go)
    act(other, go)
    frozen.shift(timedelta(minutes=1))
    act(other, stop, reason="la préfecture l’exige", **typed)
    page = admin.send(go)
    assert admin.status == 422
    assert MEANWHILE in page.text
    assert f"{words} : « la préfecture l’exige »." in page.text
    done = [each for each in list_actions() if each.split(".")[1] not in ("view", "list")]
    assert len(done) == 3, "a refused action leaves no row"
    admin.send(go)
    assert admin.status == 303, "one more press means it"


def test_another_s_reason_of_a_stop_is_not_replaced_unseen(admin: Browser, other: Browser) -> None:
    admin.get(STOP)
    act(other, STOP, reason="la préfecture l’exige", typed=HOST)
    page = admin.send(STOP, reason="essai", typed=HOST)
    assert admin.status == 422
    assert "déjà arrêté (« la préfecture l’exige »)" in page.text
    assert page.find_form(STOP)["fields"]["reason"] == ["essai"]
    assert rows(HostState)[0].stop_reason == "la préfecture l’exige"


def test_a_role_that_another_gave_meanwhile_is_not_taken(admin: Browser, other: Browser) -> None:
    user_id = add_account().id
    path = f"/admin/utilisateurs/{user_id}/role"
    admin.get(path)
    act(other, path, role="admin", typed="camille@example.org")
    page = admin.send(path, role="support", typed="camille@example.org")
    assert admin.status == 422
    assert MEANWHILE in page.text
    assert "camille@example.org est maintenant : Administrateur" in page.text
    assert read_role(user_id) is Role.ADMIN


def test_a_plan_that_became_longer_meanwhile_is_not_ended(admin: Browser) -> None:
    user_id, now = add_account().id, clock()
    grant = add_grant(user_id, PlanName.URGENCE_7J, source="payment")
    grant_id = grant.id
    path = f"/admin/utilisateurs/{user_id}/formules/{grant_id}/fin"
    admin.get(path)
    change(Grant, ends_at=now + timedelta(7))
    admin.send(path, typed="URGENCE 7J")
    assert admin.status == 422
    assert rows(Grant)[0].ends_at == now + timedelta(7)

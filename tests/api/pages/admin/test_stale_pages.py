"""Confirmations that were open while another operator acted: what they did not show is not undone by them."""

from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from flask import Flask

from api.models.audit import AuditEntry
from api.models.desk import DeskState, HostState
from api.models.user import Grant, Role, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Browser, seat_operator
from tests.factories import BOBIGNY, add_account, add_grant, change, rows

HOST = "127.77.0.93:8800"
STOP, GO = f"/admin/sites/{HOST}/arret", f"/admin/sites/{HOST}/reprise"
PAUSE, RESUME = f"/admin/guichets/{BOBIGNY}/pause", f"/admin/guichets/{BOBIGNY}/reprise"
MEANWHILE = "Entre-temps, cela a changé"


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


def list_actions() -> list[str]:
    return [each.action for each in rows(AuditEntry) if each.action.split(".")[1] not in ("view", "list")]


def test_a_stop_that_nobody_saw_is_not_lifted(
    admin: Browser, other: Browser, frozen: time_machine.Traveller
) -> None:
    act(admin, STOP, reason="essai", typed=HOST)
    admin.get(GO)
    act(other, GO)
    frozen.shift(timedelta(minutes=1))
    act(other, STOP, reason="la préfecture l’exige", typed=HOST)
    page = admin.send(GO)
    assert admin.status == 422
    assert MEANWHILE in page.text
    assert "Il était arrêté : « la préfecture l’exige »." in page.text
    assert rows(HostState)[0].stopped_at is not None
    assert list_actions() == ["host.stop", "host.go", "host.stop"], "a refused action leaves no row"
    admin.send(GO)
    assert admin.status == 303, "one more press means it"


def test_another_s_reason_of_a_stop_is_not_replaced_unseen(admin: Browser, other: Browser) -> None:
    admin.get(STOP)
    act(other, STOP, reason="la préfecture l’exige", typed=HOST)
    page = admin.send(STOP, reason="essai", typed=HOST)
    assert admin.status == 422
    assert "déjà arrêté (« la préfecture l’exige »)" in page.text
    assert page.find_form(STOP)["fields"]["reason"] == ["essai"]
    assert rows(HostState)[0].stop_reason == "la préfecture l’exige"


def test_a_pause_that_nobody_saw_is_not_lifted(
    admin: Browser, other: Browser, frozen: time_machine.Traveller
) -> None:
    act(admin, PAUSE, reason="essai")
    admin.get(RESUME)
    act(other, RESUME)
    frozen.shift(timedelta(minutes=1))
    act(other, PAUSE, reason="déménagement")
    page = admin.send(RESUME)
    assert admin.status == 422
    assert "Il était en pause : « déménagement »." in page.text
    assert next(each for each in rows(DeskState) if each.id == BOBIGNY).pause_reason == "déménagement"


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


def read_role(user_id: UUID) -> Role:
    (role,) = (each.role for each in rows(User) if each.id == user_id)
    return Role(role)

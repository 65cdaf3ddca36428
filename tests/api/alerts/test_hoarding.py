"""Accounts beyond fair use: the admins get a message, and nothing is blocked."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine

from api.alerts.appointments import close_as_found
from api.alerts.plan_limits import HeavyUse, find_heavy_use
from api.alerts.schemas import FoundAppointment
from api.background import jobs
from api.models.alert import Alert, AlertTarget
from api.models.base import session
from api.models.notification import Notification
from api.models.user import Role, User
from configs.ground.clock import clock
from tests.clients import People
from tests.factories import BOBIGNY, add_alert, change, rows


@pytest.fixture(autouse=True)
def support(settings_env: Callable[..., None], app: object) -> None:
    settings_env(SUPPORT_EMAIL="ops@example.org", FAIR_USE_DESKS="1")


@pytest.fixture
def late() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-11-25T10:00:00Z", tick=True) as traveller:
        yield traveller


def find(user_id: UUID, times: int) -> None:
    """Report an appointment as found, each with an alert of its own for a single desk."""
    for _ in range(times):
        alert_id = wait_for_desk(user_id)
        with session() as s:
            close_as_found(s, user_id, alert_id, FoundAppointment())


def wait_for_desk(user_id: UUID, desk_id: str = BOBIGNY) -> UUID:
    return add_alert(user_id, AlertTarget(desk_id=desk_id))


def list_heavy() -> list[HeavyUse]:
    with session() as s:
        return find_heavy_use(s, clock() - timedelta(days=30))


def test_three_appointments_in_a_month_are_fair_and_a_fourth_is_told_once(
    person: People, late: time_machine.Traveller
) -> None:
    user = person()
    find(user.id, 3)
    assert jobs.tell_hoarding() == {"mails": 0}
    find(user.id, 1)
    assert [jobs.tell_hoarding()["mails"] for _ in range(2)] == [1, 0]
    (mail,) = rows(Notification)
    assert (mail.kind, mail.address) == ("hoarding", "ops@example.org")
    assert mail.params == {"user": str(user.id), "desks": 1, "found": 4}
    late.shift(timedelta(days=7))
    find(user.id, 1)
    assert jobs.tell_hoarding() == {"mails": 1}, "another month"
    late.shift(timedelta(days=31))
    assert list_heavy() == []


def test_desks_count_by_procedure_and_by_desk_each_once(person: People) -> None:
    user, other = person(), person("other@example.org")
    wait_for_desk(other.id)
    wait_for_desk(user.id)
    assert list_heavy() == []
    wait_for_desk(user.id)
    assert list_heavy() == [], "the same desk twice is one"
    add_alert(user.id)
    (heavy,) = list_heavy()
    assert (heavy.user_id, heavy.desks, heavy.found) == (user.id, 2, 0)


def test_nothing_is_blocked_and_without_an_address_the_admins_are_told(
    person: People, settings_env: Callable[..., None]
) -> None:
    settings_env(SUPPORT_EMAIL="")
    admin, user = person("admin@example.org", confirmed=True), person()
    change(User, User.id == admin.id, role=Role.ADMIN)
    add_alert(user.id)
    jobs.tell_hoarding()
    assert [each.user_id for each in rows(Notification)] == [admin.id]
    (alert,) = rows(Alert)
    assert (alert.enabled, alert.closed_at) == (True, None)

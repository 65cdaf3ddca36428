"""A smaller plan carries only its own number of alerts; of accounts beyond fair use the admins get a message, and nothing is blocked."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine

from api.alerts.appointments import close_as_found
from api.alerts.plan_limits import (
    find_heavy_use,
    find_users_over_limit,
    pause_excess_alerts,
    start_plan,
)
from api.alerts.schemas import FoundAppointment
from api.jobs import schedule as jobs
from api.models.alert import Alert, AlertTarget
from api.models.base import session
from api.models.desk import DeskChange
from api.models.notification import Notification
from api.models.user import Role, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import BOBIGNY, add_alert, change, rows


def alerts(user_id: UUID, count: int, frozen: time_machine.Traveller) -> list[UUID]:
    """Write alerts, one a minute; the oldest is first."""
    made = []
    for _ in range(count):
        frozen.shift(timedelta(minutes=1))
        made.append(add_alert(user_id))
        change(Alert, Alert.id == made[-1], created_at=clock())
    return made


def enabled() -> set[UUID]:
    return {alert.id for alert in rows(Alert) if alert.enabled}


def give(person: Person, name: PlanName, days: int = 1) -> None:
    with session() as s:
        start_plan(s, s.get_one(User, person.id), name, timedelta(days=days), "test")


def test_a_smaller_plan_wakes_its_own_number_of_alerts_the_oldest(
    camille: Person, frozen: time_machine.Traveller, door: Door
) -> None:
    camille.holds(PlanName.URGENCE_TOTAL, days=1)
    made = alerts(camille.id, 20, frozen)
    frozen.shift(timedelta(days=2))
    assert enabled() == set(made)
    give(camille, PlanName.URGENCE_24H)
    assert door.caught_up == made[:1]
    assert enabled() == {made[0]}
    (mail,) = rows(Notification)
    assert (mail.kind, mail.params) == (
        "alerts_paused", {"prefectures": ["bobigny_93"], "count": 19, "limit": 1},
    )  # fmt: skip
    assert "alert paused: smaller plan" in {line.reason for line in rows(DeskChange)}


def test_a_job_finds_the_end_of_a_larger_plan_each_minute_and_again_changes_nothing(
    camille: Person, frozen: time_machine.Traveller, door: Door
) -> None:
    camille.holds(PlanName.URGENCE_TOTAL, days=1)
    camille.holds(PlanName.URGENCE_7J, days=7)
    made = alerts(camille.id, 5, frozen)
    assert jobs.pause_excess_alerts() == {"users": 0, "failed": 0}
    frozen.shift(timedelta(days=1))
    assert jobs.pause_excess_alerts() == {"users": 1, "failed": 0}
    assert jobs.pause_excess_alerts() == {"users": 0, "failed": 0}
    assert enabled() == set(made[:3])
    assert door.nudged == [row.id for row in rows(Notification)]


def test_neither_a_smaller_plan_beside_a_larger_one_nor_the_end_of_all_pauses_any(
    camille: Person, frozen: time_machine.Traveller, door: Door
) -> None:
    camille.holds(PlanName.URGENCE_TOTAL, days=30)
    made = alerts(camille.id, 4, frozen)
    give(camille, PlanName.URGENCE_24H)
    assert set(door.caught_up) == set(made)
    assert rows(Notification) == []
    frozen.shift(timedelta(days=31))
    with session() as s:
        assert find_users_over_limit(s) == []
        pause_excess_alerts(s, camille.id)
    assert rows(Notification) == []
    assert enabled() == set(made)


def test_paused_and_closed_alerts_take_no_place(
    camille: Person, frozen: time_machine.Traveller, door: Door
) -> None:
    camille.holds(PlanName.URGENCE_7J, days=7)
    made = alerts(camille.id, 3, frozen)
    camille.patch(f"/api/alerts/{made[0]}/toggle")
    camille.delete(f"/api/alerts/{made[1]}")
    with session() as s:
        assert find_users_over_limit(s) == []
    frozen.shift(timedelta(days=8))
    give(camille, PlanName.URGENCE_24H)
    assert door.caught_up == [made[2]]


def test_the_alerts_of_others_are_left_alone(
    camille: Person, person: People, frozen: time_machine.Traveller, door: Door
) -> None:
    robin = person("robin@example.org")
    robin.holds(PlanName.URGENCE_TOTAL, days=30)
    others = alerts(robin.id, 5, frozen)
    made = alerts(camille.id, 2, frozen)
    give(camille, PlanName.URGENCE_24H)
    assert enabled() == {*others, made[0]}


@pytest.fixture
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


def list_heavy() -> dict[UUID, tuple[int, int]]:
    with session() as s:
        return find_heavy_use(s, clock() - timedelta(days=30))


@pytest.mark.usefixtures("support")
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
    assert list_heavy() == {}


@pytest.mark.usefixtures("support")
def test_desks_count_by_procedure_and_by_desk_each_once(person: People) -> None:
    user, other = person(), person("other@example.org")
    wait_for_desk(other.id)
    wait_for_desk(user.id)
    assert list_heavy() == {}
    wait_for_desk(user.id)
    assert list_heavy() == {}, "the same desk twice is one"
    add_alert(user.id)
    assert list_heavy() == {user.id: (2, 0)}


@pytest.mark.usefixtures("support")
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

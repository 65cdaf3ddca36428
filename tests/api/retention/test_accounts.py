"""Accounts that were never confirmed or are not used, and alerts that were closed: when they go, and which stay."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.background import jobs
from api.logins.service import rotate_login
from api.models.alert import Alert, ClosedBecause
from api.models.base import engine, new_id, session
from api.models.login import Login, PendingRegistration
from api.models.notification import Notification
from api.models.payment import Payment
from api.models.user import Channel, Contact, Role, User
from api.retention import unused_accounts
from api.retention.unused_accounts import Step, UnusedAccount
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import People, Person
from tests.factories import BOBIGNY, add_alert, add_payment, change, rows, save
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("database")

DAY = timedelta(days=1)


def age(person: Person, days: float, **columns: Any) -> None:
    """Have an account registered, and used last, so many days ago."""
    at = clock() - days * DAY
    change(Contact, Contact.user_id == person.id, created_at=at)
    values = {"last_used_at": at, "created_at": at} | columns
    change(User, User.id == person.id, **values)


def emails() -> set[str]:
    return {each.email for each in rows(User)}


def test_an_account_that_nobody_confirmed_goes_after_thirty_days(
    frozen: time_machine.Traveller, person: People
) -> None:
    for name, days in {"young": 29, "old": 31}.items():
        age(person(f"{name}@example.org", confirmed=False), days)
    age(person("confirmed@example.org", confirmed=True), 400)
    assert jobs.apply_retention()["users"] == 1
    assert emails() == {"young@example.org", "confirmed@example.org"}
    assert "users" not in jobs.apply_retention()


def test_an_account_that_is_confirmed_while_the_job_deletes_stays(
    frozen: time_machine.Traveller, person: People
) -> None:
    late = person("late@example.org", confirmed=False)
    for each in (late, person("old@example.org", confirmed=False)):
        age(each, 31)

    def confirm(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("DELETE FROM users"):
            change(Contact, Contact.user_id == late.id, verified_at=clock())

    sa.event.listen(engine(), "before_cursor_execute", confirm)
    try:
        assert jobs.apply_retention()["users"] == 1
    finally:
        sa.event.remove(engine(), "before_cursor_execute", confirm)
    assert emails() == {"late@example.org"}


def test_money_another_registration_a_chat_and_an_office_keep_an_unconfirmed_account(
    frozen: time_machine.Traveller, person: People
) -> None:
    names = ("plan", "order", "again", "chat", "admin")
    people = {name: person(f"{name}@example.org") for name in names}
    for each in people.values():
        age(each, 31)
    age(people["admin"], 31, role=Role.ADMIN)
    people["plan"].holds(PlanName.URGENCE_24H, days=1, starts=-20)
    save(Payment(user_id=people["order"].id, plan=PlanName.URGENCE_24H, amount_cents=499))
    save(PendingRegistration(id=new_id(), user_id=people["again"].id, created_at=clock() - DAY))
    chat = {"user_id": people["chat"].id, "channel": Channel.TELEGRAM, "address": "42"}
    save(Contact(**chat, verified_at=clock()))
    assert "users" not in jobs.apply_retention()
    assert len(emails()) == len(names)


@in_turn(
    "unused, warned, expected",
    [
        (669, (), None),
        (670, (), Step.FIRST_WARNING),
        (900, (), Step.FIRST_WARNING),
        (715, (45,), None),
        (716, (46,), Step.SECOND_WARNING),
        (900, (29,), None),  # the first one was late
        (900, (30,), Step.SECOND_WARNING),
        (729, (59, 13), None),
        (730, (60, 14), Step.DELETE),
        (900, (39, 9), None),
        (900, (40, 10), Step.DELETE),
    ],
)
def test_what_is_due_for_an_unused_account(
    unused: int, warned: tuple[int, ...], expected: Step | None
) -> None:
    now = datetime.fromisoformat("2026-11-20T09:00:00Z")
    account = UnusedAccount(UUID(int=1), now - unused * DAY, tuple(now - days * DAY for days in warned))
    assert account.find_step(now) is expected


def test_an_unused_account_is_warned_twice_and_then_its_time_is_over(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    age(camille, 671)
    found = []
    for _ in range(60):
        found.append(jobs.end_unused_accounts())
        if found[-1] == {"warned": 0, "deleted": 1, "failed": 0}:
            break
        frozen.shift(DAY)
        warnings = sorted(rows(Notification), key=lambda row: row.created_at)
    assert [day for day, counts in enumerate(found) if counts["warned"]] == [0, 45]
    assert len(found) == 60
    assert {row.kind for row in warnings} == {"account_unused"}
    assert len({row.params["ends"] for row in warnings}) == 1
    assert datetime.fromisoformat(warnings[0].params["ends"]) == clock()
    assert rows(User) == []
    assert [row.kind for row in rows(Notification)] == ["account_deleted"]


def test_an_account_that_is_used_while_the_job_runs_stays(
    frozen: time_machine.Traveller, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(camille, 800)
    for step in ("warned", "warned"):
        assert jobs.end_unused_accounts()[step] == 1
        frozen.shift(40 * DAY)
    found = list(unused_accounts._list_unused(clock()))
    monkeypatch.setattr(unused_accounts, "_list_unused", lambda _: iter(found))
    add_alert(camille.id)  # an alert is made after the accounts were read
    assert jobs.end_unused_accounts() == {"warned": 0, "deleted": 0, "failed": 0}
    assert len(rows(User)) == 1


def test_a_sign_in_begins_the_time_anew(frozen: time_machine.Traveller, camille: Person) -> None:
    age(camille, 671)
    assert jobs.end_unused_accounts()["warned"] == 1
    frozen.shift(DAY)
    with session() as s:
        login = s.get_one(Login, camille.login_id)
        login.token_hash = hashlib.sha256(b"stored:token").hexdigest()
        s.flush()
        rotate_login(s, login.id, "token", clock())
    assert rows(User)[0].last_used_at == clock()
    frozen.shift(100 * DAY)
    assert jobs.end_unused_accounts()["warned"] == 0


def test_a_plan_an_order_an_alert_and_an_office_are_uses(
    frozen: time_machine.Traveller, person: People
) -> None:
    names = ("plan", "order", "alert", "admin", "nothing")
    people = {name: person(f"{name}@example.org", confirmed=True) for name in names}
    alert = add_alert(people["alert"].id)
    people["plan"].holds(PlanName.URGENCE_7J, days=7, starts=-600)
    change(Alert, Alert.id == alert, updated_at=clock() - 600 * DAY)
    order = {"plan": PlanName.URGENCE_7J, "amount_cents": 1499, "created_at": clock() - 600 * DAY}
    save(Payment(user_id=people["order"].id, **order))
    for each in people.values():
        age(each, 800)
    age(people["admin"], 800, role=Role.ADMIN)
    assert jobs.end_unused_accounts()["warned"] == 1
    assert [row.user_id for row in rows(Notification)] == [people["nothing"].id]


WISH = {"deskIds": [BOBIGNY], "acceptWaiting": True}


def test_an_account_makes_so_many_alerts_a_day_and_keeps_so_many_that_are_closed(
    person: People,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> None:
    settings_env(FAIR_USE_ALERTS="3")
    camille = person()
    camille.holds(PlanName.URGENCE_TOTAL, days=9)

    def make_and_close() -> int:
        answer = camille.post("/api/alerts", WISH)
        if answer.status_code == 201:
            camille.delete(f"/api/alerts/{(answer.json or {})['id']}")
        return answer.status_code

    for _ in range(3):
        assert [make_and_close() for _ in range(4)] == [201, 201, 201, 429]
        frozen.shift(DAY)
    assert len(rows(Alert)) == 4, "those that were closed last, and the newest"


@pytest.mark.usefixtures("frozen")
def test_a_closed_alert_goes_after_a_year_unless_an_order_was_about_it(person: People) -> None:
    owner = person().id
    old, recent, ordered = (add_alert(owner) for _ in range(3))
    still_open = add_alert(owner)
    for each, ago in ((old, 366 * DAY), (recent, 364 * DAY), (ordered, 366 * DAY)):
        closed = {"closed_at": clock() - ago, "closed_because": ClosedBecause.DELETED}
        change(Alert, Alert.id == each, created_at=clock() - ago, **closed)
    payment = add_payment(owner)
    change(Payment, Payment.id == payment, alert_id=ordered)
    assert jobs.apply_retention()["alerts"] == 1
    assert {row.id for row in rows(Alert)} == {recent, ordered, still_open}
